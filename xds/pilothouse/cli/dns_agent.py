"""The command `dns-agent`, the resolver beside an application."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from pilothouse.cli.flags import called, given, host_port
from pilothouse.cli.loop import to_its_end
from pilothouse.cli.sidecar import ControlPlane, TlsCa, TlsCert, TlsKey, TlsSan, node_of, tls_of
from pilothouse.cli.signals import until_the_loop_heeds_them
from pilothouse.config.settings import ConfigError
from pilothouse.dns.settings import Upstream, leads_to, upstream
from pilothouse.model.services import NOWHERE
from pilothouse.sidecar.bootstrap import Tls as SidecarTls
from pilothouse.structures.hostport import HostPort
from pilothouse.structures.paths import present

_USER_AGENT = "pilothouse-dns-agent"

NodeId = Annotated[
    str,
    typer.Option("--node", metavar="ID", help="Unique name of this resolver; another than its sidecar's."),
]
Namespace = Annotated[
    str, typer.Option(metavar="NS", help="Namespace of its application, in which short names are looked for.")
]
Dns = Annotated[
    list[str],
    typer.Option("--dns", metavar="HOST:PORT", help="Listen address, over UDP and TCP. Repeatable."),
]
Forward = Annotated[
    list[str] | None,
    typer.Option(
        "--dns-forward",
        metavar="[ZONE=]HOST:PORT",
        help="Name server of other names, for all or for those of a zone. Repeatable."
        "  [default: those of /etc/resolv.conf]",
    ),
]
Probes = Annotated[
    str,
    typer.Option(metavar="HOST:PORT", help="Listen address of /healthz, /readyz and /metrics, without TLS."),
]
Format = Annotated[
    Literal["auto", "human", "json"],
    typer.Option(metavar="auto|human|json", help="Log format. auto: human on a terminal, else json."),
]


def dns_agent(  # noqa: PLR0913  (a flag each: typer reads them from the signature)
    *,
    node: NodeId,
    namespace: Namespace,
    control_plane: ControlPlane = "127.0.0.1:18000",
    dns: Dns = ["127.0.0.1:15053"],  # noqa: B006  (typer reads it, and nobody writes to it)
    dns_forward: Forward = None,
    probes: Probes = "127.0.0.1:15054",
    tls_ca: TlsCa = "",
    tls_cert: TlsCert = "",
    tls_key: TlsKey = "",
    tls_san: TlsSan = "",
    log_format: Format = "auto",
) -> None:
    """Answer names beside an application, as the control plane knows them, until SIGTERM or SIGINT.

    While the control plane is away, its last word counts. Other names are asked for elsewhere.
    """
    said = {"namespace": given("--namespace", namespace)}
    known = replace(node_of(given("--node", node), NOWHERE, said), user_agent=_USER_AGENT)
    listen = [host_port("--dns", each) for each in dns]
    if len({*listen}) < len(listen):
        raise ConfigError("--dns", "has an address twice")
    upstreams = [_upstream(each, listen) for each in dns_forward or ()]
    control, probed = called("--control-plane", control_plane), host_port("--probes", probes)
    files = _files(tls_of(tls_ca, tls_cert, tls_key, tls_san))
    until_the_loop_heeds_them()
    # gRPC reads this when it is imported. That takes its time, for which a wrong flag need not wait.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    from pilothouse.agent.following import Tls
    from pilothouse.agent.resolv_conf import ResolvConf
    from pilothouse.agent.run import Agent, run
    from pilothouse.cli import logs

    logs.configure(log_format)
    tls = Tls(*files, name=tls_san) if files else None
    to_its_end(
        run(Agent(known, namespace, control, listen, probed, upstreams, tls, ResolvConf.read())), "dns-agent"
    )


def _upstream(text: str, listen: Sequence[HostPort]) -> Upstream:
    try:
        found = upstream(text)
    except ValueError as error:
        raise ConfigError("--dns-forward", str(error)) from None
    if any(leads_to(found.at, each) for each in listen):
        raise ConfigError("--dns-forward", f"{found.at} is --dns: it would ask itself")
    return found


def _files(said: SidecarTls | None) -> tuple[Path, Path | None, Path | None] | None:
    """The files of TLS, which exist. None without TLS."""
    if said is None:
        return None
    if "://" in said.san:
        raise ConfigError(
            "--tls-san", f"{said.san!r} is no DNS name or address; others cannot be checked here"
        )
    ca = _file("--tls-ca", said.ca)
    if not said.cert:
        return ca, None, None
    return ca, _file("--tls-cert", said.cert), _file("--tls-key", said.key)


def _file(flag: str, name: str) -> Path:
    try:
        return present(Path(name))
    except ValueError as error:
        raise ConfigError(flag, str(error)) from None
