"""The composition root: it knows all other modules, and starts them in the right order."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from pilothouse.admin.api.events import Events
from pilothouse.admin.entrance import Entrance
from pilothouse.admin.http import admin
from pilothouse.admin.observe import Observed
from pilothouse.admin.orders.keeping import Keeper, Kept
from pilothouse.admin.orders.operator import Operator
from pilothouse.admin.orders.passing import Passing
from pilothouse.admin.reading.following import Following
from pilothouse.admin.reading.history import record
from pilothouse.admin.reading.reader import Reader
from pilothouse.admin.reading.services import Parts
from pilothouse.config.settings import ConfigError, Settings
from pilothouse.dns.known import InForce
from pilothouse.dns.naming import Naming
from pilothouse.encoding.types import ResourceType
from pilothouse.feeds.pem import Files
from pilothouse.journal.disk import Record
from pilothouse.journal.journal import Journal
from pilothouse.journal.progress import Progress
from pilothouse.mesh.audience import Admission
from pilothouse.mesh.identity import Identity
from pilothouse.model.services import ServiceName
from pilothouse.registry.damping import Damping
from pilothouse.registry.merged import OPERATOR, Registry
from pilothouse.registry.revisions import Revisions
from pilothouse.registry.supervise import SourceState, supervise
from pilothouse.server.allocating import Allocator, allocating
from pilothouse.server.certificates import Certificates
from pilothouse.server.discovery import Discovery
from pilothouse.server.feeding import Feeding
from pilothouse.server.feeds import feeds as asked_feeds
from pilothouse.server.grpc_server import Terms
from pilothouse.server.grpc_server import serving as serving_discovery
from pilothouse.server.healing import heal
from pilothouse.server.publishing import (
    FAN_OUT_S,
    completing,
    count,
    log_loaded,
    publish,
    publish_first,
    telling,
    watching_holds,
)
from pilothouse.server.recall import Recall
from pilothouse.server.recalled import Recalled, recalling
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.census import Census
from pilothouse.serving.changes import Noticed
from pilothouse.serving.naming import Names
from pilothouse.sources import Cause, Misconfigured, Source
from pilothouse.sources.kubernetes.settings import KubernetesSettings
from pilothouse.structures.delay import Delay
from pilothouse.structures.dirty import DirtySet
from pilothouse.structures.memory import give_back, settle
from pilothouse.structures.signals import heed
from pilothouse.structures.turns import in_turns
from pilothouse.tracing.following import Tracing
from pilothouse.tracing.starting import tracing

if TYPE_CHECKING:
    from pilothouse.status.writer import Writer

log = structlog.get_logger(__name__)

#: How long the port stays closed while a source has not reported, in seconds.
SYNC_S = 30.0
# So many changes are written to the journal at a time. The rest has its turn.
_MOST_NEWS = 200


async def run(
    settings: Settings,
    sources: Sequence[Source] | None = None,
    opened: Callable[[int, int], None] = lambda xds, admin: None,
) -> None:
    """Serve until SIGTERM, SIGINT or cancellation. `opened` is called with the two ports when both serve.

    Raises OSError with one line of text if an address cannot be listened on.
    """
    sources = _made(settings) if sources is None else sources
    states = [SourceState(source) for source in sources]
    gc.disable()  # until everything is loaded, because there is no garbage to find before
    registry = _registry(settings, [source.name for source in sources])
    catalogue = Catalogue(settings.external_names, settings.unknown_host_status)
    feeds, naming = _feeds(settings), _naming(settings, registry, catalogue)
    discovery = _discovery(settings, catalogue, feeds, naming.shelf)
    terms = Terms(_certificates(settings), settings.max_connection_age_s, shared=settings.workers > 1)
    census, uncounted, delay = Census(catalogue, registry.services), DirtySet[ServiceName](), Delay()
    entrance, recalled = _entrance(settings), await recalling(catalogue, _folder(settings, "recalled"))
    started_s, stopping = time.time(), asyncio.Event()
    certificates = [each for each in (terms.tls, entrance.certificates) if each]
    looks = [*(each.look for each in feeds.values()), *(each.look for each in certificates)]
    _heed_signals(stopping, [partial(_reread, sources), *looks, entrance.look])
    journal = Journal(_folder(settings, "journal"))
    registry.revisions.begin(await journal.open())
    progress = Progress(registry.revisions, _MOST_NEWS)  # from the first change on
    traces = _tracing(settings, registry.revisions)
    discovery.rejections.noted = partial(journal.noted, kind="nack")
    operator = await _operator(settings, registry, discovery, journal)
    allocator = await allocating(registry, settings, _folder(settings, "addresses"), settings.external_names)
    async with asyncio.TaskGroup() as tasks:
        running = [*map(tasks.create_task, _supervised(states, registry, allocator))]
        parts = states, registry, catalogue, discovery, census, certificates, entrance.tokens, delay.seen

        def read() -> Observed:
            return Observed(
                started_s, *parts, [feed.state for feed in feeds.values()], journal, traces, naming
            )

        asked = Parts(registry, catalogue, census, sources)
        status = admin(read, _inquiry(read, asked, discovery, journal), operator, discovery.lane)
        async with entrance.serving(status) as admin_port, naming.serving(settings.workers > 1):
            served = f"{settings.admin.host}:{admin_port}"
            log.info("starting", admin=served, sources=[source.name for source in sources])
            if await _synced(registry, stopping, allocator):
                registry.changed.touch()
                await publish_first(registry, catalogue, discovery, uncounted)
                log_loaded(sources, registry, time.time() - started_s)
                catalogue.begin()
                settle()
                work = _following(settings, asked, discovery, uncounted, journal, progress, naming, recalled)
                tracing = [traces.run()] if traces is not None else []
                running += map(tasks.create_task, [*work, *tracing, delay.measure(), operator.run()])
                async with _opened(discovery, str(settings.xds), terms, feeds.values()) as xds_port:
                    log.info("serving", xds=f"{settings.xds.host}:{xds_port}", admin=served)
                    opened(xds_port, admin_port)
                    await stopping.wait()
                    log.info("stopping", streams=len(discovery.sessions))
        for task in running:
            task.cancel()


def _naming(settings: Settings, registry: Registry, catalogue: Catalogue) -> Naming:
    """Who answers names, here and beside applications."""
    known = InForce.of(registry, catalogue)
    return Naming(settings, known, Names(catalogue, settings.cluster_zone, lambda: known.complete))


async def _operator(
    settings: Settings, registry: Registry, discovery: Discovery, journal: Journal
) -> Operator:
    """Who carries out orders. What he did before the process began is in force again."""
    state, several = settings.common(os.environ).state, settings.workers > 1
    keeper = Keeper(registry, Kept(state / OPERATOR) if state else None, shared=several)
    passing = Passing(state / OPERATOR / "passed") if state and several else None
    operator = Operator(registry, discovery, keeper, settings.workers, passing)
    operator.noted = journal.noted
    await operator.begin()
    return operator


@asynccontextmanager
async def _opened(
    discovery: Discovery, address: str, terms: Terms, feeds: Iterable[Feeding[Any]]
) -> AsyncIterator[int]:
    """Serve, and follow the files of the feeds. Yields the port."""
    fans: set[asyncio.Task[None]] = set()

    def publish(changes: list[Noticed]) -> None:
        """Publish in turns, because a file may concern every stream."""
        fan = asyncio.create_task(in_turns(discovery.publishing(changes), FAN_OUT_S))
        fans.add(fan)
        fan.add_done_callback(fans.discard)

    async with AsyncExitStack() as opening:
        for feed in feeds:
            opening.enter_context(feed.followed(publish))
        yield await opening.enter_async_context(serving_discovery(discovery, address, terms))


def _following(  # noqa: PLR0913  (it connects all parts)
    settings: Settings,
    parts: Parts,
    discovery: Discovery,
    uncounted: DirtySet[ServiceName],
    journal: Journal,
    progress: Progress,
    naming: Naming,
    recalled: Recalled | None,
) -> Iterator[Coroutine[Any, Any, None]]:
    """What goes on as long as the process serves."""
    registry, catalogue, census = parts.registry, parts.catalogue, parts.census
    holds = watching_holds(registry, partial(journal.noted, kind="hold"))
    naming.follow(list(registry.services))
    tell = [naming.follow, telling(registry, catalogue), holds, completing(naming.shelf, discovery)]
    writer = _status_writer(settings, parts.sources, registry, catalogue, discovery)
    if writer is not None:
        tell.append(writer.stir)
        yield writer.run()
    if recalled is not None:
        tell.append(recalled.stir)
        yield recalled.run()
    yield publish(registry, catalogue, discovery, uncounted, tell)
    yield Recall(discovery.sessions, discovery.rejections, catalogue, _again(registry)).run()
    yield heal(discovery)
    yield journal.run(partial(_news, registry.revisions, progress))
    yield count(uncounted, census)
    yield give_back()


def _again(registry: Registry) -> Callable[[ServiceName, str], None]:
    """Publishes a service again, and says in the history that it was for what proxies said."""
    return lambda name, why: registry.reconsider(name, "proxies", Cause(why))


def _folder(settings: Settings, name: str) -> Path | None:
    """Where something is kept in the state folder. None without one."""
    state = settings.common(os.environ).state
    return state / name if state is not None else None


def _news(revisions: Revisions, progress: Progress) -> Iterator[Record]:
    """What has become of changes since the last call, for the journal."""
    for one in (*progress.published(), *progress.ended()):
        yield record(revisions, one)


def _supervised(
    states: Iterable[SourceState], registry: Registry, allocator: Allocator | None
) -> Iterator[Coroutine[Any, Any, None]]:
    if allocator is not None:
        yield allocator.run()
    for state in states:
        yield supervise(state, registry.shard(state.name), _log_failure)


def _log_failure(state: SourceState, retry_s: float) -> None:
    log.error("source failed", source=state.name, error=state.error, retry_s=retry_s)


async def _synced(registry: Registry, stopping: asyncio.Event, allocator: Allocator | None) -> bool:
    """Wait for the first report of every source, for a limited time. False if the process is to stop instead.

    If a source is missing, Pilothouse serves without it but sends no removals, so reconnecting Envoys keep
    what they have.
    """
    waits = [asyncio.create_task(registry.until_synced()), asyncio.create_task(stopping.wait())]
    await asyncio.wait(waits, timeout=SYNC_S, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    if registry.unsynced and not stopping.is_set():
        log.error("serving without sources that have not reported", sources=sorted(registry.unsynced))
    if allocator is not None and not stopping.is_set():
        await allocator.first()
    return not stopping.is_set()


def _heed_signals(stopping: asyncio.Event, rereads: Sequence[Callable[[], None]]) -> None:
    """SIGTERM and SIGINT stop the process, SIGHUP rereads everything, SIGUSR1 and SIGUSR2 have no effect."""

    def reread() -> None:
        log.info("reading everything again", signal="SIGHUP")
        for each in rereads:
            each()

    ignored = {name: partial(log.info, "signal ignored", signal=name) for name in ("SIGUSR1", "SIGUSR2")}
    heed(stopping.set, reread, **ignored)


def _reread(sources: Sequence[Source]) -> None:
    for source in sources:
        source.reread()


def _registry(settings: Settings, sources: Sequence[str]) -> Registry:
    damping = Damping() if settings.flap_damping else None
    return Registry(sources, hold_s=settings.hold, accept_missing=settings.accept_missing, damping=damping)


def _made(settings: Settings) -> list[Source]:
    """The sources that the settings ask for. Raises ConfigError."""
    common = settings.common(os.environ)
    try:
        return [section.source(common) for section in settings.sources]
    except Misconfigured as mistake:
        raise ConfigError(mistake.setting, mistake.mistake) from None


def _tracing(settings: Settings, revisions: Revisions) -> Tracing | None:
    """Who traces changes, if that is asked for. Raises ConfigError."""
    with _refusing("--otel-endpoint"):
        return tracing(revisions, settings.otel_endpoint, os.environ)


@contextmanager
def _refusing(place: str) -> Iterator[None]:
    """Turns what is wrong with files and variables, which were valid when the settings were read or were not
    read then, into ConfigError.
    """
    try:
        yield
    except ValueError as error:
        raise ConfigError(place, str(error)) from None


def _status_writer(
    settings: Settings,
    sources: Sequence[Source],
    registry: Registry,
    catalogue: Catalogue,
    discovery: Discovery,
) -> Writer | None:
    """Who writes the status of a cluster's routes, if that is asked for."""
    if not any(isinstance(each, KubernetesSettings) and each.write_status for each in settings.sources):
        return None
    from pilothouse.sources.kubernetes.source import KubernetesSource
    from pilothouse.status.board import Board
    from pilothouse.status.writer import Writer

    source = next(each for each in sources if isinstance(each, KubernetesSource))
    assert source.shown is not None, "it keeps what its settings ask for"
    board = Board(source.shown, registry.services, catalogue, discovery.rejections.of, source.reports)
    writer = Writer(source.access, source.shown, board)
    discovery.rejections.listeners.append(writer.stir)
    return writer


def _admission(settings: Settings) -> Admission:
    wildcards = settings.wildcard_namespaces
    admitted = frozenset(wildcards) if wildcards else None
    return Admission(settings.default_namespace or "", admitted, settings.cluster_domain)


def _feeds(settings: Settings) -> dict[ResourceType, Feeding[Any]]:
    with _refusing("serve"):
        return asked_feeds(settings)


def _discovery(
    settings: Settings, catalogue: Catalogue, feeds: Mapping[ResourceType, Feeding[Any]], names: Names
) -> Discovery:
    shelves = {**{type: feed.shelf for type, feed in feeds.items()}, names.type: names}
    # If others can reach the port, a proxy on this machine would make any client look local.
    local = settings.xds.host in ("127.0.0.1", "::1", "localhost")
    return Discovery(catalogue, _admission(settings), _identity(settings), shelves, trust_local=local)


def _certificates(settings: Settings) -> Certificates | None:
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    with _refusing("serve"):
        return Certificates(Files(settings.tls_cert, settings.tls_key, settings.client_ca))


def _inquiry(
    read: Callable[[], Observed], parts: Parts, discovery: Discovery, journal: Journal
) -> Callable[[], Reader]:
    """Asks the running parts, anew for each page, and of all events in one place."""
    return partial(Reader, read, parts, discovery, Events(Following(read, parts, discovery)), journal)


def _entrance(settings: Settings) -> Entrance:
    with _refusing("serve"):
        return Entrance(settings)


def _identity(settings: Settings) -> Identity | None:
    """The rule that finds a client's namespace in its certificate. None if its metadata names it."""
    if settings.identity == "metadata":
        log.info("sidecars name their namespace themselves: export-to is no security boundary")
        return None
    map = settings.identity_map
    log.info("certificates name the namespace of sidecars", by=str(map.file) if map else "SPIFFE id")
    return Identity(map.rules) if map else Identity.spiffe()
