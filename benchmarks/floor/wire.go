package main

import (
	"bytes"

	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

const (
	clusterType = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
	loadType    = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
	// As long as those of the other servers; nobody looks at them here.
	version = "0123456789abcdef"
)

// frame is an encoded message.
type frame []byte

// encoding is how one variant of the protocol says things.
type encoding struct{ delta bool }

// resource is the field of a response that holds one resource.
func (e encoding) resource(typeURL, name string, message types.Resource) ([]byte, error) {
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	if err != nil {
		return nil, err
	}
	wrapped := field(field(nil, 1, []byte(typeURL)), 2, encoded)
	if e.delta {
		wrapped = field(field(field(nil, 1, []byte(version)), 2, wrapped), 3, []byte(name))
	}
	return field(nil, 2, wrapped), nil
}

func (e encoding) response(typeURL string, resources [][]byte) frame {
	var b []byte
	if !e.delta {
		b = field(b, 1, []byte(version))
	}
	b = append(b, bytes.Join(resources, nil)...)
	return field(field(b, 4, []byte(typeURL)), 5, []byte("1"))
}

// parse tells the type of a request, and whether it has a nonce.
func (e encoding) parse(b frame) (typeURL string, nonce bool) {
	typeField, nonceField := protowire.Number(4), protowire.Number(5)
	if e.delta {
		typeField, nonceField = 2, 6
	}
	for len(b) > 0 {
		number, kind, size := protowire.ConsumeTag(b)
		length := protowire.ConsumeFieldValue(number, kind, b[max(size, 0):])
		if size < 0 || length < 0 {
			return "", false
		}
		if number == typeField {
			value, _ := protowire.ConsumeBytes(b[size:])
			typeURL = string(value)
		}
		nonce = nonce || number == nonceField
		b = b[size+length:]
	}
	return typeURL, nonce
}

func field(b []byte, number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), value)
}

// rawCodec hands encoded messages to and from gRPC as they are.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(message any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*message.(*frame))}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, message any) error {
	*message.(*frame) = data.Materialize()
	return nil
}
