"""Endpoints by their labels: what a cluster can be asked for, and what a sidecar wants of a service."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pilothouse._pb.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from pilothouse.mesh.audience import EndpointFacet
from pilothouse.mesh.claims import Resolved
from pilothouse.mesh.dependencies import Preference
from pilothouse.model.policy import Policy
from pilothouse.model.reasons import Reason
from pilothouse.model.routing import Backend, Match, Route, RouteKind, Rule
from pilothouse.model.services import Endpoint, Service, State
from pilothouse.translate.clusters import cluster
from pilothouse.translate.endpoints.assignments import load_assignment
from pilothouse.translate.endpoints.pools import pool
from pilothouse.translate.omissions import omissions_of
from pilothouse.translate.routes.answers import request_routes
from pilothouse.translate.routes.traffic import requests_at

from .assignments import EU_A, HTTP, LOCAL, NOT_READY, SERVING, address, endpoint, healthy, service

V1, V2, V3 = ((("version", version),) for version in ("v1", "v2", "v3"))
BY_VERSION = Policy(subset_labels=("version",))


def divided(*endpoints: Endpoint, labels: tuple[str, ...] = ("version",), **placement: Any) -> Service:
    found = service(*endpoints, **placement)
    return replace(found, spec=replace(found.spec, policy=Policy(subset_labels=labels)))


def sent(found: Service, *values: str, fallback: bool = False, node: str = "") -> ClusterLoadAssignment:
    client = EndpointFacet(EU_A, node, (), Preference("version", values, fallback) if values else None)
    behind = pool(found, HTTP)
    return ClusterLoadAssignment.FromString(load_assignment("c", behind, behind.outlook.facet(client)))


def shown(message: ClusterLoadAssignment) -> set[str]:
    return {address(e).rpartition(".")[2] for place in message.endpoints for e in place.lb_endpoints}


TWO = endpoint(1, labels=V1), endpoint(2, labels=V2), endpoint(3)


def test_endpoints_say_their_labels_and_host_names() -> None:
    message = sent(divided(endpoint(1, labels=V1, hostname="db-0"), endpoint(2)))
    said = [dict(e.metadata.filter_metadata["envoy.lb"]) for p in message.endpoints for e in p.lb_endpoints]
    assert said == [{"version": "v1", "hostname": "db-0"}, {}]


def test_a_cluster_can_be_asked_for_any_of_its_labels_together() -> None:
    subsets = cluster(divided(labels=("a", "b", "c")).spec, HTTP).lb_subset_config
    keys = {tuple(selector.keys) for selector in subsets.subset_selectors}
    assert keys == {("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("b", "c"), ("a", "b", "c")}
    kinds = {selector.fallback_policy for selector in subsets.subset_selectors}
    assert kinds == {subsets.LbSubsetSelector.NO_FALLBACK}
    assert subsets.fallback_policy == subsets.ANY_ENDPOINT
    assert subsets.scale_locality_weight
    assert not cluster(service().spec, HTTP).HasField("lb_subset_config")


@pytest.mark.parametrize(
    ("endpoints", "values", "fallback", "expected"),
    [
        (TWO, (), False, "123"),
        (TWO, ("v2", "v1"), False, "2"),
        (TWO, ("v3", "v1"), False, "1"),
        (TWO, ("v3",), False, ""),
        (TWO, ("v3",), True, "123"),
        ((endpoint(1, labels=V1), endpoint(2, labels=V2, state=NOT_READY)), ("v2", "v1"), False, "1"),
        ((endpoint(1, labels=V1), endpoint(2, labels=V2, state=NOT_READY)), ("v2",), False, "2"),
        ((endpoint(1, labels=V1), endpoint(2, labels=V2, state=NOT_READY)), ("v2",), True, "12"),
        ((endpoint(1, labels=V1), endpoint(2, labels=V2, state=SERVING)), ("v2",), False, "2"),
    ],
)
def test_a_sidecar_gets_the_first_subset_that_is_ready(
    endpoints: tuple[Endpoint, ...], values: tuple[str, ...], fallback: bool, expected: str
) -> None:
    assert shown(sent(divided(*endpoints), *values, fallback=fallback)) == set(expected)


def test_what_is_wanted_is_looked_for_on_the_clients_node_alone_if_traffic_is_local() -> None:
    endpoints = endpoint(1, labels=V1, node="n1"), endpoint(2, labels=V2, node="n2")
    found = divided(*endpoints, placement=LOCAL)
    assert shown(sent(found, "v2", "v1", node="n1")) == {"1"}
    assert shown(sent(found, "v2", node="n1")) == set()


def test_readiness_is_decided_within_the_subset() -> None:
    terminating = endpoint(1, labels=V1, state=State.TERMINATING_SERVING)
    assert healthy(sent(divided(terminating, endpoint(2, labels=V2)), "v1")) == {"10.0.0.1"}


def test_of_a_service_that_is_not_divided_nobody_is_what_is_wanted() -> None:
    assert shown(sent(service(*TWO), "v1")) == set()
    assert shown(sent(service(*TWO), "v1", fallback=True)) == {"1", "2", "3"}


@pytest.mark.parametrize("found", [divided(*TWO), service(*TWO)])
def test_endpoints_of_other_subsets_have_a_reason(found: Service) -> None:
    client = EndpointFacet(preference=Preference("version", ("v2",)))
    told = [*omissions_of(found, Resolved(found.spec, found.spec), client, "")]
    others = {"10.0.0.1:8080", "10.0.0.3:8080"} | (
        {"10.0.0.2:8080"} if not found.spec.policy.subset_labels else set()
    )
    assert {(one.reason, one.what) for one in told} == {(Reason.SUBSET, other) for other in others}


def test_a_route_asks_for_a_subset_and_fails_if_there_are_none() -> None:
    backend = Backend("shop", "p", 80)
    route = Route(RouteKind.HTTP, "shop", "canary", (Rule((Match(),), (backend,), subset=V2),))

    def first(found: Service):
        spec = replace(found.spec, routes=(route,))
        resolved = Resolved(spec, spec, backends=(spec,))
        routes = request_routes(resolved, HTTP)
        assert routes is not None
        (answer,) = requests_at(resolved, HTTP).answers
        return routes[0], [one.reason for one in answer.omissions]

    asked, told = first(divided())
    assert dict(asked.route.metadata_match.filter_metadata["envoy.lb"]) == {"version": "v2"}
    assert not told
    asked, told = first(service())
    assert asked.direct_response.status == 500
    assert told == [Reason.NO_SUCH_BACKEND]
