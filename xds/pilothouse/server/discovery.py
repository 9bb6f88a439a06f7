"""The discovery services on grpc.aio: a session a stream, and the fan-out of changes to them.

Requests and responses are bytes here, so that nothing is serialized for each stream.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from typing import Any

import grpc
import structlog

from pilothouse.encoding.types import Changes, ResourceType
from pilothouse.mesh.audience import OPEN, Admission, Audience, Node, audience
from pilothouse.mesh.identity import Identity, Principal
from pilothouse.protocol.delta import DELTA
from pilothouse.protocol.sotw import SOTW
from pilothouse.protocol.stream import Codec, Stream
from pilothouse.server.methods import SERVICES
from pilothouse.server.namesakes import Namesakes
from pilothouse.server.peer import is_local, presented
from pilothouse.server.session import BadRequest, Context, Session
from pilothouse.server.tally import Tally
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.changes import Noticed, affected
from pilothouse.serving.shelves import Shelves, of_services
from pilothouse.serving.world import World
from pilothouse.structures.delivery import Delivery
from pilothouse.structures.turns import Steps, at_once

log = structlog.get_logger(__name__)

# Why a stream was closed.
# gRPC does not tell these apart: who reads when a connection breaks is told of an end of the requests.
_ENDED = "the client has ended it, or is gone"
_REFUSED = "it was refused"
_STOPPING = "the control plane is stopping"
_FAILED = "an error, see what was logged before"


class Discovery:
    """All streams of this process."""

    def __init__(
        self,
        catalogue: Catalogue,
        admission: Admission = OPEN,
        identity: Identity | None = None,
        feeds: Shelves | None = None,
        *,
        trust_local: bool = True,
    ) -> None:
        """With `trust_local` a client of this machine proves its namespace by that."""
        self._catalogue = catalogue
        #: What is served: of services, and of what else there is.
        self.shelves: Shelves = {**of_services(catalogue), **(feeds or {})}
        self._admission = admission
        self._identity = identity  # None: a client is who it says it is
        self._trust_local = trust_local
        self._conversations: dict[Session, asyncio.Task[None] | None] = {}
        self._namesakes = Namesakes()
        self.tally = Tally()
        self.draining = False

    @property
    def sessions(self) -> Collection[Session]:
        """The open streams, for the admin to read."""
        return self._conversations.keys()

    def publish(self, changes: Sequence[Noticed], delivery: Delivery | None = None) -> None:
        """Wake the streams that these changes concern; what they answer confirms the delivery."""
        at_once(self.publishing(changes, delivery))

    def publishing(self, changes: Sequence[Noticed], delivery: Delivery | None = None) -> Steps[None]:
        """As `publish`, in steps. Whatever a stream sends before it is woken is of the newest state, too."""
        seen: dict[Audience, Changes] = {}
        last: Audience | None = None
        concerned: Changes = {}
        for session in list(self._conversations):
            if session.world is None:
                continue
            # Equal audiences are one object, and most sessions come with one that has just been seen.
            if session.world.audience is not last:
                last = session.world.audience
                if last not in seen:
                    seen[last] = affected(changes, last.scope, last.dialect)
                concerned = seen[last]
            if concerned and session in self._conversations:
                session.changed(concerned, delivery)
            yield
        if delivery is not None:
            delivery.told_all()

    def release(self) -> None:
        """More is known than before: let the streams look again at what was withheld from them."""
        for session in list(self._conversations):
            session.release()

    def drain(self) -> None:
        """End every stream; clients keep what they have and connect again, here or elsewhere."""
        self.draining = True
        for conversation in self._conversations.values():
            if conversation is not None:
                conversation.cancel()

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """ADS and a service for each type, State of the World and Delta."""
        return [
            grpc.method_handlers_generic_handler(
                service.name,
                {
                    service.sotw_method: self._method(SOTW, service.type),
                    service.delta_method: self._method(DELTA, service.type),
                },
            )
            for service in SERVICES
        ]

    def _method(self, codec: Codec[Any], about: ResourceType | None) -> grpc.RpcMethodHandler[Any, Any]:
        async def converse(_: object, context: Context) -> None:
            session = Session(Stream(codec), about, context, self._world_of, self.tally)
            # gRPC tells of what goes wrong in this task, and does not say with whom.
            structlog.contextvars.bind_contextvars(peer=session.peer)
            self._conversations[session] = asyncio.current_task()
            self.tally.streams_opened += 1
            try:
                await self._converse(session, context)
            finally:
                del self._conversations[session]
                self._namesakes.part(session)
                session.stream.end()
                self.tally.streams_closed += 1
                self.tally.unknown_names += session.unknown_names

        return grpc.stream_stream_rpc_method_handler(converse)

    def _world_of(self, node: Node, context: Context) -> World:
        certificate = presented(context)
        bound = self._identity.namespace(certificate) if self._identity else ""
        found = audience(node, self._admission, bound)
        # What a client says of itself proves nothing, but on this machine, where nobody else can connect.
        local = self._trust_local and self._identity is None and is_local(context)
        proven = bound or (found.namespace if local else "")
        principal = Principal(proven, frozenset(certificate.uris))
        return World(self._catalogue, found, self.shelves, principal)

    async def _converse(self, session: Session, context: Context) -> None:
        reason = _FAILED
        try:
            refused = await self._listen(session, context)
            reason = _ENDED if refused is None else _REFUSED
            await _finish(session)
            if refused is not None:
                await context.abort(*refused)
        except asyncio.CancelledError:
            # The client is gone, or this was `drain`. In both cases nothing more is to be sent.
            reason = _STOPPING if self.draining else _ENDED
            await session.finish()
            if not self.draining:
                raise
            context.set_code(grpc.StatusCode.UNAVAILABLE)
            context.set_details(_STOPPING)
        finally:
            _log_closed(session, reason)

    async def _listen(self, session: Session, context: Context) -> tuple[grpc.StatusCode, str] | None:
        """Take requests until there are no more; the status if one makes no sense.

        The error does not leave this function: it holds the request, which may be large, and gRPC holds it.
        """
        data = None
        try:
            while (data := await context.read()) is not grpc.aio.EOF:
                if not session.acknowledged(data):
                    await session.take(data)
                    self._namesakes.meet(session)
                data = None  # it may be large, and the next read may take hours
        except BadRequest as bad:
            data, bad.__traceback__ = None, None
            self.tally.bad_requests += 1
            log.warning("stream refused", peer=session.peer, node=session.node_id, reason=str(bad))
            return bad.code, str(bad)
        return None


def _log_closed(session: Session, reason: str) -> None:
    """Of a stream that was told of when it was opened."""
    if session.world is not None:
        lasted_s = round(time.time() - session.connected_s, 1)
        log.info("stream closed", node=session.node_id, peer=session.peer, reason=reason, lasted_s=lasted_s)


async def _finish(session: Session) -> None:
    """Let a stream come to its end. Without a client that it could be told to, it counts as cancelled.

    gRPC would log a traceback, since a status cannot follow a first response that was not sent.
    """
    await session.finish()
    if session.gone:
        raise asyncio.CancelledError
