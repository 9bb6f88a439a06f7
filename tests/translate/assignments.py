"""Load assignments as clients get them, for tests of who gets what."""

from __future__ import annotations

from typing import Any

from pilothouse._pb.envoy.config.core.v3.health_check_pb2 import HealthStatus
from pilothouse._pb.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from pilothouse.encoding.rules import check
from pilothouse.mesh.audience import EndpointFacet
from pilothouse.mesh.claims import Resolved
from pilothouse.model.reasons import Reason
from pilothouse.model.services import (
    NEAREST,
    Endpoint,
    Locality,
    Placement,
    Port,
    Prefer,
    Service,
    ServiceName,
    ServiceSpec,
    State,
    ordered,
)
from pilothouse.translate.endpoints.assignments import load_assignment
from pilothouse.translate.endpoints.pools import pool
from pilothouse.translate.omissions import omissions_of

HTTP = Port("http", 80)
LOCAL, SAME_ZONE, SAME_NODE = (
    Placement(local=True),
    Placement(prefer=Prefer.SAME_ZONE),
    Placement(prefer=Prefer.SAME_NODE),
)
EU_A, EU_B, US_A, AP_A = Locality("eu", "a"), Locality("eu", "b"), Locality("us", "a"), Locality("ap", "a")
READY, NOT_READY = State.READY, State.NOT_READY
SERVING, TERMINATING = State.TERMINATING_SERVING, State.TERMINATING


def endpoint(last: int, at: Locality = EU_A, node: str = "", state: State = READY, **more: Any) -> Endpoint:
    fields = {"address": f"10.0.0.{last}", "ports": (("http", 8080),)} | more
    return Endpoint(state=state, locality=at, node=node, **fields)


def service(*endpoints: Endpoint, placement: Placement = NEAREST) -> Service:
    spec = ServiceSpec(ServiceName("shop", "p"), (HTTP,), placement=placement)
    return Service(spec, ordered(endpoints))


def sent(
    client: EndpointFacet, *endpoints: Endpoint, placement: Placement = NEAREST
) -> ClusterLoadAssignment:
    found = pool(service(*endpoints, placement=placement), HTTP)
    message = ClusterLoadAssignment.FromString(load_assignment("cluster", found, found.outlook.facet(client)))
    check(message)
    places = [(place.priority, str(place.locality)) for place in message.endpoints]
    assert len(set(places)) == len(places), "each locality and priority once"
    assert {priority for priority, _ in places} == set(range(len({priority for priority, _ in places})))
    return message


def by_priority(message: ClusterLoadAssignment) -> list[set[int]]:
    """The last octets of the addresses at each priority."""
    found: list[set[int]] = [set() for _ in {place.priority for place in message.endpoints}]
    for place in message.endpoints:
        found[place.priority] |= {int(address(e).rpartition(".")[2]) for e in place.lb_endpoints}
    return found


def address(lb_endpoint: Any) -> str:
    return lb_endpoint.endpoint.address.socket_address.address


def healthy(message: ClusterLoadAssignment) -> set[str]:
    return {
        address(e)
        for place in message.endpoints
        for e in place.lb_endpoints
        if e.health_status == HealthStatus.HEALTHY
    }


def weights(message: ClusterLoadAssignment) -> dict[str, int]:
    return {
        "/".join(
            filter(None, (p.locality.region, p.locality.zone, p.locality.sub_zone))
        ): p.load_balancing_weight.value
        for p in message.endpoints
    }


def reasons(
    client: EndpointFacet, *endpoints: Endpoint, placement: Placement = NEAREST
) -> set[tuple[Reason, str]]:
    said = service(*endpoints, placement=placement)
    found = [*omissions_of(said, Resolved(said.spec, said.spec), client, "")]
    assert len(set(found)) == len(found), "each once"
    return {(omission.reason, omission.what) for omission in found}
