"""The commands for one sidecar: `bootstrap`, which refuses whatever the control plane would refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from pilothouse.cli.flags import called, given
from pilothouse.cli.output import printing
from pilothouse.config.settings import ConfigError
from pilothouse.mesh.audience import METADATA, BadNode, Capture, Node, Outbound, audience
from pilothouse.model.services import NOWHERE, Locality
from pilothouse.sidecar.bootstrap import Sidecar, Tls
from pilothouse.sidecar.bootstrap import bootstrap as written

_FLAGS = {
    "namespace": "--namespace",
    "dependencies": "--dependency",
    "egress": "--egress",
    "families": "--family",
    "outbound": "--outbound",
}

NodeId = Annotated[str, typer.Option("--node", metavar="ID", help="Unique name of this sidecar.")]
Namespace = Annotated[str, typer.Option(metavar="NS", help="Namespace of its application.")]
Cluster = Annotated[
    str, typer.Option(metavar="C", help="Service cluster in Envoy's node.  [default: the namespace]")
]
Where = Annotated[
    str, typer.Option(metavar="R/Z/S", help="Where it runs: REGION, REGION/ZONE or REGION/ZONE/SUB-ZONE.")
]
Dependencies = Annotated[
    list[str] | None,
    typer.Option(
        "--dependency",
        metavar="NS/NAME",
        help="A service that it calls, NS/*, or https://HOST. Repeatable.  [default: all]",
    ),
]
Egress = Annotated[
    str, typer.Option(metavar="HOST:PORT", help="Where it listens for HTTP requests of its application.")
]
ControlPlane = Annotated[str, typer.Option(metavar="HOST:PORT", help="xDS address of the control plane.")]
Sotw = Annotated[bool, typer.Option("--sotw", help="Use State of the World instead of Delta.")]
Captured = Annotated[
    Capture,
    typer.Option(
        help="vip: listen for HTTP at every virtual IP, too. redirect: take what `capture` redirects."
    ),
]
Beyond = Annotated[Outbound, typer.Option(help="With redirect: which other addresses may be called.")]
AdminPort = Annotated[
    int, typer.Option(metavar="N", min=0, max=65535, help="Port of Envoy's admin, on 127.0.0.1.")
]
NodeName = Annotated[str, typer.Option(metavar="N", help="The Kubernetes node that it runs on.")]
Families = Annotated[
    list[str] | None,
    typer.Option(
        "--family",
        metavar="ipv4|ipv6",
        help="Address family that it can call. Repeatable, preferred one first.  [default: both]",
    ),
]
Runtime = Annotated[bool, typer.Option("--runtime", help="Get runtime values from the control plane (RTDS).")]
TlsCa = Annotated[
    str, typer.Option(metavar="FILE", help="CA certificate of the control plane. Turns TLS on.")
]
TlsCert = Annotated[str, typer.Option(metavar="FILE", help="Certificate of this sidecar, for mutual TLS.")]
TlsKey = Annotated[str, typer.Option(metavar="FILE", help="Key of that certificate.")]
TlsSan = Annotated[
    str, typer.Option(metavar="NAME", help="Name in the control plane's certificate.  [default: its host]")
]


def bootstrap(  # noqa: PLR0913  (a flag each: typer reads them from the signature)
    *,
    node: NodeId,
    namespace: Namespace,
    cluster: Cluster = "",
    locality: Where = "",
    dependency: Dependencies = None,
    egress: Egress = "127.0.0.1:15001",
    control_plane: ControlPlane = "127.0.0.1:18000",
    sotw: Sotw = False,
    capture: Captured = Capture.PROXY,
    outbound: Beyond = Outbound.ANY,
    admin_port: AdminPort = 19000,
    node_name: NodeName = "",
    family: Families = None,
    runtime: Runtime = False,
    tls_ca: TlsCa = "",
    tls_cert: TlsCert = "",
    tls_key: TlsKey = "",
    tls_san: TlsSan = "",
) -> None:
    """Print the Envoy bootstrap of one sidecar, as JSON. File names are those that the sidecar sees."""
    said = {
        "namespace": given("--namespace", namespace),
        "dependencies": dependency,
        "node": node_name,
        "egress": egress,
        "capture": capture.value,
        "outbound": "" if outbound is Outbound.ANY else outbound.value,
        "families": family,
    }
    sidecar = Sidecar(
        node=node_of(given("--node", node), _locality(locality), said),
        cluster=cluster or namespace,
        control_plane=called("--control-plane", control_plane),
        sotw=sotw,
        admin_port=admin_port,
        tls=tls_of(tls_ca, tls_cert, tls_key, tls_san),
        runtime=runtime,
    )
    with printing():
        typer.echo(written(sidecar), nl=False)


def node_of(id: str, locality: Locality, said: Mapping[str, object]) -> Node:
    """The node of a client, without empty values. The control plane's own reader checks it."""
    node = Node(id, locality, {"pilothouse": {key: value for key, value in said.items() if value}})
    try:
        audience(node)
    except BadNode as error:
        field, _, mistake = str(error).partition(": ")
        key = field.removeprefix(f"{METADATA}.").partition("[")[0]
        raise ConfigError(_FLAGS.get(key, "bootstrap"), mistake) from None
    return node


def _locality(text: str) -> Locality:
    if not text:
        return NOWHERE
    parts = text.split("/")
    if len(parts) > 3 or not all(parts):
        raise ConfigError("--locality", f"{text!r} is not REGION, REGION/ZONE or REGION/ZONE/SUB-ZONE")
    return Locality(*parts)


def tls_of(ca: str, cert: str, key: str, san: str) -> Tls | None:
    """The files of a client. None for one without TLS. Raises ConfigError."""
    if bool(cert) != bool(key):
        raise ConfigError(
            "--tls-key" if cert else "--tls-cert", "is required: --tls-cert and --tls-key go together"
        )
    if ca:
        return Tls(ca, cert, key, san)
    if cert or san:
        raise ConfigError("--tls-ca", "is required, to verify the control plane")
    return None
