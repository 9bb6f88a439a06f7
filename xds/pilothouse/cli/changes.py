"""The commands that show what has changed and who has it, and what proxies have rejected."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from pilothouse.admin.api.views import ChangeList, ChangeView, NackList, NackRow, ToldView
from pilothouse.cli.asking import Admin, every, path, place, read
from pilothouse.cli.output import As, Format, answer, given
from pilothouse.cli.tables import age, table

Name = Annotated[str | None, typer.Argument(metavar="[SERVICE]", help="One service: NAMESPACE/NAME.")]
Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Only changes since a time, such as 10m, 2h or 2026-01-31T02:14:00Z."),
]


def changes(
    service: Name = None, *, since: Since = None, admin: Admin = None, output: As = Format.TABLE
) -> None:
    """Show what has changed, where it was declared, and how many proxies have it. The newest is first."""
    found = every(place(admin), path("changes"), {"service": service, "since": since})
    if given(found, output):
        return
    rows = (row for each in read(found, ChangeList).items for row in _rows(each))
    head = ("CHANGE", "AT", "SERVICE", "WHAT", "PLACE", "ACKNOWLEDGED", "SOURCE", "PUBLISHED")
    answer(table(head, rows, wide=output.is_wide, more=2))


def _rows(change: ChangeView) -> Iterator[tuple[str, ...]]:
    for number, each in enumerate(change.services):
        first = (str(change.number), change.at) if not number else ("", "")
        where = each.place or change.place or change.source
        told, at = change.published, change.published.at if change.published else "-"
        rest = ("", "", "") if number else (_told(told), change.source, at)
        yield (*first, each.service, each.what or "-", where, *rest)
    more = change.touched - len(change.services)
    if more and len(change.services) > 1:
        yield "", "", f"and {more:,} more", "", "", "", "", ""


def _told(told: ToldView | None) -> str:
    if told is None:
        return "not published"
    if not told.answers:
        return "no proxy wants it"
    proxies = f"{told.proxies:,} {'proxy' if told.proxies == 1 else 'proxies'}"
    text = f"{told.acknowledged}/{told.answers} of {proxies}"
    if told.rejected:
        text += f", {told.rejected} rejected ({', '.join(told.rejected_by)})"
    if told.outstanding:
        return f"{text}, {told.outstanding} outstanding"
    if told.waited is None:
        return text
    return f"{text} in {told.waited:g} s" + (f", {told.slowest} last" if told.slowest else "")


def nacks(*, admin: Admin = None, output: As = Format.TABLE) -> None:
    """Show what proxies have rejected and not accepted since, and which services that is about."""
    found = every(place(admin), path("nacks"))
    if given(found, output):
        return
    rows = (row for each in read(found, NackList).items for row in _rejected(each))
    head = ("NODE", "TYPE", "FOR", "SERVICE", "PLACE", "TEXT", "RESOURCE", "PEER", "NONCE")
    answer(table(head, rows, wide=output.is_wide, more=3))


def _rejected(nack: NackRow) -> Iterator[tuple[str, ...]]:
    """A line for each service that it is about, and one if nobody knows."""
    said = nack.node, nack.type, age(nack.since)
    rest = nack.text, nack.resource or "-", nack.peer, nack.nonce
    if not nack.services:
        yield *said, "-", "-", *rest
    for each in nack.services:
        name = f"{each.service} (quarantined)" if each.quarantined else each.service
        yield *said, name, each.place or "-", *rest
