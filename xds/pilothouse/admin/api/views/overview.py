"""Whether the process is well, and its sources."""

from __future__ import annotations

from pilothouse.admin.api.views.base import View
from pilothouse.admin.api.views.proxies import ProxyState


class Counts(View, frozen=True):
    """How much there is. `proxies` counts streams by state.

    `unserved` counts the services that have endpoints of which none is called.
    """

    services: int
    endpoints: int
    quarantined: int
    proxies: dict[str, int]
    left_out: dict[str, int]
    unserved: int = 0


class BehindView(View, frozen=True):
    """A proxy that does not have, or has not confirmed, what it was sent, or that is refused.

    Without a node id, `node` is empty; `peer` says who it is.
    """

    node: str
    state: ProxyState
    peer: str


class StatusView(View, frozen=True):
    """One screen: whether the process is ready, and what needs attention.

    `behind` has the first proxies that are REFUSED, NACKED or STALE, in this order, and `unserved` the first
    services that have endpoints of which none is called. `ambiguous` has the first node ids that several
    Envoys state at once.
    """

    version: str
    since: str
    ready: bool
    degraded: bool
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    counts: Counts
    behind: tuple[BehindView, ...] = ()
    unserved: tuple[str, ...] = ()
    ambiguous: tuple[str, ...] = ()


class FaultView(View, frozen=True):
    """A place in a backend that cannot be read, or that causes a warning, and what is in force instead."""

    place: str
    message: str
    field: str | None = None
    in_force: str | None = None
    code: str | None = None
    file: str | None = None
    line: int | None = None


class SourceView(View, frozen=True):
    """A source. `state` in words. `stale_since` says since when it fails; its last report stays in force."""

    name: str
    state: str
    synced: bool
    stale: bool
    services: int
    faults: tuple[FaultView, ...]
    warnings: tuple[FaultView, ...]
    unknown: tuple[str, ...]
    last_report: str | None = None
    stale_since: str | None = None
    error: str | None = None


class SourceList(View, frozen=True):
    items: tuple[SourceView, ...]
    next: str | None = None


class HoldView(View, frozen=True):
    """A loss that is not believed yet. `services` are the first of those that it is about."""

    source: str
    lost_services: int
    lost_endpoints: int
    since: str
    until: str
    services: tuple[str, ...]


class HoldEnded(View, frozen=True):
    """A hold that has ended. `ended` is true."""

    source: str
    ended: bool


class HoldList(View, frozen=True):
    items: tuple[HoldView, ...]
    next: str | None = None
