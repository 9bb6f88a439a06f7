// The peer of the benchmark: an ADS server on go-control-plane, in the fastest way to use it for either variant of
// the protocol. It is measured by ../../load, which moves it by way of a control port (see fixture/control.go).
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"

	"go-control-plane-peer/fixture"
)

func main() {
	services := flag.Int("services", 100, "how many services there are")
	endpoints := flag.Int("endpoints", 10, "how many endpoints each has")
	cache := flag.String("cache", "snapshot", "snapshot or linear")
	flag.Parse()
	begun := time.Now()
	world := fixture.NewWorld(*services, *endpoints)
	idiom, err := newIdiom(*cache, world)
	if err != nil {
		log.Fatal(err)
	}
	change := func(service, sequence int) error { return idiom.Change(world.Changed(service, sequence)) }
	log.Fatal(fixture.Serve(newServer(idiom), fixture.NewControl(world, change, time.Since(begun))))
}

func newIdiom(cache string, world *fixture.World) (idiom, error) {
	switch cache {
	case "snapshot":
		return newSnapshotIdiom(world)
	case "linear":
		return newLinearIdiom(world), nil
	}
	return nil, errors.New("-cache: is neither snapshot nor linear")
}

func newServer(idiom idiom) *grpc.Server {
	discoveryServer := grpc.NewServer(fixture.ServerOptions()...)
	handler := server.NewServer(context.Background(), idiom.Cache(), nil)
	discovery.RegisterAggregatedDiscoveryServiceServer(discoveryServer, handler)
	return discoveryServer
}
