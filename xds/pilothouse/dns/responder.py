"""From the bytes of a question to those of its answer, without waiting for anything."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

from pilothouse.dns.answers import Answer
from pilothouse.dns.messages import Query, Unreadable, assembled, encoded, read
from pilothouse.dns.names import Names
from pilothouse.dns.records import Rcode, Type
from pilothouse.model.services import Service

_KEPT = 4096  # so many answers are remembered
_ORDERS = 16  # in so many orders
_LARGEST_TCP = 65_535
_TRANSFERS = (Type.AXFR, Type.IXFR)


class Counted(NamedTuple):
    """What is counted of an answer. The type is that of the question."""

    type: int
    rcode: int


class Onward(NamedTuple):
    """A question that has to be asked elsewhere: all of it, or from where the `answer` so far leads."""

    query: Query
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class _Ready:
    """An answer but for its id, in some orders of its records. It holds while these services are in force."""

    orders: tuple[bytes, ...]
    of: tuple[Service, ...]
    counted: Counted


class Responder:
    """Answers questions out of what is known here.

    `forwards`: whether there is somebody to ask for the rest. `counts` has how many were answered.
    """

    def __init__(self, names: Names, forwards: bool = False) -> None:
        self.names, self.forwards = names, forwards
        self.counts = Counter[Counted]()
        self._datagrams = dict[bytes, _Ready]()
        self._segments = dict[bytes, _Ready]()
        self._turn = count()

    def respond(self, message: bytes, *, datagram: bool) -> bytes | Onward:
        """The answer; empty if there is to be none."""
        kept = self._datagrams if datagram else self._segments
        ready = kept.get(message[2:])
        if ready is not None:
            if self._holds(ready.of):
                self.counts[ready.counted] += 1
                return message[:2] + ready.orders[next(self._turn) % len(ready.orders)]
            del kept[message[2:]]
        try:
            query = read(message)
        except Unreadable as unreadable:
            return self._unreadable(unreadable)
        answer = self._answer(query)
        if answer is None or (answer.elsewhere and self.forwards):
            return Onward(query, answer)
        return self._written(query, answer, message, kept, datagram)

    def finished(self, query: Query, answer: Answer, *, datagram: bool) -> bytes:
        """The answer to a question that was asked elsewhere."""
        self.counts[Counted(query.question.type, answer.rcode)] += 1
        limit = query.limit if datagram else _LARGEST_TCP
        return assembled(query, encoded(query.question.name, answer), limit, recursion=self.forwards)

    def _holds(self, of: tuple[Service, ...]) -> bool:
        return all(self.names.service(each.name) is each for each in of)

    def _answer(self, query: Query) -> Answer | None:
        question = query.question
        if question.type in _TRANSFERS:
            return Answer(Rcode.REFUSED, authoritative=False)
        found = self.names.answer(question)
        if found is None and not self.forwards:
            return Answer(Rcode.REFUSED, authoritative=False)
        return found

    def _written(
        self, query: Query, answer: Answer, message: bytes, kept: dict[bytes, _Ready], datagram: bool
    ) -> bytes:
        counted = Counted(query.question.type, answer.rcode)
        self.counts[counted] += 1
        orders = self._orders(query, answer, datagram)
        if answer.of:
            if len(kept) >= _KEPT:
                kept.clear()
            kept[message[2:]] = _Ready(tuple(each[2:] for each in orders), answer.of, counted)
        return orders[next(self._turn) % len(orders)]

    def _orders(self, query: Query, answer: Answer, datagram: bool) -> list[bytes]:
        """The answer with each of its records in front once, so that clients spread over them."""
        body = encoded(query.question.name, answer)
        limit = query.limit if datagram else _LARGEST_TCP
        several = min(len(body.records), _ORDERS) if body.turns and answer.of else 1
        return [assembled(query, body, limit, first, recursion=self.forwards) for first in range(several)]

    def _unreadable(self, why: Unreadable) -> bytes:
        if why.answer:
            self.counts[Counted(0, why.answer[3] & 0xF)] += 1
        return why.answer
