"""Slices and routes of a Service that is not there are left out until it comes."""

from __future__ import annotations

from pilothouse.kubernetes.documents import read
from pilothouse.kubernetes.join import Cluster
from pilothouse.model.reasons import Omission, Reason

SERVICE = "{apiVersion: v1, kind: Service, metadata: {name: pay}, spec: {ports: [{port: 80}]}}"
SLICE = (
    "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, endpoints: [],"
    " metadata: {name: pay-1, labels: {kubernetes.io/service-name: %s}}}"
)
ROUTE = (
    "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: r},"
    ' spec: {parentRefs: [{group: "", kind: Service, name: pay}]}}'
)
WAITING = [
    Omission(Reason.NO_OWNER, "EndpointSlice default/pay-1", "there is no Service default/pay"),
    Omission(Reason.NO_SUCH_PARENT, "HTTPRoute default/r", "there is no Service default/pay"),
]


def objects(*texts: str):
    return [declared.object for text in texts for declared in read(text.encode()).declared]


def test_they_wait_for_their_service_and_are_told_until_it_comes() -> None:
    cluster = Cluster()
    service, found, route = objects(SERVICE, SLICE % "pay", ROUTE)
    cluster.apply([found, route])
    assert [*cluster.unattached] == WAITING
    assert cluster.unattached.by_reason == {Reason.NO_OWNER: 1, Reason.NO_SUCH_PARENT: 1}
    cluster.apply([service])
    assert [*cluster.unattached] == []
    assert not +cluster.unattached.by_reason
    cluster.apply([], [service.key])
    assert [*cluster.unattached] == WAITING


def test_they_are_told_no_more_when_they_are_gone_or_belong_to_another() -> None:
    cluster = Cluster()
    cluster.apply(objects(SLICE % "pay", ROUTE))
    cluster.apply(objects(SLICE % "cart"), [objects(ROUTE)[0].key])
    assert [omission.why for omission in cluster.unattached] == ["there is no Service default/cart"]
    cluster.apply([], [objects(SLICE % "cart")[0].key])
    assert [*cluster.unattached] == []
