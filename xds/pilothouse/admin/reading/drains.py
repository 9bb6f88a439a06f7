"""The endpoints that an operator has taken out of service."""

from __future__ import annotations

from pilothouse.admin.api import views
from pilothouse.registry.drains import Drain
from pilothouse.registry.merged import Registry

_NAMED = 20


async def rows(registry: Registry, limit: int, after: str) -> views.DrainList:
    """The drains by address. `after` is the target of the last one, as text."""
    found = sorted(registry.drains, key=_key)
    rest = [each for each in found if _key(each) > after]
    shown = rest[:limit]
    items = tuple(drain_view(registry, each) for each in shown)
    return views.DrainList(items, _key(shown[-1]) if len(rest) > limit else None)


def _key(drain: Drain) -> str:
    return str(drain.target)


def drain_view(registry: Registry, drain: Drain) -> views.DrainView:
    address, port, service = drain.target
    return views.DrainView(
        address,
        drain.who,
        views.moment(drain.since),
        views.moment(drain.until),
        port,
        str(service) if service else None,
        drain.reason or None,
        tuple(map(str, registry.drains.services(drain.target)[:_NAMED])),
    )
