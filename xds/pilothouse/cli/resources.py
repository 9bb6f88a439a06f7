"""The command that shows the resources of a proxy."""

from __future__ import annotations

from typing import Annotated

import typer

from pilothouse.admin.api.views import ResourceList
from pilothouse.cli.asking import Admin, Unanswered, every, path, place, read
from pilothouse.cli.output import As, Format, answer, given, written
from pilothouse.cli.tables import table

Node = Annotated[str, typer.Argument(metavar="PROXY", help="The node id of a proxy.")]
Type = Annotated[str | None, typer.Argument(metavar="[TYPE]", help="One type, such as CDS.")]
Name = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="Show the content of the resource with this name.")
]


def resources(
    proxy: Node, type: Type = None, name: Name = None, *, admin: Admin = None, output: As = Format.TABLE
) -> None:
    """Show the resources that a proxy holds; with a NAME, -o json or -o yaml, what is in them.

    Private keys and passwords are not shown.
    """
    asked = place(admin)
    inside = name is not None or not output.is_text
    query = {"type": type.upper() if type else None, "resource": name, "content": "yes" if inside else None}
    found = every(asked, path("proxies", proxy, "resources"), query)
    if name is not None and not found["items"]:
        raise Unanswered(str(asked), f"{proxy} has no {query['type']} {name}")
    if given(found, output):
        return
    if name is not None:
        for each in found["items"]:
            answer(written(each.get("content"), Format.JSON))
        return
    answer(listed(read(found, ResourceList), output.is_wide))


def listed(said: ResourceList, wide: bool) -> str:
    rows = [
        (
            each.type,
            each.name,
            each.version or "-",
            "-" if each.change is None else str(each.change),
            ", ".join(each.services) or "-",
        )
        for each in said.items
    ]
    return table(("TYPE", "NAME", "VERSION", "CHANGE", "SERVICE"), rows, wide=wide, more=1)
