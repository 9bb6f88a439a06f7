"""From the bytes of a question to those of its answer, without waiting for anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from typing import NamedTuple, Protocol

from pilothouse.dns.answers import Answer, Question
from pilothouse.dns.kept import Kept
from pilothouse.dns.messages import Body, Query, Reply, Unreadable, assembled, encoded, read
from pilothouse.dns.records import Rcode, Type
from pilothouse.model.services import Service, ServiceName

_LARGEST_TCP = 65_535
_TYPES = {each.value: each.name for each in Type}
_RCODES = {each.value: each.name for each in Rcode}
_REFUSED = Answer(Rcode.REFUSED, authoritative=False)
_TRANSFERS = (Type.AXFR, Type.IXFR)


class Counted(NamedTuple):
    """What is counted of an answer. The type is that of the question, or 0 if nobody here knows it."""

    type: int
    rcode: int

    @classmethod
    def of(cls, question: Question, rcode: int) -> Counted:
        return cls(question.type if question.type in _TYPES else 0, rcode)


class Onward(NamedTuple):
    """A question that has to be asked elsewhere: all of it, or from where the `answer` so far leads."""

    query: Query
    answer: Answer | None = None


class _Ready(NamedTuple):
    """What is sent to whoever asks with the same bytes, except for their id."""

    reply: Reply
    counted: Counted


class _Found(NamedTuple):
    """The records of an answer, and the services that it was made from."""

    body: Body
    of: tuple[Service, ...]


#: Asks elsewhere for what is not known here.
Forward = Callable[[Onward], Awaitable[Answer]]


class Answers(Protocol):
    """What is known here."""

    def service(self, name: ServiceName) -> Service | None:
        """The service in force of this name."""

    def answer(self, question: Question) -> Answer | None:
        """None if somebody else has to be asked."""


class Responder:
    """Answers questions out of what is known here.

    Whoever asks in the same bytes gets the same reply. There is no end of bytes that ask the same (case,
    options, sizes), but whoever asks the same gets the same records. So none of them is worked out twice.
    `forwards`: whether there is somebody to ask for the rest. `counts` has how many were answered.
    """

    def __init__(self, names: Answers, forwards: bool = False) -> None:
        self.names, self.forwards = names, forwards
        self.counts = Counter[Counted]()
        self._datagrams = Kept[bytes, _Ready](names.service)
        self._segments = Kept[bytes, _Ready](names.service)
        self._bodies = Kept[Question, _Found](names.service)
        self._turn = count()

    @property
    def answered(self) -> Mapping[tuple[str, str], int]:
        """How many answers were given, by type and code. Types that nobody here knows are one."""
        found = Counter[tuple[str, str]]()
        for counted, number in self.counts.items():
            found[_TYPES.get(counted.type, "other"), _RCODES[counted.rcode]] += number
        return found

    def respond(self, message: bytes, *, datagram: bool) -> bytes | Onward:
        """The answer; empty if there is to be none."""
        ready = (self._datagrams if datagram else self._segments).get(message[2:])
        if ready is not None:
            self.counts[ready.counted] += 1
            return ready.reply.message(message[:2], next(self._turn))
        try:
            query = read(message)
        except Unreadable as unreadable:
            return self._unreadable(unreadable)
        found = self._bodies.get(query.question) or self._found(query)
        if isinstance(found, Onward):
            return found
        return self._replied(query, found, message, datagram)

    def finished(self, query: Query, answer: Answer, *, datagram: bool) -> bytes:
        """The answer to a question that was asked elsewhere."""
        self.counts[Counted.of(query.question, answer.rcode)] += 1
        reply = self._assembled(query, encoded(query.question.name, answer), datagram)
        return reply.message(query.id.to_bytes(2), next(self._turn))

    def _found(self, query: Query) -> _Found | Onward:
        answer = self._answer(query.question)
        if answer is None or (answer.elsewhere and self.forwards):
            if query.may_go_on:
                return Onward(query, answer)
            known = answer if answer is not None and answer.records else _REFUSED
            return _Found(encoded(query.question.name, known), ())
        found = _Found(encoded(query.question.name, answer), answer.of)
        if answer.of:
            self._bodies.put(query.question, found, found.body.size, answer.of)
        return found

    def _answer(self, question: Question) -> Answer | None:
        if question.type in _TRANSFERS:
            return _REFUSED
        found = self.names.answer(question)
        if found is None and not self.forwards:
            return _REFUSED
        return found

    def _replied(self, query: Query, found: _Found, message: bytes, datagram: bool) -> bytes:
        counted = Counted.of(query.question, found.body.rcode)
        self.counts[counted] += 1
        reply = self._assembled(query, found.body, datagram)
        if found.of:
            kept = self._datagrams if datagram else self._segments
            kept.put(message[2:], _Ready(reply, counted), len(message) + reply.size, found.of)
        return reply.message(message[:2], next(self._turn))

    def _assembled(self, query: Query, body: Body, datagram: bool) -> Reply:
        return assembled(query, body, query.limit if datagram else _LARGEST_TCP, recursion=self.forwards)

    def _unreadable(self, why: Unreadable) -> bytes:
        if why.answer:
            self.counts[Counted(0, why.answer[3] & 0xF)] += 1
        return why.answer
