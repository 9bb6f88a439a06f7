"""The annotation by which sidecars speak TLS to the endpoints of a Service. Off by default."""

from __future__ import annotations

from collections.abc import Mapping

from pilothouse.kubernetes.annotations.overrides import Warn
from pilothouse.kubernetes.annotations.syntax import Setting, Settings
from pilothouse.kubernetes.metadata import is_subdomain
from pilothouse.model.addresses import canonical_address, is_address
from pilothouse.model.services import SYSTEM_CA, UpstreamTls

ORIGINATE_TLS = "pilothouse.dev/originate-tls"

_PLAIN = "sidecars speak no TLS"


def upstream_tls(annotations: Mapping[str, str], warn: Warn) -> UpstreamTls | None:
    """`on`, or `server-name=api.example.com, ca=/path/of/a/file`. An invalid value counts as absent."""
    if ORIGINATE_TLS not in annotations:
        return None
    settings = Settings(annotations, ORIGINATE_TLS, warn, "switch")
    switch = settings.take("switch")
    switch = {"true": "on"}.get(switch, switch)  # YAML reads both as the same word
    found = settings.read(_PARTS, "" if switch == "on" else _PLAIN)
    if switch not in ("", "on"):
        settings.reject(switch, "is neither on nor key=value", "the rest counts" if found else _PLAIN)
    return UpstreamTls(**found) if found or switch == "on" else None


def _server_name(text: str) -> str:
    name = canonical_address(text.lower().removesuffix("."))
    if not (is_subdomain(name) or is_address(name)):
        raise ValueError("is neither a DNS name nor an IP address")
    return name


def _ca(text: str) -> str:
    if not (text.startswith("/") and text.isprintable()):
        raise ValueError("is not the absolute path of a file on the sidecar's machine")
    return text


_PARTS = {
    "server-name": Setting("server_name", _server_name, "the name that the application asks for"),
    "ca": Setting("ca", _ca, SYSTEM_CA),
}
