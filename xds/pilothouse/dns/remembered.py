"""Answers from elsewhere, for as long as they last, and longer if nobody answers any more (RFC 8767)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from pilothouse.dns.answers import Answer, Question
from pilothouse.dns.records import Authority, Rcode, Record

_MOST = 10_000  # answers
#: In seconds: how long an answer is believed at most, and one that says that there is nothing (RFC 2308, 5).
_LONGEST_S, _LONGEST_NEGATIVE_S = 3600, 300
#: How long an answer is of use after its end, and what is then said how long it lasts (RFC 8767, 5).
STALE_S, STALE_TTL = 86_400, 30
#: An answer that is asked for in the last part of its time is asked for anew before its end.
_LAST_PART = 0.1


@dataclass(slots=True)
class _Kept:
    answer: Answer
    at: float
    lasts_s: float
    asked: int = 0


class Recalled(NamedTuple):
    """What is remembered. `fresh`: it still lasts. `ending`: not for long, and it is asked for often."""

    answer: Answer
    fresh: bool
    ending: bool = False


class Remembered:
    """The latest answers. Times are seconds of any clock that does not jump."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._kept = OrderedDict[Question, _Kept]()

    def put(self, question: Question, answer: Answer, now: float) -> None:
        """Remember an answer, unless it says nothing about the name."""
        lasts_s = _lasts_s(answer)
        if lasts_s is None:
            return
        self._kept[question] = _Kept(answer, now, lasts_s)
        self._kept.move_to_end(question)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

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
            return Recalled(_with(kept.answer, lambda _: STALE_TTL), fresh=False)
        kept.asked += 1
        ending = kept.asked > 1 and kept.lasts_s - age_s <= _LAST_PART * kept.lasts_s
        return Recalled(_aged(kept.answer, int(age_s)), fresh=True, ending=ending)


def _lasts_s(answer: Answer) -> int | None:
    """How long an answer lasts. None if it is not to be remembered."""
    if answer.rcode not in (Rcode.NOERROR, Rcode.NXDOMAIN):
        return None
    if answer.rcode is Rcode.NOERROR and answer.records:
        return min(_LONGEST_S, *(each.ttl for each in answer.records)) or None
    for each in answer.authority:
        if isinstance(each.data, Authority):
            return min(_LONGEST_NEGATIVE_S, each.ttl, each.data.minimum) or None
    return None  # without an SOA record nobody has said how long there is nothing


def _aged(answer: Answer, age_s: int) -> Answer:
    """The answer after so many seconds."""
    return _with(answer, lambda ttl: max(0, min(ttl, _LONGEST_S) - age_s))


def _with(answer: Answer, ttl: Callable[[int], int]) -> Answer:
    def changed(records: tuple[Record, ...]) -> tuple[Record, ...]:
        return tuple(each._replace(ttl=ttl(each.ttl)) for each in records)

    sections = map(changed, (answer.records, answer.authority, answer.additional))
    records, authority, additional = sections
    return replace(answer, records=records, authority=authority, additional=additional)
