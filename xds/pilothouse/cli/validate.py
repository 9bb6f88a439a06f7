"""The command that reads manifests as the control plane would, and says what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pilothouse.cli.output import Form, Output
from pilothouse.config import ConfigError
from pilothouse.kubernetes.realm import Network, Realm, network

if TYPE_CHECKING:
    from pilothouse.sources import Fault


Paths = Annotated[
    list[Path], typer.Argument(metavar="PATH...", exists=True, help="Files and folders of manifests.")
]
Domain = Annotated[str, typer.Option(metavar="NAME", help="What host names end in.")]
ServiceCidr = Annotated[str, typer.Option(metavar="LIST", help="Networks of all virtual IPs.")]
Loopback = Annotated[
    bool,
    typer.Option("--allow-loopback-endpoints", help="Endpoints may be on 127.0.0.0/8, as in a demo."),
]


def validate(
    paths: Paths,
    cluster_domain: Domain = "cluster.local",
    service_cidr: ServiceCidr = "",
    allow_loopback_endpoints: Loopback = False,
    output: Form = Output.TEXT,
) -> None:
    """Check manifests; exit 1 if one has faults."""
    from pilothouse.sources.files import inspect

    realm = Realm(
        cluster_domain, service_networks=_networks(service_cidr), allow_loopback=allow_loopback_endpoints
    )
    faults = inspect(paths, realm)
    typer.echo(_as_json(faults) if output is Output.JSON else _as_text(faults, paths))
    if faults:
        raise typer.Exit(1)


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(network(item.strip()) for item in text.split(",") if item.strip())
    except ValueError as error:
        raise ConfigError("--service-cidr", str(error)) from None


def _as_json(faults: list[Fault]) -> str:
    return json.dumps(
        {"faults": [{**asdict(fault), "standing": fault.standing.value} for fault in faults]}, indent=2
    )


def _as_text(faults: list[Fault], paths: Sequence[Path]) -> str:
    """The number of files tells a good folder from one in which nothing was found."""
    from pilothouse.sources.files.disk import Look, look

    return "\n".join(map(str, faults)) or f"no faults; files read: {len(look(paths, Look()).files)}"
