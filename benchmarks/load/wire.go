package main

import (
	"bytes"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

const (
	clusterType = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
	loadType    = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
	service     = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
)

// variant is what the two variants of the protocol do differently.
type variant struct {
	method string
	encode func(request) []byte
	// restates: every request repeats the names of the subscription.
	restates bool
}

var variants = map[string]variant{
	"sotw":  {service + "StreamAggregatedResources", encodeSotw, true},
	"delta": {service + "DeltaAggregatedResources", encodeDelta, false},
}

// request is a DiscoveryRequest or a DeltaDiscoveryRequest. Names and held versions are encoded already, since they
// are long and the same for every client.
type request struct {
	node, names, held []byte
	version, nonce    []byte
	typeURL           string
}

// The field number of resource_names and of resource_names_subscribe.
const namesField = 3

func encodeSotw(r request) []byte {
	b := make([]byte, 0, 160+len(r.names))
	b = appendField(b, 1, r.version)
	b = appendField(b, 2, r.node)
	b = append(b, r.names...)
	b = appendField(b, 4, []byte(r.typeURL))
	return appendField(b, 5, r.nonce)
}

func encodeDelta(r request) []byte {
	b := make([]byte, 0, 160+len(r.names)+len(r.held))
	b = appendField(b, 1, r.node)
	b = appendField(b, 2, []byte(r.typeURL))
	b = append(b, r.names...)
	b = append(b, r.held...)
	return appendField(b, 6, r.nonce)
}

// appendHeld appends an entry of initial_resource_versions.
func appendHeld(b []byte, name, version string) []byte {
	return appendField(b, 5, appendField(appendField(nil, 1, []byte(name)), 2, []byte(version)))
}

func appendField(b []byte, number protowire.Number, value []byte) []byte {
	if len(value) == 0 {
		return b
	}
	return protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), value)
}

// response is what matters here of a DiscoveryResponse or DeltaDiscoveryResponse; they have these fields in common.
// It refers to the bytes that it was parsed from.
type response struct {
	version, nonce []byte
	typeURL        string
	resources      int
}

// parse calls see, unless it is nil, with each encoded resource.
func parse(b []byte, see func([]byte)) (response, error) {
	var r response
	err := fields(b, func(number protowire.Number, value []byte) {
		switch number {
		case 1:
			r.version = value
		case 2:
			r.resources++
			if see != nil {
				see(value)
			}
		case 4:
			r.typeURL = string(value)
		case 5:
			r.nonce = value
		}
	})
	return r, err
}

// fields calls see with each string, bytes or message field of an encoded message.
func fields(b []byte, see func(protowire.Number, []byte)) error {
	for len(b) > 0 {
		number, kind, size := protowire.ConsumeTag(b)
		if size < 0 {
			return protowire.ParseError(size)
		}
		b = b[size:]
		if size = protowire.ConsumeFieldValue(number, kind, b); size < 0 {
			return protowire.ParseError(size)
		}
		if kind == protowire.BytesType {
			value, _ := protowire.ConsumeBytes(b)
			see(number, value)
		}
		b = b[size:]
	}
	return nil
}

// mark is how the address of a changed endpoint begins, with the tag and the length that SocketAddress.address has.
// The whole address is 11.1ab.1cd.1ef for change number abcdef, so that it has one length and is a canonical one.
var mark = []byte("\x12\x0e11.1")

// scan calls see with the number of each change that an encoded response holds.
func scan(b []byte, see func(sequence int)) {
	for {
		start := bytes.Index(b, mark)
		if start < 0 || len(b) < start+16 {
			return
		}
		digits := b[start+6 : start+16] // "ab.1cd.1ef"
		number := 0
		for _, place := range []int{0, 1, 4, 5, 8, 9} {
			number = number*10 + int(digits[place]-'0')
		}
		see(number)
		b = b[start+16:]
	}
}

// rawCodec hands encoded messages to and from gRPC as they are: what is measured is the server, and a client that
// decoded everything would be the slower half.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(message any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*message.(*[]byte))}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, message any) error {
	into := message.(*[]byte)
	if size := data.Len(); cap(*into) < size {
		*into = make([]byte, size)
	} else {
		*into = (*into)[:size]
	}
	data.CopyTo(*into)
	return nil
}
