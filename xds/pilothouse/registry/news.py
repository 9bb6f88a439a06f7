"""Describes what a change did to a service, in words for the log. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import fields
from typing import NamedTuple

from pilothouse.model.services import Endpoint, Locality, Service, ServiceName, ServiceSpec, State

# With more endpoints than this, only their numbers are compared. Finding the ones that differ is too slow.
_MANY = 200
_VALUES = 2  # so many fields of an endpoint are shown with their values


class Item(NamedTuple):
    """A service before and after a change. None means that there was, or is, no such service."""

    service: ServiceName
    before: Service | None
    after: Service | None

    @property
    def what(self) -> str:
        """The change in words. This takes a while, so it is computed only for changes that are logged."""
        return _difference(self.before, self.after)

    @property
    def brief(self) -> str:
        """The change in a few words, for one of many."""
        if self.before is None or self.after is None:
            return "removed" if self.after is None else f"added, {_endpoints(self.after)}"
        if len(self.before.endpoints) != len(self.after.endpoints):
            return f"{_endpoints(self.before)} -> {_endpoints(self.after)}"
        return "endpoints changed" if self.before.spec == self.after.spec else "changed"


class News:
    """Compares new versions of services with the last accepted ones."""

    def __init__(self) -> None:
        self._known: dict[ServiceName, Service] = {}

    def learn(self, services: Mapping[ServiceName, Service]) -> None:
        """Accept these versions without reporting them as changes."""
        self._known.update(services)

    def follow(
        self,
        names: Iterable[ServiceName],
        services: Mapping[ServiceName, Service],
        refused: Collection[ServiceName] = (),
    ) -> Iterator[Item]:
        """The changes of the named services, by name. `refused` services keep their last accepted version."""
        for name in sorted(set(names).difference(refused)):
            before, after = self._known.get(name), services.get(name)
            if before == after:
                continue
            if after is None:
                del self._known[name]
            else:
                self._known[name] = after
            yield Item(name, before, after)


def _difference(before: Service | None, after: Service | None) -> str:
    if after is None:
        return "removed"
    if before is None:
        return f"added, {_count(len(after.spec.ports), 'port')}, {_endpoints(after)}"
    said = [*_changed_fields(before.spec, after.spec), *_changed_endpoints(before, after)]
    return "; ".join(said) or "what is left out of it changed"


def _changed_fields(before: ServiceSpec, after: ServiceSpec) -> Iterator[str]:
    names = [each.name for each in fields(ServiceSpec)]
    changed = [name for name in names if getattr(before, name) != getattr(after, name)]
    if changed:
        yield f"{', '.join(name.replace('_', ' ') for name in changed)} changed"


def _changed_endpoints(before: Service, after: Service) -> Iterator[str]:
    if before.endpoints == after.endpoints:
        return
    was, now = _endpoints(before), _endpoints(after)
    said = [f"{was} -> {now}"] if was != now else []
    if max(len(before.endpoints), len(after.endpoints)) <= _MANY:
        said += _moved(before.endpoints, after.endpoints)
    yield from said or ["endpoints changed"]


def _moved(before: tuple[Endpoint, ...], after: tuple[Endpoint, ...]) -> Iterator[str]:
    """How many addresses were added, removed and otherwise changed, with the first address of each."""
    old, new = ({each.address: each for each in endpoints} for endpoints in (before, after))
    changed: dict[str, set[str]] = {}
    for address in sorted(old.keys() & new.keys()):
        if old[address] != new[address]:
            changed.setdefault(_turned(old[address], new[address]), set()).add(address)
    moved = {"added": new.keys() - old.keys(), "removed": old.keys() - new.keys()}
    for words, addresses in {**moved, **changed}.items():
        if addresses:
            more = f" and {len(addresses) - 1} more" if len(addresses) > 1 else ""
            yield f"{min(addresses)}{more}{':' * (' -> ' in words)} {words}"


def _turned(before: Endpoint, after: Endpoint) -> str:
    """What has become of an endpoint, with the values before and after unless nearly all are others."""
    if after.drained != before.drained:
        return "drained" if after.drained else "no longer drained"
    if before._replace(state=after.state) == after:
        return f"{after.state.value} now"
    others = [name for name in Endpoint._fields if getattr(before, name) != getattr(after, name)]
    if len(others) > _VALUES:
        return "changed"
    return ", ".join(
        f"{name.replace('_', ' ')} {_value(getattr(before, name))} -> {_value(getattr(after, name))}"
        for name in others
    )


def _value(value: object) -> str:
    """A field of an endpoint for readers: ports as `http:8080`, places as `eu/a`."""
    match value:
        case State():
            return value.value
        case Locality():
            return "/".join(part for part in value if part) or "none"
        case ():
            return "none"
        case tuple():
            return ",".join(
                f"{each[0] or 'unnamed'}:{each[1]}" if isinstance(each, tuple) else str(each)
                for each in value
            )
        case _:
            return str(value) or "none"


def _endpoints(service: Service) -> str:
    ready = sum(endpoint.state is State.READY for endpoint in service.endpoints)
    unready = len(service.endpoints) - ready
    return _count(len(service.endpoints), "endpoint") + (f" ({unready} not ready)" if unready else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
