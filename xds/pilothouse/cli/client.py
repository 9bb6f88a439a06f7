"""For which client a command asks: its flags, and the words for the client in the answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from pilothouse.admin.api.views import AskedBy
from pilothouse.cli.output import one_line

From = Annotated[str | None, typer.Option("--from", metavar="NODE", help="The proxy that calls.")]
Namespace = Annotated[
    str | None, typer.Option(metavar="NAME", help="The namespace of a client, instead of --from.")
]
Locality = Annotated[
    str | None, typer.Option(metavar="REGION/ZONE", help="The place of a client, instead of --from.")
]


def client(asked: AskedBy) -> str:
    """Who asks."""
    where = "/".join(filter(None, (asked.locality.region, asked.locality.zone, asked.locality.sub_zone)))
    who = f"proxy {asked.proxy}" if asked.proxy else "a client"
    return one_line(f"{who} in {asked.namespace or 'no namespace'}" + (f" at {where}" if where else ""))


def unsure(asked: AskedBy) -> Iterator[str]:
    """Why the proxy may not do what is said of it."""
    if asked.streams is not None:
        yield one_line(f"beware: {asked.streams} clients state this node id; this is about {asked.peer}")
    if asked.proxy and asked.state not in (None, "SYNCED"):
        yield one_line(f"beware: {asked.proxy} is {asked.state}, so this may not be in force there yet")
