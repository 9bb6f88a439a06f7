"""Names elsewhere, from servers that answer, fail, hang and lie."""

from __future__ import annotations

import asyncio

import dns.message
import dns.rcode
import dns.rrset
import pytest
import structlog
from tests.dns.elsewhere import Elsewhere, onward, run, started, until
from tests.dns.upstream import (
    address,
    declined,
    failure,
    nothing,
    silence,
    truncated,
)

from pilothouse.dns import forwarding as module
from pilothouse.dns.answers import Answer
from pilothouse.dns.records import Name, Record, Type, labels
from pilothouse.dns.responder import Onward

pytestmark = [pytest.mark.quick, pytest.mark.usefixtures("impatient")]


def test_an_answer_is_asked_for_once_while_it_lasts():
    async def test(stack):
        (server,) = await started(stack, address("192.0.2.1"))
        elsewhere = Elsewhere({"": [server.at]})
        for _ in range(3):
            assert await elsewhere.ask() == ["192.0.2.1"]
        assert server.asked == ["example.com."]

    run(test)


def test_many_who_ask_at_once_are_one_question():
    async def test(stack):
        (server,) = await started(stack, address("192.0.2.1"))
        elsewhere = Elsewhere({"": [server.at]})
        found = await asyncio.gather(*(elsewhere.ask() for _ in range(50)))
        assert found == [["192.0.2.1"]] * 50
        assert len(server.asked) == 1

    run(test)


def test_the_most_specific_zone_says_who_is_asked():
    async def test(stack):
        everything, corp, dev = await started(
            stack, address("1.1.1.1"), address("2.2.2.2"), address("3.3.3.3")
        )
        elsewhere = Elsewhere({"": [everything.at], "corp.example": [corp.at], "dev.corp.example": [dev.at]})
        assert await elsewhere.ask("a.example.") == ["1.1.1.1"]
        assert await elsewhere.ask("a.corp.example.") == ["2.2.2.2"]
        assert await elsewhere.ask("A.Dev.Corp.Example.") == ["3.3.3.3"]
        assert await elsewhere.ask("corp.example.") == ["2.2.2.2"]

    run(test)


def test_without_a_server_for_a_zone_its_names_are_not_found_out():
    async def test(stack):
        (corp,) = await started(stack, address("2.2.2.2"))
        assert await Elsewhere({"corp.example": [corp.at]}).ask("example.com.") == "SERVFAIL"

    run(test)


@pytest.mark.parametrize("bad", [silence, lambda _: b"\0" * 40, lambda _: b"x"])
def test_the_next_server_is_asked_if_one_fails_and_then_first(bad):
    async def test(stack):
        first, second = await started(stack, bad, address("192.0.2.2"))
        elsewhere = Elsewhere({"": [first.at, second.at]})
        assert await elsewhere.ask("a.example.") == ["192.0.2.2"]
        assert await elsewhere.ask("b.example.") == ["192.0.2.2"]
        assert second.asked == ["a.example.", "b.example."]
        assert first.asked == ["a.example."]

    run(test)


@pytest.mark.parametrize("code", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.NOTIMP, dns.rcode.FORMERR])
def test_a_server_that_has_no_answer_to_one_question_stays_the_first_for_others(code):
    def not_for_a(query):
        found = declined(code)(query)
        return found if query.question[0].name.to_text() == "a.example." else address("192.0.2.1")(query)

    async def test(stack):
        first, second = await started(stack, not_for_a, address("192.0.2.2"))
        elsewhere = Elsewhere({"": [first.at, second.at]})
        with structlog.testing.capture_logs() as logs:
            assert await elsewhere.ask("a.example.") == ["192.0.2.2"]
            assert await elsewhere.ask("b.example.") == ["192.0.2.1"]
        assert second.asked == ["a.example."]
        assert not logs

    run(test)


def test_if_no_server_has_an_answer_it_is_servfail():
    async def test(stack):
        servers = await started(stack, declined(dns.rcode.REFUSED), failure)
        assert await Elsewhere({"": [each.at for each in servers]}).ask() == "SERVFAIL"
        assert [len(each.asked) for each in servers] == [1, 1]

    run(test)


def test_a_server_that_answers_others_does_not_rest_for_one_name():
    def not_for_slow(query):
        slow = query.question[0].name.to_text() == "slow.example."
        return None if slow else address("192.0.2.1")(query)

    async def test(stack):
        first, second = await started(stack, not_for_slow, address("192.0.2.2"))
        elsewhere = Elsewhere({"": [first.at, second.at]})
        waiting = asyncio.create_task(elsewhere.ask("slow.example."))
        await until(lambda: first.asked)
        assert await elsewhere.ask("a.example.") == ["192.0.2.1"]
        assert await waiting == ["192.0.2.2"]
        assert await elsewhere.ask("b.example.") == ["192.0.2.1"]

    run(test)


@pytest.mark.parametrize("code", [dns.rcode.FORMERR, dns.rcode.NOTIMP])
def test_a_server_that_does_not_know_of_edns_is_asked_without_it(code):
    versions = list[int]()

    def old(query):
        versions.append(query.edns)
        return declined(code)(query) if query.edns >= 0 else address("192.0.2.1")(query)

    async def test(stack):
        (server,) = await started(stack, old)
        elsewhere = Elsewhere({"": [server.at]})
        for name in ("a.example.", "b.example."):
            assert await elsewhere.ask(name) == ["192.0.2.1"]
        assert versions == [0, -1, -1]

    run(test)


def test_a_server_that_answers_again_is_asked_again():
    async def test(stack):
        first, second = await started(stack, silence, address("192.0.2.2"))
        elsewhere = Elsewhere({"": [first.at, second.at]})
        await elsewhere.ask("a.example.")
        first.does, second.does = address("192.0.2.1"), failure
        async with asyncio.timeout(20):
            count = 0
            while await elsewhere.ask(f"b{count}.example.") != ["192.0.2.1"]:
                count += 1

    run(test)


def test_if_all_are_down_all_are_asked():
    async def test(stack):
        first, second = await started(stack, silence, silence)
        elsewhere = Elsewhere({"": [first.at, second.at]})
        assert await elsewhere.ask("a.example.") == "SERVFAIL"
        second.does = address("192.0.2.2")
        assert await elsewhere.ask("b.example.") == ["192.0.2.2"]

    run(test)


def test_what_is_too_large_for_a_datagram_is_asked_for_over_tcp():
    async def test(stack):
        (server,) = await started(stack, truncated)
        server.over_tcp = address("192.0.2.7")
        assert await Elsewhere({"": [server.at]}).ask() == ["192.0.2.7"]

    run(test)


def test_an_answer_to_another_question_is_none():
    def forged(query):
        other = dns.message.make_query("other.example.", "A", id=query.id)
        return address("6.6.6.6")(other)

    def with_another_id(query):
        found = address("6.6.6.6")(query)
        found.id ^= 1
        return found

    async def test(stack):
        for does in (forged, with_another_id):
            (server,) = await started(stack, does)
            assert await Elsewhere({"": [server.at]}).ask() == "SERVFAIL"

    run(test)


def test_what_there_was_is_better_than_nothing():
    async def test(stack):
        (server,) = await started(stack, address("192.0.2.1", ttl=1))
        elsewhere = Elsewhere({"": [server.at]})
        await elsewhere.ask()
        for does in (failure, silence):
            server.does = does
            async with asyncio.timeout(20):
                while elsewhere.forwarding.counts["stale"] == 0:
                    assert await elsewhere.ask() == ["192.0.2.1"]
                    await asyncio.sleep(0.05)
            elsewhere.forwarding.counts.clear()
        server.does = address("192.0.2.9", ttl=1)
        async with asyncio.timeout(20):
            while await elsewhere.ask() != ["192.0.2.9"]:  # noqa: ASYNC110  (the same)
                await asyncio.sleep(0.01)

    run(test)


def test_only_the_first_waits_for_a_server_that_is_silent(monkeypatch):
    async def test(stack):
        (server,) = await started(stack, address("192.0.2.1", ttl=1))
        elsewhere = Elsewhere({"": [server.at]})
        await elsewhere.ask()
        server.does = silence
        async with asyncio.timeout(20):
            while not elsewhere.forwarding.counts["stale"]:
                assert await elsewhere.ask() == ["192.0.2.1"]
                await asyncio.sleep(0.01)
        # A server that hangs for ever: whoever waited for it would wait until the test fails.
        monkeypatch.setattr(module, "_PATIENCE_S", 60)
        monkeypatch.setattr(module, "_STALE_AFTER_S", 60)
        server.asked.clear()
        async with asyncio.timeout(20):
            for _ in range(5):
                assert await elsewhere.ask() == ["192.0.2.1"]
        await until(lambda: server.asked)
        assert len(server.asked) == 1, "one question, behind their backs"

    run(test)


def test_what_is_asked_behind_their_backs_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "_BEHIND", 3)

    async def test(stack):
        (server,) = await started(stack, address("192.0.2.1", ttl=1))
        elsewhere = Elsewhere({"": [server.at]})
        names = [f"{each}.example." for each in range(20)]
        await asyncio.gather(*map(elsewhere.ask, names))
        server.does = silence
        async with asyncio.timeout(20):
            while elsewhere.forwarding.counts["stale"] < len(names):
                await asyncio.gather(*map(elsewhere.ask, names))
                await asyncio.sleep(0.01)
        monkeypatch.setattr(module, "_PATIENCE_S", 60)
        await until(lambda: not elsewhere.forwarding._asking)
        server.asked.clear()
        for name in names:
            assert await elsewhere.ask(name) == ["192.0.2.1"]
        await until(lambda: len(server.asked) >= 3)
        assert len(elsewhere.forwarding._asking) == 3

    run(test)


def test_that_there_is_nothing_is_remembered():
    async def test(stack):
        (server,) = await started(stack, nothing())
        elsewhere = Elsewhere({"": [server.at]})
        for _ in range(3):
            assert await elsewhere.ask() == "NXDOMAIN"
        assert len(server.asked) == 1

    run(test)


def test_an_alias_goes_on_elsewhere():
    async def test(stack):
        (server,) = await started(stack, address("192.0.2.1"))
        name, target = labels("out.shop.svc.cluster.local"), labels("api.example.com")
        alias = Record(name, 5, Name(Type.CNAME, target))
        query = onward("out.shop.svc.cluster.local.").query
        elsewhere = Elsewhere({"": [server.at]})
        so_far = Answer(records=(alias,), elsewhere=target)
        found = await elsewhere.forwarding.forward(Onward(query, so_far))
        assert found.records[0] == alias
        assert found.records[1].owner == target
        assert server.asked == ["api.example.com."]

    run(test)
