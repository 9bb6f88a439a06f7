package main

import (
	"errors"
	"runtime"
	"sync"
	"time"
)

// rounds is what single changes took, each made when the one before had arrived everywhere: medians over the
// changes of the time from the change to the first, the middle, the 99th of 100 and the last client.
type rounds struct {
	FirstMS  float64 `json:"first_ms"`
	MedianMS float64 `json:"median_ms"`
	P99MS    float64 `json:"p99_ms"`
	LastMS   float64 `json:"last_ms"`
	// CPU of the server for one change and one client, from the change to the client's acknowledgement.
	PushUS   float64 `json:"server_cpu_push_us"`
	KB       float64 `json:"received_kb"`
	MemoryMB float64 `json:"memory_mb"`
}

func (f *fleet) rounds(result *rounds) error {
	for range f.options.warmup {
		if _, err := f.round(); err != nil {
			return err
		}
	}
	runtime.GC()
	cpu, before := f.server.cpuSeconds(), f.traffic()
	var first, median, p99, last []float64
	for range f.options.rounds {
		delays, err := f.round()
		if err != nil {
			return err
		}
		first = append(first, quantile(delays, 0))
		median = append(median, quantile(delays, .5))
		p99 = append(p99, quantile(delays, .99))
		last = append(last, quantile(delays, 1))
	}
	made := float64(f.options.rounds)
	result.FirstMS, result.MedianMS = quantile(first, .5), quantile(median, .5)
	result.P99MS, result.LastMS = quantile(p99, .5), quantile(last, .5)
	result.PushUS = (f.server.cpuSeconds() - cpu) / made / float64(len(f.envoys)) * 1e6
	result.KB = float64(f.traffic().bytes-before.bytes) / made / 1e3
	result.MemoryMB = f.server.memory().current
	return nil
}

// round makes one change and gives the ms that it took to each client.
func (f *fleet) round() ([]float64, error) {
	service := f.random.Intn(f.server.Services)
	sequence := f.changes.begin(service)
	at, err := f.server.change(service, sequence)
	if err != nil {
		return nil, err
	}
	if err := f.wait("a change", f.changes.get(sequence).done); err != nil {
		return nil, err
	}
	f.server.settle(20 * time.Second)
	return f.changes.delays(sequence, at), nil
}

// churn is what a steady rate of changes took, over all changes and clients. A delay counts from when the change was
// due, so that a server that is slow to take it does not look better for it.
type churn struct {
	Made     int     `json:"changes"` // fewer than were asked for if the server took twice the time
	MedianMS float64 `json:"median_ms"`
	P99MS    float64 `json:"p99_ms"`
	MaxMS    float64 `json:"max_ms"`
	// Of the first and the second half of the changes: whether the server falls behind.
	P99FirstMS  float64 `json:"p99_first_half_ms"`
	P99SecondMS float64 `json:"p99_second_half_ms"`
	// From when the control port was asked: the same, unless whoever makes the changes falls behind.
	AskedMedianMS float64 `json:"asked_median_ms"`
	AskedP99MS    float64 `json:"asked_p99_ms"`
	CPU           float64 `json:"server_cpu_pct"` // of one core
	MB            float64 `json:"received_mb"`
	MemoryMB      float64 `json:"memory_mb"`
}

// due is a change, and the Unix times in ns at which it was to be made and at which the server began to.
type due struct {
	sequence int
	atNS     int64
	askedNS  int64
}

func (f *fleet) churn(result *churn) error {
	runtime.GC()
	begun, cpu, before := time.Now(), f.server.cpuSeconds(), f.traffic()
	made, err := f.offer(begun)
	if err != nil {
		return err
	}
	result.CPU = 100 * (f.server.cpuSeconds() - cpu) / time.Since(begun).Seconds()
	for _, change := range made {
		if err := f.wait("the last change", f.changes.get(change.sequence).done); err != nil {
			return err
		}
	}
	half := len(made) / 2
	first, second := f.delaysOf(made[:half], (*due).at), f.delaysOf(made[half:], (*due).at)
	asked := f.delaysOf(made, (*due).asked)
	result.AskedMedianMS, result.AskedP99MS = quantile(asked, .5), quantile(asked, .99)
	all := append(append([]float64(nil), first...), second...)
	result.Made, result.MedianMS = len(made), quantile(all, .5)
	result.P99MS, result.MaxMS = quantile(all, .99), quantile(all, 1)
	result.P99FirstMS, result.P99SecondMS = quantile(first, .99), quantile(second, .99)
	result.MB = float64(f.traffic().bytes-before.bytes) / 1e6
	result.MemoryMB = f.server.memory().current
	return nil
}

func (d *due) at() int64    { return d.atNS }
func (d *due) asked() int64 { return d.askedNS }

func (f *fleet) delaysOf(made []*due, since func(*due) int64) []float64 {
	var delays []float64
	for _, change := range made {
		delays = append(delays, f.changes.delays(change.sequence, since(change))...)
	}
	return delays
}

// offer makes changes at the rate that was asked for, up to 8 at the same time, and stops after twice the period.
func (f *fleet) offer(begun time.Time) ([]*due, error) {
	const abreast = 8
	var made []*due
	var pending sync.WaitGroup
	failed := make(chan error, abreast)
	busy := newBusy(abreast)
	interval := time.Duration(float64(time.Second) / f.options.rate)
	for at := time.Duration(0); at < f.options.period && time.Since(begun) < 2*f.options.period; at += interval {
		time.Sleep(time.Until(begun.Add(at)))
		service := busy.enter(func() int { return f.random.Intn(f.server.Services) })
		sequence := f.changes.begin(service)
		one := &due{sequence: sequence, atNS: begun.Add(at).UnixNano()}
		made = append(made, one)
		pending.Go(func() {
			defer busy.leave(service)
			var err error
			if one.askedNS, err = f.server.change(service, sequence); err != nil {
				select {
				case failed <- err:
				default: // one is enough
				}
			}
		})
	}
	pending.Wait()
	select {
	case err := <-failed:
		return nil, errors.Join(errors.New("a change was refused"), err)
	default:
		return made, nil
	}
}

// busy keeps two changes of one service from being made at once, which a server might do in either order.
type busy struct {
	slots    chan struct{}
	mutex    sync.Mutex
	services map[int]bool
}

func newBusy(abreast int) *busy {
	return &busy{slots: make(chan struct{}, abreast), services: map[int]bool{}}
}

// enter waits for a slot, and picks a service that is not being changed.
func (b *busy) enter(pick func() int) int {
	for {
		b.slots <- struct{}{}
		b.mutex.Lock()
		for range 100 {
			if service := pick(); !b.services[service] {
				b.services[service] = true
				b.mutex.Unlock()
				return service
			}
		}
		b.mutex.Unlock() // there are fewer services than slots
		<-b.slots
		time.Sleep(time.Millisecond)
	}
}

func (b *busy) leave(service int) {
	b.mutex.Lock()
	delete(b.services, service)
	b.mutex.Unlock()
	<-b.slots
}
