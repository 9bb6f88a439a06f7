package main

import (
	"context"
	"maps"
	"strconv"
	"sync"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"

	"go-control-plane-peer/fixture"
)

// idiom is a way to use the library: a cache to serve from, and how one resource in it is changed.
type idiom interface {
	Cache() cache.Cache
	Change(load *endpoint.ClusterLoadAssignment) error
}

// everyNode is the key of one snapshot for all nodes, the best case of a snapshot cache.
type everyNode struct{}

func (everyNode) ID(*core.Node) string { return "every" }

// snapshotIdiom sets a new snapshot for each change. It is built by cloning the map of the type that changed, with a
// version for each type, so that clusters are not sent again; versions of unchanged endpoints are taken over.
type snapshotIdiom struct {
	mutex    sync.Mutex
	cache    cache.SnapshotCache
	version  int
	snapshot *cache.Snapshot
}

func newSnapshotIdiom(world *fixture.World) (*snapshotIdiom, error) {
	snapshot := &cache.Snapshot{}
	snapshot.Resources[types.Cluster] = cache.NewResources("1", world.Clusters)
	snapshot.Resources[types.Endpoint] = cache.NewResources("1", world.Loads)
	if err := snapshot.Consistent(); err != nil {
		return nil, err
	}
	const ordered = true
	s := &snapshotIdiom{cache: cache.NewSnapshotCache(ordered, everyNode{}, nil), version: 1, snapshot: snapshot}
	return s, s.cache.SetSnapshot(context.Background(), "every", snapshot)
}

func (s *snapshotIdiom) Cache() cache.Cache { return s.cache }

func (s *snapshotIdiom) Change(load *endpoint.ClusterLoadAssignment) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.version++
	next := &cache.Snapshot{Resources: s.snapshot.Resources}
	items := maps.Clone(s.snapshot.Resources[types.Endpoint].Items)
	items[load.GetClusterName()] = types.ResourceWithTTL{Resource: load}
	next.Resources[types.Endpoint] = cache.Resources{Version: strconv.Itoa(s.version), Items: items}
	if err := s.carryVersions(next, load); err != nil {
		return err
	}
	s.snapshot = next
	return s.cache.SetSnapshot(context.Background(), "every", next)
}

// carryVersions spares the library to marshal and hash every resource anew, which it otherwise does if there are
// Delta clients: only then the snapshot before has versions.
func (s *snapshotIdiom) carryVersions(next *cache.Snapshot, load *endpoint.ClusterLoadAssignment) error {
	if s.snapshot.VersionMap == nil {
		return nil
	}
	encoded, err := cache.MarshalResource(load)
	if err != nil {
		return err
	}
	versions := maps.Clone(s.snapshot.VersionMap[resource.EndpointType])
	versions[load.GetClusterName()] = cache.HashResource(encoded)
	next.VersionMap = maps.Clone(s.snapshot.VersionMap)
	next.VersionMap[resource.EndpointType] = versions
	return nil
}

// linearIdiom keeps a cache for each type, in which single resources are changed, behind one that picks by type.
type linearIdiom struct {
	cache     cache.Cache
	endpoints *cache.LinearCache
}

func newLinearIdiom(world *fixture.World) *linearIdiom {
	clusters := linearCache(resource.ClusterType, world.Clusters)
	endpoints := linearCache(resource.EndpointType, world.Loads)
	mux := &cache.MuxCache{
		Classify:      func(request *cache.Request) string { return request.GetTypeUrl() },
		ClassifyDelta: func(request *cache.DeltaRequest) string { return request.GetTypeUrl() },
		Caches:        map[string]cache.Cache{resource.ClusterType: clusters, resource.EndpointType: endpoints},
	}
	return &linearIdiom{mux, endpoints}
}

func linearCache(typeURL string, resources []types.Resource) *cache.LinearCache {
	byName := make(map[string]types.Resource, len(resources))
	for _, resource := range resources {
		byName[cache.GetResourceName(resource)] = resource
	}
	return cache.NewLinearCache(typeURL, cache.WithInitialResources(byName))
}

func (l *linearIdiom) Cache() cache.Cache { return l.cache }

func (l *linearIdiom) Change(load *endpoint.ClusterLoadAssignment) error {
	return l.endpoints.UpdateResource(load.GetClusterName(), load)
}
