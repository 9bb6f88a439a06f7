"""Floods and malformed messages: what is sent for each, how much, and what it leaves behind."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from pathlib import Path

import dns.message
import dns.rcode
import pytest
from tests.dns.packets import NOTHING, PACKETS, Packet
from tests.dns.test_serving import ask, opened

from pilothouse.dns import serving as module
from pilothouse.dns.names import Names
from pilothouse.dns.responder import Responder
from pilothouse.dns.zone import Zone
from pilothouse.mesh.visibility import Scope
from pilothouse.model.services import Endpoint, Port, Service, ServiceName, ServiceSpec

pytestmark = pytest.mark.quick

_REFERENCE = Path(__file__).parents[2] / "docs/reference/dns.md"
_LARGEST, _LARGEST_PLAIN = 1232, 512


@pytest.fixture
def names(estate):
    http = Port("http", 8080)
    endpoints = tuple(Endpoint(f"10.1.{each >> 8}.{each & 255}", (("http", 8080),)) for each in range(1000))
    estate.put(
        Service(ServiceSpec(ServiceName("shop", "payments"), (http,), ("10.96.0.21",))),
        Service(ServiceSpec(ServiceName("shop", "w"), (http,), headless=True), endpoints),
    )
    return Names([Zone.of_cluster("cluster.local", estate)], estate, Scope())


@pytest.fixture
def responder(names):
    return Responder(names)


def said(answer: bytes) -> str:
    return dns.rcode.to_text(dns.message.from_wire(answer).rcode()) if answer else NOTHING


@pytest.mark.parametrize("datagram", [True, False])
@pytest.mark.parametrize("packet", PACKETS, ids=lambda packet: packet.what)
def test_each_wrong_message_has_its_answer(responder, packet: Packet, datagram):
    assert said(responder.respond(packet.wire, datagram=datagram)) == packet.answer


def test_the_reference_has_the_same_table():
    rows = {
        tuple(cell.strip() for cell in line.strip("| \n").split("|"))
        for line in _REFERENCE.read_text().splitlines()
        if line.startswith("| ")
    }
    assert {(each.what, each.answer) for each in PACKETS} <= rows


def test_an_answer_that_is_sent_back_is_not_answered(responder):
    for packet in PACKETS:
        answer = responder.respond(packet.wire, datagram=True)
        assert not responder.respond(answer, datagram=True)


def test_any_bytes_are_answered_with_silence_or_a_message(responder):
    rng = random.Random(11)
    for _ in range(20_000):
        wire = bytearray(rng.choice(PACKETS).wire)
        for _ in range(rng.randrange(4)):
            if wire:
                wire[rng.randrange(len(wire))] = rng.randrange(256)
        found = responder.respond(bytes(wire[: rng.randrange(len(wire) + 1)]), datagram=True)
        if found:
            assert dns.message.from_wire(found).flags & dns.flags.QR
            assert len(found) <= _LARGEST


@pytest.mark.parametrize("type", ["A", "AAAA", "SRV", "ANY", "TXT"])
@pytest.mark.parametrize("name", ["w.shop.svc.cluster.local.", "_http._tcp.w.shop.svc.cluster.local."])
def test_no_datagram_is_answered_with_much(responder, name, type):
    for payload in (0, 512, 1232, 65_535):
        query = dns.message.make_query(name, type, use_edns=0, payload=payload)
        answer = responder.respond(query.to_wire(), datagram=True)
        assert len(answer) <= min(max(payload, _LARGEST_PLAIN), _LARGEST)
    plain = dns.message.make_query(name, type).to_wire()
    assert len(responder.respond(plain, datagram=True)) <= _LARGEST_PLAIN


def test_the_types_that_are_counted_have_an_end(responder):
    for type in range(1, 5000):
        wire = PACKETS[-3].wire[:-4] + struct.pack("!HH", type, 1)
        responder.respond(wire, datagram=True)
    assert len(responder.counts) < 40


def run(test, names, forward=None):
    async def within():
        async with opened(names, forward) as number:
            await test(number)

    asyncio.run(within())


def test_all_wrong_messages_over_both_leave_the_port_as_it_was(names):
    async def test(number):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for packet in PACKETS:
                sock.sendto(packet.wire, ("127.0.0.1", number))
        for packet in PACKETS:
            reader, writer = await asyncio.open_connection("127.0.0.1", number)
            writer.write(len(packet.wire).to_bytes(2) + packet.wire)
            if packet.answer != NOTHING:
                length = int.from_bytes(await reader.readexactly(2))
                assert said(await reader.readexactly(length)) == packet.answer
            else:
                assert not await reader.read()  # who says nothing to be answered is not listened to
            writer.close()
        assert (await ask(number)).answer

    run(test, names)


def test_64_kib_over_tcp_are_read_and_refused(names):
    async def test(number):
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        writer.write(b"\xff\xff" + PACKETS[3].wire + b"\0" * (65_535 - len(PACKETS[3].wire)))
        length = int.from_bytes(await reader.readexactly(2))
        assert said(await reader.readexactly(length)) == "FORMERR"
        writer.close()

    run(test, names)


def test_who_asks_much_and_reads_nothing_is_left(names, monkeypatch):
    monkeypatch.setattr(module, "_MESSAGE_S", 0.3)

    async def test(number):
        wire = dns.message.make_query("w.shop.svc.cluster.local.", "A").to_wire()
        with socket.create_connection(("127.0.0.1", number)) as sock:
            sock.setblocking(False)
            async with asyncio.timeout(20):
                with pytest.raises(ConnectionError):  # the other side closes it
                    await _ask_without_end(sock, len(wire).to_bytes(2) + wire)
        assert (await ask(number, over="tcp")).answer

    run(test, names)


async def _ask_without_end(sock: socket.socket, wire: bytes) -> None:
    while True:
        await asyncio.get_running_loop().sock_sendall(sock, wire * 1000)


def test_of_many_connections_of_one_client_few_are_kept_and_datagrams_are_answered(names, monkeypatch):
    monkeypatch.setattr(module, "_OF_ONE", 10)

    async def test(number):
        held = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", number) for _ in range(200)))
        ended = [asyncio.create_task(reader.read()) for reader, _ in held]
        assert (await ask(number)).answer
        async with asyncio.timeout(20):
            while sum(task.done() for task in ended) < 190:
                await asyncio.wait(ended, timeout=0.05)
        assert sum(task.done() for task in ended) == 190
        for task, (_, writer) in zip(ended, held, strict=True):
            task.cancel()
            writer.close()
        await asyncio.gather(*ended, return_exceptions=True)

    run(test, names)


def _from_port(source: int, to: int, payload: bytes) -> bytes:
    return struct.pack("!HHHH", source, to, 8 + len(payload), 0) + payload


@pytest.mark.parametrize("own", [True, False])
def test_a_datagram_from_the_port_itself_or_from_none_does_no_harm(names, own):
    async def test(number):
        try:
            raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
        except PermissionError:
            pytest.skip("only root may say from which port a datagram comes")
        with raw:
            for packet in PACKETS:
                raw.sendto(_from_port(number if own else 0, number, packet.wire), ("127.0.0.1", 0))
        assert (await ask(number)).answer

    run(test, names)
