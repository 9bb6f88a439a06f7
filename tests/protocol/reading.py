"""Requests as a stream gets them, responses as a client reads them, and what must be true of every one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pilothouse._pb.envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryResponse, DiscoveryResponse
from pilothouse.encoding.resources import Resource
from pilothouse.encoding.types import ResourceType
from pilothouse.protocol.delta import DELTA
from pilothouse.protocol.sotw import SOTW
from pilothouse.protocol.stream import Codec, Response, Stream

from .toy_world import MESSAGES, TYPES

CODECS: dict[str, Codec[Any]] = {"sotw": SOTW, "delta": DELTA}


def begun(variant: str) -> Stream[Any]:
    """A new stream, also of the type that the product does not serve."""
    return Stream(CODECS[variant], TYPES)


def receive(stream: Any, type: ResourceType, request: Any, now: float) -> None:
    """Give a request to a stream as a session does: encoded first, for it may be a mere ACK."""
    if stream.acknowledge(request.SerializeToString(), now) is None:
        stream.receive(type, request, now)


Opened = Callable[[ResourceType, Any], tuple[str, str]]
"""The name of a resource, and what stands for its content."""


@dataclass(frozen=True)
class Said:
    """One response: the texts of its resources by name, and the names that it says are gone."""

    type: ResourceType
    nonce: str
    version: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    removed: tuple[str, ...] = ()


class Reader:
    """Decodes the responses of one stream, and asserts the rules that hold for every one of them."""

    def __init__(self, variant: str, opened: Opened) -> None:
        self._opened = opened
        self._read = self._sotw if variant == "sotw" else self._delta
        self._nonces: set[str] = set()

    def read(self, response: Response) -> Said:
        said = self._read(response)
        assert said.nonce, "G-NONCE: a response without a nonce"
        assert said.nonce not in self._nonces, "G-NONCE-UNIQ: a nonce is used twice"
        self._nonces.add(said.nonce)
        assert len(set(said.removed)) == len(said.removed), "G-DUP: a name is removed twice"
        assert not said.texts.keys() & set(said.removed), "G-DUP: a name is both sent and removed"
        return said

    def _sotw(self, response: Response) -> Said:
        message = DiscoveryResponse.FromString(response.data)
        assert message.type_url == response.type.url, "G-TYPE: the type URL of the response"
        assert message.version_info, "G-VERSION: empty means that nothing was accepted yet"
        said = Said(response.type, message.nonce, message.version_info)
        for each in message.resources:
            name, text = self._inside(response.type, each)
            assert name not in said.texts, "G-DUP: a name is sent twice"
            said.texts[name] = text
        return said

    def _delta(self, response: Response) -> Said:
        message = DeltaDiscoveryResponse.FromString(response.data)
        assert message.type_url == response.type.url, "G-TYPE: the type URL of the response"
        said = Said(response.type, message.nonce, removed=tuple(message.removed_resources))
        for each in message.resources:
            name, text = self._inside(response.type, each.resource)
            assert name == each.name, "G-NAME: the name beside the resource is not the one in it"
            assert name not in said.texts, "G-DUP: a name is sent twice"
            assert each.version == Resource(response.type, name, each.resource.value).version, "D-RESVERSION"
            assert not each.HasField("ttl"), "G-TTL: nobody asked for a time to live"
            said.texts[name], said.versions[name] = text, each.version
        return said

    def _inside(self, type: ResourceType, wrapped: Any) -> tuple[str, str]:
        message = MESSAGES[type]()
        # An Any says what it holds, so this also refuses a wrapper that nobody asked for (G-WRAP).
        assert wrapped.Unpack(message), f"G-TYPE: {wrapped.type_url} in a response of {type.label}"
        return self._opened(type, message)
