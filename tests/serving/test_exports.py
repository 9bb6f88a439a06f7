"""To which namespaces a service is exported, and what is nowhere in the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from google.protobuf.any_pb2 import Any as Packed

from pilothouse._pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from pilothouse.encoding.types import TYPES, ResourceType
from pilothouse.mesh.audience import ANYWHERE, Address, Audience, Capture, Dialect
from pilothouse.mesh.dependencies import Dependencies
from pilothouse.mesh.visibility import Scope
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.routing import Backend, Route, RouteKind, Rule
from pilothouse.model.services import Locality, Port, Protocol, Service, ServiceName
from pilothouse.serving.changes import Change, affected
from pilothouse.serving.world import World

Make = Callable[..., Service]
PAYMENTS = "outbound|8080||payments.shop.svc.cluster.local"


def scope_of(namespace: str) -> Scope:
    return Scope(namespace=namespace)


def everything(town: Any, scope: Scope) -> tuple[set[str], bool, set[str], bool]:
    """Of a scope: its clusters, whether it has the endpoints, its listeners, whether it has the host."""
    catalogue = town.catalogue
    return (
        set(catalogue.clusters(scope).resources),
        catalogue.load_assignment(scope, ANYWHERE, PAYMENTS) is not None,
        set(catalogue.listeners(scope, Address("127.0.0.1", 1), Capture.PROXY).resources) - {"egress"},
        b"payments.shop" in catalogue.routes(scope, Capture.PROXY).resources["egress"].any,
    )


def test_what_is_not_exported_to_a_namespace_is_nowhere_there(town: Any, make_service: Make) -> None:
    ports = (Port("http", 8080), Port("tcp", 5432, Protocol.TCP))
    restricted = {"ports": ports, "vips": ("10.96.0.1",), "exported_to": frozenset({"shop", "data"})}
    town.put(make_service("shop/payments", "10.0.0.1", **restricted))
    clusters = {PAYMENTS, "outbound|5432||payments.shop.svc.cluster.local"}
    for namespace in ("shop", "data"):
        assert everything(town, scope_of(namespace)) == (clusters, True, {"10.96.0.1_5432"}, True)
    for namespace in ("", "test"):
        assert everything(town, scope_of(namespace)) == (set(), False, set(), False)


def test_who_loses_and_who_gains_sight_of_a_service_is_told(town: Any, make_service: Make) -> None:
    town.put(make_service("shop/payments", "10.0.0.1", exported_to=frozenset({"data"})))
    changes = town.put(make_service("shop/payments", "10.0.0.1", exported_to=frozenset({"test"})))
    for namespace in ("data", "test"):
        told = affected(changes, scope_of(namespace), Dialect.ENVOY)
        assert told == {
            ResourceType.CLUSTER: {PAYMENTS},
            ResourceType.ENDPOINTS: {PAYMENTS},
            ResourceType.ROUTES: {"egress"},
            ResourceType.NAMES: {"payments.shop.svc.cluster.local"},
        }
    assert affected(changes, scope_of("other"), Dialect.ENVOY) == {}
    assert everything(town, scope_of("data"))[0] == set()
    assert everything(town, scope_of("test"))[0] == {PAYMENTS}


def test_an_alias_does_not_lead_out_of_what_is_exported(town: Any, make_service: Make) -> None:
    town.put(make_service("shop/payments", "10.0.0.1", exported_to=frozenset({"shop"})))
    town.put(make_service("test/spy", ports=(), external_name="payments.shop.svc.cluster.local"))
    only_alias = Scope(Dependencies(frozenset({ServiceName("test", "spy")})), "test")
    assert town.catalogue.clusters(only_alias).resources == {}
    assert town.catalogue.load_assignment(only_alias, Locality(), PAYMENTS) is None
    assert affected(town.put(make_service("shop/payments", "10.0.0.2")), only_alias, Dialect.ENVOY)


def test_namespaces_to_which_nothing_is_exported_share_what_they_see(town: Any, make_service: Make) -> None:
    town.put(make_service("shop/payments", "10.0.0.1", exported_to=frozenset({"shop"})))
    town.put(make_service("shop/carts", "10.0.0.2"))
    assert town.catalogue.clusters(scope_of("a")) is town.catalogue.clusters(scope_of("b"))
    assert town.catalogue.clusters(scope_of("a")) is not town.catalogue.clusters(scope_of("shop"))
    town.put(make_service("shop/payments", "10.0.0.1"))
    assert town.catalogue.clusters(scope_of("a")) is town.catalogue.clusters(scope_of("shop"))


def test_an_alias_of_what_is_not_exported_to_a_client_leads_nowhere(town: Any, make_service: Make) -> None:
    ports = (Port("http", 8080), Port("https", 443, Protocol.TLS))
    alias = make_service("test/web", ports=(), external_name="payments.shop.svc.cluster.local")
    alone = Scope(Dependencies(frozenset({alias.name})), "test")
    grpc = World(town.catalogue, Audience("test", dependencies=alone.dependencies, dialect=Dialect.GRPC))

    def put(*namespaces: str) -> list[Change]:
        return town.put(make_service("shop/payments", ports=ports, exported_to=frozenset(namespaces)))

    def led(scope: Scope) -> list[bool]:
        routes = town.catalogue.routes(scope, Capture.PROXY).resources["egress"].any
        listener = town.catalogue.listeners(scope, Address("127.0.0.1", 1), Capture.PROXY).resources["egress"]
        dialled = grpc.get(ResourceType.LISTENER, "web.test:8080")
        return [b"web.test" in routes, b"web.test" in listener.any, dialled is not None]

    town.put(alias)
    put("shop")
    assert led(alone) == [False] * 3
    assert [each.what for each in town.catalogue.omissions(alias, grpc.audience)] == ["shop/payments"]
    for export, there in (("test", True), ("shop", False)):
        told = affected(put(export), alone, Dialect.ENVOY)
        assert told.keys() == {*TYPES[:4], ResourceType.NAMES}
        assert "egress" in told[ResourceType.ROUTES] & told[ResourceType.LISTENER]
        assert led(alone) == [there] * 3


BLUE, GREEN = (f"outbound|8080||{name}.shop.svc.cluster.local" for name in ("blue", "green"))


def split(*backends: str) -> Route:
    split = [name.split("/") for name in backends]
    shares = tuple(Backend(namespace, name, 8080) for namespace, name in split)
    return Route(RouteKind.HTTP, "shop", "split", (Rule(backends=shares),))


def test_a_namespace_passes_on_what_it_keeps_to_itself(town: Any, make_service: Make) -> None:
    private = frozenset({"shop"})
    town.put(make_service("shop/blue", "10.0.0.1", exported_to=private))
    town.put(make_service("data/ledger", "10.0.0.2", exported_to=frozenset({"shop"})))
    came = town.put(
        make_service("shop/green", "10.0.0.1", exported_to=private),
        make_service("shop/payments", routes=(split("shop/blue", "shop/green", "data/ledger"),)),
    )
    for scope in (scope_of("test"), Scope(Dependencies(frozenset({ServiceName("shop", "payments")})))):
        assert {BLUE, GREEN} <= affected(came, scope, Dialect.ENVOY)[ResourceType.CLUSTER]
        assert town.catalogue.clusters(scope).resources.keys() == {PAYMENTS, BLUE, GREEN}
        assert town.catalogue.load_assignment(scope, ANYWHERE, BLUE) is not None
        routes = town.catalogue.routes(scope, Capture.PROXY).resources["egress"].any
        assert b"blue.shop" not in routes.replace(BLUE.encode(), b"")
        moved = town.put(make_service("shop/blue", "10.0.0.9", exported_to=private))
        assert affected(moved, scope, Dialect.ENVOY) == {ResourceType.ENDPOINTS: {BLUE}}
        town.put(make_service("shop/blue", "10.0.0.1", exported_to=private))
    went = town.put(make_service("shop/payments"))
    assert {BLUE, GREEN} <= affected(went, scope_of("test"), Dialect.ENVOY)[ResourceType.CLUSTER]
    assert town.catalogue.clusters(scope_of("test")).resources.keys() == {PAYMENTS}
    assert town.catalogue.load_assignment(scope_of("test"), ANYWHERE, BLUE) is None


def test_an_alias_beside_a_service_passes_it_on(town: Any, make_service: Make) -> None:
    town.put(make_service("shop/payments", "10.0.0.1", exported_to=frozenset({"shop"})))
    town.put(make_service("shop/public", ports=(), external_name="payments.shop.svc.cluster.local"))
    assert town.catalogue.clusters(scope_of("test")).resources.keys() == {PAYMENTS}
    routes = town.catalogue.routes(scope_of("test"), Capture.PROXY).resources["egress"].any
    assert b"public.shop" in routes
    assert b"payments.shop:8080" not in routes


def shares(town: Any, namespace: str) -> tuple[set[str], bool]:
    """Of `shop/web`, seen from a namespace: the clusters of its routes, and whether a part of them fails."""
    routes = town.catalogue.routes(scope_of(namespace), Capture.PROXY).resources["egress"]
    message = RouteConfiguration()
    assert Packed.FromString(routes.any).Unpack(message)
    host = next(host for host in message.virtual_hosts if host.name.startswith("web.shop"))
    found = [route for route in host.routes if route.direct_response.status != 404]
    named = {share.name for route in found for share in route.route.weighted_clusters.clusters}
    named |= {route.route.cluster for route in found}
    assert named - {""} <= town.catalogue.clusters(scope_of(namespace)).resources.keys()
    return {name.split("|")[3].partition(".")[0] for name in named - {""}}, any(
        route.direct_response.status == 500 for route in found
    )


def test_a_route_leads_to_what_is_exported_to_a_client_and_fails_for_the_others(
    town: Any, make_service: Make
) -> None:
    web = make_service("shop/web", routes=(split("shop/web", "data/ledger"),))
    town.put(web, make_service("data/ledger", "10.0.0.1", exported_to=frozenset({"shop", "test"})))
    for namespace, (names, fails) in {
        "shop": ({"web", "ledger"}, False),
        "test": ({"web", "ledger"}, False),
        "other": ({"web"}, True),
        "": ({"web"}, True),
    }.items():
        assert shares(town, namespace) == (names, fails), namespace
    why = "its export-to, or a ReferenceGrant in data, has to allow it to callers of shop/web"
    told = [Omission(Reason.NOT_EXPORTED, "data/ledger:8080", why)]
    assert [*town.catalogue.omissions(web, Audience("other"))] == told
    assert [*town.catalogue.omissions(web, Audience("test"))] == []

    # To all who may call the parent is enough.
    town.put(make_service("shop/web", routes=(split("data/ledger"),), exported_to=frozenset({"test"})))
    assert shares(town, "test") == ({"ledger"}, False)
    # To nobody is to nobody, whoever leads there.
    changes = town.put(make_service("data/ledger", exported_to=frozenset()))
    assert "egress" in affected(changes, scope_of("test"), Dialect.ENVOY)[ResourceType.ROUTES]
    assert shares(town, "test") == (set(), True)


def test_the_own_routes_of_a_namespace_lead_to_what_is_exported_to_it(town: Any, make_service: Make) -> None:
    own = replace(split("test/own"), namespace="test")
    web = make_service("shop/web", "10.0.0.1", routes=(own,))
    town.put(web, make_service("test/own", exported_to=frozenset({"shop"})))
    assert shares(town, "test") == (set(), True)
    town.put(make_service("test/own", exported_to=frozenset({"test"})))
    assert shares(town, "test") == ({"own"}, False)
    assert shares(town, "shop") == ({"web"}, False)


def test_an_alias_passes_on_what_its_target_does(town: Any, make_service: Make) -> None:
    host = "payments.shop.svc.cluster.local"
    town.put(make_service("shop/blue", "10.0.0.1", exported_to=frozenset({"shop"})))
    town.put(make_service("shop/payments", routes=(split("shop/blue"),)))
    town.put(make_service("test/web", ports=(), external_name=host))
    only_alias = Scope(Dependencies(frozenset({ServiceName("test", "web")})), "test")
    assert town.catalogue.clusters(only_alias).resources.keys() == {PAYMENTS, BLUE}
    moved = town.put(make_service("shop/blue", "10.0.0.9", exported_to=frozenset({"shop"})))
    assert affected(moved, only_alias, Dialect.ENVOY) == {ResourceType.ENDPOINTS: {BLUE}}


def test_connections_to_what_is_not_exported_to_all_are_refused(town: Any, make_service: Make) -> None:
    tcp = Port("tcp", 5432, Protocol.TCP)
    route = Route(RouteKind.TCP, "shop", "r", (Rule(backends=(Backend("data", "db", 5432),)),))
    town.put(make_service("shop/web", ports=(tcp,), vips=("10.96.0.1",), routes=(route,)))

    def named() -> bool:
        listeners = town.catalogue.listeners(scope_of("test"), Address("127.0.0.1", 1), Capture.PROXY)
        return b"db.data" in listeners.resources["10.96.0.1_5432"].any

    town.put(make_service("data/db", ports=(tcp,), exported_to=frozenset({"shop"})))
    assert not named()
    town.put(make_service("data/db", ports=(tcp,)))
    assert named()
