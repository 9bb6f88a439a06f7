"""What a change did to a service, in values: endpoints by address, and what else is not as it was. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any, NamedTuple

from pilothouse.model.services import Endpoint, Service, ServiceSpec

#: So many addresses are named of those that were added, removed or changed.
NAMED = 20
#: With more endpoints than this, only their numbers are compared. To find those that differ would take long.
MANY = 1000
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Addresses:
    """Some addresses: how many, and the first of them in order."""

    count: int
    first: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EndpointsDifference:
    """The endpoints before and after. The addresses are None if there are too many endpoints to compare.

    `changed` has addresses that are in both, and whose state, weight or place is not as it was.
    """

    before: int
    after: int
    added: Addresses | None = None
    removed: Addresses | None = None
    changed: Addresses | None = None


class FieldDifference(NamedTuple):
    """Something else about a service, such as its ports or routes, as text. An empty text: there was none."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Difference:
    """All that a change did to one service."""

    endpoints: EndpointsDifference | None = None
    fields: tuple[FieldDifference, ...] = ()


_NOTHING = Service(ServiceSpec(None))  # type: ignore[arg-type]


def difference(before: Service | None, after: Service | None) -> Difference:
    """The difference between two versions of a service. None is no such service."""
    old, new = before or _NOTHING, after or _NOTHING
    changed = tuple(_fields(before.spec, after.spec)) if before and after else ()
    return Difference(_endpoints(old.endpoints, new.endpoints), changed)


def _endpoints(before: tuple[Endpoint, ...], after: tuple[Endpoint, ...]) -> EndpointsDifference | None:
    if before == after:
        return None
    if max(len(before), len(after)) > MANY:
        return EndpointsDifference(len(before), len(after))
    old, new = ({each.address: each for each in endpoints} for endpoints in (before, after))
    return EndpointsDifference(
        len(before),
        len(after),
        _addresses(new.keys() - old.keys()),
        _addresses(old.keys() - new.keys()),
        _addresses({each for each in old.keys() & new.keys() if old[each] != new[each]}),
    )


def _addresses(found: Collection[str]) -> Addresses:
    return Addresses(len(found), tuple(sorted(found)[:NAMED]))


def _fields(before: ServiceSpec, after: ServiceSpec) -> Iterator[FieldDifference]:
    for each in fields(ServiceSpec):
        old, new = getattr(before, each.name), getattr(after, each.name)
        if old != new:
            yield FieldDifference(each.name, _short(old), _short(new))


def _short(value: Any) -> str:
    text = _text(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _text(value: Any) -> str:
    """A value for readers. What is as by default is left out."""
    if value is None or value is False or value == ():
        return ""
    if isinstance(value, Enum):
        return str(value.value)
    if is_dataclass(value):
        said = ((each.name, getattr(value, each.name), each.default) for each in fields(value))
        return " ".join(f"{name}={_text(item) or 'none'}" for name, item, default in said if item != default)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        named = zip(value._fields, value, strict=True)
        return " ".join(f"{name}={_text(item)}" for name, item in named if item)
    if isinstance(value, tuple | frozenset):
        return ", ".join(map(_text, sorted(value) if isinstance(value, frozenset) else value))
    return str(value)
