"""Answers hold as long as what they were made from."""

from __future__ import annotations

from dataclasses import replace

import dns.flags
import dns.message
import dns.rcode
import pytest

from pilothouse.dns.kept import Kept
from pilothouse.dns.names import Names
from pilothouse.dns.responder import Counted, Onward, Responder
from pilothouse.dns.zone import Zone
from pilothouse.mesh.visibility import Scope
from pilothouse.model.services import Endpoint, Port, Service, ServiceName, ServiceSpec

pytestmark = pytest.mark.quick

CART = ServiceName("shop", "cart")
NAME = "cart.shop.svc.cluster.local."


def cart(*addresses, **spec):
    endpoints = tuple(Endpoint(each, (("http", 8080),)) for each in addresses)
    return Service(ServiceSpec(CART, (Port("http", 8080),), headless=True, **spec), endpoints)


def test_an_answer_is_never_older_than_the_service(estate, asked):
    shop = asked()
    for count in range(1, 5):
        estate.put(cart(*(f"10.0.0.{each}" for each in range(count))))
        for _ in range(3):
            assert len(shop.records(NAME)) == count
    estate.remove(CART)
    assert shop.records(NAME) == ["NXDOMAIN"]


def test_an_answer_through_an_alias_is_never_older_than_its_target(estate, asked):
    alias = Service(ServiceSpec(ServiceName("shop", "a"), external_name="cart.shop.svc.cluster.local"))
    estate.put(alias, cart("10.0.0.1"))
    shop = asked()
    name = "a.shop.svc.cluster.local."
    assert f"{NAME} 10.0.0.1" in shop.records(name)
    estate.put(cart("10.0.0.2"))
    assert f"{NAME} 10.0.0.2" in shop.records(name)
    estate.put(replace(alias, spec=replace(alias.spec, external_name="api.example.com")))
    assert shop.records(name) == [f"{name} api.example.com."]


def test_what_did_not_exist_is_found_once_it_does(estate, asked):
    estate.put(Service(ServiceSpec(ServiceName("shop", "other"), (Port("http", 1),), ("10.96.0.1",))))
    shop = asked()
    assert shop.records(NAME) == ["NXDOMAIN"]
    estate.put(cart("10.0.0.1"))
    assert shop.records(NAME) == [f"{NAME} 10.0.0.1"]


def test_each_endpoint_is_the_first_in_turn(estate, asked):
    estate.put(cart("10.0.0.1", "10.0.0.2", "10.0.0.3"))
    shop = asked()
    first = [shop.message(NAME).answer[0][0].to_text() for _ in range(6)]
    assert sorted(first) == ["10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.2", "10.0.0.3", "10.0.0.3"]


def test_over_tcp_everything_fits(estate, asked):
    estate.put(cart(*(f"10.0.{each // 250}.{each % 250}" for each in range(1000))))
    shop = asked()
    over_udp, over_tcp = shop.message(NAME), shop.message(NAME, datagram=False)
    assert over_udp.flags & dns.flags.TC
    assert not over_tcp.flags & dns.flags.TC
    assert len(over_tcp.answer[0]) == 1000


@pytest.mark.parametrize("type", ["AXFR", "IXFR"])
def test_a_zone_is_not_given_away(estate, asked, type):
    estate.put(cart("10.0.0.1"))
    responder = asked().responder
    query = dns.message.make_query("cluster.local.", type)
    query.authority.clear()
    wire = responder.respond(query.to_wire(), datagram=False)
    assert dns.message.from_wire(wire).rcode() == dns.rcode.REFUSED


def test_what_is_kept_has_an_end(estate):
    kept = Kept[int, bytes](estate.service, most=100_000)
    for each in range(10_000):
        kept.put(each, b"", 500, ())
        assert kept.size <= 100_000
    assert 0 < len(kept) <= 200


def test_what_was_made_of_a_service_with_many_endpoints_takes_more(estate):
    wide = cart(*(f"10.0.{each // 250}.{each % 250}" for each in range(1000)))
    estate.put(wide)
    kept = Kept[int, bytes](estate.service)
    kept.put(1, b"", 100, (wide,))
    assert kept.size > 50_000


def test_the_same_question_in_other_bytes_is_not_worked_out_again(estate, asked, monkeypatch):
    estate.put(cart("10.0.0.1"))
    shop = asked()
    worked_out = []
    answer = Names.answer

    def noting(names, question):
        worked_out.append(question)
        return answer(names, question)

    monkeypatch.setattr(Names, "answer", noting)
    for size in range(512, 600):
        query = dns.message.make_query(NAME.swapcase() if size % 2 else NAME, "A", payload=size)
        assert dns.message.from_wire(shop.responder.respond(query.to_wire(), datagram=True)).answer
    assert len(worked_out) == 1


def test_a_cut_answer_has_every_record_in_turn(estate, asked):
    estate.put(cart(*(f"10.0.0.{each}" for each in range(100))))
    shop = asked()
    seen = [[rdata.to_text() for rdata in shop.message(NAME).answer[0]] for _ in range(100)]
    assert len({first for first, *_ in seen}) == 100
    assert {len(set(each)) for each in seen} == {len(seen[0])}


def test_names_that_do_not_exist_are_not_kept(estate, asked):
    estate.put(cart("10.0.0.1"))
    shop = asked()
    for each in range(100):
        shop.records(f"r{each}.shop.svc.cluster.local.")
    assert not len(shop.responder._datagrams) + len(shop.responder._bodies)


def test_every_answer_is_counted(estate, asked):
    estate.put(cart("10.0.0.1"))
    shop = asked()
    for _ in range(3):
        shop.records(NAME)
    shop.records("gone.shop.svc.cluster.local.")
    shop.responder.respond(b"\0" * 12, datagram=True)
    assert shop.responder.counts == {Counted(1, 0): 3, Counted(1, 3): 1, Counted(0, 1): 1}


@pytest.mark.parametrize("desired", [True, False])
def test_nobody_is_asked_for_who_does_not_want_that(estate, desired):
    alias = Service(ServiceSpec(ServiceName("shop", "a"), external_name="api.example.com"))
    estate.put(alias)
    responder = Responder(Names([Zone.of_cluster("cluster.local", estate)], estate, Scope()), forwards=True)

    def asked(name: str) -> dns.message.Message | None:
        query = dns.message.make_query(name, "A")
        query.flags = dns.flags.RD if desired else 0
        found = responder.respond(query.to_wire(), datagram=True)
        return None if isinstance(found, Onward) else dns.message.from_wire(found)

    alone, led = asked("www.example.com."), asked("a.shop.svc.cluster.local.")
    if desired:
        assert alone is None
        assert led is None
    else:
        assert alone is not None
        assert led is not None
        assert alone.rcode() == dns.rcode.REFUSED
        assert [str(each[0]) for each in led.answer] == ["api.example.com."]
    # And who asks next gets what he wants.
    desired = not desired
    assert (asked("a.shop.svc.cluster.local.") is None) is desired


def test_there_is_no_dnssec_and_no_authority_for_what_is_not_known(estate, asked):
    estate.complete = False
    found = asked().message("gone.shop.svc.cluster.local.", want_dnssec=True)
    assert found.rcode() == dns.rcode.SERVFAIL
    assert not found.flags & dns.flags.AA
    assert not found.ednsflags & dns.flags.DO
