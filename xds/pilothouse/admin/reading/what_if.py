"""What manifests would change: they are joined, merged and translated beside what runs, and compared."""

from __future__ import annotations

import asyncio
import threading
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TypeAlias

from pilothouse.admin.api import views
from pilothouse.admin.api.inquiry import Mistaken, Unanswered
from pilothouse.admin.reading.services import Parts, why
from pilothouse.encoding.resources import Resource
from pilothouse.encoding.types import Changes, ResourceType
from pilothouse.kubernetes.documents import Declared, Remark, read
from pilothouse.kubernetes.manifests import Manifests
from pilothouse.kubernetes.objects.types import Key, declaring
from pilothouse.mesh.audience import Audience, Dialect
from pilothouse.model.reasons import Omission
from pilothouse.model.services import Service, ServiceName
from pilothouse.registry.news import Item
from pilothouse.server.discovery import Discovery
from pilothouse.server.session import Session
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.census import answers, left_out, viewer
from pilothouse.serving.changes import affected
from pilothouse.serving.world import World
from pilothouse.sources import Declaring
from pilothouse.structures.lane import leaving
from pilothouse.structures.threads import on_a_thread
from pilothouse.structures.turns import Steps, in_turns
from pilothouse.structures.written import quoted

_TURN_S = 0.002
_NAMED = 100  # so many services, findings and omissions are shown
_SHOWN = 1000  # so many resources
_NODES = 10  # so many proxies of each
_TRIED = 10_000  # so many services are tried, which takes about a minute
_REFERRING = {ResourceType.ENDPOINTS: ResourceType.CLUSTER, ResourceType.ROUTES: ResourceType.LISTENER}
_AT_ONCE = 2  # each keeps a world of its own, and its thread delays the event loop


class WhatIf:
    """Answers what would change. Nothing that runs is touched."""

    def __init__(self, parts: Parts, discovery: Discovery) -> None:
        self._parts, self._discovery = parts, discovery
        self._running = 0

    async def answer(self, said: views.Supposition) -> views.WhatIfView:
        """Raises Mistaken if the source cannot say it or too much changes; Unanswered if too many ask."""
        if self._running >= _AT_ONCE:
            raise Unanswered(f"{_AT_ONCE} what-ifs are being worked out, which is the most: ask again later")
        into = _source(self._parts, said.source)
        over = threading.Event()
        reading = on_a_thread(partial(_declared, said.files, over), "what-if")
        self._running += 1
        try:
            async with leaving():
                found = await asyncio.shield(reading)
            return await self._tried(into, found, delete=said.delete)
        finally:
            over.set()
            # Nothing ends a thread from outside, so it counts until it ends.
            reading.add_done_callback(self._ended)

    def _ended(self, _: object) -> None:
        self._running -= 1

    async def _tried(
        self, into: tuple[str, Declaring], found: tuple[Mapping[Key, _At], _Texts], *, delete: bool
    ) -> views.WhatIfView:
        (name, source), (declared, texts) = into, found
        objects = [each.declared.object for each in declared.values()]
        put, gone = ([], list(declared)) if delete else (objects, [])
        merged = self._parts.registry.supposing(name, await in_turns(source.supposing(put, gone), _TURN_S))
        services = dict(self._parts.registry.services)
        changed = {each: merged[each] for each in sorted(merged) if merged[each] != services.get(each)}
        if len(changed) > _TRIED:
            said = f"{len(changed):,} services would change, and {_TRIED:,} can be tried at a time"
            raise Mistaken(f"{said}: give fewer manifests")
        trial = await in_turns(_tried(self._parts, self._discovery, changed), _TURN_S)
        return views.WhatIfView(
            source=name,
            ok=not texts.faults and not trial.refused,
            touched=len(changed),
            services=tuple(
                views.ChangedView(
                    str(each), _place(declared, each), Item(each, services.get(each), changed[each]).what
                )
                for each in islice(changed, _NAMED)
            ),
            affected=len(trial.effects),
            effects=tuple(islice(_effects(trial.effects), _SHOWN)),
            proxies=len(trial.concerned),
            faults=tuple(texts.faults[:_NAMED]),
            warnings=tuple(texts.warnings[:_NAMED]),
            quarantined=tuple(
                views.RefusedView(str(each), reason) for each, reason in sorted(trial.refused.items())
            ),
            gone=tuple(
                views.LostView(str(each), reach.count, tuple(reach.nodes))
                for each, reach in islice(trial.gone.items(), _NAMED)
            ),
            emptied=tuple(map(str, trial.emptied)),
            left_out=tuple(map(why, islice(dict.fromkeys((*texts.ignored, *trial.left_out)), _NAMED))),
        )


def _place(declared: Mapping[Key, _At], name: ServiceName) -> str | None:
    found = declared.get(declaring(name))
    return found.place if found else None


def _source(parts: Parts, name: str) -> tuple[str, Declaring]:
    able = {each.name: each for each in parts.sources if isinstance(each, Declaring)}
    if name and name not in able:
        known = ", ".join(able) or "none"
        raise Mistaken(f"source: {quoted(name)} is none that reads such objects; those that do: {known}")
    if not able:
        raise Mistaken("source: there is none that reads such objects")
    found = name or next(iter(able))
    return found, able[found]


@dataclass(frozen=True, slots=True)
class _At:
    """A declared object, and its file and line as text."""

    declared: Declared
    place: str


@dataclass(slots=True)
class _Texts:
    """What is to be said about the texts themselves."""

    faults: list[views.FaultView] = field(default_factory=list)
    warnings: list[views.FaultView] = field(default_factory=list)
    ignored: list[Omission] = field(default_factory=list)


def _declared(files: Sequence[views.ManifestFile], over: threading.Event) -> tuple[Mapping[Key, _At], _Texts]:
    """The objects that the files declare. On a thread: of what runs, it sees nothing.

    When it is over, nobody waits for the rest of the files.
    """
    manifests, texts = Manifests(), _Texts()
    for each in sorted(files, key=lambda file: file.name):
        if over.is_set():
            break
        contents = read(each.text.encode(), namespace=each.namespace)
        manifests.put(each.name, contents.declared)
        texts.faults += [_fault(each.name, error) for error in contents.errors]
        texts.warnings += [_fault(each.name, warning) for warning in contents.warnings]
        texts.ignored += [ignored.omission for ignored in contents.ignored]
    texts.faults += [_fault(file, remark) for file, remark in manifests.conflicts]
    found = {
        key: _At(declared, f"{file}:{declared.place.line}") for key, (file, declared) in manifests.in_force
    }
    return found, texts


def _fault(file: str, remark: Remark) -> views.FaultView:
    place = remark.place
    where = f"{file}:{place.line}" if place.line else file
    code = remark.reason.value if remark.reason else None
    return views.FaultView(where, remark.message, place.field or None, None, code, file, place.line or None)


@dataclass(slots=True)
class _Reach:
    """The proxies for which a resource would change."""

    nodes: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, session: Session) -> None:
        self.count += 1
        if len(self.nodes) < _NODES:
            self.nodes.append(session.node_id)


_What: TypeAlias = tuple[ResourceType, str, views.Effect]


@dataclass(slots=True)
class _Trial:
    """What came of trying changed services beside what is running."""

    effects: dict[_What, _Reach] = field(default_factory=dict)
    concerned: set[Session] = field(default_factory=set)
    refused: dict[ServiceName, str] = field(default_factory=dict)
    gone: dict[ServiceName, _Reach] = field(default_factory=dict)
    left_out: list[Omission] = field(default_factory=list)
    emptied: list[ServiceName] = field(default_factory=list)


def _tried(
    parts: Parts, discovery: Discovery, changed: Mapping[ServiceName, Service | None]
) -> Steps[_Trial]:
    capturing = parts.catalogue.capturing.kept()  # so that those who capture count until the end
    before = parts.catalogue.beside()
    yield
    after = before.beside()
    yield
    services = ChainMap[ServiceName, Service | None](dict(changed), dict(parts.registry.services))
    yield
    changes = yield from after.applying(changed, services)
    trial = _Trial()
    trial.refused = {
        name: one.reason
        for name, one in after.quarantined.items()
        if name in changed or name not in before.quarantined
    }
    for audience, sessions in _audiences(discovery, before, after, changed).items():
        concerned = affected(changes, audience.scope, audience.dialect)
        if concerned:
            yield from _compared(trial, World(before, audience), World(after, audience), concerned, sessions)
        yield
    for name in changed:
        reach = _losers(trial, before, name) if changed[name] is None else None
        if reach is not None:
            trial.gone[name] = reach
        yield
    for name in islice(changed, _NAMED):
        trial.left_out += _newly_left_out(before, after, parts.registry.services.get(name), changed[name])
        yield
        if (yield from _emptied(before, after, name)):
            trial.emptied.append(name)
    capturing.clear()
    return trial


def _emptied(before: Catalogue, after: Catalogue, name: ServiceName) -> Steps[bool]:
    """Whether a service has an endpoint that is called, and would have none."""
    was, now = before.directory.get(name), after.directory.get(name)
    if was is None or now is None:
        return False
    return (yield from answers(was.service)) and not (yield from answers(now.service))


def _losers(trial: _Trial, before: Catalogue, name: ServiceName) -> _Reach | None:
    """The proxies that would lose most clusters of a service, if any would lose one."""
    known = before.directory.get(name)
    clusters = known.clusters if known else ()
    lost = (trial.effects.get((ResourceType.CLUSTER, each, "removed")) for each in clusters)
    reaches = [each for each in lost if each is not None and each.count]
    return max(reaches, key=lambda each: each.count, default=None)


def _audiences(
    discovery: Discovery, before: Catalogue, after: Catalogue, changed: Iterable[ServiceName]
) -> dict[Audience, list[Session]]:
    """The streams by audience, and for each changed service somebody who may know of it."""
    found: dict[Audience, list[Session]] = {}
    for session in discovery.sessions:
        if session.world is not None:
            found.setdefault(session.world.audience, []).append(session)
    for name in changed:
        for directory in (before.directory, after.directory):
            known = directory.get(name)
            if known is not None:
                found.setdefault(viewer(known.service.spec), [])
    return found


def _compared(
    trial: _Trial, was: World, now: World, names: Changes, sessions: Sequence[Session]
) -> Steps[None]:
    """Note which of the resources with these names differ, and for whom."""
    for type in names:
        for world in (was, now):
            for _ in world.prepare(type, names[type], wildcard=False):
                yield
        for name in sorted(names[type]):
            effect = _effect(was.get(type, name), now.get(type, name))
            yield
            if effect is None:
                continue
            reached = [each for each in sessions if _gets(each, type, name, effect)]
            if sessions and not reached:
                continue
            reach = trial.effects.setdefault((type, name, effect), _Reach())
            trial.concerned.update(reached)
            for session in reached:
                reach.add(session)


def _effect(was: Resource | None, now: Resource | None) -> views.Effect | None:
    if was is None or now is None:
        return None if was is now else "removed" if now is None else "added"
    return None if was.version == now.version else "changed"


def _gets(session: Session, type: ResourceType, name: str, effect: views.Effect) -> bool:
    """Whether the change reaches a client: it asks for this, or would as soon as it got what refers to it."""
    assert session.world is not None
    held = session.stream.subscriptions
    if type in held and held[type].interest.wants(name):
        return True
    # An Envoy has all clusters and listeners, and asks for the endpoints and routes of those that are new.
    if effect != "added" or type not in _REFERRING or session.world.audience.dialect is not Dialect.ENVOY:
        return False
    referring = held.get(_REFERRING[type])
    return referring is not None and referring.interest.wildcard


def _newly_left_out(
    before: Catalogue, after: Catalogue, was: Service | None, now: Service | None
) -> Sequence[Omission]:
    known = set(left_out(before, was)) if was is not None else set()
    return [each for each in left_out(after, now) if each not in known] if now is not None else []


def _effects(found: Mapping[_What, _Reach]) -> Iterator[views.EffectView]:
    """Those that concern most proxies first."""
    for (type, name, effect), reach in sorted(found.items(), key=_order):
        yield views.EffectView(type.label, name, effect, reach.count, tuple(reach.nodes))


def _order(one: tuple[_What, _Reach]) -> tuple[int, str, str, str]:
    (type, name, effect), reach = one
    return -reach.count, type.label, name, effect
