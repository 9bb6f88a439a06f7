"""Names elsewhere, from servers that answer, fail, hang and lie."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import dns.message
import dns.rcode
import dns.rrset
import pytest
import structlog
from tests.dns.upstream import (
    Upstream,
    address,
    declined,
    failure,
    nothing,
    silence,
    truncated,
    upstream,
)

from pilothouse.dns import forwarding as module
from pilothouse.dns.answers import Answer
from pilothouse.dns.forwarding import Forwarding
from pilothouse.dns.messages import read
from pilothouse.dns.records import Name, Record, Type, labels
from pilothouse.dns.responder import Onward
from pilothouse.structures.hostport import HostPort

pytestmark = pytest.mark.quick


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE_S", 0.2)
    monkeypatch.setattr(module, "_STALE_AFTER_S", 0.3)


def onward(name="example.com.", type="A"):
    return Onward(read(dns.message.make_query(name, type).to_wire()))


def seen(answer: Answer) -> object:
    """The addresses of an answer, or its code."""
    packed = [each.data.wire for each in answer.records if each.data.type == Type.A]
    return [".".join(map(str, each)) for each in packed] or answer.rcode.name


class Elsewhere:
    """Servers of some zones, and who asks them."""

    def __init__(self, servers: dict[str, list[HostPort]]) -> None:
        self.forwarding = Forwarding({labels(zone): at for zone, at in servers.items()})

    async def ask(self, name="example.com.", type="A") -> object:
        return seen(await self.forwarding.forward(onward(name, type)))


async def started(stack: AsyncExitStack, *does) -> list[Upstream]:
    return [await stack.enter_async_context(upstream(each)) for each in does]


def run(test) -> None:
    async def within() -> None:
        async with AsyncExitStack() as stack:
            await test(stack)

    asyncio.run(within())


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110  (there is no event for what others see)
            await asyncio.sleep(0.01)


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


def with_more(*texts, instead=False):
    """Answers with an address, and in every section with what nobody has asked for."""

    def does(query):
        found = dns.message.make_response(query) if instead else address("192.0.2.1")(query)
        for text in texts:
            owner, type, data = text.split(maxsplit=2)
            rrset = dns.rrset.from_text(owner, 60, "IN", type, data)
            for section in (found.answer, found.authority, found.additional):
                section.append(rrset)
        return found

    return does


def test_what_nobody_has_asked_for_is_not_passed_on():
    poison = with_more(
        "bank.example. A 6.6.6.6", "payments.shop.svc.cluster.local. A 6.6.6.6", "com. NS evil.example."
    )

    async def test(stack):
        (server,) = await started(stack, poison)
        forwarding = Forwarding({(): [server.at]})
        for _ in range(2):
            found = await forwarding.forward(onward())
            assert {each.owner for each in found.records} == {labels("example.com")}
            assert not found.authority
            assert not found.additional
        server.does = address("192.0.2.9")
        assert seen(await forwarding.forward(onward("bank.example."))) == ["192.0.2.9"]

    run(test)


def test_an_answer_about_another_name_is_none():
    async def test(stack):
        wrong, right = await started(
            stack, with_more("bank.example. A 6.6.6.6", instead=True), address("192.0.2.2")
        )
        assert await Elsewhere({"": [wrong.at, right.at]}).ask() == ["192.0.2.2"]

    run(test)


def test_the_names_that_aliases_lead_to_are_passed_on():
    def aliased(query):
        found = dns.message.make_response(query)
        for owner, type, data in (
            ("b.example.", "A", "192.0.2.3"),
            ("a.example.", "CNAME", "b.example."),
            ("example.com.", "CNAME", "a.example."),
        ):
            found.answer.append(dns.rrset.from_text(owner, 60, "IN", type, data))
        return found

    async def test(stack):
        (server,) = await started(stack, aliased)
        found = await Forwarding({(): [server.at]}).forward(onward())
        assert seen(found) == ["192.0.2.3"]
        # glibc reads an answer once, so an alias has to stand before what it leads to.
        assert [each.owner[0] for each in found.records] == ["example", "a", "b"]

    run(test)


def test_aliases_that_a_server_has_not_followed_to_their_end_are_passed_on_as_they_are():
    def unfinished(query):
        found = dns.message.make_response(query)
        found.answer.append(dns.rrset.from_text("example.com.", 60, "IN", "CNAME", "a.example."))
        return found

    async def test(stack):
        (server,) = await started(stack, unfinished)
        forwarding = Forwarding({(): [server.at]})
        for count in (1, 2):
            found = await forwarding.forward(onward())
            assert seen(found) == "NOERROR"
            assert [each.data.target for each in found.records] == [labels("a.example")]
            assert len(server.asked) == count, "nobody has said how long there is no address"

    run(test)


def test_aliases_elsewhere_that_lead_to_each_other_end():
    def circle(query):
        found = dns.message.make_response(query)
        found.answer.append(dns.rrset.from_text("example.com.", 60, "IN", "CNAME", "a.example."))
        found.answer.append(dns.rrset.from_text("a.example.", 60, "IN", "CNAME", "example.com."))
        return found

    async def test(stack):
        (server,) = await started(stack, circle)
        assert len((await Forwarding({(): [server.at]}).forward(onward())).records) == 2

    run(test)
