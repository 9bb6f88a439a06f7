"""Questions of DNS with some bytes changed. What is answered is read by another's code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

import dns.flags
import dns.message

from pilothouse.dns.messages import LARGEST_UDP
from pilothouse.dns.names import Names
from pilothouse.dns.responder import Responder
from pilothouse.dns.zone import Zone
from pilothouse.mesh.visibility import Scope
from pilothouse.model.services import Endpoint, Port, Service, ServiceName, ServiceSpec

from ..dns.conftest import Estate
from ..dns.packets import PACKETS

_TYPES = ("A", "AAAA", "SRV", "CNAME", "PTR", "TXT", "SOA", "NS", "ANY", "HTTPS")
_HOSTS = ("payments", "cart", "_http._tcp.cart", "10-1-0-7.cart", "a.pin._zone.cart", "alias", "x", "gone.x")
_DOMAINS = ("shop.svc.cluster.local.", "svc.cluster.local.", "svc.clusterset.local.", "example.com.")

Respond = Callable[[bytes, bool], bytes]


def known() -> Respond:
    """Answers for a service of every kind."""
    estate, http = Estate(), (Port("http", 8080),)
    endpoints = tuple(Endpoint(f"10.1.0.{each}", (("http", 8080),)) for each in range(1, 101))
    estate.put(
        Service(ServiceSpec(ServiceName("shop", "payments"), http, ("10.96.0.21", "fd00::21"))),
        Service(ServiceSpec(ServiceName("shop", "cart"), http, headless=True), endpoints),
        Service(ServiceSpec(ServiceName("shop", "alias"), external_name="cart.shop.svc.cluster.local")),
    )
    zones = [Zone.of_cluster("cluster.local", estate, "insecure"), Zone.of_cluster_set(estate)]
    responder = Responder(Names(zones, estate, Scope()))

    def respond(wire: bytes, datagram: bool) -> bytes:
        found = responder.respond(wire, datagram=datagram)
        assert isinstance(found, bytes), "nobody is there to be asked"
        return found

    return respond


def message(random: Random) -> bytes:
    """A question, or one of the wrong ones, with a few bytes changed, added or left out."""
    if random.random() < 0.3:
        wire = bytearray(random.choice(PACKETS).wire)
    else:
        name = f"{random.choice(_HOSTS)}.{random.choice(_DOMAINS)}"
        query = dns.message.make_query(name, random.choice(_TYPES))
        if random.random() < 0.6:
            query.use_edns(0, payload=random.choice((0, 512, 1232, 65_535)))
        wire = bytearray(query.to_wire())
    for _ in range(random.choice((0, 0, 1, 1, 2, 5))):
        at = random.randint(0, len(wire))
        wire[at : at + random.choice((0, 1, 1, 4))] = random.randbytes(random.choice((0, 1, 1, 4)))
    return bytes(wire)


def wrong(wire: bytes, respond: Respond) -> str:
    """What is wrong with the answers to a message, over UDP and TCP; empty if nothing."""
    for datagram in (True, False):
        try:
            found = respond(wire, datagram)
            if found:
                _check(wire, found, datagram)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is found)
            return f"{type(error).__name__}: {error}"
    return ""


def _check(wire: bytes, found: bytes, datagram: bool) -> None:
    """Raises AssertionError or DNSException."""
    answer = dns.message.from_wire(found)
    assert wire[2] < 0x80, "an answer is answered"
    assert found[:2] == wire[:2], "another id"
    assert answer.flags & dns.flags.QR, "no answer"
    assert not datagram or len(found) <= LARGEST_UDP, f"{len(found)} bytes"
    if answer.question:
        asked = found[12 : 12 + _end(found)]
        assert wire[12:].startswith(asked), "another question"


def _end(found: bytes) -> int:
    at = 12
    while found[at]:
        at += 1 + found[at]
    return at + 5 - 12


def smallest(wire: bytes, respond: Respond) -> bytes:
    """Without the bytes that what is wrong does not need."""
    at = 0
    while at < len(wire):
        shorter = wire[:at] + wire[at + 1 :]
        if wrong(shorter, respond):
            wire = shorter
        else:
            at += 1
    return wire


def findings(seed: int, count: int, respond: Respond) -> Iterator[tuple[bytes, str]]:
    """The messages of a seed that are answered wrongly, as small as they get, and what is wrong."""
    random = Random(seed)
    for _ in range(count):
        wire = message(random)
        if complaint := wrong(wire, respond):
            yield smallest(wire, respond), complaint
