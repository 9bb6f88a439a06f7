"""The command that reads manifests as the control plane would, and says what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pilothouse.cli.output import Form, Output

if TYPE_CHECKING:
    from pilothouse.sources import Fault


Paths = Annotated[
    list[Path], typer.Argument(metavar="PATH...", exists=True, help="Files and folders of manifests.")
]
Domain = Annotated[str, typer.Option(metavar="NAME", help="What host names end in.")]


def validate(paths: Paths, cluster_domain: Domain = "cluster.local", output: Form = Output.TEXT) -> None:
    """Check manifests; exit 1 if one has faults."""
    from pilothouse.kubernetes.realm import Realm
    from pilothouse.sources.files import inspect

    faults = inspect(paths, Realm(cluster_domain))
    typer.echo(_as_json(faults) if output is Output.JSON else _as_text(faults, paths))
    if faults:
        raise typer.Exit(1)


def _as_json(faults: list[Fault]) -> str:
    return json.dumps(
        {"faults": [{**asdict(fault), "standing": fault.standing.value} for fault in faults]}, indent=2
    )


def _as_text(faults: list[Fault], paths: Sequence[Path]) -> str:
    """The number of files tells a good folder from one in which nothing was found."""
    from pilothouse.sources.files.disk import Look, look

    return "\n".join(map(str, faults)) or f"no faults; files read: {len(look(paths, Look()).files)}"
