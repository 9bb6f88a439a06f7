"""Where routes may lead clients: to what they could call themselves, and to what is granted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as Packed

from pilothouse._pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.audience import ANYWHERE, Audience, Capture, Dialect
from pilothouse.mesh.dependencies import Dependencies
from pilothouse.mesh.visibility import Scope
from pilothouse.model.reasons import Reason
from pilothouse.model.routing import Backend, Filters, Mirror, Route, RouteKind, Rule
from pilothouse.model.services import Service, ServiceName
from pilothouse.serving.changes import affected

Make = Callable[..., Service]
PRIVATE = frozenset({"stock"})
LEDGER = "outbound|8080||ledger.stock.svc.cluster.local"


def lead(namespace: str, *backends: str, granted: bool = False, mirrors: tuple[str, ...] = ()) -> Route:
    """A route in a namespace to services such as `stock/ledger`."""

    def to(name: str) -> Backend:
        namespace, plain = name.split("/")
        return Backend(namespace, plain, 8080, granted=granted)

    copies = Filters(mirrors=tuple(Mirror(to(name)) for name in mirrors))
    rule = Rule(backends=tuple(map(to, backends)), filters=copies)
    return Route(RouteKind.HTTP, namespace, "r", (rule,))


def seen(town: Any, namespace: str, host: str = "prices.stock") -> tuple[set[str], bool]:
    """From a namespace: where the routes of a host lead, mirrors included, and whether a part fails."""
    scope = Scope(namespace=namespace)
    message = RouteConfiguration()
    routes = town.catalogue.routes(scope, Capture.PROXY).resources["egress"]
    assert Packed.FromString(routes.any).Unpack(message)
    found = next(one for one in message.virtual_hosts if one.name.startswith(host)).routes
    named = {share.name for route in found for share in route.route.weighted_clusters.clusters}
    named |= {copy.cluster for route in found for copy in route.route.request_mirror_policies}
    named |= {route.route.cluster for route in found}
    assert named - {""} <= town.catalogue.clusters(scope).resources.keys()
    fails = any(route.direct_response.status == 500 for route in found)
    return {name.split("|")[3].partition(".")[0] for name in named - {""}}, fails


def reaches(town: Any, namespace: str) -> bool:
    """Whether a client there is told of the ledger, in any way."""
    scope = Scope(namespace=namespace)
    there = LEDGER in town.catalogue.clusters(scope).resources
    assert there == (town.catalogue.load_assignment(scope, ANYWHERE, LEDGER) is not None)
    assert there == (town.catalogue.cluster(scope, LEDGER) is not None)
    return there


@pytest.mark.parametrize("namespace", ["stock", "tills"])
def test_a_route_needs_no_grant_for_what_its_clients_can_call(
    town: Any, make_service: Make, namespace: str
) -> None:
    route = lead(namespace, "stock/prices", "data/audit", mirrors=("data/audit",))
    town.put(
        make_service("stock/prices", "10.0.0.1", routes=(route,)), make_service("data/audit", "10.0.0.2")
    )
    assert seen(town, "tills") == ({"prices", "audit"}, False)


def test_nobody_reaches_by_a_route_of_his_own_what_is_not_exported_to_him(
    town: Any, make_service: Make
) -> None:
    ledger = make_service("stock/ledger", "10.0.0.1", exported_to=PRIVATE)
    route = lead("tills", "stock/prices", "stock/ledger", mirrors=("stock/ledger",))
    prices = make_service("stock/prices", "10.0.0.2", routes=(route,))
    town.put(ledger, prices)
    for namespace in ("tills", "other", ""):
        assert not reaches(town, namespace), namespace
    assert seen(town, "tills") == ({"prices"}, True)
    told = {(each.reason, each.what) for each in town.catalogue.omissions(prices, Audience("tills"))}
    assert (Reason.NOT_EXPORTED, "stock/ledger:8080") in told


def test_a_grant_passes_on_to_the_clients_of_the_route_and_to_no_others(
    town: Any, make_service: Make
) -> None:
    ledger = make_service("stock/ledger", "10.0.0.1", exported_to=PRIVATE)
    granted = lead("tills", "stock/ledger", granted=True)
    town.put(ledger, make_service("stock/prices", "10.0.0.2", routes=(granted,)))
    assert seen(town, "tills") == ({"ledger"}, False)
    assert seen(town, "other") == ({"prices"}, False)
    assert (reaches(town, "tills"), reaches(town, "other"), reaches(town, "")) == (True, False, False)


def test_a_grant_to_a_service_s_own_route_passes_on_to_all_who_may_call_it(
    town: Any, make_service: Make
) -> None:
    web = make_service("shop/web", "10.0.0.2", routes=(lead("shop", "stock/ledger", granted=True),))
    town.put(make_service("stock/ledger", "10.0.0.1", exported_to=PRIVATE), web)
    assert seen(town, "tills", "web.shop") == ({"ledger"}, False)
    assert reaches(town, "tills")
    town.put(make_service("shop/web", "10.0.0.2", exported_to=frozenset({"data"}), routes=web.spec.routes))
    assert not reaches(town, "tills")


def test_a_service_that_is_called_by_an_alias_may_be_the_backend_of_any_route(
    town: Any, make_service: Make
) -> None:
    prices = make_service(
        "stock/prices", "10.0.0.1", exported_to=PRIVATE, routes=(lead("tills", "stock/prices"),)
    )
    alias = make_service("stock/public", ports=(), external_name="prices.stock.svc.cluster.local")
    town.put(prices, alias)
    assert seen(town, "tills", "public.stock") == ({"prices"}, False)


def test_who_a_grant_comes_or_goes_for_is_told(town: Any, make_service: Make) -> None:
    def prices(granted: bool) -> Service:
        return make_service("stock/prices", routes=(lead("tills", "stock/ledger", granted=granted),))

    town.put(make_service("stock/ledger", "10.0.0.1", exported_to=PRIVATE), prices(granted=False))
    depends = Dependencies(frozenset({ServiceName("stock", "prices")}))
    for granted in (True, False):
        changes = town.put(prices(granted))
        for scope in (Scope(namespace="tills"), Scope(depends, "tills")):
            told = affected(changes, scope, Dialect.ENVOY)
            assert LEDGER in told[ResourceType.CLUSTER] & told[ResourceType.ENDPOINTS]
            assert "egress" in told[ResourceType.ROUTES]
            assert (LEDGER in town.catalogue.clusters(scope).resources) == granted
    moved = town.put(prices(granted=True), make_service("stock/ledger", "10.0.0.9", exported_to=PRIVATE))
    assert LEDGER in affected(moved, Scope(namespace="tills"), Dialect.ENVOY)[ResourceType.ENDPOINTS]
