"""The port, as clients reach it: datagrams and connections, whatever comes in on them."""

from __future__ import annotations

import asyncio
import random
import socket
from contextlib import asynccontextmanager

import dns.asyncquery
import dns.message
import dns.rcode
import pytest

from pilothouse.dns import serving as module
from pilothouse.dns.answers import Answer
from pilothouse.dns.names import Names
from pilothouse.dns.records import Rcode
from pilothouse.dns.responder import Responder
from pilothouse.dns.serving import Port, serving
from pilothouse.dns.zone import Zone
from pilothouse.mesh.visibility import Scope
from pilothouse.model.services import Endpoint, Service, ServiceName, ServiceSpec
from pilothouse.model.services import Port as ServicePort
from pilothouse.structures.hostport import HostPort

pytestmark = pytest.mark.quick

NAME = "payments.shop.svc.cluster.local."
WIDE = "wide.shop.svc.cluster.local."


@pytest.fixture
def names(estate):
    http = (ServicePort("http", 8080),)
    estate.put(
        Service(ServiceSpec(ServiceName("shop", "payments"), http, ("10.96.0.21",))),
        Service(
            ServiceSpec(ServiceName("shop", "wide"), http, headless=True),
            tuple(Endpoint(f"10.1.0.{each}", (("http", 8080),)) for each in range(1, 201)),
        ),
    )
    return Names([Zone.of_cluster("cluster.local", estate)], estate, Scope())


@asynccontextmanager
async def opened(names, forward=None):
    """A port, and how it is asked."""
    port = Port(Responder(names, forwards=forward is not None), forward)
    async with serving(port, HostPort("127.0.0.1", 0)) as number:
        yield number


@pytest.mark.parametrize(
    ("listen", "at"), [("0.0.0.0", ["127.0.0.1", "127.0.0.2"]), ("::", ["::1", "127.0.0.2"])]
)
def test_an_answer_leaves_from_the_address_that_the_question_came_to(names, listen, at):
    async def within():
        async with serving(Port(Responder(names)), HostPort(listen, 0)) as number:
            for each in at:
                query = dns.message.make_query(NAME, "A")
                # An answer from another address is an error to it.
                found = await dns.asyncquery.udp(query, each, port=number, timeout=10)
                assert found.answer, each
                assert (await dns.asyncquery.tcp(query, each, port=number, timeout=10)).answer, each

    asyncio.run(within())


async def ask(number, name=NAME, type="A", over="udp", **more):
    query = dns.message.make_query(name, type, **more)
    return await getattr(dns.asyncquery, over)(query, "127.0.0.1", port=number, timeout=10)


def run(test, names, forward=None):
    async def within():
        async with opened(names, forward) as number:
            await test(number)

    asyncio.run(within())


@pytest.mark.parametrize("over", ["udp", "tcp"])
def test_a_name_is_answered(names, over):
    async def test(number):
        found = await ask(number, over=over)
        assert found.answer[0][0].to_text() == "10.96.0.21"

    run(test, names)


def test_what_was_cut_over_udp_is_whole_over_tcp(names):
    async def test(number):
        found, over_tcp = await dns.asyncquery.udp_with_fallback(
            dns.message.make_query(WIDE, "A"), "127.0.0.1", port=number, timeout=10
        )
        assert over_tcp
        assert len(found.answer[0]) == 200

    run(test, names)


def test_one_connection_carries_many_questions(names):
    async def test(number):
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        queries = [dns.message.make_query(NAME, "A", id=each) for each in range(100)]
        for query in queries:
            wire = query.to_wire()
            writer.write(len(wire).to_bytes(2) + wire)
        for query in queries:
            length = int.from_bytes(await reader.readexactly(2))
            assert query.is_response(dns.message.from_wire(await reader.readexactly(length)))
        writer.close()

    run(test, names)


def test_after_any_bytes_the_next_client_is_answered(names):
    async def test(number):
        rng = random.Random(7)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for _ in range(2000):
                sock.sendto(rng.randbytes(rng.randrange(60)), ("127.0.0.1", number))
            sock.sendto(rng.randbytes(60_000), ("127.0.0.1", number))
        for each in (b"", b"\0", b"\xff\xff" + b"x" * 100, b"\0\x0c" + b"\0" * 12, rng.randbytes(5000)):
            _, writer = await asyncio.open_connection("127.0.0.1", number)
            writer.write(each)
            await writer.drain()
            writer.close()
        assert (await ask(number)).answer
        assert (await ask(number, over="tcp")).answer

    run(test, names)


def test_a_slow_connection_is_closed_and_holds_nobody_up(names, monkeypatch):
    monkeypatch.setattr(module, "_IDLE_S", 0.2)
    monkeypatch.setattr(module, "_MESSAGE_S", 0.2)

    async def test(number):
        slow = [await asyncio.open_connection("127.0.0.1", number) for _ in range(20)]
        for _, writer in slow[10:]:
            writer.write(b"\0\x20\1")  # and never the rest
        assert (await ask(number, over="tcp")).answer
        for reader, writer in slow:
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await reader.readexactly(1)
            writer.close()

    run(test, names)


def test_one_client_cannot_take_all_connections(names, monkeypatch):
    monkeypatch.setattr(module, "_OF_ONE", 3)

    async def test(number):
        held = [await asyncio.open_connection("127.0.0.1", number) for _ in range(3)]
        for _, writer in held:
            wire = dns.message.make_query(NAME, "A").to_wire()
            writer.write(len(wire).to_bytes(2) + wire)
        for reader, _ in held:
            await reader.readexactly(2)
        reader, fourth = await asyncio.open_connection("127.0.0.1", number)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(1)
        for _, writer in (*held, (reader, fourth)):
            writer.close()
        async with asyncio.timeout(10):
            while True:
                try:
                    assert (await ask(number, over="tcp")).answer
                    break
                except (EOFError, ConnectionError):
                    continue  # the three are still being closed

    run(test, names)


def test_other_names_are_asked_elsewhere_and_the_next_question_does_not_wait(names):
    asked, let = asyncio.Event(), asyncio.Event()

    async def forward(onward):
        asked.set()
        await let.wait()
        return Answer(Rcode.NXDOMAIN, authoritative=False)

    async def test(number):
        waiting = asyncio.create_task(ask(number, "example.com."))
        await asked.wait()
        assert (await ask(number)).answer
        let.set()
        assert (await waiting).rcode() == dns.rcode.NXDOMAIN

    run(test, names, forward)


def test_more_questions_than_can_wait_fail_at_once(names, monkeypatch):
    monkeypatch.setattr(module, "_WAITING", 2)
    let = asyncio.Event()

    async def forward(onward):
        await let.wait()
        return Answer(Rcode.NXDOMAIN, authoritative=False)

    async def test(number):
        several = [asyncio.create_task(ask(number, f"{each}.example.")) for each in range(3)]
        done, waiting = await asyncio.wait(several, return_when=asyncio.FIRST_COMPLETED)
        assert [each.result().rcode() for each in done] == [dns.rcode.SERVFAIL]
        let.set()
        assert {(await each).rcode() for each in waiting} == {dns.rcode.NXDOMAIN}

    run(test, names, forward)


def test_whoever_fails_elsewhere_is_answered(names):
    async def forward(onward):
        raise RuntimeError("a mistake of ours")

    async def test(number):
        for over in ("udp", "tcp"):
            assert (await ask(number, "example.com.", over=over)).rcode() == dns.rcode.SERVFAIL

    run(test, names, forward)


def test_a_port_that_is_taken_is_one_line(names):
    async def test(number):
        with pytest.raises(OSError, match=f"--dns 127.0.0.1:{number}: .*in use"):
            async with serving(Port(Responder(names)), HostPort("127.0.0.1", number)):
                pass

    run(test, names)


def test_several_processes_share_a_port(names):
    async def test(number):
        async with (
            serving(Port(Responder(names)), HostPort("127.0.0.1", 0), shared=True) as first,
            serving(Port(Responder(names)), HostPort("127.0.0.1", first), shared=True),
        ):
            assert (await ask(first)).answer

    run(test, names)


async def turns_of_others(until) -> int:
    """How often somebody else has had a turn until something was true."""
    turns = 0
    async with asyncio.timeout(20):
        while not until():
            await asyncio.sleep(0)
            turns += 1
    return turns


def test_others_have_a_turn_between_datagrams(names, monkeypatch):
    monkeypatch.setattr(module, "_TURN_S", 0)

    async def within():
        responder = Responder(names)
        async with serving(Port(responder), HostPort("127.0.0.1", 0)) as number:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                for each in range(100):
                    sock.sendto(dns.message.make_query(NAME, "A", id=each).to_wire(), ("127.0.0.1", number))
                assert await turns_of_others(lambda: responder.counts.total() == 100) >= 99

    asyncio.run(within())


@pytest.mark.parametrize("connections", [1, 10])
def test_others_have_a_turn_between_questions_on_connections(names, monkeypatch, connections):
    monkeypatch.setattr(module, "_TURN_S", 0)

    async def within():
        responder = Responder(names)
        async with serving(Port(responder), HostPort("127.0.0.1", 0)) as number:
            opened = [await asyncio.open_connection("127.0.0.1", number) for _ in range(connections)]
            wire = dns.message.make_query(NAME, "A").to_wire()
            for _, writer in opened:
                writer.write((len(wire).to_bytes(2) + wire) * 100)
            assert (
                await turns_of_others(lambda: responder.counts.total() == 100 * connections)
                >= 99 * connections
            )
            for _, writer in opened:
                writer.close()

    asyncio.run(within())


def test_a_mistake_of_ours_is_said_to_be_one(names, monkeypatch):
    def mistaken(*_, **__):
        raise RuntimeError("a mistake")

    monkeypatch.setattr(Responder, "respond", mistaken)

    async def test(number):
        assert (await ask(number)).rcode() == dns.rcode.SERVFAIL
        assert (await ask(number, over="tcp")).rcode() == dns.rcode.SERVFAIL

    run(test, names)
