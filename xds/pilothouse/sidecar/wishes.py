"""What a pod says of its sidecar, beside what all sidecars have in common. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from pilothouse.kubernetes.annotations.sidecars import (
    CAPTURE_DNS,
    DEPENDENCIES,
    DRAIN,
    EXCLUDED_PORTS,
    EXCLUDED_RANGES,
    INJECT,
)
from pilothouse.kubernetes.durations import milliseconds
from pilothouse.kubernetes.fields import FieldError, Fields
from pilothouse.kubernetes.served import network
from pilothouse.model.services import Family
from pilothouse.sidecar.rules import Ports
from pilothouse.structures.hostport import HostPort

_T = TypeVar("_T")

_LONGEST_DRAIN_S = 3600
_MIRROR = "kubernetes.io/config.mirror"


@dataclass(frozen=True, slots=True)
class Template:
    """What all sidecars have in common.

    `tools_image` is Pilothouse's own: its command `capture` installs the rules, and its `dns-agent` answers
    names. `ca` names a ConfigMap in the namespace of each pod; its `ca.crt` vouches for the control plane.
    Without it nothing is encrypted. Of `families`, the preferred one first, connections are captured; if none
    is stated, of IPv4. With `capture_dns`, so is what asks name servers, unless a pod says otherwise. Envoy
    ends after the application, and not before `drain_s` have passed since the pod was told to end.
    """

    envoy_image: str
    tools_image: str
    control_plane: HostPort
    ca: str = ""
    egress_port: int = 15001
    ready_port: int = 15021
    drain_s: int = 0
    families: tuple[Family, ...] = ()
    capture_dns: bool = False
    dns_port: int = 15053
    dns_ready_port: int = 15054


class Wishes(NamedTuple):
    """What a pod says of its sidecar. `metadata` is where it says so."""

    metadata: Fields
    inject: bool
    mirrors: bool
    dependencies: list[str]
    ports: list[Ports]
    ranges: list[str]
    drain_s: int
    capture_dns: bool

    @classmethod
    def read(cls, metadata: Fields, template: Template) -> Wishes:
        """Raises FieldError."""
        said = metadata.annotations("annotations")

        def each(annotation: str, parse: Callable[[str], _T]) -> list[_T]:
            try:
                return [parse(item) for part in said.get(annotation, "").split(",") if (item := part.strip())]
            except ValueError as error:
                raise mistake(metadata, annotation, str(error)) from None

        return cls(
            metadata,
            _flag(said, INJECT, metadata, True),
            _MIRROR in said,
            each(DEPENDENCIES, str),
            each(EXCLUDED_PORTS, Ports.parse),
            each(EXCLUDED_RANGES, lambda item: str(network(item))),
            _seconds(said[DRAIN], metadata) if DRAIN in said else template.drain_s,
            _flag(said, CAPTURE_DNS, metadata, template.capture_dns),
        )


def mistake(metadata: Fields, annotation: str, message: str) -> FieldError:
    """What is wrong with an annotation, with its place."""
    return FieldError((*metadata.path, "annotations", annotation), message)


def _flag(said: Mapping[str, str], annotation: str, metadata: Fields, default: bool) -> bool:
    asked = said.get(annotation)
    if asked not in ("true", "false", None):
        raise mistake(metadata, annotation, f"{asked!r} is neither true nor false")
    return default if asked is None else asked == "true"


def _seconds(said: str, metadata: Fields) -> int:
    """Kubernetes counts them as a whole."""
    found = milliseconds(said)
    if found is None or found % 1000 or found > _LONGEST_DRAIN_S * 1000:
        raise mistake(metadata, DRAIN, f"{said!r} is not a whole number of seconds up to 1h, such as 5s")
    return found // 1000
