"""The discovery services on grpc.aio: one session for each stream, and the fan-out of changes to sessions.

Requests and responses are bytes here. So no response is serialized once for each stream.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

import grpc
import structlog

from pilothouse.encoding.types import Changes, ResourceType
from pilothouse.mesh.audience import OPEN, Admission, Audience, Capture, Node, audience
from pilothouse.mesh.identity import Identity, Principal
from pilothouse.protocol.delta import DELTA
from pilothouse.protocol.sotw import SOTW
from pilothouse.protocol.stream import Codec, Stream
from pilothouse.server.client_status import ClientStatus
from pilothouse.server.methods import SERVICES
from pilothouse.server.namesakes import Namesakes
from pilothouse.server.peer import is_local, presented
from pilothouse.server.rejections import Rejections
from pilothouse.server.roster import Roster
from pilothouse.server.session import STALE_S, STATUS_TEXT, BadRequest, Context, Session
from pilothouse.server.tally import Tally
from pilothouse.serving.attribution import attributed
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.changes import Noticed, affected
from pilothouse.serving.shelves import Shelves, of_services
from pilothouse.serving.world import World
from pilothouse.structures.delivery import Delivery
from pilothouse.structures.lane import Lane
from pilothouse.structures.turns import Steps, at_once
from pilothouse.structures.written import brief

log = structlog.get_logger(__name__)

# The reasons in the log why a stream was closed.
# When a connection breaks, gRPC reports the end of the requests. So these two cases look alike.
_ENDED = "the client ended it or is gone"
_REFUSED = "the control plane refused a request"
_STOPPING = "the control plane is stopping"
_FAILED = "an error, which was logged before"

# How long the last write may take to a client whose stream is ended, in seconds.
_LAST_WRITE_S = 2.0


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
        """With `trust_local`, the namespace that a client on this machine states counts as proven."""
        self._catalogue = catalogue
        #: The shelves of all types that are served.
        self.shelves: Shelves = {**of_services(catalogue), **(feeds or {})}
        self.admission = admission
        self._identity = identity  # None: clients are believed without a certificate
        self._trust_local = trust_local
        self._conversations: dict[Session, asyncio.Task[None] | None] = {}
        self._namesakes = Namesakes()
        self.roster = Roster()
        self.tally = Tally()
        self.rejections = Rejections(partial(attributed, catalogue=catalogue))
        #: In which all who read what clients have wait for each other.
        self.lane = Lane()
        self._client_status = ClientStatus(self.roster, self.rejections, identity, self.lane)
        #: Whether the xDS port is open.
        self.listening = False
        self.draining = False

    @property
    def sessions(self) -> Collection[Session]:
        """The open streams, for the admin to read."""
        return self._conversations.keys()

    def publish(self, changes: Sequence[Noticed], delivery: Delivery | None = None) -> None:
        """Notify the streams that these changes concern. Their answers confirm the delivery."""
        at_once(self.publishing(changes, delivery))

    def publishing(self, changes: Sequence[Noticed], delivery: Delivery | None = None) -> Steps[None]:
        """As `publish`, in steps. A stream that sends before it is notified sends the newest state, too."""
        if delivery is not None:
            delivery.begun_at = time.monotonic()
        seen: dict[Audience, Changes] = {}
        last: Audience | None = None
        concerned: Changes = {}
        for session in list(self._conversations):
            if session.world is None:
                continue
            # Equal audiences are the same object, and most sessions have the audience of the session before.
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
        """Let the streams look again at what was withheld, because more is known now."""
        for session in list(self._conversations):
            session.release()

    def drain(self) -> None:
        """End every stream. Clients keep what they have and reconnect, here or elsewhere."""
        self.draining = True
        for conversation in self._conversations.values():
            if conversation is not None:
                conversation.cancel()

    def disconnect(self, session: Session, why: str) -> None:
        """End a stream. Its client is told why, keeps what it has, and reconnects."""
        conversation = self._conversations.get(session)
        if conversation is not None and not session.closing:
            session.closing = why
            conversation.cancel()

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """ADS and one service for each type, each with State of the World and Delta; and CSDS."""
        discovery = [
            grpc.method_handlers_generic_handler(
                service.name,
                {
                    service.sotw_method: self._method(SOTW, service.type),
                    service.delta_method: self._method(DELTA, service.type),
                },
            )
            for service in SERVICES
        ]
        return [*discovery, self._client_status.handler()]

    def _method(self, codec: Codec[Any], about: ResourceType | None) -> grpc.RpcMethodHandler[Any, Any]:
        async def converse(_: object, context: Context) -> None:
            session = Session(Stream(codec), about, context, self._world_of, self.tally, self.rejections)
            # gRPC logs errors of this task without the peer.
            structlog.contextvars.bind_contextvars(peer=session.peer)
            self._conversations[session] = asyncio.current_task()
            self.tally.streams_opened += 1
            try:
                await self._converse(session, context)
            finally:
                del self._conversations[session]
                self._namesakes.part(session)
                session.end()
                self.tally.streams_closed += 1
                self.tally.unknown_names += session.unknown_names

        return grpc.stream_stream_rpc_method_handler(converse)

    def _world_of(self, node: Node, context: Context) -> World:
        certificate = presented(context)
        bound = self._identity.namespace(certificate) if self._identity else ""
        found = audience(node, self.admission, bound)
        # A client's own word proves nothing, except on a local connection: nobody else can open one.
        local = self._trust_local and self._identity is None and is_local(context)
        proven = bound or (found.namespace if local else "")
        principal = Principal(proven, frozenset(certificate.uris))
        return World(self._catalogue, found, self.shelves, principal)

    def supposed(self, node: Node) -> World:
        """The world of a client that is not connected. It has proven nothing, so its word counts.

        Raises BadNode, as for a client that is.
        """
        client = audience(node, self.admission)
        if client.capture is Capture.PROXY:
            return World(self._catalogue, client, self.shelves)
        # Such a client has services translated that nobody else needs, and this may put some in quarantine.
        beside = self._catalogue.beside()
        return World(beside, client, {**self.shelves, **of_services(beside)})

    async def _converse(self, session: Session, context: Context) -> None:
        reason = _FAILED
        try:
            refused = await self._listen(session, context)
            reason = _ENDED if refused is None else _REFUSED
            await _finish(session)
            if refused is not None:
                await context.abort(*refused)
        except asyncio.CancelledError:
            # The client is gone, or `drain` or `disconnect` cancelled this task. Nothing more is sent.
            reason = _STOPPING if self.draining else session.closing or _ENDED
            finished = await session.finish(_LAST_WRITE_S if session.closing else None)
            if not finished or not (self.draining or session.closing):
                raise  # a client that does not even read gets no status, but the end of the stream
            context.set_code(grpc.StatusCode.UNAVAILABLE)
            context.set_details(brief(reason, STATUS_TEXT))
        finally:
            silent_s = _silent_s(session)
            if reason is _ENDED and silent_s > STALE_S:
                reason = f"{_ENDED}; it had not answered for {silent_s:.0f} s"
            self.roster.part(session, reason)
            _log_closed(session, reason, silent_s)

    async def _listen(self, session: Session, context: Context) -> tuple[grpc.StatusCode, str] | None:
        """Process requests until there are no more. Returns the status for a bad request, or None.

        The error does not leave this function: it holds the request, which may be large, and gRPC would hold
        it.
        """
        data = None
        try:
            while (data := await context.read()) is not grpc.aio.EOF:
                if not session.acknowledged(data):
                    await session.take(data)
                    self._namesakes.meet(session)
                    self.roster.meet(session)
                data = None  # free it: it may be large, and the next read may take hours
        except BadRequest as bad:
            data, bad.__traceback__ = None, None
            self.tally.bad_requests += 1
            self.roster.refuse(session, str(bad))
            log.warning("stream refused", peer=session.peer, node=session.node_id, reason=str(bad))
            return bad.code, str(bad)
        return None


def _silent_s(session: Session) -> float:
    """For how long the client has not answered what it was sent. 0 if it has."""
    since = session.stream.silent_since
    return 0.0 if since is None else time.monotonic() - since


def _log_closed(session: Session, reason: str, silent_s: float) -> None:
    """Log the end of a stream whose opening was logged; louder, if its client had stopped to answer."""
    if session.world is None:
        return
    lasted_s = round(time.time() - session.connected_s, 1)
    said = {"node": session.node_id, "peer": session.peer, "reason": reason, "lasted_s": lasted_s}
    if silent_s > STALE_S:
        log.warning("stream closed", **said, unanswered=session.unanswered, unanswered_s=round(silent_s, 1))
    else:
        log.info("stream closed", **said)


async def _finish(session: Session) -> None:
    """End a session. If its client is gone, the stream counts as cancelled.

    Otherwise gRPC would log a traceback, because no status can follow a first response that was not sent.
    """
    await session.finish()
    if session.gone:
        raise asyncio.CancelledError
