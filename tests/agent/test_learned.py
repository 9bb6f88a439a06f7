"""What a resolver learns from the control plane's messages is what the control plane itself would answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.agent.learned import Learned
from pilothouse.dns.answers import Answer, Question
from pilothouse.dns.names import Names
from pilothouse.dns.records import Type, labels
from pilothouse.dns.zone import Zone
from pilothouse.encoding.resources import Resource
from pilothouse.mesh.names import ClusterZone
from pilothouse.mesh.visibility import Scope
from pilothouse.model.services import (
    Endpoint,
    Locality,
    Port,
    Service,
    ServiceName,
    ServiceSpec,
    State,
    Transport,
)
from pilothouse.translate.naming import names, zone

from ..dns.conftest import Estate

DOMAIN = "cluster.local"


def content(resource: Resource) -> bytes:
    """The message in a resource, without the Any around it."""
    from google.protobuf.any_pb2 import Any

    return Any.FromString(resource.any).value


def learn(learned: Learned, *resources: Resource) -> None:
    for each in resources:
        learned.learn(each.name, content(each))


def all_of(known: Estate | Learned) -> Names:
    zones = [Zone.of_cluster(DOMAIN, known), Zone.of_cluster_set(known)]
    return Names(zones, known, Scope())


def seen(answer: Answer | None) -> object:
    """An answer as a client sees it, but for the serial number of the zone."""
    if answer is None:
        return None
    negative = [(each.owner, each.ttl) for each in answer.authority]
    return answer.rcode, answer.records, answer.additional, answer.elsewhere, negative


_NAMES = st.sampled_from(["web", "db", "api"])
_PORTS = st.lists(
    st.builds(
        Port,
        st.sampled_from(["http", "dns", ""]),
        st.integers(1, 65_535),
        transport=st.sampled_from(Transport),
        target=st.none() | st.integers(1, 65_535),
    ),
    max_size=3,
    unique_by=lambda port: port.name,
).map(tuple)
_ADDRESSES = st.sampled_from(["10.1.0.1", "10.1.0.2", "fd00::1"])
_ENDPOINTS = st.lists(
    st.builds(
        Endpoint,
        _ADDRESSES,
        st.just((("http", 8080), ("dns", None))),
        st.sampled_from(State),
        st.sampled_from([0, 1]),
        st.builds(Locality, zone=st.sampled_from(["", "a", "b"])),
        hostname=st.sampled_from(["", "db-0"]),
        cluster=st.sampled_from(["", "c1"]),
    ),
    max_size=3,
).map(tuple)


@st.composite
def services(draw: st.DrawFn) -> Service:
    name = ServiceName(draw(st.sampled_from(["shop", "data"])), draw(_NAMES), draw(st.booleans()))
    kind = draw(st.sampled_from(["virtual", "headless", "external"]))
    spec = ServiceSpec(name, draw(_PORTS), headless=kind == "headless")
    if kind == "virtual":
        vips = draw(st.sets(st.sampled_from(["10.96.0.1", "10.96.0.2", "fd96::1"])))
        return Service(replace(spec, vips=tuple(sorted(vips))))
    if kind == "external":
        return Service(
            replace(spec, external_name=draw(st.sampled_from(["web.shop.svc.cluster.local", "a.example"])))
        )
    return Service(spec, draw(_ENDPOINTS))


def questions(estate: Iterable[Service]) -> Iterable[Question]:
    for each in estate:
        domain = "clusterset.local" if each.name.imported else DOMAIN
        name = f"{each.name.name}.{each.name.namespace}.svc.{domain}"
        for before in (
            "",
            "_http._tcp.",
            "_dns._udp.",
            "db-0.",
            "db-0.c1.",
            "c1.",
            "10-1-0-1.",
            "a.pin._zone.",
            "b.prefer._zone.",
        ):
            yield from (Question(labels(before + name), type) for type in (Type.A, Type.AAAA, Type.SRV))
    for text in (
        "1.0.96.10.in-addr.arpa",
        "1.0.1.10.in-addr.arpa",
        "svc.cluster.local",
        "shop.svc.cluster.local",
    ):
        yield from (Question(labels(text), type) for type in (Type.PTR, Type.A))


@given(st.lists(services(), max_size=6, unique_by=lambda service: service.name), st.integers(0, 6))
def test_what_is_learned_answers_as_what_it_was_learned_from(found: list[Service], gone: int) -> None:
    estate, learned = Estate(), Learned()
    learn(learned, zone(ClusterZone(DOMAIN), complete=True), *map(names, found))
    estate.put(*found)
    for each in found[gone:]:
        estate.remove(each.name)
        learned.forget(names(each).name)
    for question in questions(found):
        assert seen(all_of(learned).answer(question)) == seen(all_of(estate).answer(question)), question


def service(name: str, vip: str, **fields: Any) -> Service:
    return Service(replace(ServiceSpec(ServiceName("shop", name), vips=(vip,)), **fields))


def test_a_service_that_is_told_again_replaces_what_was_known() -> None:
    learned = Learned()
    learn(learned, names(service("web", "10.96.0.1")), names(service("web", "10.96.0.2")))
    assert len(learned) == 1
    assert [*learned.at("10.96.0.1")] == []
    assert [*learned.at("10.96.0.2")] == [ServiceName("shop", "web")]


def test_a_namespace_and_a_suffix_are_known_while_a_service_has_them() -> None:
    learned = Learned()
    told = names(service("web", "10.96.0.1", suffixes=(".mesh",)))
    learn(learned, told)
    assert learned.has_namespace("shop", imported=False)
    assert [*learned.suffixes] == [".mesh"]
    learned.forget(told.name)
    assert not learned.has_namespace("shop", imported=False)
    assert [*learned.suffixes] == []


def test_a_resource_that_nobody_told_of_can_be_forgotten() -> None:
    Learned().forget("gone.shop.svc.cluster.local")


@pytest.mark.parametrize(
    "bytes", [b"\x0a\x04\x0a\x02\xff\xfe", b"\xff", b"", b"\x0a\x0d\x0a\x04shop\x12\x02ab\x2a\x01x"]
)
def test_what_cannot_be_used_is_refused_and_changes_nothing(bytes: bytes) -> None:
    from google.protobuf.message import DecodeError

    learned = Learned()
    learn(learned, names(service("web", "10.96.0.1")))
    with pytest.raises((ValueError, DecodeError)):
        learned.learn("web.shop.svc.cluster.local", bytes)
    assert len(learned) == 1


def test_of_two_resources_that_tell_of_a_service_the_later_one_counts() -> None:
    """So it is when the domain of a cluster changes: the new name comes, and then the old one goes."""
    learned = Learned()
    told = [names(service("web", "10.96.0.1", cluster_domain=each)) for each in ("a.example", "b.example")]
    learn(learned, *told)
    learned.forget(told[0].name)
    assert learned.service(ServiceName("shop", "web")) is not None
    learned.forget(told[1].name)
    assert len(learned) == 0


def test_a_resource_that_tells_of_another_service_tells_of_the_first_no_more() -> None:
    learned = Learned()
    learned.learn("one", content(names(service("web", "10.96.0.1"))))
    learned.learn("one", content(names(service("api", "10.96.0.2"))))
    assert learned.service(ServiceName("shop", "web")) is None
    learned.forget("one")
    assert len(learned) == 0


def test_once_all_is_known_it_stays_so() -> None:
    learned = Learned()
    learn(learned, zone(ClusterZone(), complete=True), zone(ClusterZone(), complete=False))
    assert learned.complete


def test_a_zone_has_a_domain() -> None:
    with pytest.raises(ValueError, match="a zone without a domain"):
        learn(Learned(), zone(ClusterZone(""), complete=True))
