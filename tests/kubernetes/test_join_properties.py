"""However a cluster came to be as it is: it says the same, and it named every service that changed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.kubernetes.join import Cluster
from pilothouse.kubernetes.objects.types import (
    Endpoints,
    EndpointSlice,
    Entry,
    Grant,
    GrantedFrom,
    Key,
    Namespace,
    Node,
    Parent,
    Pod,
    RouteObject,
    Service,
)
from pilothouse.model.routing import Backend, RouteKind, Rule
from pilothouse.model.services import Locality, Protocol, ServiceName
from pilothouse.structures.turns import at_once

NAMES = st.sampled_from(["a", "b", "c"])
WEIGHTS = st.sampled_from([None, 0, 5])
ENTRIES = st.builds(
    Entry,
    st.sampled_from(["10.0.0.1", "10.0.0.2", "127.0.0.1"]),
    node=st.sampled_from(["", "a", "b"]),
    zone=st.sampled_from(["", "z"]),
    pod=st.just("") | NAMES.map(lambda name: f"shop/{name}"),
)
SLICES = st.builds(
    EndpointSlice,
    st.just("shop"),
    NAMES,
    owner=NAMES,
    entries=st.lists(ENTRIES, max_size=3).map(tuple),
    weight=WEIGHTS,
    mirrored=st.booleans(),
)
OBJECTS = st.one_of(
    st.builds(
        Service,
        st.just("shop"),
        NAMES,
        vips=st.lists(st.sampled_from(["10.96.0.1", "0.0.0.0"]), max_size=2, unique=True).map(tuple),
        weight=WEIGHTS,
        selects=st.booleans(),
    ),
    SLICES,
    st.builds(Endpoints, st.just("shop"), NAMES, st.lists(SLICES, max_size=2).map(tuple)),
    st.builds(Node, NAMES, st.builds(Locality, st.sampled_from(["", "r"]))),
    st.builds(Pod, st.just("shop"), NAMES, WEIGHTS),
)
KEYS = st.builds(
    lambda kind, name: Key(kind, "" if kind == "Node" else "shop", name),
    st.sampled_from(["Service", "EndpointSlice", "Endpoints", "Node", "Pod"]),
    NAMES,
)
CHANGES = st.lists(st.tuples(st.lists(OBJECTS, max_size=3), st.lists(KEYS, max_size=2)), max_size=8)


def services(cluster):
    names = [ServiceName("shop", name) for name in "abc"]
    return {name: cluster.service(name) for name in names}


@given(CHANGES)
def test_a_cluster_says_what_a_new_one_would_say(changes):
    cluster, objects = Cluster(), {}
    for put, gone in changes:
        before = services(cluster)
        touched = cluster.apply(put, gone)
        objects = {key: one for key, one in objects.items() if key not in gone}
        objects.update((one.key, one) for one in put)
        fresh = Cluster()
        fresh.apply(objects.values())
        after = services(cluster)
        assert after == services(fresh)
        assert set(cluster.names) == {name for name, service in after.items() if service}
        assert {name for name in after if after[name] != before[name]} <= touched
        assert all(before[name] or after[name] for name in touched)


MORE = st.one_of(
    OBJECTS,
    st.builds(Namespace, st.just("shop"), st.sampled_from([Protocol.HTTP, Protocol.TCP])),
    st.builds(
        RouteObject,
        st.just(RouteKind.HTTP),
        st.just("shop"),
        NAMES,
        NAMES.map(lambda name: (Parent("shop", name),)),
        st.just((Rule(backends=(Backend("data", "d", 80),)),)),
    ),
    st.builds(Grant, st.just("data"), NAMES, st.just((GrantedFrom("HTTPRoute", "shop"),)), st.just(("",))),
)
MORE_KEYS = st.one_of(
    KEYS,
    st.just(Key("Namespace", "", "shop")),
    NAMES.map(lambda name: Key("HTTPRoute", "shop", name)),
    NAMES.map(lambda name: Key("ReferenceGrant", "data", name)),
)


@given(st.lists(MORE, max_size=12), st.lists(MORE, max_size=4), st.lists(MORE_KEYS, max_size=2))
def test_what_is_supposed_is_what_comes_of_it_and_nothing_changes_before(there, put, gone):
    cluster = Cluster()
    cluster.apply(there)
    before = services(cluster)
    supposed = at_once(cluster.supposing(put, gone))
    assert services(cluster) == before
    cluster.apply(put, gone)
    assert services(cluster) == {**before, **supposed}
