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
        help="Folder or file of Kubernetes manifests; NAMESPACE for objects that state none. Repeatable.",
    ),
]
Xds = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="xDS gRPC listen address.  [default: 127.0.0.1:18000]")
]
Admin = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Admin HTTP listen address.  [default: 127.0.0.1:18001]"),
]
TlsCert = Annotated[
    str | None, typer.Option(metavar="FILE", help="TLS certificate of the xDS port. Turns TLS on.")
]
TlsKey = Annotated[str | None, typer.Option(metavar="FILE", help="Private key of --tls-cert.")]
ClientCa = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="CA that must have signed the certificates of sidecars. Turns mutual TLS on."
    ),
]
Identity = Annotated[
    str | None,
    typer.Option(
        metavar="certificate|metadata",
        help="What names a sidecar's namespace.  [default: certificate with --client-ca, else metadata]",
    ),
]
IdentityMap = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="YAML file that maps certificate names to namespaces."),
]
LogFormat = Annotated[
    str | None,
    typer.Option(
        metavar="auto|human|json", help="Log format. auto: human on a terminal, else json.  [default: auto]"
    ),
]
LogLevel = Annotated[
    str | None,
    typer.Option(metavar="debug|info|warning|error", help="Lowest level that is logged.  [default: info]"),
]
Domain = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Cluster DNS domain.  [default: cluster.local]"),
]
Suffixes = Annotated[
    str | None, typer.Option(metavar="LIST", help="Additional host name suffixes, such as .mesh")
]
Include = Annotated[str | None, typer.Option(metavar="LIST", help="Serve only these namespaces.")]
Exclude = Annotated[str | None, typer.Option(metavar="LIST", help="Serve all namespaces except these.")]
Default = Annotated[str | None, typer.Option(metavar="NAME", help="Namespace for sidecars that state none.")]
Wildcard = Annotated[
    str | None,
    typer.Option(
        metavar="LIST", help="Namespaces whose sidecars may depend on all services.  [default: all]"
    ),
]
Age = Annotated[
    str | None,
    typer.Option(
        metavar="SECONDS", help="Maximum age of a connection; the sidecar then reconnects.  [default: 1800]"
    ),
]
External = Annotated[
    bool | None,
    typer.Option(
        "--external-names/--no-external-names",
        help="Serve ExternalName services of hosts outside the mesh.  [default: yes]",
    ),
]
Unknown = Annotated[
    str | None,
    typer.Option(metavar="STATUS", help="HTTP status for requests to unknown hosts.  [default: 503]"),
]
ServiceCidr = Annotated[
    str | None,
    typer.Option(metavar="LIST", help="Networks of virtual IPs, such as 10.96.0.0/16. Others are left out."),
]
Loopback = Annotated[
    bool | None,
    typer.Option("--allow-loopback-endpoints", help="Accept endpoints on 127.0.0.0/8 and ::1, for demos."),
]
Damping = Annotated[
    bool | None,
    typer.Option(
        "--flap-damping", help="Delay re-adding flapping endpoints until they have been ready for 30 s."
    ),
]
Workers = Annotated[
    str | None,
    typer.Option(metavar="COUNT", help="Number of processes that share the xDS port.  [default: 1]"),
]
State = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="Folder that keeps last good manifests across restarts.  [default: ~/.local/state/pilothouse]",
    ),
]
NoState = Annotated[
    bool | None, typer.Option("--no-state", help="Do not keep last good manifests across restarts.")
]
AcceptMissing = Annotated[
    bool | None,
    typer.Option("--accept-missing", help="Treat files that are unreadable or missing at start as deleted."),
]
AllowEmpty = Annotated[
    bool | None,
    typer.Option(
        "--allow-empty", help="Treat an empty folder as no services, instead of waiting for manifests."
    ),
]
Hold = Annotated[
    str | None,
    typer.Option(
        metavar="SECONDS",
        help="How long to keep services whose folder disappeared.  [default: 120]",
    ),
]
Runtime = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="YAML or JSON file of Envoy runtime values for all sidecars."),
]
Secrets = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="YAML file of certificates and CAs for sidecars, and who may have them."
    ),
]
Config = Annotated[str | None, typer.Option(metavar="FILE", help="YAML file with these settings.")]


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
