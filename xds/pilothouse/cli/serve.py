"""The command that runs the control plane."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine
from functools import partial
from typing import Annotated

import typer

from pilothouse.cli.signals import until_the_loop_heeds_them
from pilothouse.cli.workers import MISCONFIGURED, Heart, reserved, run
from pilothouse.config.settings import ConfigError, HostPort, Settings, here, load

Manifests = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATH[=NAMESPACE]",
        help="Folder or file of manifests; NAMESPACE is that of objects that state none. Repeatable.",
    ),
]
Xds = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="Where sidecars connect.  [default: 127.0.0.1:18000]")
]
Admin = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Where people and probes ask.  [default: 127.0.0.1:18001]"),
]
TlsCert = Annotated[
    str | None, typer.Option(metavar="FILE", help="Certificate of the xDS port; turns TLS on.")
]
TlsKey = Annotated[str | None, typer.Option(metavar="FILE", help="Private key of that certificate.")]
ClientCa = Annotated[
    str | None, typer.Option(metavar="FILE", help="Sidecars must show a certificate of this CA.")
]
Identity = Annotated[
    str | None,
    typer.Option(
        metavar="certificate|metadata",
        help="What tells the namespace of a sidecar.  [default: certificate with --client-ca, else metadata]",
    ),
]
IdentityMap = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="YAML file: which name in a certificate belongs to which namespace."),
]
LogFormat = Annotated[
    str | None,
    typer.Option(metavar="auto|human|json", help="auto is human on a terminal, else json.  [default: auto]"),
]
LogLevel = Annotated[
    str | None,
    typer.Option(metavar="debug|info|warning|error", help="The least that is logged.  [default: info]"),
]
Domain = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Domain at the end of host names.  [default: cluster.local]"),
]
Suffixes = Annotated[
    str | None, typer.Option(metavar="LIST", help="More endings of host names, such as .mesh")
]
Include = Annotated[str | None, typer.Option(metavar="LIST", help="Serve only these namespaces.")]
Exclude = Annotated[str | None, typer.Option(metavar="LIST", help="Serve all namespaces but these.")]
Default = Annotated[str | None, typer.Option(metavar="NAME", help="Namespace of sidecars that state none.")]
Wildcard = Annotated[
    str | None,
    typer.Option(
        metavar="LIST", help="Only sidecars of these namespaces may depend on everything.  [default: all]"
    ),
]
Age = Annotated[
    str | None,
    typer.Option(
        metavar="SECONDS", help="A connection ends after this time and is opened anew.  [default: 1800]"
    ),
]
External = Annotated[
    bool | None,
    typer.Option(
        "--external-names/--no-external-names",
        help="Serve ExternalNames of hosts outside the mesh, by DNS.  [default: yes]",
    ),
]
Unknown = Annotated[
    str | None,
    typer.Option(metavar="STATUS", help="Answer to a request for an unknown host name.  [default: 503]"),
]
ServiceCidr = Annotated[
    str | None, typer.Option(metavar="LIST", help="Networks that hold all virtual IPs, such as 10.96.0.0/16")
]
Loopback = Annotated[
    bool | None,
    typer.Option("--allow-loopback-endpoints", help="Allow endpoints on 127.0.0.0/8 and ::1, as in a demo."),
]
Damping = Annotated[
    bool | None,
    typer.Option(
        "--flap-damping", help="An endpoint that flaps is called again only after it was ready for 30 s."
    ),
]
Workers = Annotated[
    str | None, typer.Option(metavar="COUNT", help="Processes that share the xDS port.  [default: 1]")
]
State = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="Folder for the last good manifests.  [default: ~/.local/state/pilothouse or as systemd says]",
    ),
]
NoState = Annotated[
    bool | None, typer.Option("--no-state", help="Keep no last good manifests for the next start.")
]
AcceptMissing = Annotated[
    bool | None,
    typer.Option(
        "--accept-missing", help="At the start, files that cannot be read or are missing count as deleted."
    ),
]
AllowEmpty = Annotated[
    bool | None,
    typer.Option("--allow-empty", help="A folder without manifests means that there are no services."),
]
Hold = Annotated[
    str | None,
    typer.Option(
        metavar="SECONDS",
        help="How long services stay that vanish all at once, as with a folder.  [default: 120]",
    ),
]
Runtime = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="YAML or JSON file: values of Envoy's runtime for all sidecars."),
]
Secrets = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="YAML file: certificates and CAs, and which sidecars may have them."),
]
Config = Annotated[str | None, typer.Option(metavar="FILE", help="YAML file of these settings.")]


def serve(  # noqa: PLR0913  (a flag each: typer reads them from the signature)
    context: typer.Context,
    *,
    manifests: Manifests = None,
    xds: Xds = None,
    admin: Admin = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    client_ca: ClientCa = None,
    identity: Identity = None,
    identity_map: IdentityMap = None,
    log_format: LogFormat = None,
    log_level: LogLevel = None,
    cluster_domain: Domain = None,
    extra_suffixes: Suffixes = None,
    include_namespaces: Include = None,
    exclude_namespaces: Exclude = None,
    default_namespace: Default = None,
    wildcard_namespaces: Wildcard = None,
    max_connection_age_s: Age = None,
    external_names: External = None,
    unknown_host_status: Unknown = None,
    service_cidr: ServiceCidr = None,
    allow_loopback_endpoints: Loopback = None,
    flap_damping: Damping = None,
    workers: Workers = None,
    state: State = None,
    no_state: NoState = None,
    accept_missing: AcceptMissing = None,
    allow_empty: AllowEmpty = None,
    hold: Hold = None,
    runtime: Runtime = None,
    secrets: Secrets = None,
    config: Config = None,
) -> None:
    """Run the control plane until SIGTERM or SIGINT.

    Every flag is also a key of the --config file and a PILOTHOUSE_* variable; flags win, then variables.
    """
    # The parameters above are there for typer, which collects them here by the names of the settings.
    settings = load(context.params, os.environ)
    if settings.workers == 1:
        _serve(settings)
        return
    with reserved(settings.xds) as port:
        replicas = [
            settings.model_copy(update={"xds": port, "admin": settings.admin.plus(index)})
            for index in range(settings.workers)
        ]
        _log(settings)
        first = replicas[0]
        raise typer.Exit(
            run(
                settings.workers,
                lambda index, heart: _replica(replicas[index], index, heart),
                lambda: _tell_how_to_reach(first, first.xds.port, first.admin.port),
            )
        )


def _replica(settings: Settings, index: int, heart: Heart) -> int:
    try:
        _serve(settings, index, heart)
    except ConfigError as error:
        print(f"pilothouse: {error}", file=sys.stderr)
        return MISCONFIGURED
    return 0


def _serve(settings: Settings, worker: int | None = None, heart: Heart | None = None) -> None:
    until_the_loop_heeds_them()
    # Not at the top: gRPC and Envoy's messages take a second to import, which a wrong flag need not wait for,
    # and gRPC survives no fork.
    # It also reads its settings then. What it says of each failed handshake goes past our log, in a form
    # of its own, as often as clients like.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    from pilothouse import app

    _log(settings, worker)
    if heart:
        _run(heart.beating(app.run(settings, opened=heart.serves)))
    else:
        _run(app.run(settings, opened=partial(_tell_how_to_reach, settings)))


def _log(settings: Settings, worker: int | None = None) -> None:
    # Not at the top, as it is only needed here and takes its time.
    from pilothouse.cli import logs

    logs.configure(settings.log_format, level=settings.log_level, worker=worker)


def _tell_how_to_reach(settings: Settings, xds: int, admin: int) -> None:
    """Say to people what to do next: where to look, and with which command a sidecar finds this."""
    # As above.
    import structlog

    sidecars = HostPort(here(settings.xds.host), xds)
    tls = " --tls-ca FILE" * (settings.tls_cert is not None)
    command = f"pilothouse bootstrap --control-plane {sidecars}{tls} --node ID --namespace NAMESPACE"
    # With 0 each of several workers has found a port of its own, and says which.
    asked = {"status": f"http://{HostPort(here(settings.admin.host), admin)}/readyz"} if admin else {}
    structlog.get_logger(__name__).info("ready for sidecars", **asked, bootstrap=command)


def _run(main: Coroutine[None, None, None]) -> None:
    """To its end. An OSError, alone or out of a task group, is an address that cannot be listened on."""
    refused: BaseExceptionGroup[OSError] | None = None
    try:
        _on_the_fastest_loop(main)
    except* OSError as group:
        refused = group
    if refused:
        error = refused.exceptions[0]
        raise ConfigError("serve", getattr(error, "strerror", None) or str(error))


def _on_the_fastest_loop(main: Coroutine[None, None, None]) -> None:
    """uvloop takes a sixth off the cost of a push; it does not exist for Windows."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)
