"""From the running parts to the values that the admin shows; reads everything, writes nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import get_args

from pilothouse import __version__
from pilothouse.admin.access.credentials import TokenFile
from pilothouse.admin.status import (
    CertificatesStatus,
    Counters,
    FaultStatus,
    HistogramStatus,
    HoldStatus,
    NamesStatus,
    PropagationStatus,
    Quarantine,
    SourceStatus,
    Unserved,
)
from pilothouse.dns.naming import Naming
from pilothouse.encoding.types import ResourceType
from pilothouse.feeds.feed import Mistake, State
from pilothouse.journal.journal import Journal
from pilothouse.model.reasons import Called, Reason
from pilothouse.registry.guard import Hold
from pilothouse.registry.merged import Registry
from pilothouse.registry.revisions import BOUNDS, Revisions
from pilothouse.registry.supervise import SourceState
from pilothouse.server.certificates import Certificates
from pilothouse.server.discovery import Discovery
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.census import Census
from pilothouse.sources import Fault, Standing
from pilothouse.structures.histogram import Histogram
from pilothouse.tracing.following import Tracing

_NAMES = 100  # so many services of a hold are named
_UNSERVED = 10  # and so many of which no endpoint is called


class Observed:
    """Answers what a page asks, at the first time that it does; to be made anew for each page."""

    version = __version__

    def __init__(  # noqa: PLR0913  (each is a running part)
        self,
        started_s: float,
        states: Sequence[SourceState],
        registry: Registry,
        catalogue: Catalogue,
        discovery: Discovery,
        census: Census,
        certificates: Sequence[Certificates] = (),
        tokens: TokenFile | None = None,
        loop_delay: Histogram | None = None,
        feeds: Sequence[State] = (),
        journal: Journal | None = None,
        tracing: Tracing | None = None,
        naming: Naming | None = None,
    ) -> None:
        self.started_at = started_s
        self._states, self._registry, self._catalogue = states, registry, catalogue
        self._discovery, self._census, self._certificates = discovery, census, certificates
        self._tokens, self._loop_delay, self._feeds = tokens, loop_delay, feeds
        self._journal, self._tracing, self._naming = journal, tracing, naming

    @property
    def listening(self) -> bool:
        return self._discovery.listening

    @property
    def draining(self) -> bool:
        return self._discovery.draining

    @cached_property
    def sources(self) -> Sequence[SourceStatus]:
        return (*(_source(state, self._registry) for state in self._states), *map(_feed, self._feeds))

    @cached_property
    def quarantined(self) -> Sequence[Quarantine]:
        return tuple(
            Quarantine(str(name), held.reason, held.since_s, self._catalogue.serves(name))
            for name, held in sorted(self._catalogue.quarantined.items())
        )

    @property
    def services(self) -> int:
        return len(self._registry.services)

    @property
    def endpoints(self) -> int:
        return self._registry.endpoints

    @property
    def called(self) -> Mapping[str, int]:
        return _called(self._registry.endpoints, self._census)

    @property
    def excluded(self) -> Mapping[str, int]:
        return _by_code(self._census.excluded)

    @property
    def unserved(self) -> Unserved:
        found = self._census.unserved
        return Unserved(len(found), tuple(str(name) for name in islice(found, _UNSERVED)))

    @property
    def resources(self) -> Mapping[str, int]:
        return {type.label: shelf.count() for type, shelf in self._discovery.shelves.items()}

    @cached_property
    def counters(self) -> Counters:
        return _counters(self._discovery, self._journal, self._tracing)

    @cached_property
    def certificates(self) -> CertificatesStatus:
        return _certificates(self._certificates, self._tokens)

    @cached_property
    def left_out(self) -> Mapping[str, int]:
        return _left_out(self._states, self._census)

    @cached_property
    def propagation(self) -> Sequence[PropagationStatus]:
        return tuple(_propagation(self._registry.revisions))

    @property
    def names(self) -> NamesStatus:
        if self._naming is None:
            return NamesStatus()
        return NamesStatus(self._naming.answered, self._naming.forwarded)

    @property
    def unpublished_s(self) -> float:
        since = self._registry.revisions.unpublished_since
        return 0.0 if since is None else max(0.0, time.monotonic() - since)

    @property
    def loop_delay(self) -> HistogramStatus:
        return _histogram(self._loop_delay) if self._loop_delay else HistogramStatus()


def _left_out(states: Sequence[SourceState], census: Census) -> dict[str, int]:
    """By reason: of the services, and of what of the sources belongs to none."""
    counts = Counter(census.by_reason)
    for state in states:
        counts.update(state.source.left_out)
    return _by_code(counts)


def _by_code(counts: Mapping[Reason, int]) -> dict[str, int]:
    return {reason.value: counts[reason] for reason in Reason if counts[reason]}


def _called(endpoints: int, census: Census) -> dict[str, int]:
    """Only endpoints that are not called everywhere are counted one by one."""
    found = {how: census.not_called[how] for how in get_args(Called) if how != "yes"}
    return {"yes": max(0, endpoints - sum(found.values())), **found}


def _histogram(seen: Histogram) -> HistogramStatus:
    return HistogramStatus(seen.bounds, seen.cumulative, seen.sum)


def _propagation(revisions: Revisions) -> Iterator[PropagationStatus]:
    revisions.expire()
    for source, noted in sorted(revisions.noted.items()):
        yield PropagationStatus(
            source,
            noted,
            revisions.pending[source],
            revisions.incomplete[source],
            revisions.rejected[source],
            revisions.unneeded[source],
            _histogram(revisions.propagation.get(source) or Histogram(BOUNDS)),
        )


def _source(state: SourceState, registry: Registry) -> SourceStatus:
    faults = state.source.faults
    return SourceStatus(
        name=state.name,
        synced=state.name not in registry.unsynced,
        stale=state.stale,
        error=state.error,
        stale_since_s=state.stale_since_s,
        services=registry.count(state.name),
        last_report_s=state.last_report_s,
        faults=tuple(_fault(fault) for fault in faults if not fault.warning),
        warnings=tuple(_fault(fault) for fault in faults if fault.warning),
        unknown=registry.unknown(state.name).places,
        hold=hold_status(held) if (held := registry.held(state.name)) else None,
    )


def _feed(state: State) -> SourceStatus:
    """Of what is served beside services: without it the process does not start."""
    faults = (_mistake(state.mistake),) if state.mistake else ()
    return SourceStatus(state.name, synced=True, last_report_s=state.read_s, faults=faults)


def _mistake(found: Mistake) -> FaultStatus:
    parts: tuple[tuple[str, str | int], ...] = (("file", found.file), ("line", found.line))
    return FaultStatus(found.place, found.field, found.message, Standing.LAST_GOOD.value, parts=parts)


def _fault(fault: Fault) -> FaultStatus:
    said = fault.place, fault.field, fault.message
    return FaultStatus(*said, fault.standing.value, fault.code, fault.parts)


def hold_status(hold: Hold) -> HoldStatus:
    ahead = time.time() - time.monotonic()  # of the clock that holds are told by
    names = tuple(map(str, sorted(hold.names)[:_NAMES]))
    return HoldStatus(len(hold.names), hold.endpoints, names, hold.since + ahead, hold.until + ahead)


def _certificates(certificates: Sequence[Certificates], tokens: TokenFile | None) -> CertificatesStatus:
    """Those of the xDS port and of the admin port together, and its tokens: their files tell them apart."""
    validities = [validity for each in certificates for validity in each.tls.validities]
    return CertificatesStatus(
        stale=any(each.error for each in certificates),
        expires_s={str(each.file): each.until.timestamp() for each in validities},
        warnings=tuple(
            warning for each in (*certificates, *([tokens] if tokens else ())) for warning in each.warnings
        ),
    )


def _counters(discovery: Discovery, journal: Journal | None, tracing: Tracing | None) -> Counters:
    tally = discovery.tally
    return Counters(
        pushes={(type.label, variant): count for (type, variant), count in tally.pushes.items()},
        requests={_label(type): count for type, count in tally.requests.items()},
        rejects={type.label: count for type, count in tally.rejects.items()},
        streams_opened=tally.streams_opened,
        streams_closed=tally.streams_closed,
        bad_requests=tally.bad_requests,
        unknown_names=tally.unknown_names + sum(each.unknown_names for each in discovery.sessions),
        bytes_sent=tally.bytes_sent,
        stale_resent=tally.stale_resent,
        stale_closed=tally.stale_closed,
        journal_lost=journal.lost if journal else 0,
        traces_sent=tracing.sent if tracing else 0,
        traces_lost=tracing.lost if tracing else 0,
    )


def _label(type: ResourceType | None) -> str:
    return type.label if type is not None else "other"
