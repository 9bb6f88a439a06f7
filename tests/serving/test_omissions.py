"""Whatever is left out has a reason, and what is not left out has none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pilothouse.mesh.audience import Audience
from pilothouse.mesh.dependencies import Dependencies
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import (
    Endpoint,
    Port,
    Protocol,
    Service,
    ServiceName,
    ServiceSpec,
    State,
    Transport,
)

HTTP = Port("http", 8080)
ONE = Endpoint("10.0.0.1", (("http", 8080),))


def service(*endpoints: Endpoint, ports: tuple[Port, ...] = (HTTP,)) -> Service:
    spec = ServiceSpec(ServiceName("shop", "payments"), ports)
    return Service(spec, (ONE, *endpoints))


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        ({"state": State.NOT_READY}, Omission(Reason.NOT_READY, "10.0.0.2:8080")),
        ({"state": State.TERMINATING}, Omission(Reason.TERMINATING, "10.0.0.2:8080", "terminating")),
        (
            {"state": State.TERMINATING_SERVING},
            Omission(Reason.TERMINATING, "10.0.0.2:8080", "terminating, serving"),
        ),
        ({"weight": 0}, Omission(Reason.MAINTENANCE, "10.0.0.2")),
        (
            {"address": "db.example.com"},
            Omission(Reason.INVALID_ADDRESS, "db.example.com", "is not an IP address"),
        ),
        ({"ports": (("http", 0),)}, Omission(Reason.INVALID_PORT, "10.0.0.2", "port 'http' is 0")),
        (
            {"ports": (("web", 80),)},
            Omission(
                Reason.PORT_NAME_MISMATCH,
                "10.0.0.2",
                "the slice has no TCP port named 'http', as the Service's port 8080 is",
            ),
        ),
        ({"address": "10.0.0.1"}, Omission(Reason.DUPLICATE_LOSER, "10.0.0.1:8080", "is there twice")),
    ],
)
def test_an_endpoint_that_gets_no_requests_has_a_reason(town: Any, endpoint: dict, reason: Omission) -> None:
    other = ONE._replace(**{"address": "10.0.0.2", **endpoint})
    assert town.catalogue.omissions(service(other)) == (reason,)


def test_a_port_that_is_not_tcp_has_a_reason(town: Any) -> None:
    udp = Port("dns", 53, Protocol.TCP, Transport.UDP)
    assert town.catalogue.omissions(service(ports=(HTTP, udp))) == (
        Omission(Reason.UNSUPPORTED_TRANSPORT, "port dns", "UDP"),
    )


def test_a_port_that_nothing_leads_to_has_a_reason(town: Any) -> None:
    sql = Port("sql", 5432, Protocol.TCP)
    reason = Omission(Reason.NO_VIRTUAL_IP, "port sql", "tcp")
    endpoint = ONE._replace(ports=(("http", 8080), ("sql", 5432)))
    without = replace(service(ports=(HTTP, sql)), endpoints=(endpoint,))
    with_address = replace(without, spec=replace(without.spec, vips=("10.96.0.1",)))
    alias = Service(ServiceSpec(ServiceName("shop", "a"), external_name=without.spec.hostname))
    elsewhere = replace(without, spec=replace(without.spec, external_name="example.com"), endpoints=())
    town.put(without)
    assert town.catalogue.omissions(without) == (reason,)
    assert town.catalogue.omissions(alias) == (reason,)
    assert town.catalogue.omissions(with_address) == ()
    town.put(elsewhere)
    assert town.catalogue.omissions(elsewhere) == (reason,)


def test_a_service_that_is_quarantined_has_a_reason(town: Any) -> None:
    broken = service(ports=(HTTP, Port("bad", 70_000, Protocol.TCP)))
    broken = replace(broken, spec=replace(broken.spec, vips=("10.96.0.1",)))
    town.put(broken)
    reasons = {omission.reason for omission in town.catalogue.omissions(broken)}
    assert Reason.QUARANTINED in reasons


def test_what_was_left_out_when_objects_were_read_is_told_too(town: Any) -> None:
    said = Omission(Reason.INVALID_ADDRESS, "slice payments-1")
    assert town.catalogue.omissions(replace(service(), left_out=(said,))) == (said,)


def test_nothing_is_said_of_a_service_that_is_served_whole(town: Any) -> None:
    assert town.catalogue.omissions(service()) == ()


def test_what_a_client_may_not_see_or_does_not_want_is_said_and_nothing_else(town: Any) -> None:
    broken = service(ONE._replace(address="10.0.0.2", weight=0))
    restricted = replace(broken, spec=replace(broken.spec, exported_to=frozenset({"shop"})))
    front = Audience(namespace="front")
    assert town.catalogue.omissions(restricted, front) == (
        Omission(Reason.NOT_EXPORTED, "shop/payments", "to front"),
    )
    wants_other = Audience(dependencies=Dependencies(frozenset({ServiceName("shop", "carts")})))
    assert town.catalogue.omissions(broken, wants_other) == (Omission(Reason.OUT_OF_SCOPE, "shop/payments"),)
    assert [omission.reason for omission in town.catalogue.omissions(broken)] == [Reason.MAINTENANCE]


def test_a_name_that_is_another_service_has_a_reason(town: Any) -> None:
    mine = Service(replace(service().spec, suffixes=(".mesh",)), (ONE,))
    town.put(mine)
    assert town.catalogue.omissions(mine) == ()
    town.put(Service(replace(mine.spec, name=ServiceName("mesh", "payments"))))
    assert town.catalogue.omissions(mine) == (Omission(Reason.NAME_TAKEN, "payments.mesh"),)


def test_what_cannot_be_translated_has_its_reason_beside_those_of_the_version_in_force(town: Any) -> None:
    sick = service(ONE._replace(address="10.0.0.2", state=State.NOT_READY))
    bad = replace(sick, spec=replace(sick.spec, suffixes=(".me\nsh",)))
    town.put(bad)
    assert [one.reason for one in town.catalogue.omissions(bad)] == [Reason.QUARANTINED]
    town.put(sick)
    town.put(bad)
    assert [one.reason for one in town.catalogue.omissions(bad)] == [Reason.QUARANTINED, Reason.NOT_READY]
