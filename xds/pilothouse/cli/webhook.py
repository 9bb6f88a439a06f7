"""The command `webhook`, which the API server asks about each new pod."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from pilothouse.apiserver.kubeconfig import Access, Malformed, in_cluster
from pilothouse.apiserver.kubeconfig import kubeconfig as access_by
from pilothouse.cli.flags import check_name, host_port
from pilothouse.cli.inject import (
    CONTROL_PLANE,
    ENVOY_IMAGE,
    TOOLS_IMAGE,
    Ca,
    CaptureDns,
    ControlPlane,
    EnvoyImage,
    PodFamilies,
    ToolsImage,
    template_of,
    warn_without_tls,
)
from pilothouse.cli.loop import to_its_end
from pilothouse.cli.signals import until_the_loop_heeds_them
from pilothouse.config.settings import ConfigError
from pilothouse.kubernetes.metadata import is_label, is_subdomain

Listen = Annotated[
    str, typer.Option(metavar="HOST:PORT", help="Listen address for the API server, with TLS.")
]
Probes = Annotated[
    str, typer.Option(metavar="HOST:PORT", help="Listen address of /healthz and /readyz, without TLS.")
]
Namespace = Annotated[
    str, typer.Option("--namespace", "-n", metavar="NS", help="Namespace of --service and --secret.")
]
Service = Annotated[
    str, typer.Option(metavar="NAME", help="Service by which the API server calls the webhook.")
]
Secret = Annotated[
    str, typer.Option(metavar="NAME", help="Secret in which the webhook keeps its certificates.")
]
Configuration = Annotated[
    str,
    typer.Option(metavar="NAME", help="MutatingWebhookConfiguration in which the webhook sets the caBundle."),
]
Kubeconfig = Annotated[
    str,
    typer.Option(
        metavar="FILE",
        help="Kubeconfig that leads to the API server.  [default: the ServiceAccount of the Pod]",
    ),
]
Context = Annotated[
    str, typer.Option(metavar="NAME", help="Context of --kubeconfig.  [default: its current context]")
]
Format = Annotated[
    Literal["auto", "human", "json"],
    typer.Option(metavar="auto|human|json", help="Log format. auto: human on a terminal, else json."),
]


def webhook(  # noqa: PLR0913  (a flag each: typer reads them from the signature)
    *,
    listen: Listen = "127.0.0.1:18443",
    probes: Probes = "127.0.0.1:18444",
    namespace: Namespace = "pilothouse",
    service: Service = "pilothouse-webhook",
    secret: Secret = "pilothouse-webhook",
    configuration: Configuration = "pilothouse",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    control_plane: ControlPlane = CONTROL_PLANE,
    tls_ca_config_map: Ca = "",
    envoy_image: EnvoyImage = ENVOY_IMAGE,
    tools_image: ToolsImage = TOOLS_IMAGE,
    family: PodFamilies = None,
    capture_dns: CaptureDns = False,
    log_format: Format = "auto",
) -> None:
    """Add sidecars to new Pods when the API server asks, until SIGTERM or SIGINT.

    It makes and renews its own certificates. deploy/kubernetes and the Helm chart install it.
    """
    template = template_of(control_plane, tls_ca_config_map, envoy_image, tools_image, family, capture_dns)
    addresses = host_port("--listen", listen), host_port("--probes", probes)
    check_name("--namespace", namespace, is_label)
    check_name("--service", service, is_label)
    check_name("--secret", secret, is_subdomain)
    check_name("--configuration", configuration, is_subdomain)
    access = _access(kubeconfig, context)
    warn_without_tls(template)
    until_the_loop_heeds_them()
    # Not at the top: no other command needs them, and they take their time.
    from pilothouse.cli import logs
    from pilothouse.webhook.keeping import Place
    from pilothouse.webhook.run import Webhook, run

    logs.configure(log_format)
    place = Place(namespace, service, secret, configuration)
    to_its_end(run(Webhook(*addresses, place, template, access)), "webhook")


def _access(file: str, context: str) -> Access:
    if context and not file:
        raise ConfigError("--context", "is of no use without --kubeconfig")
    try:
        return access_by(Path(file), context or None) if file else in_cluster(os.environ)
    except Malformed as malformed:
        raise ConfigError("--kubeconfig" if file else "webhook", str(malformed)) from None
