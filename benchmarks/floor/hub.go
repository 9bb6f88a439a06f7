package main

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"google.golang.org/grpc"

	"go-control-plane-peer/fixture"
)

// hub holds what is served, encoded, and all streams.
type hub struct {
	encoding encoding
	clusters frame
	// By service, its load assignment as a field of a response. Streams read them without a lock: a thousand of
	// them in line for one would keep a change waiting.
	loads []atomic.Pointer[[]byte]

	mutex   sync.Mutex
	whole   frame // all load assignments; empty after a change, until somebody wants it
	streams map[*stream]struct{}
}

func newHub(world *fixture.World, delta bool) (*hub, error) {
	h := &hub{
		encoding: encoding{delta},
		loads:    make([]atomic.Pointer[[]byte], len(world.Loads)),
		streams:  map[*stream]struct{}{},
	}
	var clusters [][]byte
	for service, cluster := range world.Clusters {
		piece, err := h.encoding.resource(clusterType, fixture.Name(service), cluster)
		if err != nil {
			return nil, err
		}
		clusters = append(clusters, piece)
		load, err := h.encoding.resource(loadType, fixture.Name(service), world.Loads[service])
		if err != nil {
			return nil, err
		}
		h.loads[service].Store(&load)
	}
	h.clusters = h.encoding.response(clusterType, clusters)
	return h, nil
}

// change encodes a load assignment anew, and the response that most streams will get for it.
func (h *hub) change(service int, load types.Resource) error {
	piece, err := h.encoding.resource(loadType, fixture.Name(service), load)
	if err != nil {
		return err
	}
	shared := h.encoding.response(loadType, [][]byte{piece})
	h.loads[service].Store(&piece)
	h.mutex.Lock()
	h.whole = nil
	streams := slices.Collect(maps.Keys(h.streams))
	h.mutex.Unlock() // since a stream locks itself, then the hub
	for _, stream := range streams {
		stream.notify(service, shared)
	}
	return nil
}

// all is the response with every load assignment.
func (h *hub) all() frame {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.whole == nil {
		var pieces [][]byte
		for service := range h.loads {
			pieces = append(pieces, *h.loads[service].Load())
		}
		h.whole = h.encoding.response(loadType, pieces)
	}
	return h.whole
}

// some is a response with the load assignments of these services.
func (h *hub) some(services map[int]struct{}) frame {
	var pieces [][]byte
	for service := range services {
		pieces = append(pieces, *h.loads[service].Load())
	}
	return h.encoding.response(loadType, pieces)
}

// serve one stream, until the client ends it.
func (h *hub) serve(connection grpc.ServerStream) error {
	s := &stream{hub: h, dirty: map[int]struct{}{}, wake: make(chan struct{}, 1)}
	h.mutex.Lock()
	h.streams[s] = struct{}{}
	h.mutex.Unlock()
	defer func() {
		h.mutex.Lock()
		delete(h.streams, s)
		h.mutex.Unlock()
	}()
	go s.send(connection)
	for data := new(frame); ; {
		if err := connection.RecvMsg(data); err != nil {
			return err
		}
		s.receive(*data)
	}
}
