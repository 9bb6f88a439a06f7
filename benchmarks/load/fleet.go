package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	window        = 16 << 20 // bytes that Envoy lets a server send on a stream before it has read any
	stalledWindow = 64 << 10
)

// fleet is all Envoys, and what they have in common.
type fleet struct {
	options  options
	server   *server
	variant  variant
	changes  *changes
	names    []byte           // of all load assignments, encoded
	claims   map[string]claim // by type; nil unless the Envoys connect once more
	random   *rand.Rand
	envoys   []*envoy
	unsynced sync.WaitGroup // one for each Envoy that does not have everything yet
	failed   chan error
	stop     context.CancelFunc
}

func newFleet(o options, server *server) *fleet {
	most := o.warmup + o.rounds + int(o.rate*o.period.Seconds())
	f := &fleet{
		options: o,
		server:  server,
		variant: variants[o.variant],
		changes: newChanges(server.Services, o.clients, most),
		random:  rand.New(rand.NewSource(7)), // every server is asked for the same changes
		failed:  make(chan error, o.clients+o.stalled),
	}
	for i := range server.Services {
		f.names = appendField(f.names, namesField, []byte(clusterName(i)))
	}
	return f
}

// connect starts all Envoys at once.
func (f *fleet) connect() error {
	f.envoys = nil
	for i := range f.options.clients {
		connection, err := f.dial(window)
		if err != nil {
			return err
		}
		f.envoys = append(f.envoys, &envoy{
			id: i, fleet: f, connection: connection, seen: make([]int32, f.server.Services)})
	}
	if f.options.resume {
		f.envoys[0].holds = newHoldings()
	}
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	f.unsynced.Add(len(f.envoys))
	for _, e := range f.envoys {
		go func() {
			if err := e.run(ctx); ctx.Err() == nil {
				f.failed <- fmt.Errorf("client %d: %w", e.id, err)
			}
		}()
	}
	return nil
}

// close ends all connections; the fleet can connect again.
func (f *fleet) close() {
	if f.stop != nil {
		f.stop()
	}
	for _, e := range f.envoys {
		_ = e.connection.Close() // it may be closed already
	}
}

func (f *fleet) dial(window int32) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+f.options.address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{}), grpc.MaxCallRecvMsgSize(1<<30)),
		grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(window),
		grpc.WithIdleTimeout(0),
		grpc.WithSharedWriteBuffer(true),
	)
}

// wait until something is done, within the timeout of a step; any Envoy's failure ends it.
func (f *fleet) wait(what string, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case err := <-f.failed:
		return fmt.Errorf("%s: %w", what, err)
	case <-time.After(f.options.timeout):
		return errors.New(what + ": not within the timeout")
	}
}

// traffic is what all Envoys have received so far.
type traffic struct{ bytes, responses, resources int64 }

func (f *fleet) traffic() traffic {
	var sum traffic
	for _, e := range f.envoys {
		sum.bytes += e.bytes.Load()
		sum.responses += e.responses.Load()
		sum.resources += e.resources.Load()
	}
	return sum
}
