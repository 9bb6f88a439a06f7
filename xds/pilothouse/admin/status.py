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
    """The certificate files of the ports. `stale`: the present files cannot be used, and the earlier ones
    are.

    `expires_s` is the end of each file's validity in Unix seconds. `warnings` need attention.
    """

    stale: bool = False
    expires_s: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TypeStatus:
    """One type on all streams: how many responses are unanswered, how many of these for long (they lag), and
    how many were the last ones and rejected.

    `oldest_s` is how long the oldest unanswered response has been so, in seconds.
    """

    awaiting_ack: int = 0
    lagging: int = 0
    rejected: int = 0
    oldest_s: float = 0.0


@dataclass(frozen=True, slots=True)
class StreamsStatus:
    """All open streams, counted: by variant, by the state of the type that needs most attention, and by type.

    Types are short names. A type that a client has asked for is there, even if all of its numbers are 0.
    """

    variants: Mapping[str, int] = field(default_factory=dict)
    states: Mapping[str, int] = field(default_factory=dict)
    types: Mapping[str, TypeStatus] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Counters:
    """Counters since the start. Every number only grows.

    Types are short names from a fixed set (`CDS`), never type URLs that a client wrote: they become labels,
    and clients must not be able to invent new ones.
    `rejects` are NACKs.
    `bad_requests` are streams that were refused because of a bad request.
    `unknown_names` are requests for endpoints of clusters that do not exist.
    `stale_resent` are times that a client was sent the same again, because it did not answer, and
    `stale_closed` the streams that were ended for that.
    `journal_lost` are entries of the journal that could not be kept on the disk.
    `traces_sent` are traces of changes that a collector has taken, and `traces_lost` those that none got.
    """

    pushes: Mapping[tuple[str, Variant], int] = field(default_factory=dict)
    requests: Mapping[str, int] = field(default_factory=dict)
    rejects: Mapping[str, int] = field(default_factory=dict)
    streams_opened: int = 0
    streams_closed: int = 0
    bad_requests: int = 0
    unknown_names: int = 0
    bytes_sent: int = 0
    stale_resent: int = 0
    stale_closed: int = 0
    journal_lost: int = 0
    traces_sent: int = 0
    traces_lost: int = 0


@dataclass(frozen=True, slots=True)
class NamesStatus:
    """What was asked over DNS since the start: the answers by type and code, and what was asked elsewhere."""

    answered: Mapping[tuple[str, str], int] = field(default_factory=dict)
    forwarded: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HistogramStatus:
    """A cumulative histogram: for each of `bounds` the number of values up to it, and at the end that of all.

    `total_s` is the sum of the values, in seconds.
    """

    bounds: tuple[float, ...] = ()
    seconds: tuple[int, ...] = (0,)
    total_s: float = 0.0


@dataclass(frozen=True, slots=True)
class PropagationStatus:
    """The revisions of one source. Each is pending, or counted in one of the other ways.

    `taken` is the time from the source to the last ACK, of revisions that nobody rejected.
    `incomplete` are revisions that some client did not answer in time, `rejected` those that some client
    rejected, and `unneeded` those that no client had to answer.
    """

    source: str
    revisions: int = 0
    pending: int = 0
    incomplete: int = 0
    rejected: int = 0
    unneeded: int = 0
    taken: HistogramStatus = HistogramStatus()


@dataclass(frozen=True, slots=True)
class Unserved:
    """How many services have endpoints of which none is called, and the names of the first."""

    services: int = 0
    first: tuple[str, ...] = ()


class Questions(Protocol):
    """The questions that a page can ask. Each is answered when it is asked, so a page costs what it shows.

    No answer costs time in proportion to the number of services. `started_at` is in Unix seconds.
    `listening`: the xDS port is open. `resources` are by short type name. `left_out` counts what reaches no
    sidecar, by reason code. `called` counts the endpoints by how far they are called, and `excluded` those
    that are not called at all of their ports, by reason code. `unpublished_s` is how long the oldest change
    has waited to be published, in seconds. `loop_delay` is how long the event loop lets work wait.
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
    def called(self) -> Mapping[str, int]: ...
    @property
    def excluded(self) -> Mapping[str, int]: ...
    @property
    def unserved(self) -> Unserved: ...
    @property
    def resources(self) -> Mapping[str, int]: ...
    @property
    def counters(self) -> Counters: ...
    @property
    def certificates(self) -> CertificatesStatus: ...
    @property
    def left_out(self) -> Mapping[str, int]: ...
    @property
    def propagation(self) -> Sequence[PropagationStatus]: ...
    @property
    def unpublished_s(self) -> float: ...
    @property
    def names(self) -> NamesStatus: ...
    @property
    def loop_delay(self) -> HistogramStatus: ...


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
    called: Mapping[str, int] = field(default_factory=dict)
    excluded: Mapping[str, int] = field(default_factory=dict)
    unserved: Unserved = Unserved()
    resources: Mapping[str, int] = field(default_factory=dict)
    counters: Counters = field(default_factory=Counters)
    certificates: CertificatesStatus = field(default_factory=CertificatesStatus)
    left_out: Mapping[str, int] = field(default_factory=dict)
    propagation: tuple[PropagationStatus, ...] = ()
    unpublished_s: float = 0.0
    names: NamesStatus = NamesStatus()
    loop_delay: HistogramStatus = HistogramStatus()
