package main

import (
	"maps"
	"slices"
	"sync"

	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"google.golang.org/grpc"

	"go-control-plane-peer/fixture"
)

// hub holds what is served, encoded, and all streams.
type hub struct {
	mutex    sync.Mutex
	encoding encoding
	clusters frame
	loads    [][]byte // by service: its load assignment as a field of a response
	whole    frame    // all of them; empty after a change, until somebody wants it
	streams  map[*stream]struct{}
}

func newHub(world *fixture.World, delta bool) (*hub, error) {
	h := &hub{encoding: encoding{delta}, streams: map[*stream]struct{}{}}
	var clusters [][]byte
	for service, cluster := range world.Clusters {
		piece, err := h.encoding.resource(clusterType, fixture.Name(service), cluster)
		if err != nil {
			return nil, err
		}
		clusters = append(clusters, piece)
		if piece, err = h.encoding.resource(loadType, fixture.Name(service), world.Loads[service]); err != nil {
			return nil, err
		}
		h.loads = append(h.loads, piece)
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
	h.mutex.Lock()
	h.loads[service], h.whole = piece, nil
	streams := slices.Collect(maps.Keys(h.streams))
	h.mutex.Unlock() // streams lock themselves, then the hub
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
		h.whole = h.encoding.response(loadType, h.loads)
	}
	return h.whole
}

// some is a response with the load assignments of these services.
func (h *hub) some(services map[int]struct{}) frame {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	var pieces [][]byte
	for service := range services {
		pieces = append(pieces, h.loads[service])
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
