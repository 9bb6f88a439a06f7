"""Asks elsewhere for names that are not known here."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from pilothouse.dns.answers import Answer, Question
from pilothouse.dns.exchange import Declined, Failed, ask
from pilothouse.dns.records import Labels, Rcode
from pilothouse.dns.remembered import Recalled, Remembered
from pilothouse.dns.responder import Onward
from pilothouse.structures.backoff import pause_s
from pilothouse.structures.hostport import HostPort

log = structlog.get_logger(__name__)

#: How long to wait for one server, in seconds. Then the next one is asked.
_PATIENCE_S = 1.5
#: After so long, what is remembered is better than nothing (RFC 8767, 5).
_STALE_AFTER_S = 1.8
#: A server that has failed rests for so long: at first, and at most. Meanwhile it is asked as the last one.
_FIRST_REST_S, _LONGEST_REST_S = 0.5, 30.0
#: How long a server that does not know of EDNS is asked without it, in seconds.
_WITHOUT_EDNS_S = 600.0
#: Answers are asked for anew behind the back of whoever asks only while fewer are being asked for.
_BEHIND = 100

_NOTHING = Answer(Rcode.SERVFAIL, authoritative=False)


@dataclass(slots=True)
class _Server:
    at: HostPort
    failures: int = 0
    rests_until: float = 0.0
    answered_at: float = 0.0
    without_edns_until: float = 0.0

    async def ask(self, question: Question) -> Answer:
        """Raises Failed and Declined."""
        edns = self.without_edns_until <= time.monotonic()
        try:
            return await ask(self.at, question, _PATIENCE_S, edns=edns)
        except Declined as declined:
            if not (edns and declined.may_be_for_edns):
                raise
        found = await ask(self.at, question, _PATIENCE_S, edns=False)
        self.without_edns_until = time.monotonic() + _WITHOUT_EDNS_S
        return found

    def failed(self, asked_at: float, why: Failed) -> None:
        """Let it rest, unless it has answered others meanwhile: then it is about this name only."""
        if self.answered_at > asked_at:
            return
        if not self.failures:
            log.warning("a name server fails", reason=str(why))
        self.rests_until = time.monotonic() + pause_s(self.failures, _FIRST_REST_S, _LONGEST_REST_S)
        self.failures += 1

    def answered(self) -> None:
        self.failures, self.rests_until, self.answered_at = 0, 0.0, time.monotonic()


class Forwarding:
    """Looks names up at the servers of the most specific zone that they are in.

    `servers` are those of each zone, in the order in which they are asked; of the root's for all the rest.
    `counts` has how often what came of it.
    """

    def __init__(self, servers: Mapping[Labels, Sequence[HostPort]]) -> None:
        known = {each: _Server(each) for several in servers.values() for each in several}
        self._servers = {zone: [known[each] for each in several] for zone, several in servers.items()}
        self._remembered = Remembered()
        self._asking = dict[Question, asyncio.Task[Answer]]()
        self.counts = Counter[str]()

    async def forward(self, onward: Onward) -> Answer:
        """The answer to a question, or the rest of the answer that has led elsewhere."""
        question = onward.query.question
        if onward.answer is None:
            return await self._looked_up(question)
        found = await self._looked_up(Question(onward.answer.elsewhere, question.type))
        records = onward.answer.records + found.records
        return replace(found, records=records, authoritative=False)

    async def _looked_up(self, question: Question) -> Answer:
        recalled = self._remembered.recall(question, time.monotonic())
        if recalled is not None and recalled.fresh:
            self.counts["remembered"] += 1
            if recalled.ending:
                self._ask_behind(question)
            return recalled.answer
        if recalled is not None and recalled.failing:
            self._ask_behind(question)
            return self._stale(recalled)
        asking = self._ask(question)
        try:
            # Others may wait for the same answer, so it is not cancelled with the first who has.
            async with asyncio.timeout(_STALE_AFTER_S if recalled is not None else None):
                return await asyncio.shield(asking)
        except (Failed, TimeoutError):
            self._remembered.failed(question, time.monotonic())
            return self._stale(recalled)

    def _stale(self, recalled: Recalled | None) -> Answer:
        if recalled is None:
            self.counts["failed"] += 1
            return _NOTHING
        self.counts["stale"] += 1
        return recalled.answer

    def _ask_behind(self, question: Question) -> None:
        """Ask, and let nobody wait for it."""
        if len(self._asking) < _BEHIND:
            self._ask(question)

    def _ask(self, question: Question) -> asyncio.Task[Answer]:
        asking = self._asking.get(question)
        if asking is None:
            asking = self._asking[question] = asyncio.create_task(self._answer(question))
            asking.add_done_callback(lambda task: self._asked(question, task))
        return asking

    def _asked(self, question: Question, task: asyncio.Task[Answer]) -> None:
        del self._asking[question]
        if task.cancelled():
            return
        if task.exception() is None:
            self._remembered.put(question, task.result(), time.monotonic())
        else:
            self._remembered.failed(question, time.monotonic())

    async def _answer(self, question: Question) -> Answer:
        """Raises Failed."""
        servers = sorted(self._of(question.name), key=lambda each: each.rests_until > time.monotonic())
        for server in servers:
            asked_at = time.monotonic()
            try:
                found = await server.ask(question)
            except Failed as failed:
                server.failed(asked_at, failed)
            except Declined:
                server.answered()  # it has no answer to this question, but perhaps to others
            else:
                server.answered()
                self.counts["answered"] += 1
                return found
        raise Failed("no server has an answer")

    def _of(self, name: Labels) -> Sequence[_Server]:
        for place in range(len(name) + 1):
            found = self._servers.get(name[place:])
            if found is not None:
                return found
        return ()
