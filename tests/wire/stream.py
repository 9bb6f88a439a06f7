"""A raw client: one gRPC stream, and everything that the server says on it, by type."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import grpc

from pilothouse._pb.envoy.config.core.v3.base_pb2 import Node
from pilothouse._pb.envoy.service.discovery.v3 import discovery_pb2 as discovery

from .topics import ADS, TOPICS, Topic

#: How long to wait for what has to come, and for what must not.
DEADLINE_S = 15.0
QUIET_S = 0.25

VARIANTS = {
    "sotw": ("Stream", discovery.DiscoveryRequest, discovery.DiscoveryResponse),
    "delta": ("Delta", discovery.DeltaDiscoveryRequest, discovery.DeltaDiscoveryResponse),
}


def path(variant: str, topic: Topic | None) -> str:
    """The method of a topic's own service, or of ADS."""
    service, methods = (topic.service, topic.methods) if topic else (ADS, "AggregatedResources")
    return f"/{service}/{VARIANTS[variant][0]}{methods}"


def node(id: str = "test", **said: Any) -> Node:
    """What a client says of itself; `said` is what the control plane reads in its metadata."""
    message = Node(id=id)
    message.metadata.update({"pilothouse": said})
    return message


@dataclass(frozen=True)
class Said:
    """One response, read: messages and versions by name, and what is gone."""

    topic: Topic
    nonce: str
    version: str = ""
    messages: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    removed: tuple[str, ...] = ()

    @property
    def contents(self) -> dict[str, int]:
        """The content of each resource, in the language of its topic."""
        return {name: self.topic.read(message) for name, message in self.messages.items()}

    def version_of(self, name: str) -> str:
        """The version of a resource; in State of the World, that of all of them."""
        return self.versions.get(name, self.version)


class Stream:
    """Reads all the time. Each response is checked for what must hold of every response."""

    def __init__(self, channel: grpc.aio.Channel, variant: str, topic: Topic | None) -> None:
        self.request: Any
        response: Any
        _, self.request, response = VARIANTS[variant]
        method = channel.stream_stream(
            path(variant, topic), self.request.SerializeToString, response.FromString
        )
        self.call = method()
        self.variant = variant
        self._responses: asyncio.Queue[Said | None] = asyncio.Queue()
        self._by_topic: defaultdict[Topic, asyncio.Queue[Said | None]] = defaultdict(asyncio.Queue)
        self._nonces: set[str] = set()
        self._wrong = ""
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._reading = asyncio.create_task(self._read())

    async def send(self, **fields: Any) -> None:
        await self.call.write(self.request(**fields))

    async def hear(self, topic: Topic | None = None, within: float = DEADLINE_S) -> Said:
        """The next response, of one type or of any. Raises TimeoutError."""
        queue = self._responses if topic is None else self._by_topic[topic]
        async with asyncio.timeout(within):
            said = await queue.get()
        assert not self._wrong, self._wrong
        assert said is not None, f"the stream has ended: {await self.call.code()} {await self.call.details()}"
        return said

    async def quiet(self, topic: Topic | None = None) -> None:
        """Check that nothing is said now that has not been heard yet."""
        try:
            said = await self.hear(topic, QUIET_S)
        except TimeoutError:
            return
        raise AssertionError(f"the server said more than it should: {said}")

    async def status(self) -> grpc.StatusCode:
        """How the stream ends, when it does."""
        async with asyncio.timeout(DEADLINE_S):
            return await self.call.code()

    async def half_close(self) -> None:
        await self.call.done_writing()

    def pause(self) -> None:
        """Read no more, until `resume`."""
        self._may_read.clear()

    def resume(self) -> None:
        self._may_read.set()

    def cancel(self) -> None:
        self.call.cancel()
        self._reading.cancel()

    async def _read(self) -> None:
        try:
            while await self._may_read.wait() and (response := await self.call.read()) is not grpc.aio.EOF:
                said = read(self.variant, response)
                assert said.nonce not in self._nonces, "G-NONCE-UNIQ: a nonce is used twice"
                self._nonces.add(said.nonce)
                self._responses.put_nowait(said)
                self._by_topic[said.topic].put_nowait(said)
        except AssertionError as wrong:
            self._wrong = str(wrong)
        except grpc.aio.AioRpcError:
            pass
        for queue in (self._responses, *(self._by_topic[topic] for topic in TOPICS.values())):
            queue.put_nowait(None)


def read(variant: str, response: Any) -> Said:
    """A response in plain values. Fails if it breaks a rule that holds for every response."""
    assert response.type_url in TOPICS, f"G-TYPE: {response.type_url!r}"
    assert response.nonce, "G-NONCE: a response without a nonce"
    topic = TOPICS[response.type_url]
    if variant == "sotw":
        assert response.version_info, "G-VERSION: empty means that nothing was accepted yet"
        said = Said(topic, response.nonce, response.version_info)
        named = [(_name(message := _opened(topic, each)), message) for each in response.resources]
    else:
        said = Said(topic, response.nonce, removed=tuple(response.removed_resources))
        named = [(each.name, _opened(topic, each.resource)) for each in response.resources]
        for each, (name, message) in zip(response.resources, named, strict=True):
            assert _name(message) == name, "G-NAME: beside the resource stands another name than in it"
            assert each.version, "D-RESVERSION: a resource without a version"
            assert not each.HasField("ttl"), "G-TTL: nobody asked for a time to live"
            said.versions[name] = each.version
    said.messages.update(named)
    names = [name for name, _ in named] + list(said.removed)
    assert len(names) == len(set(names)), f"G-DUP: a name comes twice in {sorted(names)}"
    return said


def _opened(topic: Topic, wrapped: Any) -> Any:
    message = topic.message()
    # A wrapper Resource that nobody asked for has another type URL (G-WRAP).
    assert wrapped.Unpack(message), f"G-TYPE: {wrapped.type_url} in a response of {topic.url}"
    assert wrapped.type_url == topic.url, f"G-TYPE: {wrapped.type_url}"
    return message


def _name(message: Any) -> str:
    return message.cluster_name if hasattr(message, "cluster_name") else message.name
