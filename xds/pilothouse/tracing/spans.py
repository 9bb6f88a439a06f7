"""From a change that has ended to the spans of its trace: plain values. Pure.

change                         from the source to the last answer
    report                     until the source has reported it
    wait                       until it is taken to be published: changes that are published before it
    translate                  until its resources are made
    deliver                    until the last answer
        answer                 of a proxy: the slowest, and the first that reject it
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeAlias

from pilothouse.registry.revisions import Publication, Revision

#: So many services are named. So many of the slowest answers are shown.
_SERVICES, _SLOWEST = 20, 16
#: How many characters of a text are kept.
_LONGEST = 1000

Attribute: TypeAlias = str | int | tuple[str, ...]
#: From the monotonic clock, in seconds, to Unix time in nanoseconds.
Clock: TypeAlias = Callable[[float], int]


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a trace. Times are in Unix nanoseconds, and those of children lie within.

    `error` says why it failed, if it did.
    """

    name: str
    begun: int
    ended: int
    attributes: Mapping[str, Attribute]
    error: str = ""
    children: tuple[Span, ...] = ()

    @property
    def size(self) -> int:
        """How many spans it is, with those in it."""
        return 1 + sum(each.size for each in self.children)


def trace_id(instance: str, number: int) -> int:
    """The trace of the change with this number: 16 bytes, and never 0, which would be none."""
    return int.from_bytes(hashlib.sha256(f"{instance}:{number}".encode()).digest()[:16]) or 1


def spans(one: Revision, published: Publication, unix: Clock) -> Span:
    """The trace of a change whose delivery is over."""
    delivery = published.delivery
    over = delivery.over_at if delivery.over_at is not None else published.begun
    last = delivery.confirmed_at
    if last is None or delivery.outstanding:
        last = over
    ready = delivery.begun_at if delivery.begun_at is not None else published.begun
    times = one.since, one.since + one.delay, published.begun, ready, last
    heard, reported, taken, ready, last = accumulate(times, max)

    def part(name: str, begun: float, ended: float, *children: Span) -> Span:
        return Span(name, unix(begun), unix(ended), {}, children=children)

    return Span(
        "change",
        unix(heard),
        unix(last),
        {**_about(one, published), **_outcome(published)},
        _failure(published),
        (
            part("report", heard, reported),
            part("wait", reported, taken),
            part("translate", taken, ready),
            part("deliver", ready, last, *_answers(published, ready, last, unix)),
        ),
    )


def _about(one: Revision, published: Publication) -> Mapping[str, Attribute]:
    """What has changed, where that is said, and what an operator says with it."""
    names = one.names[:_SERVICES]
    words = ((each, published.words.get(each)) for each in names)
    return {
        "pilothouse.change.number": one.number,
        "pilothouse.change.source": one.source,
        "pilothouse.change.place": _cut(one.place),
        "pilothouse.change.touched": one.touched,
        "pilothouse.change.services": tuple(map(str, names)),
        "pilothouse.change.what": tuple(_cut(f"{name}: {what}") for name, what in words if what),
    }


def _outcome(published: Publication) -> Mapping[str, Attribute]:
    """How it has ended, and how many proxies have come to which end."""
    delivery = published.delivery
    return {
        "pilothouse.change.outcome": _ended(published),
        "pilothouse.change.proxies": delivery.proxies,
        "pilothouse.change.acknowledged": delivery.acknowledged,
        "pilothouse.change.rejected": delivery.refused,
        "pilothouse.change.left": delivery.left,
        "pilothouse.change.unneeded": delivery.unneeded,
        "pilothouse.change.outstanding": delivery.outstanding,
        "pilothouse.change.slowest": delivery.confirmed_by,
    }


def _ended(published: Publication) -> str:
    """In the words of the metrics."""
    delivery = published.delivery
    if delivery.outstanding or delivery.telling:
        return "incomplete"
    if delivery.refused:
        return "rejected"
    if delivery.left:
        return "incomplete"
    return "unneeded" if delivery.confirmed_at is None else "acknowledged"


def _failure(published: Publication) -> str:
    delivery = published.delivery
    if delivery.refusers:
        node, first = next(iter(delivery.refusers.items()))
        return _cut(f"{delivery.refused} of {delivery.proxies} proxies reject it; {node}: {first.why}")
    missing = delivery.outstanding + delivery.left
    if missing:
        return f"{missing} of {delivery.proxies} proxies have not answered"
    return ""


def _answers(published: Publication, ready: float, last: float, unix: Clock) -> tuple[Span, ...]:
    """The slowest answers, and the first rejections, in the order in which they came."""
    delivery = published.delivery
    rejected = {(node, each.at): each.why for node, each in delivery.refusers.items()}
    slowest = [(each.by, each.at) for each in [*delivery.answers][-_SLOWEST:]]
    found = sorted({*slowest, *rejected}, key=lambda each: (each[1], each[0]))
    return tuple(
        Span(
            "answer",
            unix(ready),
            unix(min(max(at, ready), last)),
            {
                "pilothouse.proxy": _cut(node),
                "pilothouse.answer": "NACK" if (node, at) in rejected else "ACK",
            },
            _cut(rejected.get((node, at), "")),
        )
        for node, at in found
    )


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
