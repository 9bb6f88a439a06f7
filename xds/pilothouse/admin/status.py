"""The questions that the admin asks, and the answers: plain values without references to running parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Variant = Literal["sotw", "delta"]


@dataclass(frozen=True, slots=True)
class FaultStatus:
    """A place in a backend that cannot be read, or that causes a warning.

    `in_force` says what is in force in its place.
    `code` is the reason code, if something is left out because of it.
    `parts` are the place in the source's own terms, for programs, such as a file and a line.
    """

    place: str
    field: str
    message: str
    in_force: str = ""
    code: str = ""
    parts: tuple[tuple[str, str | int], ...] = ()


@dataclass(frozen=True, slots=True)
class HoldStatus:
    """A loss that is not believed yet: the number of its services (some with names) and endpoints.

    Times are Unix seconds.
    """

    services: int
    endpoints: int
    names: tuple[str, ...]
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One source. `synced`: it has reported at least once.

    `stale`: all or a part of it fails and is retried. Its last report stays in force. `error` says why, and
    `stale_since_s` since when, in Unix seconds.
    `services` counts its services in force.
    `last_report_s` is the time of its last report in Unix seconds.
    `unknown` are places that it cannot read and that have no good version.
    `warnings` refuse nothing; each says what is in force.
    """

    name: str
    synced: bool = False
    stale: bool = False
    error: str = ""
    stale_since_s: float | None = None
    services: int = 0
    last_report_s: float | None = None
    faults: tuple[FaultStatus, ...] = ()
    warnings: tuple[FaultStatus, ...] = ()
    unknown: tuple[str, ...] = ()
    hold: HoldStatus | None = None


@dataclass(frozen=True, slots=True)
class Quarantine:
    """A service (`namespace/name`) whose new version breaks a validation rule, since `since` (Unix seconds).

    `served`: an earlier version is served.
    """

    service: str
    reason: str
    since: float
    served: bool = True


@dataclass(frozen=True, slots=True)
class CertificatesStatus:
    """The certificate files of the xDS port. `stale`: the present files cannot be used, and the earlier ones
    are.

    `expires_s` is the end of each file's validity in Unix seconds. `warnings` need attention.
    """

    stale: bool = False
    expires_s: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SubscriptionStatus:
    """One type on one stream. `names` counts the names that the client asks for, `sent` those that it holds.

    `lagging`: the last response has not been answered for long. Meanwhile, changes are merged.
    """

    type: str
    names: int = 0
    wildcard: bool = False
    sent: int = 0
    awaiting_ack: bool = False
    lagging: bool = False
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """One sidecar's stream. `connected_s` is when it was opened, in Unix seconds."""

    node: str
    peer: str
    variant: Variant
    namespace: str
    connected_s: float
    subscriptions: tuple[SubscriptionStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class Counters:
    """Counters since the start. Every number only grows.

    Types are short names from a fixed set (`CDS`), never type URLs that a client wrote: they become labels,
    and clients must not be able to invent new ones.
    `rejects` are NACKs.
    `bad_requests` are streams that were refused because of a bad request.
    `unknown_names` are requests for endpoints of clusters that do not exist.
    """

    pushes: Mapping[tuple[str, Variant], int] = field(default_factory=dict)
    requests: Mapping[str, int] = field(default_factory=dict)
    rejects: Mapping[str, int] = field(default_factory=dict)
    streams_opened: int = 0
    streams_closed: int = 0
    bad_requests: int = 0
    unknown_names: int = 0
    bytes_sent: int = 0


@dataclass(frozen=True, slots=True)
class PropagationStatus:
    """The revisions of one source.

    `seconds` is a cumulative histogram of the time from the source to the last answer of a client: for each
    of
    `bounds`, the number of revisions up to it, and at the end the number of all.
    `total_s` is the sum of these times.
    `incomplete` are revisions that some client did not answer in time, `rejected` those that some client
    rejected.
    """

    source: str
    revisions: int = 0
    incomplete: int = 0
    rejected: int = 0
    bounds: tuple[float, ...] = ()
    seconds: tuple[int, ...] = (0,)
    total_s: float = 0.0


class Questions(Protocol):
    """The questions that a page can ask. Each is answered when it is asked, so a page costs what it shows.

    No answer costs time in proportion to the number of services. `started_at` is in Unix seconds.
    `listening`: the xDS port is open. `resources` are by short type name. `left_out` counts what reaches no
    sidecar, by reason code.
    """

    @property
    def version(self) -> str: ...
    @property
    def started_at(self) -> float: ...
    @property
    def listening(self) -> bool: ...
    @property
    def draining(self) -> bool: ...
    @property
    def sources(self) -> Sequence[SourceStatus]: ...
    @property
    def quarantined(self) -> Sequence[Quarantine]: ...
    @property
    def services(self) -> int: ...
    @property
    def endpoints(self) -> int: ...
    @property
    def resources(self) -> Mapping[str, int]: ...
    @property
    def streams(self) -> Sequence[StreamStatus]: ...
    @property
    def counters(self) -> Counters: ...
    @property
    def certificates(self) -> CertificatesStatus: ...
    @property
    def left_out(self) -> Mapping[str, int]: ...
    @property
    def propagation(self) -> Sequence[PropagationStatus]: ...


@dataclass(frozen=True, slots=True)
class Status:
    """The answers to all questions, computed already."""

    version: str
    started_at: float
    listening: bool = True
    draining: bool = False
    sources: tuple[SourceStatus, ...] = ()
    quarantined: tuple[Quarantine, ...] = ()
    services: int = 0
    endpoints: int = 0
    resources: Mapping[str, int] = field(default_factory=dict)
    streams: tuple[StreamStatus, ...] = ()
    counters: Counters = field(default_factory=Counters)
    certificates: CertificatesStatus = field(default_factory=CertificatesStatus)
    left_out: Mapping[str, int] = field(default_factory=dict)
    propagation: tuple[PropagationStatus, ...] = ()
