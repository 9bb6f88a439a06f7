"""Endpoints that an operator has taken out of service for a while, whatever their sources report.

A drain is no change of a shard: it is merged over all of them, with the highest precedence. It follows the
address, so it counts again when the endpoint comes back. Pure: the caller gives the time, in Unix seconds.
"""

from __future__ import annotations

import ipaddress
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple

from pilothouse.model.services import Endpoint, Service, ServiceName
from pilothouse.structures.written import quoted

_WITH_PORT = re.compile(r"(?:([0-9.]+)|\[([0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)\])(?::([0-9]{1,5}))?")


class Target(NamedTuple):
    """What is drained: an address, at one port of the endpoint or at all, in one service or in all."""

    address: str
    port: int | None = None
    service: ServiceName | None = None

    @classmethod
    def parse(cls, text: str, service: ServiceName | None = None) -> Target:
        """`10.1.7.9`, `10.1.7.9:8080`, `fd00::9` or `[fd00::9]:8080`. Raises ValueError."""
        found = _WITH_PORT.fullmatch(text)
        host, port = (found[1] or found[2], found[3]) if found else (text, None)
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            address = None
        # A zone means an interface of one machine, and is any text.
        if address is None or "%" in host or not (port is None or 0 < int(port) < 65536):
            raise ValueError(f"{quoted(text)} is neither an IP address nor IP:PORT")
        return cls(str(address), int(port) if port else None, service)

    def includes(self, other: Target) -> bool:
        """Whether whatever the other one is about, this one is about, too."""
        return (
            self.address == other.address
            and self.port in (None, other.port)
            and self.service in (None, other.service)
        )

    @property
    def place(self) -> str:
        """The address, and the port if only one is meant."""
        if self.port is None:
            return self.address
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    def __str__(self) -> str:
        return f"{self.place} of {self.service}" if self.service else self.place


@dataclass(frozen=True, slots=True)
class Drain:
    """Who drains what, until when and why."""

    target: Target
    who: str
    reason: str
    since: float
    until: float

    @property
    def words(self) -> str:
        """Who, until when and why, for whoever asks why the endpoint is not called."""
        until = f"{self.who}, until {datetime.fromtimestamp(self.until, UTC):%Y-%m-%d %H:%M:%S} UTC"
        return f"{until}: {self.reason}" if self.reason else until


class Drains:
    """The drains that are in force, by target, and the services in which each has endpoints now."""

    def __init__(self) -> None:
        self._drains: dict[Target, Drain] = {}
        # Most endpoints are not drained, so they cost one look-up.
        self._at: dict[str, tuple[Drain, ...]] = {}
        self._found: dict[ServiceName, frozenset[Target]] = {}

    def __iter__(self) -> Iterator[Drain]:
        return iter(self._drains.values())

    def __len__(self) -> int:
        return len(self._drains)

    def replace(self, drains: Iterable[Drain]) -> set[ServiceName]:
        """These are in force from now on. Gives the services that were under one that is not among them, or
        that is about one service.
        """
        before, self._drains = self._drains, {each.target: each for each in drains}
        self._at = {}
        for each in self._drains.values():
            self._at[each.target.address] = (*self._at.get(each.target.address, ()), each)
        changed = {target for target in before if self._drains.get(target) != before[target]}
        stated = {target.service for target, each in self._drains.items() if before.get(target) != each}
        under = {name for name, targets in self._found.items() if targets & changed}
        return under | {name for name in stated if name is not None}

    def services(self, target: Target) -> list[ServiceName]:
        """The services in which a drain has endpoints now."""
        return sorted(name for name, targets in self._found.items() if target in targets)

    def applied(self, service: Service) -> Service:
        """The service with drained endpoints in maintenance; the same object if it has none.

        From now on these are the endpoints in which its drains are found.
        """
        if not self._at:
            return service
        drained, found = self.supposed(service)
        if found:
            self._found[service.name] = found
        else:
            self.forget(service.name)
        return drained

    def supposed(self, service: Service) -> tuple[Service, frozenset[Target]]:
        """What `applied` would give, and the drains that it would find. Nothing is noted."""
        found: set[Target] = set()
        endpoints = tuple(self._drained(service.name, each, found) for each in service.endpoints)
        return (replace(service, endpoints=endpoints) if found else service), frozenset(found)

    def forget(self, name: ServiceName) -> None:
        """The service is gone, or has no drained endpoint any more."""
        self._found.pop(name, None)

    def _drained(self, name: ServiceName, endpoint: Endpoint, found: set[Target]) -> Endpoint:
        here = [
            each
            for each in self._at.get(canonical(endpoint.address), ())
            if covers(each.target, name, endpoint)
        ]
        if not here:
            return endpoint
        found.update(each.target for each in here)
        last = max(here, key=lambda each: each.until)
        return endpoint._replace(weight=0, drained=last.words)


def covers(target: Target, name: ServiceName, endpoint: Endpoint) -> bool:
    """Whether a drain is about an endpoint of a service."""
    return (
        canonical(endpoint.address) == target.address
        and target.service in (None, name)
        and (target.port is None or any(number == target.port for _, number in endpoint.ports))
    )


def canonical(address: str) -> str:
    """An IP address as it is compared; a name as it is."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address


def in_force(drains: Iterable[Drain], now: float) -> list[Drain]:
    """Those that have not ended."""
    return [each for each in drains if each.until > now]


def within(drains: Iterable[Drain], targets: Iterable[Target]) -> list[Drain]:
    """Those that these targets include."""
    wanted: defaultdict[str, list[Target]] = defaultdict(list)
    for target in targets:
        wanted[target.address].append(target)
    return [
        each
        for each in drains
        if any(one.includes(each.target) for one in wanted.get(each.target.address, ()))
    ]


def without(drains: Iterable[Drain], targets: Iterable[Target]) -> list[Drain]:
    """All but those that these targets include."""
    drains = list(drains)
    ended = {each.target for each in within(drains, targets)}
    return [each for each in drains if each.target not in ended]
