"""One stream: its protocol machine, the world that its client may see, and at most one write at a time."""

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
from pilothouse.protocol.limits import Excess, cut
from pilothouse.protocol.stream import Stream
from pilothouse.server.node import plain
from pilothouse.server.tally import Tally
from pilothouse.serving.world import World
from pilothouse.structures.delivery import Delivery

log = structlog.get_logger(__name__)

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]

_STATUS_TEXT = 500
_NODE_ID = 200
# So many cost a sidecar memory and time that it has better uses for.
_MANY_CLUSTERS = 1000

# A request of more bytes is worked off in turns; and so is what takes longer than this, in seconds.
_LARGE = 1 << 18
_TURN_S = 0.01


class BadRequest(ValueError):
    """A request that makes no sense, or not from this client; ends its stream with this status and text.

    The text is cut: it may quote the client, and gRPC refuses to send a status with a long one.
    """

    def __init__(self, text: str, code: grpc.StatusCode = grpc.StatusCode.INVALID_ARGUMENT) -> None:
        self.code = code
        super().__init__(cut(text, _STATUS_TEXT))


class Session:
    """A client's stream, from its first request on. `type` is None on ADS."""

    def __init__(
        self,
        stream: Stream[Any],
        type: ResourceType | None,
        context: Context,
        world_of: Callable[[Node, Context], World],
        tally: Tally,
    ) -> None:
        self.stream = stream
        self.world: World | None = None
        self.node_id = ""
        self.peer = context.peer()
        self.connected_s = time.time()
        #: Whether a response could not be sent any more.
        self.gone = False
        #: When the last response of each type was begun, by the monotonic clock.
        self.pushed_at: dict[ResourceType, float] = {}
        self._type = type
        self._context = context
        self._world_of = world_of
        self._tally = tally
        self._writer: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._finishing = False
        self._preparing = False  # a request is being worked off
        self._rejecting: set[ResourceType] = set()  # the types of which the client has rejected the last

    @property
    def about(self) -> str:
        """What the stream is about, for people: all types or the one that its method is for."""
        return self._type.label if self._type else "ADS"

    @property
    def unknown_names(self) -> int:
        """How often endpoints were asked for of a cluster that does not exist, or not for this client."""
        endpoints = self.stream.subscriptions.get(ResourceType.ENDPOINTS)
        return endpoints.unknown if endpoints else 0

    def acknowledged(self, data: bytes) -> bool:
        """Whether an encoded request is a mere ACK, which is most; then what comes next is sent."""
        type = self.stream.acknowledge(data, time.monotonic())
        if type is None:
            return False
        self._tally.requested(type)
        self._note_answer(type)
        self.pump()
        return True

    async def take(self, data: bytes) -> None:
        """Take in one encoded request and send what it asks for. Raises BadRequest.

        What takes long is done in steps, between which other streams have their turn.
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
            del names  # which the stream holds by now
            await asyncio.sleep(0)
        made = [each async for each in self._prepared()]
        self._preparing = False
        self.pump()
        del made  # which the response holds by now

    async def _prepared(self) -> AsyncIterator[object]:
        """What the next poll would take long for; to be held until then."""
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
            self._rejected(type, cut(request.error_detail.message, _STATUS_TEXT))
        try:
            self.stream.receive(type, request, time.monotonic())
        except Excess as excess:
            raise BadRequest(str(excess)) from None
        self._note_answer(type)

    def changed(self, changes: Changes, delivery: Delivery | None = None) -> None:
        """Send what of these changes the client wants; its answer confirms the delivery."""
        if self.stream.notify(changes, delivery):
            self.pump()

    def release(self) -> None:
        """Send of what was withheld that of which enough is known now."""
        if self.stream.release():
            self.pump()

    def pump(self) -> None:
        """Start to send, unless that goes on already or there is nothing to send."""
        if self._writer is not None or self.world is None or self._finishing:
            return
        response = self._next(self.world)
        if response is not None:
            self._writer = asyncio.create_task(self._write(self.world, response))

    async def finish(self) -> None:
        """Begin nothing more, and wait for the write that is under way.

        It ends with the stream at the latest. Were it cancelled, gRPC could not send the status.
        """
        self._finishing = True
        if self._timer is not None:
            self._timer.cancel()
        if self._writer is not None:
            await asyncio.wait([self._writer])

    def _meet(self, request: DiscoveryRequest | DeltaDiscoveryRequest) -> None:
        try:
            said = plain(request.node)
            self.node_id = cut(said.id, _NODE_ID)
            self.world = self._world_of(said, self._context)
        except BadNode as bad:
            raise BadRequest(str(bad)) from None
        except Unidentified as unknown:
            raise BadRequest(str(unknown), grpc.StatusCode.UNAUTHENTICATED) from None
        except ForeignNamespace as foreign:
            raise BadRequest(str(foreign), grpc.StatusCode.PERMISSION_DENIED) from None
        self.stream.legacy = self.world.audience.dialect is Dialect.ENVOY
        log.info("stream opened", node=self.node_id, peer=self.peer, variant=self.stream.codec.variant)

    def _about(self, url: str) -> ResourceType | None:
        """The type that a request is about; None for one that is not served, which hurts no other."""
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

    def _note_answer(self, type: ResourceType) -> None:
        """Tell of a rejection that is over: the client has accepted what was sent after it."""
        subscription = self.stream.subscriptions.get(type)
        if subscription is None:
            return
        if subscription.exchange.error:
            self._rejecting.add(type)
        elif type in self._rejecting:
            self._rejecting.remove(type)
            log.info("accepted by client after a rejection", node=self.node_id, type=type.label)

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
        self.pushed_at[response.type] = now
        self._tally.pushed(response.type, self.stream.codec.variant, len(response.data))
        if response.type is ResourceType.CLUSTER:
            self._warn_of_many(
                len(self.stream.subscriptions[response.type].held.sent), world.audience.namespace
            )
        return response.data

    def _warn_of_many(self, clusters: int, namespace: str) -> None:
        """Once for each namespace: its sidecars are likely to be alike."""
        if clusters > _MANY_CLUSTERS and self._tally.crowded(namespace):
            log.warning(
                "many clusters at one sidecar; it can say on which services it depends",
                node=self.node_id,
                namespace=namespace,
                clusters=clusters,
            )

    async def _write(self, world: World, response: bytes | None) -> None:
        """Send until there is nothing left; ends when the stream does."""
        try:
            while response is not None:
                await self._context.write(response)
                response = None if self._finishing else self._next(world)
        except (grpc.RpcError, grpc.aio.BaseError, grpc.aio.InternalError, grpc.aio.UsageError) as gone:
            log.debug("stream ended while writing", node=self.node_id, reason=repr(gone))
            self.gone = True
        finally:
            self._writer = None
