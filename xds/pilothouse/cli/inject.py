"""The command `inject`, which prints manifests with sidecars in them, as the webhook would make them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from pilothouse import __version__
from pilothouse.cli.capture import families
from pilothouse.cli.flags import check_name, host_port
from pilothouse.cli.output import Form, Output, answer, one_line
from pilothouse.config.settings import ConfigError
from pilothouse.kubernetes.fields import FieldError
from pilothouse.kubernetes.metadata import is_label, is_subdomain
from pilothouse.kubernetes.text.loading import TextError, load
from pilothouse.sidecar.containers import Values
from pilothouse.sidecar.injection import Skipped, inject_into
from pilothouse.sidecar.wishes import Template

CONTROL_PLANE = "pilothouse.pilothouse.svc:18000"
ENVOY_IMAGE, TOOLS_IMAGE = "envoyproxy/envoy:v1.40.0", f"pilothouse:{__version__}"
_STDIN = "-"

Files = Annotated[
    list[str],
    typer.Option("--file", "-f", metavar="FILE", help="File of manifests; - is standard input. Repeatable."),
]
Namespace = Annotated[
    str, typer.Option("--namespace", "-n", metavar="NS", help="Namespace of manifests that state none.")
]
ControlPlane = Annotated[str, typer.Option(metavar="HOST:PORT", help="Address of the control plane.")]
Ca = Annotated[
    str,
    typer.Option(
        "--tls-ca-config-map",
        metavar="NAME",
        help="ConfigMap in the namespace of each pod; its ca.crt is the CA of Pilothouse. Turns TLS on.",
    ),
]
EnvoyImage = Annotated[str, typer.Option(metavar="IMAGE", help="Image of Envoy.")]
ToolsImage = Annotated[
    str,
    typer.Option(metavar="IMAGE", help="Image of Pilothouse, which installs the capture rules in each pod."),
]
CaptureDns = Annotated[
    bool,
    typer.Option(
        "--capture-dns",
        help="Capture what asks name servers, too: `dns-agent` answers it in each pod.",
    ),
]
PodFamilies = Annotated[
    list[str] | None,
    typer.Option(
        "--family",
        metavar="ipv4|ipv6",
        help="Address family that is captured. Repeatable, preferred one first.  [default: ipv4]",
    ),
]


def inject(  # noqa: PLR0913  (a flag each: typer reads them from the signature)
    *,
    file: Files,
    namespace: Namespace = "default",
    control_plane: ControlPlane = CONTROL_PLANE,
    tls_ca_config_map: Ca = "",
    envoy_image: EnvoyImage = ENVOY_IMAGE,
    tools_image: ToolsImage = TOOLS_IMAGE,
    family: PodFamilies = None,
    capture_dns: CaptureDns = False,
    output: Form = Output.TEXT,
) -> None:
    """Print manifests with a sidecar in each pod; what makes no pods is printed as it is.

    Standard error says which pods get no sidecar, and why. No cluster is asked.
    """
    template = template_of(control_plane, tls_ca_config_map, envoy_image, tools_image, family, capture_dns)
    check_name("--namespace", namespace, is_label)
    found = [_injected(each, place, template, namespace) for place in file for each in _manifests(place)]
    warn_without_tls(template)
    if output is Output.JSON:
        answer(json.dumps({"apiVersion": "v1", "kind": "List", "items": found}, indent=2))
    else:
        answer(yaml.dump_all(found, Dumper=_Dumper, sort_keys=False, width=sys.maxsize).rstrip("\n"))


def template_of(  # noqa: PLR0913  (what the flags say, each)
    control_plane: str,
    ca: str,
    envoy_image: str,
    tools_image: str,
    family: list[str] | None,
    capture_dns: bool,
) -> Template:
    """What all sidecars have in common, as the flags say. Raises ConfigError."""
    address = host_port("--control-plane", control_plane)
    if not address.port:
        raise ConfigError("--control-plane", f"'{control_plane}' has no port that can be called")
    if ca:
        check_name("--tls-ca-config-map", ca, is_subdomain)
    for flag, image in (("--envoy-image", envoy_image), ("--tools-image", tools_image)):
        if not image or image.split() != [image]:
            raise ConfigError(flag, f"'{image}' is no name of an image")
    return Template(envoy_image, tools_image, address, ca, families=families(family), capture_dns=capture_dns)


def warn_without_tls(template: Template) -> None:
    if not template.ca:
        typer.echo(
            "sidecars will connect without TLS: give --tls-ca-config-map if the control plane uses it",
            err=True,
        )


def _manifests(file: str) -> Iterator[Values]:
    """The objects in a file, those of a List one by one. Raises ConfigError."""
    try:
        documents = load(sys.stdin.read() if file == _STDIN else Path(file).read_text(encoding="utf-8"))
    except TextError as error:
        raise ConfigError(f"{_shown(file)}:{error.line + 1}", error.message) from None
    except UnicodeDecodeError:
        raise ConfigError(_shown(file), "is not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(_shown(file), error.strerror or str(error)) from None
    for document in documents:
        yield from _objects(document, file)


def _objects(document: Any, file: str) -> Iterator[Values]:
    if not isinstance(document, dict):
        raise ConfigError(_shown(file), "holds something that is not a mapping of fields")
    items = document.get("items")
    if document.get("kind") == "List" and isinstance(items, list):
        for item in items:
            yield from _objects(item, file)
    else:
        yield document


def _injected(document: Values, file: str, template: Template, namespace: str) -> Values:
    who = one_line(f"{_shown(file)}: {_name(document)}")
    try:
        found = inject_into(document, template, namespace)
    except FieldError as error:
        raise ConfigError(who, str(error)) from None
    if isinstance(found, Skipped):
        if found.why:
            typer.echo(f"{who}: no sidecar: it {found.why}", err=True)
        return document
    for warning in found.warnings:
        typer.echo(f"{who}: {warning}", err=True)
    return found.pod


def _shown(file: str) -> str:
    return "standard input" if file == _STDIN else file


def _name(document: Values) -> str:
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return f"{document.get('kind')} {name or '(without a name)'}"


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as they are, which a bootstrap in quotes would not be."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
