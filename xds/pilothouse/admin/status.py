"""What the admin asks, and the answers: plain values that never point back into the running parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Variant = Literal["sotw", "delta"]


@dataclass(frozen=True, slots=True)
class FaultStatus:
    """A place in a backend that cannot be read, or is doubtful.

    `in_force` says what stands in its place, `code` the reason why something is left out because of it, if
    there is one. `parts` are the place as its source tells it to programs, such as a file and a line.
    """

    place: str
    field: str
    message: str
    in_force: str = ""
    code: str = ""
    parts: tuple[tuple[str, str | int], ...] = ()


@dataclass(frozen=True, slots=True)
class HoldStatus:
    """A loss that is not believed yet: how many services (some by name) and endpoints it is of.

    Times are Unix seconds.
    """

    services: int
    endpoints: int
    names: tuple[str, ...]
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One source. `synced`: has reported at least once; `stale`: failed, is retried, its last report counts.

    `error` is the text of the last failure, `services` how many of its services are in force, `last_report_s`
    the time of its last report in Unix seconds. `unknown` are places that it cannot read and of which nothing
    good is known. `warnings` refuse nothing: each says what is in force.
    """

    name: str
    synced: bool = False
    stale: bool = False
    error: str = ""
    services: int = 0
    last_report_s: float | None = None
    faults: tuple[FaultStatus, ...] = ()
    warnings: tuple[FaultStatus, ...] = ()
    unknown: tuple[str, ...] = ()
    hold: HoldStatus | None = None


@dataclass(frozen=True, slots=True)
class Quarantine:
    """A service (`namespace/name`) whose new version breaks a validation rule; `since` in Unix seconds.

    `served` says whether an earlier version is.
    """

    service: str
    reason: str
    since: float
    served: bool = True


@dataclass(frozen=True, slots=True)
class CertificatesStatus:
    """The files of the xDS port. `stale`: what they hold now cannot be used, what was read before is.

    `expires_s` is the end of each file's validity in Unix seconds, `warnings` what asks for a person.
    """

    stale: bool = False
    expires_s: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SubscriptionStatus:
    """One type on one stream. `names` counts what is asked for by name, `sent` what the client holds.

    `lagging`: the last response has been waiting for its answer for long, and changes are merged meanwhile.
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
    """One sidecar's stream; `connected_s` is when it was opened, in Unix seconds."""

    node: str
    peer: str
    variant: Variant
    namespace: str
    connected_s: float
    subscriptions: tuple[SubscriptionStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class Counters:
    """What has happened since the start. Every number only grows.

    A type is a short name out of a fixed set (`CDS`), never a type URL as a client wrote it: these
    become labels, and clients must not be able to make up new ones. `rejects` are NACKs,
    `bad_requests` are streams refused for what they said, `unknown_names` are endpoints asked
    for of a cluster that does not exist.
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
    """The revisions of one source. `seconds` is how many took no longer than each of `bounds` from the source
    to the last answer of a client, and at the end how many there were; `total_s` is all of that together.

    `incomplete` are those that a client did not answer in time, `rejected` those that a client rejected.
    """

    source: str
    revisions: int = 0
    incomplete: int = 0
    rejected: int = 0
    bounds: tuple[float, ...] = ()
    seconds: tuple[int, ...] = (0,)
    total_s: float = 0.0


class Questions(Protocol):
    """What can be asked of the process. Each is worked out when it is asked, so a page costs what it shows.

    None costs in proportion to services. `started_at` is in Unix seconds, `resources` are by short type name,
    `left_out` is how much of what sources say is not at sidecars, by the code of its reason.
    """

    @property
    def version(self) -> str: ...
    @property
    def started_at(self) -> float: ...
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
    """Answers to all questions, worked out already."""

    version: str
    started_at: float
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
