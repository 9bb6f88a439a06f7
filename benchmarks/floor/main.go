// The floor of the benchmark: the least that an ADS server on grpc-go does to put the same bytes on the same streams.
// Every resource is encoded once, a change is one frame for all streams, and there is one unanswered response a
// stream, in which what changes meanwhile is merged. It has no registry, no audiences, no order of types; it believes
// every acknowledgement and serves only the load client.
package main

import (
	"flag"
	"log"
	"time"

	"google.golang.org/grpc"

	"go-control-plane-peer/fixture"
)

func main() {
	services := flag.Int("services", 100, "how many services there are")
	endpoints := flag.Int("endpoints", 10, "how many endpoints each has")
	variant := flag.String("variant", "delta", "sotw or delta")
	flag.Parse()
	begun := time.Now()
	world := fixture.NewWorld(*services, *endpoints)
	hub, err := newHub(world, *variant == "delta")
	if err != nil {
		log.Fatal(err)
	}
	change := func(service, sequence int) error { return hub.change(service, world.Changed(service, sequence)) }
	log.Fatal(fixture.Serve(newServer(hub), fixture.NewControl(world, change, time.Since(begun))))
}

// newServer takes any method for that of its variant.
func newServer(hub *hub) *grpc.Server {
	serve := func(_ any, stream grpc.ServerStream) error { return hub.serve(stream) }
	return grpc.NewServer(append(fixture.ServerOptions(), grpc.ForceServerCodecV2(rawCodec{}), grpc.UnknownServiceHandler(serve))...)
}
