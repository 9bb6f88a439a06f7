package main

import (
	"context"
	"time"
)

// herd is what it took to give all clients, connecting at once, everything.
type herd struct {
	MedianMS float64 `json:"median_ms"`
	LastMS   float64 `json:"last_ms"`
	CPUs     float64 `json:"server_cpu_s"`
	MB       float64 `json:"received_mb"`
	BeforeMB float64 `json:"memory_before_mb"`
	AfterMB  float64 `json:"memory_after_mb"`
	PeakMB   float64 `json:"memory_peak_mb"`
}

func (f *fleet) herd(result *herd) error {
	result.BeforeMB = f.server.memory().current
	begun, cpu := time.Now(), f.server.cpuSeconds()
	if err := f.connect(); err != nil {
		return err
	}
	synced := make(chan struct{})
	go func() {
		f.unsynced.Wait()
		close(synced)
	}()
	if err := f.wait("the first state", synced); err != nil {
		return err
	}
	f.server.settle(20 * time.Second)
	var delays []float64
	for _, e := range f.envoys {
		delays = append(delays, milliseconds(e.loadsAtNS-begun.UnixNano()))
	}
	memory := f.server.memory()
	result.MedianMS, result.LastMS = quantile(delays, .5), quantile(delays, 1)
	result.CPUs = f.server.cpuSeconds() - cpu
	result.MB = float64(f.traffic().bytes) / 1e6
	result.AfterMB, result.PeakMB = memory.current, memory.peak
	return nil
}

// resume is what clients were sent that connected with the versions of all that they already had.
type resume struct {
	Seconds   float64 `json:"s"`
	CPUs      float64 `json:"server_cpu_s"`
	Responses int64   `json:"responses"`
	Resources int64   `json:"resources"`
	MB        float64 `json:"received_mb"`
}

// resume goes by the server's CPU to tell when it is over, since a server that does it right says nothing.
func (f *fleet) resume(result *resume) error {
	f.claims = f.envoys[0].holds.claims(f.variant)
	f.close()
	f.server.settle(20 * time.Second)
	begun, cpu := time.Now(), f.server.cpuSeconds()
	if err := f.connect(); err != nil {
		return err
	}
	for f.server.cpuSeconds() == cpu {
		time.Sleep(time.Millisecond)
	}
	f.server.settle(f.options.timeout)
	result.Seconds = time.Since(begun).Seconds()
	result.CPUs = f.server.cpuSeconds() - cpu
	got := f.traffic()
	result.Responses, result.Resources, result.MB = got.responses, got.resources, float64(got.bytes)/1e6
	select {
	case err := <-f.failed:
		return err
	default:
		return nil
	}
}

// stall is what clients cost that subscribe to everything and then do not read.
type stall struct {
	Clients int `json:"clients"`
	// Of the server, for each of them.
	ClientKB float64 `json:"client_kb"`
	// Memory of the server before they came, when they had, and after all changes were measured.
	BeforeMB  float64 `json:"memory_before_mb"`
	StalledMB float64 `json:"memory_stalled_mb"`
	AfterMB   float64 `json:"memory_after_mb"`
}

func (f *fleet) stall(result *stall) error {
	result.Clients, result.BeforeMB = f.options.stalled, f.server.memory().current
	for i := range f.options.stalled {
		connection, err := f.dial(stalledWindow)
		if err != nil {
			return err
		}
		e := &envoy{id: f.options.clients + i, fleet: f, connection: connection}
		if err := e.openAndSubscribe(); err != nil {
			return err
		}
	}
	f.server.settle(20 * time.Second)
	result.StalledMB = f.server.memory().current
	result.ClientKB = 1024 * (result.StalledMB - result.BeforeMB) / float64(f.options.stalled)
	return nil
}

// openAndSubscribe takes the clusters, asks for the endpoints and reads no more.
func (e *envoy) openAndSubscribe() error {
	if err := e.open(context.Background()); err != nil {
		return err
	}
	data := new([]byte)
	if err := e.stream.RecvMsg(data); err != nil {
		return err
	}
	return e.take(*data, time.Now().UnixNano())
}
