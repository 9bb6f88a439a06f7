"""What is believed of what servers elsewhere say."""

from __future__ import annotations

import dns.message
import dns.rcode
import dns.rrset
import pytest
from tests.dns.elsewhere import Elsewhere, onward, run, seen, started
from tests.dns.upstream import (
    address,
)

from pilothouse.dns.forwarding import Forwarding
from pilothouse.dns.records import labels

pytestmark = [pytest.mark.quick, pytest.mark.usefixtures("impatient")]


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
