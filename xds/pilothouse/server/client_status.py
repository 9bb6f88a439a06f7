"""The Client Status Discovery Service (CSDS): what each client was sent and has acknowledged, for tools.

Answers are debugging data about all clients. They go to peers on this machine, and to peers with a client
certificate; with an identity rule, only about clients in the namespace that the certificate proves. Private
keys are left out.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from pilothouse._pb.envoy.admin.v3.config_dump_shared_pb2 import UpdateFailureState
from pilothouse._pb.envoy.config.core.v3.base_pb2 import Node
from pilothouse._pb.envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from pilothouse._pb.envoy.service.status.v3 import csds_pb2
from pilothouse._pb.envoy.service.status.v3.csds_pb2 import (
    ERROR,
    NOT_SENT,
    STALE,
    SYNCED,
    ClientConfig,
    ClientStatusRequest,
    ClientStatusResponse,
    ConfigStatus,
)
from pilothouse.encoding.resources import Resource, packed
from pilothouse.encoding.types import TYPES, ResourceType
from pilothouse.mesh.identity import Identity, Unidentified
from pilothouse.protocol.holdings import ReportedVersion
from pilothouse.protocol.subscription import Subscription
from pilothouse.server.matchers import Known, Selects, Unsupported, selecting
from pilothouse.server.peer import is_local, is_verified, presented
from pilothouse.server.rejections import Rejections
from pilothouse.server.roster import Roster
from pilothouse.server.session import Session
from pilothouse.structures.lane import Lane
from pilothouse.structures.turns import PAUSE, Turn

SERVICE = csds_pb2.DESCRIPTOR.services_by_name["ClientStatusDiscoveryService"].full_name

#: One answer has no more than this. It is encoded in one turn, and tools receive 4 MiB at most unless
#: they are told otherwise.
_MOST_CLIENTS = 500
_MOST_BYTES = 4 << 20
#: So many requests wait or are answered at a time. Each of them makes all readers slower.
_AT_ONCE = 8
_AROUND = 8  # bytes at most that say what follows, and how long it is
_TURN_S = 0.002
_REDACTED = "[redacted]"

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
_Generic: TypeAlias = ClientConfig.GenericXdsConfig


class Refused(Exception):
    """The request cannot be answered: a gRPC status and its text."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        self.code = code
        super().__init__(text)


@dataclass(slots=True)
class _Answer:
    """The answer so far. Raises Refused where it becomes too large."""

    message: ClientStatusResponse
    with_contents: bool
    bytes: int = 0

    def client(self) -> ClientConfig:
        if len(self.message.config) == _MOST_CLIENTS:
            raise _too_much(f"more than {_MOST_CLIENTS} clients")
        return self.message.config.add()

    def count(self, part: ClientConfig | _Generic) -> None:
        """Count a part that is complete; a client, before it has resources."""
        self.bytes += part.ByteSize() + _AROUND
        if self.bytes > _MOST_BYTES:
            raise _too_much(f"more than {_MOST_BYTES >> 20} MiB")


def _too_much(what: str) -> Refused:
    text = f"the answer has {what}: ask with node_matchers for fewer clients, or exclude_resource_contents"
    return Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, text)


class ClientStatus:
    """Answers from the open streams. It keeps nothing."""

    def __init__(self, roster: Roster, rejections: Rejections, identity: Identity | None, lane: Lane) -> None:
        self._roster, self._rejections, self._identity = roster, rejections, identity
        self._lane = lane
        self._answering = 0

    def handler(self) -> grpc.GenericRpcHandler:
        """Both methods: one answer, and an answer to each request of a stream."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "FetchClientStatus": grpc.unary_unary_rpc_method_handler(self._fetch),
                "StreamClientStatus": grpc.stream_stream_rpc_method_handler(self._stream),
            },
        )

    async def _fetch(self, data: bytes, context: _Context) -> bytes:
        return await _or_abort(context, self._answered(data, context))

    async def _stream(self, _: object, context: _Context) -> None:
        while (data := await context.read()) is not grpc.aio.EOF:
            await context.write(await _or_abort(context, self._answered(data, context)))

    async def _answered(self, data: bytes, context: _Context) -> bytes:
        namespace = self._visible(context)
        try:
            request = ClientStatusRequest.FromString(data)
            selects = selecting(request.node_matchers)
        except (DecodeError, Unsupported) as wrong:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, str(wrong)) from None
        if self._answering == _AT_ONCE:
            text = f"{_AT_ONCE} requests for client status are under way, which is the most: ask again later"
            raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
        answer = _Answer(ClientStatusResponse(), not request.exclude_resource_contents)
        self._answering += 1
        try:
            async with self._lane.taken():
                await self._collect(answer, selects, namespace)
                await PAUSE.get()()
                return answer.message.SerializeToString()
        finally:
            self._answering -= 1

    def _visible(self, context: _Context) -> str | None:
        """The namespace whose clients the peer may see; None for all. Raises Refused."""
        if is_local(context):
            return None
        if not is_verified(context):
            text = "client status is for peers on this machine, or with a client certificate (--client-ca)"
            raise Refused(grpc.StatusCode.PERMISSION_DENIED, text)
        if self._identity is None:
            return None
        try:
            return self._identity.namespace(presented(context))
        except Unidentified as unknown:
            raise Refused(grpc.StatusCode.PERMISSION_DENIED, str(unknown)) from None

    async def _collect(self, answer: _Answer, selects: Selects, namespace: str | None) -> None:
        turn = Turn(_TURN_S)
        for _, session in list(self._roster.after("", 0)):
            assert session.world is not None  # the roster has no others
            where = session.world.audience.namespace
            if namespace not in (None, where) or not selects(Known(session.node_id, where)):
                continue
            for _ in self._describe(answer, session):
                await turn.over()

    def _describe(self, answer: _Answer, session: Session) -> Iterator[None]:
        """Add one client, in small steps."""
        client = answer.client()
        client.client_scope = session.about
        client.node.CopyFrom(_node(session))
        answer.count(client)
        for type in TYPES:
            held = session.stream.subscriptions.get(type)
            if held is not None:
                yield from self._resources(answer, client, session, held)
        yield

    def _resources(
        self, answer: _Answer, client: ClientConfig, session: Session, held: Subscription
    ) -> Iterator[None]:
        """Add what the client was sent of one type, and the names that it asked for in vain."""
        rejection = self._rejections.by(session, held.type)
        guilty = rejection.resource if rejection and rejection.resource in held.held.sent else None
        pushed = held.exchange.at if held.exchange.nonce else None
        sent = held.held.sent
        for name, one in sorted(sent.items()):
            content = one if isinstance(one, Resource) else None
            found = client.generic_xds_configs.add()
            found.type_url, found.name, found.version_info = held.type.url, name, one.version
            found.config_status = _status(held, guilty, name)
            if pushed is not None:
                found.last_updated.FromNanoseconds(_wall_ns(pushed))
            if content is not None and answer.with_contents:
                _fill(found, content)
            if found.config_status == ERROR:
                found.error_state.CopyFrom(_failure(held, one))
            answer.count(found)
            yield
        for name in sorted(held.interest.names - sent.keys()):
            found = client.generic_xds_configs.add()
            found.type_url, found.name, found.config_status = held.type.url, name, NOT_SENT
            answer.count(found)
            yield


async def _or_abort(context: _Context, answer: Awaitable[bytes]) -> bytes:
    """The answer. If there is none, the call ends with the reason."""
    try:
        return await answer
    except Refused as refused:
        await context.abort(refused.code, str(refused))
        raise AssertionError("abort always raises") from None


def _node(session: Session) -> Node:
    """What is kept of a client's node."""
    assert session.world is not None
    client = session.world.audience
    node = Node(id=session.node_id)
    node.locality.region, node.locality.zone, node.locality.sub_zone = client.locality
    if client.namespace:
        node.metadata["NAMESPACE"] = client.namespace
    return node


def _status(held: Subscription, guilty: str | None, name: str) -> ConfigStatus:
    """How the client stands with a resource. A client answers whole responses: if its words name no resource,
    all of the type count as rejected.
    """
    if held.exchange.error:
        return ERROR if guilty in (None, name) else SYNCED
    return STALE if held.exchange.awaiting else SYNCED


def _failure(held: Subscription, rejected: Resource | ReportedVersion) -> UpdateFailureState:
    failure = UpdateFailureState(details=held.exchange.error, version_info=rejected.version)
    if held.exchange.nack is not None:
        failure.last_update_attempt.FromNanoseconds(_wall_ns(held.exchange.nack.at))
    return failure


def _fill(found: _Generic, resource: Resource) -> None:
    found.xds_config.ParseFromString(resource.any)
    if resource.type is ResourceType.SECRET:
        found.xds_config.CopyFrom(packed(_without_key(Secret.FromString(found.xds_config.value))))


def _without_key(secret: Secret) -> Secret:
    """Only what is known to be public, so that nothing that is added later gets out."""
    public = Secret(name=secret.name)
    if secret.HasField("validation_context"):
        public.validation_context.CopyFrom(secret.validation_context)
    else:
        chain = secret.tls_certificate.certificate_chain
        public.tls_certificate.certificate_chain.CopyFrom(chain)
        public.tls_certificate.private_key.inline_string = _REDACTED
    return public


def _wall_ns(at: float) -> int:
    """A time of the monotonic clock in Unix nanoseconds."""
    return int((time.time() - time.monotonic() + at) * 1e9)
