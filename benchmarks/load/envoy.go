package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
)

// envoy is one client: it subscribes to all clusters and, once it has them, to the endpoints of each, and accepts
// whatever it is sent, as Envoy does on an aggregated stream.
type envoy struct {
	id         int
	fleet      *fleet
	connection *grpc.ClientConn
	stream     grpc.ClientStream
	subscribed bool // to endpoints
	loads      int  // load assignments received
	loadsAtNS  int64
	seen       []int32 // by service: the last change
	holds      *holdings

	bytes, responses, resources atomic.Int64
}

// run ends when the context does, or with an error.
func (e *envoy) run(ctx context.Context) error {
	if err := e.open(ctx); err != nil {
		return err
	}
	for data := new([]byte); ; {
		if err := e.stream.RecvMsg(data); err != nil {
			return err
		}
		if err := e.take(*data, time.Now().UnixNano()); err != nil {
			return err
		}
	}
}

// open sends the first requests. With versions from an earlier stream that is all of them at once, as Envoy does.
func (e *envoy) open(ctx context.Context) error {
	description := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	stream, err := e.connection.NewStream(ctx, description, e.fleet.variant.method, grpc.WaitForReady(true))
	if err != nil {
		return err
	}
	e.stream = stream
	claim := e.fleet.claims[clusterType]
	first := request{node: e.node(), typeURL: clusterType, version: claim.version, held: claim.held}
	if err := e.send(first); err != nil || e.fleet.claims == nil {
		return err
	}
	return e.subscribe()
}

func (e *envoy) subscribe() error {
	e.subscribed = true
	claim := e.fleet.claims[loadType]
	return e.send(request{typeURL: loadType, names: e.fleet.names, version: claim.version, held: claim.held})
}

func (e *envoy) send(r request) error {
	data := e.fleet.variant.encode(r)
	return e.stream.SendMsg(&data)
}

func (e *envoy) take(data []byte, now int64) error {
	response, err := parse(data, e.holds.note)
	if err != nil {
		return err
	}
	e.holds.accept(response)
	e.bytes.Add(int64(len(data)))
	e.responses.Add(1)
	e.resources.Add(int64(response.resources))
	ack := request{typeURL: response.typeURL, version: response.version, nonce: response.nonce}
	switch response.typeURL {
	case clusterType:
		more := response.resources - e.fleet.server.Services
		if !e.subscribed && (more < 0 || more > e.fleet.options.others) {
			return fmt.Errorf("%d clusters, not %d", response.resources, e.fleet.server.Services)
		}
	case loadType:
		e.takeLoads(data, response.resources, now)
		if e.fleet.variant.restates {
			ack.names = e.fleet.names
		}
	default:
		return fmt.Errorf("a response of type %s, which nobody asked for", response.typeURL)
	}
	if err := e.send(ack); err != nil || e.subscribed {
		return err
	}
	return e.subscribe()
}

func (e *envoy) takeLoads(data []byte, loads int, now int64) {
	e.loads += loads
	if e.loadsAtNS == 0 && e.loads >= e.fleet.server.Services {
		e.loadsAtNS = now
		e.fleet.unsynced.Done()
	}
	scan(data, func(sequence int) { e.fleet.changes.arrived(sequence, e.id, e.seen, now) })
}

func (e *envoy) node() []byte {
	id := fmt.Sprintf("sidecar~10.1.%d.%d~node-%05d.default~default.svc.cluster.local", e.id>>8&255, e.id&255, e.id)
	node := appendField(nil, 1, []byte(id))
	node = appendField(node, 2, []byte("bench"))
	return appendField(node, 6, []byte("envoy"))
}

// claim is what a client that connects again says it has of one type: a version, or encoded versions by name.
type claim struct{ version, held []byte }

// holdings records what a client has. One client does it for all, since they all end with the same; the others have
// none of it, a nil pointer.
type holdings struct {
	current  []resource // of the response at hand
	versions map[string][]byte
	byName   map[string]map[string]string
}

type resource struct{ name, version string }

func newHoldings() *holdings {
	return &holdings{versions: map[string][]byte{}, byName: map[string]map[string]string{}}
}

// note takes in an encoded resource; in Delta that is a Resource with name and version.
func (h *holdings) note(encoded []byte) {
	if h == nil {
		return
	}
	var r resource
	_ = fields(encoded, func(number protowire.Number, value []byte) { // it was parsed before
		switch number {
		case 1:
			r.version = string(value)
		case 3:
			r.name = string(value)
		}
	})
	h.current = append(h.current, r)
}

func (h *holdings) accept(r response) {
	if h == nil {
		return
	}
	h.versions[r.typeURL] = append([]byte(nil), r.version...)
	held := h.byName[r.typeURL]
	if held == nil {
		held = map[string]string{}
		h.byName[r.typeURL] = held
	}
	for _, resource := range h.current {
		held[resource.name] = resource.version
	}
	h.current = h.current[:0]
}

func (h *holdings) claims(v variant) map[string]claim {
	claims := map[string]claim{}
	for typeURL, versions := range h.byName {
		if v.restates {
			claims[typeURL] = claim{version: h.versions[typeURL]}
			continue
		}
		var held []byte
		for name, version := range versions {
			held = appendHeld(held, name, version)
		}
		claims[typeURL] = claim{held: held}
	}
	return claims
}
