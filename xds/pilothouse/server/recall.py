"""Takes back a version of a service that clients reject and that none of them accepts.

One bad resource can cost a client the whole response, now and each time that it is sent again. So the version
before is served to all until the service changes. A version that some client has accepted stays: then the
fault is with those that reject it, such as a file that only they lack.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterator
from enum import Enum, auto

from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.visibility import Visibility
from pilothouse.model.services import ServiceName
from pilothouse.server.rejections import Rejections
from pilothouse.server.session import Session
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.world import World
from pilothouse.structures.dirty import DirtySet
from pilothouse.structures.turns import Turn
from pilothouse.translate.names import EGRESS, listener_names

#: How long the other clients have for an answer before a verdict, in seconds.
GRACE_S = 1.0
# How often a verdict is put off because of clients that have not answered. Those that never answer are gone
# by then (server/healing).
_PATIENCE = 90
_TURN_S = 0.002
# Load assignments are not among them: endpoints follow whatever version is in force.
_TYPES = (ResourceType.CLUSTER, ResourceType.LISTENER, ResourceType.ROUTES)


class _Answer(Enum):
    """What a client has said to the newest version of a service, of one type of resources."""

    NOTHING = auto()
    OPEN = auto()
    ACCEPTED = auto()
    REJECTED = auto()


class Recall:
    """Judges the services that rejections name. `again` publishes one again; its second argument is why."""

    def __init__(
        self,
        sessions: Collection[Session],
        rejections: Rejections,
        catalogue: Catalogue,
        again: Callable[[ServiceName, str], None],
        grace_s: float = GRACE_S,
    ) -> None:
        self._sessions, self._rejections, self._catalogue = sessions, rejections, catalogue
        self._again, self._grace_s = again, grace_s
        self._suspected = DirtySet[ServiceName]()
        self._put_off = Counter[ServiceName]()
        rejections.listeners.append(self._suspect)

    async def run(self) -> None:
        """Judge for ever."""
        while True:
            names = await self._suspected.take()
            await asyncio.sleep(self._grace_s)
            for name in sorted(names):
                await self._judge(name)

    def _suspect(self, names: Collection[ServiceName]) -> None:
        found = [name for name in names if self._rejections.suspecting(name)]
        if found:
            self._suspected.mark(found)

    async def _judge(self, name: ServiceName) -> None:
        suspecting = self._rejections.suspecting(name)
        said = await self._answers(name) if suspecting else {}
        rejected = [found for found in said.values() if _Answer.REJECTED in found]
        # A client whose answer to something else is open may have accepted this version before.
        undecided = any(_Answer.OPEN in found and _Answer.ACCEPTED not in found for found in rejected)
        if undecided and self._put_off[name] < _PATIENCE:
            self._put_off[name] += 1
            self._suspected.mark([name])
            return
        del self._put_off[name]
        if suspecting and not undecided and any(_Answer.ACCEPTED not in found for found in rejected):
            self._recall(name, *suspecting)

    def _recall(self, name: ServiceName, count: int, client: Hashable, text: str) -> None:
        node = client.node_id if isinstance(client, Session) else str(client)
        who = f"rejected by {node}" if count == 1 else f"rejected by {count} proxies, first {node}"
        if self._catalogue.refuse(name, f"{who}: {text}"):
            self._again(name, who)

    async def _answers(self, name: ServiceName) -> dict[ResourceType, set[_Answer]]:
        """What all clients have said that see the service, by type."""
        found: dict[ResourceType, set[_Answer]] = {type: set() for type in _TYPES}
        turn = Turn(_TURN_S)
        for session in list(self._sessions):
            for type, answer in self._of(session, name):
                found[type].add(answer)
            await turn.over()
        return found

    def _of(self, session: Session, name: ServiceName) -> Iterator[tuple[ResourceType, _Answer]]:
        service = self._catalogue.directory.get(name)
        if service is None or session.world is None:
            return
        spec = service.service.spec
        if not self._catalogue.directory.sees(session.world.audience.scope, Visibility.of(spec)):
            return
        at_virtual_ips = listener_names(spec)
        for type in _TYPES:
            names = list(service.clusters) if type is ResourceType.CLUSTER else [EGRESS, *at_virtual_ips]
            yield type, _answer(session, session.world, type, names)


def _answer(session: Session, world: World, type: ResourceType, names: list[str]) -> _Answer:
    """What a client has said to the newest version of these resources."""
    held = session.stream.subscriptions.get(type)
    if held is None:
        return _Answer.NOTHING
    for name in names:
        has, newest = held.held.sent.get(name), world.get(type, name)
        if has is not None and newest is not None and has.version == newest.version:
            if held.exchange.awaiting:
                return _Answer.OPEN
            return _Answer.REJECTED if held.exchange.error else _Answer.ACCEPTED
    return _Answer.NOTHING
