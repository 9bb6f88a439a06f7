"""Whether changes are traced, and to where. The rest is said by the standard variables of OpenTelemetry."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator

from pilothouse.structures.sections import Flag, Section

MISSING = "needs more than is installed: pip install 'pilothouse[otel]'"
_SECRET = "must have no user or password: put them into OTEL_EXPORTER_OTLP_HEADERS"
_NEEDED = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.grpc")
#: The standard variables, the more special one first.
_ENDPOINT = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOL = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


def installed() -> bool:
    """Whether the extra is there. Nothing of it is imported that takes long."""
    try:
        return all(find_spec(each) is not None for each in _NEEDED)
    except ModuleNotFoundError:
        return False


def _collector(text: str) -> str:
    if mistake := _mistake(text):
        raise ValueError(mistake)
    return text


def _mistake(text: str) -> str:
    """Why a text is no collector. Empty if it is one. It may hold a secret, so it is not quoted."""
    try:
        url = urlsplit(text)
        usable = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
    if not usable or url.path.strip("/") or url.query or url.fragment:
        return "must be a URL such as http://collector:4317, where OTLP is spoken over gRPC"
    if "@" in text:
        return _SECRET
    return "" if installed() else MISSING


class TracingSettings(Section):
    """`otel_endpoint` is the collector that gets a trace of each change."""

    otel_endpoint: Annotated[
        Annotated[str, AfterValidator(_collector)] | None,
        Flag(
            "OpenTelemetry collector that gets a trace of each change (OTLP over gRPC).",
            "URL",
            default="OTEL_EXPORTER_OTLP_ENDPOINT, or no traces",
        ),
    ] = None


class Collector(NamedTuple):
    """Where traces go, and what told so. `unusable` says why that cannot be, if it cannot."""

    endpoint: str
    told_by: str
    unusable: str = ""


def collector(said: str | None, environment: Mapping[str, str]) -> Collector | None:
    """The collector by the setting, or else by the standard variables; None without any.

    Other programs in the same place may need the variables, so what is wrong there is no mistake of ours.
    """
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    if said is not None:
        return Collector(said, "otel_endpoint")
    exporters = environment.get("OTEL_TRACES_EXPORTER") or "otlp"
    name = next((each for each in _ENDPOINT if environment.get(each)), None)
    if name is None or "otlp" not in (each.strip() for each in exporters.split(",")):
        return None
    endpoint = environment[name]
    protocol = next((environment[each] for each in _PROTOCOL if environment.get(each)), "grpc")
    if protocol != "grpc":
        return Collector("", name, f"only OTLP over gRPC is spoken, not {protocol[:50]}")
    if mistake := _mistake(endpoint):
        return Collector("", name, mistake)
    return Collector(endpoint, name)
