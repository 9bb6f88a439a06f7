"""Answers from elsewhere, for as long as they last, and longer if nobody answers any more (RFC 8767)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from pilothouse.dns.answers import Answer, Question
from pilothouse.dns.records import Authority, Rcode, Record, Type

_MOST = 10_000  # answers
#: In seconds: how long an answer is believed at most, and one that says that there is nothing (RFC 2308, 5).
_LONGEST_S, _LONGEST_NEGATIVE_S = 3600, 300
#: How long an answer is of use after its end, and what is then said how long it lasts (RFC 8767, 5).
STALE_S, STALE_TTL = 86_400, 30
#: Nobody waits for a new answer for so long after one could not be had (the failure recheck timer, ibid.).
_RECHECK_S = 30.0
#: An answer that is asked for in the last part of its time is asked for anew before its end.
_LAST_PART = 0.1


@dataclass(slots=True)
class _Kept:
    answer: Answer
    at: float
    lasts_s: float
    asked: int = 0
    rechecked_from: float = 0.0


class Recalled(NamedTuple):
    """What is remembered. `fresh`: it still lasts. `ending`: not for long, and it is asked for often.

    `failing`: it has ended, and a moment ago there was no new one to be had.
    """

    answer: Answer
    fresh: bool
    ending: bool = False
    failing: bool = False


class Remembered:
    """The latest answers. Times are seconds of any clock that does not jump."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._kept = OrderedDict[Question, _Kept]()

    def put(self, question: Question, answer: Answer, now: float) -> None:
        """Remember an answer, unless it says nothing about the name."""
        lasts_s = _lasts_s(question, answer)
        if lasts_s is None:
            return
        # The next who remembers that there is nothing reads from the SOA record for how long (RFC 2308, 5).
        authority = tuple(each._replace(ttl=min(each.ttl, lasts_s)) for each in answer.authority)
        self._kept[question] = _Kept(replace(answer, authority=authority), now, lasts_s)
        self._kept.move_to_end(question)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def failed(self, question: Question, now: float) -> None:
        """Take note that there was no new answer to be had."""
        kept = self._kept.get(question)
        if kept is not None:
            kept.rechecked_from = now + _RECHECK_S

    def recall(self, question: Question, now: float) -> Recalled | None:
        """What is remembered, with what is left of its time. None after `STALE_S`."""
        kept = self._kept.get(question)
        if kept is None:
            return None
        age_s = now - kept.at
        if age_s >= kept.lasts_s + STALE_S:
            del self._kept[question]
            return None
        self._kept.move_to_end(question)
        if age_s >= kept.lasts_s:
            stale = _with(kept.answer, lambda _: STALE_TTL)
            return Recalled(stale, fresh=False, failing=now < kept.rechecked_from)
        kept.asked += 1
        ending = kept.asked > 1 and kept.lasts_s - age_s <= _LAST_PART * kept.lasts_s
        return Recalled(_aged(kept.answer, int(age_s)), fresh=True, ending=ending)


def _lasts_s(question: Question, answer: Answer) -> int | None:
    """How long an answer lasts. None if it is not to be remembered."""
    if answer.rcode not in (Rcode.NOERROR, Rcode.NXDOMAIN):
        return None
    lasts_s = min((_LONGEST_S, *(each.ttl for each in answer.records)))
    if answer.rcode is Rcode.NOERROR and _is_found(question, answer):
        return lasts_s or None
    # There is nothing, or aliases lead to where there is nothing.
    for each in answer.authority:
        if isinstance(each.data, Authority):
            return min(lasts_s, _LONGEST_NEGATIVE_S, each.ttl, each.data.minimum) or None
    return None  # without an SOA record nobody has said how long there is nothing


def _is_found(question: Question, answer: Answer) -> bool:
    """Whether there are records of the type that was asked for, and not only aliases on the way."""
    if question.type == Type.ANY:
        return bool(answer.records)
    return any(each.data.type == question.type for each in answer.records)


def _aged(answer: Answer, age_s: int) -> Answer:
    """The answer after so many seconds."""
    return _with(answer, lambda ttl: max(0, min(ttl, _LONGEST_S) - age_s))


def _with(answer: Answer, ttl: Callable[[int], int]) -> Answer:
    def changed(records: tuple[Record, ...]) -> tuple[Record, ...]:
        return tuple(each._replace(ttl=ttl(each.ttl)) for each in records)

    sections = map(changed, (answer.records, answer.authority, answer.additional))
    records, authority, additional = sections
    return replace(answer, records=records, authority=authority, additional=additional)
