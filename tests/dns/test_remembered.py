"""How long answers from elsewhere are of use."""

from __future__ import annotations

import pytest

from pilothouse.dns.answers import Answer, Question
from pilothouse.dns.records import Address, Authority, Name, Rcode, Record, Type, labels
from pilothouse.dns.remembered import STALE_S, Remembered

pytestmark = pytest.mark.quick

NAME = labels("example.com")
ASKED = Question(NAME, 1)


def found(*ttls):
    return Answer(records=tuple(Record(NAME, ttl, Address(b"\1\2\3\4")) for ttl in ttls), authoritative=False)


def absent(ttl, minimum, rcode=Rcode.NXDOMAIN):
    return Answer(rcode, authority=(Record(NAME, ttl, Authority(NAME, NAME, 1, minimum)),))


def ttls(recalled):
    return [each.ttl for each in recalled.answer.records or recalled.answer.authority]


def test_an_answer_lasts_as_long_as_its_shortest_record_and_counts_down():
    remembered = Remembered()
    remembered.put(ASKED, found(60, 30), 100)
    recalled = remembered.recall(ASKED, 120.5)
    assert recalled.fresh
    assert ttls(recalled) == [40, 10]
    assert remembered.recall(ASKED, 129.9).fresh
    assert not remembered.recall(ASKED, 130).fresh


def test_no_answer_lasts_for_ever():
    remembered = Remembered()
    remembered.put(ASKED, found(10**9), 0)
    assert ttls(remembered.recall(ASKED, 0)) == [3600]
    assert not remembered.recall(ASKED, 3600).fresh


@pytest.mark.parametrize(("ttl", "minimum", "lasts"), [(60, 5, 5), (5, 60, 5), (10**6, 10**6, 300)])
@pytest.mark.parametrize("rcode", [Rcode.NXDOMAIN, Rcode.NOERROR])
def test_that_there_is_nothing_lasts_as_long_as_the_zone_says(ttl, minimum, lasts, rcode):
    remembered = Remembered()
    remembered.put(ASKED, absent(ttl, minimum, rcode), 0)
    assert remembered.recall(ASKED, lasts - 0.1).fresh
    assert not remembered.recall(ASKED, lasts).fresh


ALIAS = Record(NAME, 5, Name(Type.CNAME, labels("a.example")))


def aliased(ttl, *more, rcode=Rcode.NOERROR, authority=()):
    return Answer(rcode, (ALIAS._replace(ttl=ttl), *more), authority)


def lasts(answer, question=ASKED):
    """For how many seconds an answer is remembered."""
    remembered = Remembered()
    remembered.put(question, answer, 0)
    end = 0
    while (recalled := remembered.recall(question, end)) and recalled.fresh:
        end += 1
    return end


@pytest.mark.parametrize("rcode", [Rcode.NXDOMAIN, Rcode.NOERROR])
@pytest.mark.parametrize(("alias_ttl", "soa_ttl", "seconds"), [(3600, 3600, 300), (5, 300, 5), (60, 20, 20)])
def test_an_alias_to_nothing_lasts_as_long_as_the_alias_and_nothing_do(rcode, alias_ttl, soa_ttl, seconds):
    soa = absent(soa_ttl, soa_ttl).authority
    assert lasts(aliased(alias_ttl, rcode=rcode, authority=soa)) == seconds
    assert lasts(aliased(alias_ttl, rcode=rcode)) == 0, "without an SOA record nobody has said how long"


@pytest.mark.parametrize("type", [Type.CNAME, Type.ANY])
def test_an_alias_that_was_asked_for_is_something(type):
    assert lasts(aliased(60), Question(NAME, type)) == 60


def test_an_alias_to_an_address_lasts_as_long_as_both():
    assert lasts(aliased(60, Record(labels("a.example"), 20, Address(b"\1\2\3\4")))) == 20


def test_the_next_who_remembers_that_there_is_nothing_does_so_no_longer():
    remembered = Remembered()
    remembered.put(ASKED, absent(3600, 60), 0)
    assert ttls(remembered.recall(ASKED, 0)) == [60]
    assert ttls(remembered.recall(ASKED, 50)) == [10]


def test_for_a_while_after_a_failure_nobody_waits_for_a_new_answer():
    remembered = Remembered()
    remembered.put(ASKED, found(60), 0)
    assert not remembered.recall(ASKED, 61).failing
    remembered.failed(ASKED, 61)
    assert [remembered.recall(ASKED, at).failing for at in (61, 90, 91)] == [True, True, False]
    remembered.failed(ASKED, 91)
    remembered.put(ASKED, found(5), 92)
    assert not remembered.recall(ASKED, 98).failing


@pytest.mark.parametrize("answer", [Answer(), Answer(Rcode.SERVFAIL), Answer(Rcode.NXDOMAIN), found(0)])
def test_what_nobody_has_given_a_time_is_not_remembered(answer):
    remembered = Remembered()
    remembered.put(ASKED, answer, 0)
    assert remembered.recall(ASKED, 0) is None


def test_after_its_end_an_answer_is_of_use_for_a_day():
    remembered = Remembered()
    remembered.put(ASKED, found(60), 0)
    stale = remembered.recall(ASKED, 60 + STALE_S - 1)
    assert not stale.fresh
    assert ttls(stale) == [30]
    assert remembered.recall(ASKED, 60 + STALE_S) is None


def test_an_answer_that_is_asked_for_often_is_asked_for_anew_before_its_end():
    remembered = Remembered()
    remembered.put(ASKED, found(100), 0)
    assert [remembered.recall(ASKED, at).ending for at in (95, 89, 90, 99)] == [False, False, True, True]


def test_the_answers_that_were_asked_for_long_ago_are_forgotten():
    remembered = Remembered(most=2)
    other, third = Question(labels("b.example"), 1), Question(labels("c.example"), 1)
    remembered.put(ASKED, found(60), 0)
    remembered.put(other, found(60), 0)
    remembered.recall(ASKED, 1)
    remembered.put(third, found(60), 1)
    assert remembered.recall(other, 1) is None
    assert remembered.recall(ASKED, 1)
