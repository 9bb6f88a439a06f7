"""What the pages of the API answer. The JSON, its schema and the tables of the commands are made from these.

A field that is None is absent in JSON: nothing stands for something that is unknown. Times are RFC 3339 in
UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, TypeAlias

from msgspec import Struct

#: How a client stands with one type. See `SubscriptionView`.
SyncState: TypeAlias = Literal["SYNCED", "SENDING", "STALE", "NACKED", "IDLE"]
#: The states, the one that needs most attention first. GONE: the stream has ended.
ProxyState: TypeAlias = Literal["GONE", "STALE", "NACKED", "SENDING", "SYNCED", "IDLE"]
#: `partly`: some ports or endpoints. `late`: it is called if the others fail.
Called: TypeAlias = Literal["yes", "no", "partly", "late"]


def moment(seconds: float) -> str:
    """A time in Unix seconds as text, for example `2026-01-31T02:14:05.123Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class View(Struct, frozen=True, omit_defaults=True):
    """Something that a page shows."""


class Why(View, frozen=True):
    """A reason: its code, the words for it, and what it is about."""

    code: str
    words: str
    about: str | None = None


class Counts(View, frozen=True):
    """How much there is. `proxies` counts streams by state."""

    services: int
    endpoints: int
    quarantined: int
    proxies: dict[str, int]
    left_out: dict[str, int]


class BehindView(View, frozen=True):
    """A proxy that does not have, or has not confirmed, what it was sent."""

    node: str
    state: SyncState


class StatusView(View, frozen=True):
    """One screen: whether the process is ready, and what needs attention.

    `behind` has the first proxies that are STALE or NACKED.
    """

    version: str
    since: str
    ready: bool
    degraded: bool
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    counts: Counts
    behind: tuple[BehindView, ...] = ()


class SubscriptionState(View, frozen=True):
    """The state of one type on one stream."""

    type: str
    state: SyncState


class ProxyRow(View, frozen=True):
    """A stream of a proxy. `state` is that of the type that needs most attention."""

    node: str
    peer: str
    namespace: str
    variant: str
    stream: str
    state: ProxyState
    connected: str
    types: tuple[SubscriptionState, ...] = ()
    gone: str | None = None
    reason: str | None = None


class ProxyList(View, frozen=True):
    items: tuple[ProxyRow, ...]
    next: str | None = None


class PlaceView(View, frozen=True):
    """Where something runs."""

    region: str | None = None
    zone: str | None = None
    sub_zone: str | None = None


class NackView(View, frozen=True):
    """A NACK of a stream: its text, when it came, and the nonce that it is about."""

    text: str
    at: str
    nonce: str


class SubscriptionView(View, frozen=True):
    """One type on one stream.

    SYNCED: the last response is acknowledged. SENDING: it is not answered yet. STALE: it has not been
    answered for long. NACKED: the client has rejected the last response that it answered. IDLE: nothing was
    sent.

    `asked` counts the names that the client asks for, if it does not ask for all. `last_nack` stays after the
    client has accepted something.
    """

    type: str
    state: SyncState
    wildcard: bool
    asked: int
    held: int
    nonce_sent: str | None = None
    version_sent: str | None = None
    sent: str | None = None
    nonce_acknowledged: str | None = None
    version_acknowledged: str | None = None
    in_flight_since: str | None = None
    last_nack: NackView | None = None


class StreamView(View, frozen=True):
    """One stream of a proxy. `identity` has the URIs that its certificate proves."""

    peer: str
    stream: str
    variant: str
    dialect: str
    namespace: str
    locality: PlaceView
    connected: str
    types: tuple[SubscriptionView, ...]
    identity: tuple[str, ...] = ()
    on_node: str | None = None
    capture: str | None = None
    depends_on: tuple[str, ...] = ()


class UnansweredView(View, frozen=True):
    """A response that the client had not answered when it went."""

    type: str
    since: str


class GoneView(View, frozen=True):
    """A stream that has ended, and why. `nacked` has what the client had rejected at its end, by type."""

    since: str
    why: str
    peer: str
    stream: str
    connected: str
    unanswered: tuple[UnansweredView, ...] = ()
    nacked: dict[str, str] | None = None


class ProxyView(View, frozen=True):
    """A proxy: its open streams, or how the last ones ended."""

    node: str
    state: ProxyState
    streams: tuple[StreamView, ...]
    gone: tuple[GoneView, ...] = ()


class ResourceRow(View, frozen=True):
    """A resource that a proxy holds. The version is absent if only the proxy knows it."""

    type: str
    name: str
    version: str | None = None


class ResourceList(View, frozen=True):
    items: tuple[ResourceRow, ...]
    next: str | None = None


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


class HoldList(View, frozen=True):
    items: tuple[HoldView, ...]
    next: str | None = None


class ErrorView(View, frozen=True):
    """What is wrong with a request, in one line. `near` has names that are like the one asked for."""

    error: str
    near: tuple[str, ...] = ()
