"""The command that reads manifests as the control plane would, and reports what becomes of them."""

from __future__ import annotations

import json
import os
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pilothouse.cli.output import Form, Output, answer, one_line
from pilothouse.config.settings import ConfigError
from pilothouse.kubernetes.roots import Root
from pilothouse.kubernetes.served import Network, ServedCluster, network
from pilothouse.sources.settings import SharedSettings
from pilothouse.structures.sections import flags

if TYPE_CHECKING:
    from pilothouse.cli.inspection import Finding, Inspection

Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH...",
        help="Files and folders of manifests. PATH=NAMESPACE sets the namespace of objects that state none.",
    ),
]
# These mean what they mean for `serve`.
_SERVED = dict(flags(SharedSettings))
Domain = Annotated[str, typer.Option(metavar="NAME", help=_SERVED["cluster_domain"].help)]
ServiceCidr = Annotated[str, typer.Option(metavar="LIST", help=_SERVED["service_cidr"].help)]
Loopback = Annotated[
    bool, typer.Option("--allow-loopback-endpoints", help=_SERVED["allow_loopback_endpoints"].help)
]


def validate(
    paths: Paths,
    cluster_domain: Domain = "cluster.local",
    service_cidr: ServiceCidr = "",
    allow_loopback_endpoints: Loopback = False,
    output: Form = Output.TEXT,
) -> None:
    """Check manifests. Prints a line for each error, each warning, and each thing that is left out.

    Exits 1 if there is an error, else 0.
    """
    from pilothouse.cli.inspection import Severity, inspect

    served = ServedCluster(
        cluster_domain, service_networks=_networks(service_cidr), allow_loopback=allow_loopback_endpoints
    )
    found = inspect([root(path) for path in paths], served)
    answer(json.dumps(_as_json(found), indent=2) if output is Output.JSON else _as_text(found))
    if found.of(Severity.ERROR):
        raise typer.Exit(1)


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(network(item.strip()) for item in text.split(",") if item.strip())
    except ValueError as error:
        raise ConfigError("--service-cidr", str(error)) from None


def root(path: str) -> Root:
    """A path of the command line, which has to exist."""
    try:
        root = Root.parse(path)
        os.stat(root.path)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="'PATH...'") from None
    except FileNotFoundError:
        raise typer.BadParameter(f"path '{path}' does not exist.", param_hint="'PATH...'") from None
    except OSError as error:
        raise typer.BadParameter(f"path '{path}': {error.strerror}.", param_hint="'PATH...'") from None
    return root


def _as_json(found: Inspection) -> dict[str, Any]:
    from pilothouse.cli.inspection import Severity

    counts = {name: getattr(found, name) for name in _COUNTED}
    by_reason = _by_reason(found)
    lists = {
        name: [{**each._asdict(), "severity": each.severity.value} for each in found.of(severity)]
        for name, severity in (
            ("faults", Severity.ERROR),
            ("warnings", Severity.WARNING),
            ("left_out", Severity.LEFT_OUT),
        )
    }
    return {**counts, **lists, "left_out_by_reason": by_reason}


def _as_text(found: Inspection) -> str:
    """A line for each finding and a summary, in colours on a terminal."""
    from rich.console import Console
    from rich.text import Text

    from pilothouse.cli.inspection import Severity

    styles = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.LEFT_OUT: "cyan"}
    plain = bool(os.environ.get("NO_COLOR"))
    console = Console(highlight=False, soft_wrap=True, color_system=None if plain else "auto")
    with console.capture() as written:
        for finding in found.findings:
            place, severity, text = _line(finding)
            console.print(Text.assemble((place, "bold"), " ", (severity, styles[finding.severity]), text))
        console.print(Text(_summary(found)))
    return written.get().rstrip("\n")


def _line(finding: Finding) -> tuple[str, str, str]:
    """The place, the severity and the rest, in the format of compilers, which editors understand."""
    place = f"{finding.file}:{finding.line}:" if finding.line else f"{finding.file}:"
    field = f" {finding.field}:" if finding.field else ""
    code = f" [{finding.code}]" if finding.code else ""
    rest = f"{field} {finding.message}{code}"
    return one_line(place), f"{finding.severity.value}:", one_line(rest)


_COUNTED = ("files", "documents", "objects", "services", "endpoints")


def _summary(found: Inspection) -> str:
    from pilothouse.cli.inspection import Severity

    counts = ", ".join(_count(getattr(found, name), name.removesuffix("s")) for name in _COUNTED)
    faults = _count(len(found.of(Severity.ERROR)), "fault")
    warnings = _count(len(found.of(Severity.WARNING)), "warning")
    by_reason = _by_reason(found)
    reasons = ", ".join(f"{number} {code}" for code, number in by_reason.items())
    left_out = f"{sum(by_reason.values())} left out ({reasons})" if reasons else "nothing left out"
    return f"{counts}: {faults}, {warnings}, {left_out}"


def _by_reason(found: Inspection) -> dict[str, int]:
    """The number of left-out findings by reason code."""
    from pilothouse.cli.inspection import Severity

    return dict(sorted(Counter(finding.code for finding in found.of(Severity.LEFT_OUT)).items()))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}" if number else f"no {noun}s"
