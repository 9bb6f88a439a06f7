"""The mesh of the demo: its pods, the facts about each, and its callers. Values only."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

REGION = "eu"
ZONES = ("eu-a", "eu-b", "eu-c")

NAMESPACES = {"payments": "shop", "search": "data", "web": "shop", "blue": "shop", "green": "shop"}
"""The namespace of every service. `web` has no pods of its own: it is an alias of `blue` or of `green`."""

HOSTS = ("payments", "search", "web")
"""The services that are called."""


@dataclass(frozen=True, slots=True)
class Pod:
    """One toy backend, and what the manifests say about it. `weight` is relative to the other pods."""

    name: str
    service: str
    zone: str
    address: str
    weight: int = 1
    ready: bool = True


class Caller(NamedTuple):
    """An application that calls every service, through its own Envoy, which has its name."""

    name: str
    namespace: str
    zone: str
    sotw: bool = False


CALLERS = (
    Caller("checkout-0", "shop", "eu-a", sotw=True),
    Caller("reports-0", "data", "eu-b"),
    Caller("gateway-0", "edge", "eu-c"),
)


class Flow(NamedTuple):
    """The requests of one caller to one of HOSTS."""

    caller: Caller
    host: str


FLOWS = tuple(Flow(caller, host) for host in HOSTS for caller in CALLERS)


@dataclass(frozen=True, slots=True)
class Mesh:
    """All pods, the target of the alias `web`, and the services that are scaled to zero."""

    pods: tuple[Pod, ...]
    web: str = "blue"
    empty: frozenset[str] = frozenset()

    def behind(self, host: str) -> tuple[Pod, ...]:
        """The pods that the registry knows for a service."""
        service = self.web if host == "web" else host
        listed = service not in self.empty and service in self.services
        return tuple(pod for pod in self.pods if pod.service == service and listed)

    @property
    def services(self) -> tuple[str, ...]:
        """The services that have a manifest. Of blue and green, only the one that web leads to has one."""
        return ("payments", "search", self.web)

    def pod(self, name: str) -> Pod:
        return next(pod for pod in self.pods if pod.name == name)

    def changed(self, names: Collection[str], **facts: Any) -> Mesh:
        """A copy with changed facts about the named pods."""
        pods = (replace(pod, **facts) if pod.name in names else pod for pod in self.pods)
        return replace(self, pods=tuple(pods))

    def in_zone(self, zone: str) -> tuple[str, ...]:
        return tuple(pod.name for pod in self.pods if pod.zone == zone)


_PLACES = {
    "payments": ("a1", "a2", "b1", "b2", "c1", "c2"),
    "search": ("b1", "c1"),
    "blue": ("a1", "b1"),
    "green": ("b1", "c1"),
}

START = Mesh(
    tuple(
        Pod(f"{service}-{place}", service, f"eu-{place[0]}", f"127.0.0.{number}")
        for number, (service, place) in enumerate(
            ((service, place) for service, places in _PLACES.items() for place in places), start=11
        )
    )
)
"""Twelve pods in three zones, each on a loopback address of its own."""
