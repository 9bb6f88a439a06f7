"""The commands that show what has changed and who has it, and what proxies have rejected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from pilothouse.admin.api.views import (
    ChangedView,
    ChangeList,
    ChangeView,
    NackList,
    NackRow,
    NoteList,
    ToldView,
    moment,
)
from pilothouse.cli.asking import Admin, every, one, path, place, read
from pilothouse.cli.output import As, Format, answer, given, one_line
from pilothouse.cli.tables import age, epoch, short, table

_NEWEST = 50
# Those for whom a service is published again that no source has changed. The place is what they say.
_ANEW = "operator", "proxies"
_FEW = 3  # so many proxies that have left are named in a table

Name = Annotated[str | None, typer.Argument(metavar="[SERVICE]", help="One service: NAMESPACE/NAME.")]
Number = Annotated[str, typer.Argument(metavar="CHANGE", help="The number of a change.")]
Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Only changes since a time, such as 10m, 2h or 2026-01-31T02:14:00Z."),
]
Limit = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=1, help=f"So many changes at most.  [default: {_NEWEST}; with --since, all]"
    ),
]


def changes(
    service: Name = None,
    *,
    since: Since = None,
    limit: Limit = None,
    admin: Admin = None,
    output: As = Format.TABLE,
) -> None:
    """Show what has changed, where it was declared, and how many proxies have it. The newest is first."""
    most = limit or (None if since else _NEWEST)
    found = every(place(admin), path("changes"), {"service": service, "since": since}, most=most)
    if given(found, output):
        return
    rows = (row for each in read(found, ChangeList).items for row in _rows(each, output.is_wide))
    head = ("CHANGE", "AT", "SERVICE", "ACKNOWLEDGED", "PLACE", "WHAT", "SOURCE", "PUBLISHED")
    answer(table(head, rows, wide=output.is_wide, more=2, below=True, firm=2))
    if "next" in found:
        answer(f"these are the newest {most:,}; for more: --limit N, or --since TIME such as 1h")


def _rows(change: ChangeView, wide: bool) -> Iterator[tuple[str, ...]]:
    for number, each in enumerate(change.services):
        first = (str(change.number), short(change.at, wide)) if not number else ("", "")
        where = each.place or change.place or change.source
        told, at = change.published, change.published.at if change.published else "-"
        rest = ("", "") if number else (change.source, at)
        done = "" if number else acknowledged(told)
        yield (*first, each.service, done, where, each.what or "-", *rest)
    more = change.touched - len(change.services)
    if more and len(change.services) > 1:
        yield "", "", f"and {more:,} more", "", "", "", "", ""


def acknowledged(told: ToldView | None) -> str:
    """How far a change has come."""
    if told is None:
        return "not published"
    if not told.proxies:
        return "no proxy was there for it"
    wanted = told.proxies - told.unneeded
    if not wanted:
        return "no proxy lacked it"
    have = f"{told.acknowledged:,}/{wanted:,} {_proxies(wanted)}"
    lack = [f"{count:,} {what}" + (f" ({who})" if who else "") for count, what, who in _lacking(told, _FEW)]
    if lack or told.waited is None:
        return ", ".join((have, *lack))
    return f"{have} in {told.waited:g} s" + (f", {told.slowest} last" if told.slowest else "")


def _lacking(told: ToldView, most: int, waiting: tuple[str, ...] = ()) -> Iterator[tuple[int, str, str]]:
    """How many proxies do not have a change, why, and the first of them by name."""
    for count, what, who in (
        (told.rejected, "rejected", told.rejected_by),
        (told.left, "left without an answer", told.left_by),
        (told.unknown, "unknown, as the process ended before their answers", waiting),
        (told.outstanding, "outstanding", waiting),
    ):
        if count:
            yield count, what, _some(who[:most], count)


def _proxies(count: int) -> str:
    return "proxy" if count == 1 else "proxies"


def _some(names: Sequence[str], count: int) -> str:
    """The first of so many names."""
    more = count - len(names)
    return ", ".join(names) + (f" and {more:,} more" if names and more > 0 else "")


def trace(number: Number, *, admin: Admin = None, output: As = Format.TABLE) -> None:
    """Show the way of one change: from its source over its publication to the answers of the proxies."""
    found = one(place(admin), path("changes", number))
    if not given(found, output):
        answer("\n".join(map(one_line, _traced(read(found, ChangeView)))))


def _traced(change: ChangeView) -> Iterator[str]:
    yield f"change {change.number} touches {change.touched:,} service{'s' * (change.touched != 1)}"
    if change.source in _ANEW:
        yield f"{change.at}  published again, because of {change.source}: {change.place or 'nothing is said'}"
    else:
        where = change.place or "no known place"
        yield f"{change.at}  source {change.source} reports it, declared at {where}"
    for each in change.services:
        at = f" ({each.place})" if each.place else ""
        yield f"  {each.service}: {each.what or '-'}{at}"
        yield from _differences(each)
    if change.published is None:
        yield "-  not published yet"
    else:
        yield from _published(change, change.published)
    if change.trace_id:
        yield f"trace {change.trace_id} shows the same, where traces are kept"


def _published(change: ChangeView, told: ToldView) -> Iterator[str]:
    """To whom a change was told, and who has answered."""
    after = _seconds(change.at, told.at)
    yield f"{told.at}  published to {told.proxies:,} {_proxies(told.proxies)}, {after:+.3f} s"
    for each in sorted(told.answered, key=lambda one: one.after):
        said = (each.node, each.type, "rejected" if each.rejected else "")
        yield f"  {each.after:+.3f} s  {' '.join(filter(None, said))}"
    if told.proxies:
        wanted = told.proxies - told.unneeded
        yield f"  {told.acknowledged:,} of {wanted:,} {_proxies(wanted)} acknowledged it"
    for count, what, who in _lacking(told, _NEWEST, change.waiting_for):
        yield f"  {count:,} {what}: {who or 'nobody is named'}"
    if told.unneeded:
        yield f"  {told.unneeded:,} lacked nothing of it"
    if told.waited is not None:
        yield f"{_plus(change.at, told.waited)}  last answer, of {told.slowest or '-'}, {told.waited:+.3f} s"


def _differences(changed: ChangedView) -> Iterator[str]:
    """What of a service is not as it was before."""
    found = changed.endpoints
    for word, some in (
        ("added", found.added if found else None),
        ("removed", found.removed if found else None),
        ("changed", found.changed if found else None),
    ):
        if some is not None and some.count:
            more = f" and {some.count - len(some.first):,} more" if some.count > len(some.first) else ""
            yield f"    endpoints {word}: {', '.join(some.first)}{more}"
    for field in changed.fields:
        yield f"    {field.name}: {field.before or 'nothing'} -> {field.after or 'nothing'}"


def _seconds(begin: str, end: str) -> float:
    return epoch(end) - epoch(begin)


def _plus(begin: str, seconds: float) -> str:
    return moment(epoch(begin) + seconds)


def nacks(*, admin: Admin = None, output: As = Format.TABLE) -> None:
    """Show what proxies have rejected and not accepted since, and which services that is about."""
    found = every(place(admin), path("nacks"))
    if given(found, output):
        return
    rows = (row for each in read(found, NackList).items for row in _rejected(each))
    head = ("NODE", "TYPE", "FOR", "SERVICE", "CHANGE", "PLACE", "TEXT", "RESOURCE", "PEER", "NONCE")
    none = "no proxy rejects anything now; what was taken back for that, pilothouse status names"
    answer(table(head, rows, wide=output.is_wide, more=3, none=none, below=True))


def _rejected(nack: NackRow) -> Iterator[tuple[str, ...]]:
    """A line for each service that it is about, and one if nobody knows."""
    said = nack.node, nack.type, age(nack.since)
    rest = nack.text, nack.resource or "-", nack.peer, nack.nonce
    if not nack.services:
        yield *said, "-", "-", "-", *rest
    for each in nack.services:
        name = f"{each.service} (quarantined)" if each.quarantined else each.service
        yield *said, name, str(each.change or "-"), each.place or "-", *rest


def notes(*, since: Since = None, admin: Admin = None, output: As = Format.TABLE) -> None:
    """Show what proxies rejected, which losses were held, and what operators did. The newest is first."""
    found = every(place(admin), path("notes"), {"since": since})
    if given(found, output):
        return
    rows = (
        (short(each.at, output.is_wide), each.kind, each.who, each.about or "-", each.what)
        for each in read(found, NoteList).items
    )
    head = ("AT", "KIND", "WHO", "ABOUT", "WHAT")
    answer(table(head, rows, wide=output.is_wide, below=True, firm=2))
