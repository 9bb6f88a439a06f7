"""The command that shows the sources of services, and what they cannot read."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.admin.api.views import FaultView, SourceList, SourceView
from pilothouse.cli.asking import Admin, every, path, place, read
from pilothouse.cli.output import As, Format, answer, given, one_line
from pilothouse.cli.tables import age, counted, since, table


def sources(*, admin: Admin = None, output: As = Format.TABLE) -> None:
    """Show the sources of services, since when one fails, and what it cannot read."""
    found = every(place(admin), path("sources"))
    if given(found, output):
        return
    items = read(found, SourceList).items
    rows = [
        (
            each.name,
            state(each),
            str(each.services),
            age(each.last_report),
            str(len(each.faults)),
            str(len(each.warnings)),
            each.stale_since or "-",
        )
        for each in items
    ]
    head = ("SOURCE", "STATE", "SERVICES", "REPORTED", "FAULTS", "WARNINGS", "STALE SINCE")
    shown = table(head, rows, wide=output.is_wide, more=3)
    answer("\n".join([shown, *(line for each in items for line in _troubles(each))]))


def state(source: SourceView) -> str:
    """How a source is, in a word or two."""
    if not source.synced:
        return "waiting"
    if source.stale:
        return f"stale for {age(source.stale_since)}"
    return counted(len(source.faults), "fault") if source.faults else "ok"


def _troubles(source: SourceView) -> Iterator[str]:
    if source.stale:
        yield f"{source.name}: stale since {since(source.stale_since)}: {one_line(source.error or '')}"
    for unknown in source.unknown:
        yield f"{source.name}: no good version is known of {one_line(unknown)}"
    for kind, faults in (("fault", source.faults), ("warning", source.warnings)):
        for each in faults:
            yield one_line(f"{source.name}: {kind}: {_fault(each)}")


def _fault(fault: FaultView) -> str:
    said = ": ".join(part for part in (fault.place, fault.field, fault.message) if part)
    return f"{said} ({fault.in_force})" if fault.in_force else said
