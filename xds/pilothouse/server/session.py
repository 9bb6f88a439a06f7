"""One stream: its state machine, the world that its client may see, and at most one write at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias

import grpc
import structlog
from google.protobuf.message import DecodeError

from pilothouse._pb.envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DiscoveryRequest
from pilothouse.encoding.types import BY_URL, Changes, ResourceType
from pilothouse.mesh.audience import BadNode, Dialect, ForeignNamespace, Node
from pilothouse.mesh.identity import Unidentified
from pilothouse.protocol.interest import Names
from pilothouse.protocol.limits import Excess
from pilothouse.protocol.stream import Stream
from pilothouse.server.node import plain
from pilothouse.server.rejections import Rejections
from pilothouse.server.tally import Tally
from pilothouse.serving.world import World
from pilothouse.structures.delivery import Deliveries, Delivery
from pilothouse.structures.written import brief

log = structlog.get_logger(__name__)

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]

#: A client that has owed an answer for longer than this is not just busy, in seconds.
STALE_S = 10.0

#: The longest text of a status.
STATUS_TEXT = 500
_NODE_ID = 200
# More clusters than this cost a sidecar memory and time for nothing.
_MANY_CLUSTERS = 1000

# A request of more bytes is processed in turns. So is work that takes longer than this, in seconds.
_LARGE = 1 << 18
_TURN_S = 0.01


class BadRequest(ValueError):
    """A request that is invalid or not allowed for this client. It ends the stream with this status and text.

    The text is cut, because it may quote the client and gRPC refuses to send a status with a long text.
    """

    def __init__(self, text: str, code: grpc.StatusCode = grpc.StatusCode.INVALID_ARGUMENT) -> None:
        self.code = code
        super().__init__(brief(text, STATUS_TEXT))


class Session:
    """The stream of one client. `type` is the type of the discovery service, and None on ADS."""

    def __init__(  # noqa: PLR0913  (whom it is for, and who counts)
        self,
        stream: Stream[Any],
        type: ResourceType | None,
        context: Context,
        world_of: Callable[[Node, Context], World],
        tally: Tally,
        rejections: Rejections,
    ) -> None:
        self.stream = stream
        self.world: World | None = None
        self.node_id = ""
        self.peer = context.peer()
        self.connected_s = time.time()
        #: Whether a write failed because the client is gone.
        self.gone = False
        #: Why the control plane ends the stream. Empty while it does not.
        self.closing = ""
        #: The types whose last response the client rejected.
        self.rejecting: set[ResourceType] = set()
        self._type = type
        self._context = context
        self._world_of = world_of
        self._tally, self._rejections = tally, rejections
        self._writer: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._finishing = False
        self._preparing = False  # a request is being processed

    @property
    def about(self) -> str:
        """What the stream serves, for human readers: ADS, or the one type of its method."""
        return self._type.label if self._type else "ADS"

    @property
    def is_aggregated(self) -> bool:
        """Whether it is an ADS stream, of which a client has one."""
        return self._type is None

    @property
    def unknown_names(self) -> int:
        """How often the client asked for endpoints of a cluster that does not exist, or that it may not
        see.
        """
        endpoints = self.stream.subscriptions.get(ResourceType.ENDPOINTS)
        return endpoints.unknown if endpoints else 0

    def acknowledged(self, data: bytes) -> bool:
        """Whether an encoded request is a mere ACK, as most are.

        If so, process it and send what comes next.
        """
        type = self.stream.acknowledge(data, time.monotonic())
        if type is None:
            return False
        self._tally.requested(type)
        self._note_answer(type)
        self.pump()
        return True

    async def take(self, data: bytes) -> None:
        """Process one encoded request and send what it asks for. Raises BadRequest.

        Long work is done in steps. Other streams have their turn between two of them.
        """
        self._preparing = True
        pause = len(data) > _LARGE
        request = self._decoded(data)
        if pause:
            await asyncio.sleep(0)
            names = self._asked(request)
            await asyncio.sleep(0)
        self._receive(request)
        if pause:
            del names  # the stream holds them by now
            await asyncio.sleep(0)
        made = [each async for each in self._prepared()]
        self._preparing = False
        self.pump()
        del made  # the response holds it by now

    async def _prepared(self) -> AsyncIterator[object]:
        """Prepare what would take the next poll long. The caller holds the results until then."""
        begun = time.monotonic()
        for each in self.stream.preparing(self.world) if self.world else ():
            yield each
            if time.monotonic() - begun > _TURN_S:
                await asyncio.sleep(0)
                begun = time.monotonic()

    def _decoded(self, data: bytes) -> Any:
        try:
            return self.stream.codec.Request.FromString(data)
        except DecodeError:
            raise BadRequest("the request is not a valid protobuf message") from None

    def _asked(self, request: Any) -> Names:
        try:
            return self.stream.asked(request)
        except Excess as excess:
            raise BadRequest(str(excess)) from None

    def _receive(self, request: Any) -> None:
        if self.world is None:
            self._meet(request)
        type = self._about(request.type_url)
        self._tally.requested(type)
        if type is None:
            return
        if request.HasField("error_detail"):
            self._rejected(type, brief(request.error_detail.message, STATUS_TEXT))
        carried = self._unanswered(type)
        try:
            answers = self.stream.receive(type, request, time.monotonic())
        except Excess as excess:
            raise BadRequest(str(excess)) from None
        if answers:
            self._note_answer(type, carried)

    def changed(self, changes: Changes, delivery: Delivery | None = None) -> None:
        """Send those of these changes that the client wants. Its answer confirms the delivery."""
        if self.stream.notify(changes, delivery):
            self.pump()

    @property
    def unanswered(self) -> list[str]:
        """The labels of the types whose last response the client has not answered."""
        held = self.stream.subscriptions.items()
        return [type.label for type, each in held if each.exchange.awaiting]

    def remind(self, before: float) -> bool:
        """Send again what the client has owed an answer to since then. Returns whether that is done.

        A client that does not even read what is being written is sent nothing on top.
        """
        if self._writer is not None or self._preparing or not self.stream.remind(before):
            return False
        self.pump()
        return True

    def release(self) -> None:
        """Send what was withheld, as far as enough is known now."""
        if self.stream.release():
            self.pump()

    def end(self) -> None:
        """The stream is closed: nobody waits for the client, and it rejects nothing any more."""
        self.stream.end()
        for type in self.rejecting:
            self._rejections.end(self, type)

    def pump(self) -> None:
        """Start a writer, unless one is running or there is nothing to send."""
        if self._writer is not None or self.world is None or self._finishing:
            return
        response = self._next(self.world)
        if response is not None:
            self._writer = asyncio.create_task(self._write(self.world, response))

    async def finish(self, within_s: float | None = None) -> bool:
        """Begin no further write, and wait for the one that is under way. Returns whether it is over.

        That write ends with the stream at the latest. If it were cancelled, gRPC could not send the status.
        """
        self._finishing = True
        if self._timer is not None:
            self._timer.cancel()
        if self._writer is None:
            return True
        done, _ = await asyncio.wait([self._writer], timeout=within_s)
        return bool(done)

    def _meet(self, request: DiscoveryRequest | DeltaDiscoveryRequest) -> None:
        try:
            self.node_id = brief(request.node.id, _NODE_ID)  # first: whoever is refused has a name, too
            self.world = self._world_of(plain(request.node), self._context)
        except BadNode as bad:
            raise BadRequest(str(bad)) from None
        except Unidentified as unknown:
            raise BadRequest(str(unknown), grpc.StatusCode.UNAUTHENTICATED) from None
        except ForeignNamespace as foreign:
            raise BadRequest(str(foreign), grpc.StatusCode.PERMISSION_DENIED) from None
        self.stream.client = self.node_id
        self.stream.legacy = self.world.audience.dialect is Dialect.ENVOY
        log.info("stream opened", node=self.node_id, peer=self.peer, variant=self.stream.codec.variant)

    def _about(self, url: str) -> ResourceType | None:
        """The type of a request. None for a type that is not served; the others go on."""
        if self._type is not None and url in ("", self._type.url):
            return self._type
        if not url:
            raise BadRequest("type_url: is required on an aggregated stream")
        if self._type is not None:
            raise BadRequest(f"type_url: {url} is not served by this method")
        return BY_URL.get(url)

    def _rejected(self, type: ResourceType, reason: str) -> None:
        self._tally.rejected(type)
        log.warning("rejected by client", node=self.node_id, type=type.label, reason=reason)

    def _unanswered(self, type: ResourceType) -> Deliveries:
        """The changes in the response that the client has not answered yet."""
        subscription = self.stream.subscriptions.get(type)
        return subscription.exchange.pushed if subscription else ()

    def _note_answer(self, type: ResourceType, carried: Deliveries = ()) -> None:
        """Remember a rejection of these changes, and log when the client has accepted a later response."""
        error = self.stream.subscriptions[type].exchange.error
        if error:
            self.rejecting.add(type)
            about = (name for delivery in carried for name in delivery.about)
            before = self._rejections.by(self, type)
            self._rejections.begin(self, type, error, about)
            if before is None or before.reason != error:
                self._note_rejection(type)
        elif type in self.rejecting:
            self.rejecting.remove(type)
            self._rejections.end(self, type)
            log.info("accepted by client after a rejection", node=self.node_id, type=type.label)

    def _note_rejection(self, type: ResourceType) -> None:
        found = self._rejections.by(self, type)
        if found is not None:
            about = str(min(found.about)) if found.about else ""
            self._rejections.noted(self.node_id, f"rejects {type.label}: {found.reason}", about)

    def _next(self, world: World) -> bytes | None:
        if self._preparing:
            return None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = time.monotonic()
        response = self.stream.poll(world, now)
        if response is None:
            if self.stream.wake_at is not None:
                delay = max(0.0, self.stream.wake_at - now)
                self._timer = asyncio.get_running_loop().call_later(delay, self.pump)
            return None
        self._tally.pushed(response.type, self.stream.codec.variant, len(response.data))
        if response.type is ResourceType.CLUSTER:
            self._warn_of_many(
                len(self.stream.subscriptions[response.type].held.sent), world.audience.namespace
            )
        return response.data

    def _warn_of_many(self, clusters: int, namespace: str) -> None:
        """Warn once for each namespace, because the sidecars of a namespace are probably alike."""
        if clusters > _MANY_CLUSTERS and self._tally.crowded(namespace):
            log.warning(
                "a sidecar was sent many clusters; stating its dependencies would reduce them",
                node=self.node_id,
                namespace=namespace,
                clusters=clusters,
            )

    async def _write(self, world: World, response: bytes | None) -> None:
        """Send until nothing is left or the stream ends."""
        try:
            while response is not None:
                await self._context.write(response)
                response = None if self._finishing else self._next(world)
        except (grpc.RpcError, grpc.aio.BaseError, grpc.aio.InternalError, grpc.aio.UsageError) as gone:
            log.debug("stream ended while writing", node=self.node_id, reason=repr(gone))
            self.gone = True
        finally:
            self._writer = None
