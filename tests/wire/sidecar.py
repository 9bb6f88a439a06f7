"""A client that behaves as Envoy does, keeps what it was sent, and looks at it after every response."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pilothouse._pb.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm,
)
from pilothouse._pb.envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy

from .stream import DEADLINE_S, Said, Stream
from .topics import CDS, EDS, LDS, RDS, Topic, filter_of


class Sidecar:
    """All of ADS on one stream. `eager` accepts clusters before it asks for their endpoints."""

    def __init__(self, node: Any, eager: bool = False) -> None:
        self.has: dict[Topic, dict[str, Any]] = {topic: {} for topic in (CDS, EDS, LDS, RDS)}
        self.warming: set[str] = set()  # clusters that wait for their endpoints
        self.heard: list[tuple[str, set[str], set[str]]] = []  # type, what came or changed, what went
        self.wrong: list[str] = []
        self._node, self._eager = node, eager
        self._versions: dict[Topic, Any] = {}  # in SotW of a type, in Delta of each resource
        self._asked: dict[Topic, set[str]] = {}
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    def connect(self, stream: Stream) -> Sidecar:
        """Begin, or go on, with a stream; on another one than the first it says what it has."""
        self._stream = stream
        self._nonces: dict[Topic, str] = {}
        self._begun: set[Topic] = set()  # types that were asked for on this stream
        # What is removed while there is no stream cannot be let go of in order: the server knows neither
        # what the client has (SotW) nor that requests for its routes are about to come.
        self._excused = self._wanted()
        self._unaccepted: Said | None = None  # clusters are accepted when they are warm
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(lambda _: self._news.set())
        return self

    async def until(self, check: Callable[[], bool]) -> None:
        """Wait until this is so. Fails if anything was wrong before, or the stream has ended."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not (self._sound() and check()):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"never {inspect.getsource(check).strip()} after {self.heard}") from None

    def _sound(self) -> bool:
        assert not self.wrong, self.wrong
        if self._task and self._task.done():
            self._task.result()
        return True

    async def close(self) -> None:
        """End the stream; `connect` begins another one."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._stream.cancel()
        assert not self.wrong, self.wrong

    async def _run(self) -> None:
        for topic in [*self._asked] or [CDS]:
            await self._say(topic, self._asked.setdefault(topic, set()))
        while True:
            said = await self._stream.hear(within=3600)
            self._nonces[said.topic] = said.nonce
            self._take(said)
            self.wrong += self._dangling()
            await self._answer(said)
            self._news.set()

    def _take(self, said: Said) -> None:
        held = self.has[said.topic]
        gone = set(said.removed)
        if self._stream.variant == "sotw":
            self._versions[said.topic] = said.version
            if said.topic.full_state:
                gone = held.keys() - said.messages.keys()
        else:
            self._versions.setdefault(said.topic, {}).update(said.versions)
        changed = {name for name, message in said.messages.items() if held.get(name) != message}
        self.heard.append((said.topic.label, changed, gone))
        held.update(said.messages)
        if said.topic is EDS:
            for name in gone:  # there is none: the cluster is empty and need not wait
                held.setdefault(name, EDS.message(cluster_name=name))
            self.warming -= said.messages.keys() | gone
        elif said.topic.full_state:  # of the others Envoy goes on with what it has
            self._drop(said.topic, gone)
        if said.topic is CDS:
            self._drop(EDS, gone)
            self.warming = (self.warming | changed) & held.keys()

    def _drop(self, topic: Topic, names: set[str]) -> None:
        for name in names:
            self.has[topic].pop(name, None)
            if self._stream.variant == "delta":
                self._versions.get(topic, {}).pop(name, None)

    async def _answer(self, said: Said) -> None:
        if said.topic is CDS and not self._eager:
            self._unaccepted = said
        else:
            await self._accept(said)
        if said.topic is CDS:
            await self._subscribe(EDS, set(self.has[CDS]))
        if said.topic is LDS:
            await self._subscribe(RDS, {rds for _, rds in self._referred() if rds})
        if not self.warming:
            if self._unaccepted is not None:
                accepted, self._unaccepted = self._unaccepted, None
                await self._accept(accepted)
            if LDS not in self._asked:
                await self._subscribe(LDS, set())

    async def _accept(self, said: Said) -> None:
        if self._stream.variant == "sotw":
            await self._say(said.topic, self._asked[said.topic])
        else:
            await self._stream.send(type_url=said.topic.url, response_nonce=said.nonce)

    async def _subscribe(self, topic: Topic, names: set[str]) -> None:
        """Of clusters and listeners, to all of them."""
        before = self._asked.get(topic, None if topic.full_state else set())
        if names != before:
            self._asked[topic] = names
            if topic is RDS:
                self._drop(RDS, self.has[RDS].keys() - names)
            await self._say(topic, names, before or set())

    async def _say(self, topic: Topic, names: set[str], before: Iterable[str] = ()) -> None:
        first = topic not in self._begun
        fields: dict[str, Any] = {"type_url": topic.url}
        if not self._begun:
            fields["node"] = self._node
        self._begun.add(topic)
        if self._stream.variant == "sotw":
            fields |= {"resource_names": names, "response_nonce": self._nonces.get(topic, "")}
            fields |= {"version_info": self._versions.get(topic, "")}
        elif first:
            fields |= {"resource_names_subscribe": names}
            fields |= {"initial_resource_versions": self._versions.get(topic, {})}
        else:
            fields |= {"resource_names_subscribe": names - {*before}}
            fields |= {"resource_names_unsubscribe": {*before} - names}
        await self._stream.send(**fields)

    def _referred(self) -> Iterator[tuple[str, str]]:
        """Of each listener the cluster, or the route configuration, that it refers to."""
        return (pair for listener in self.has[LDS].values() for pair in referred(listener))

    def _dangling(self) -> list[str]:
        """O-REF: what routes and listeners lead to is there, and its endpoints were sent."""
        there = self.has[CDS].keys() & self.has[EDS].keys()
        missing = sorted(self._wanted() - there - self._excused)
        return [f"after {self.heard[-1]}: {name} is not there" for name in missing]

    def _wanted(self) -> set[str]:
        """The clusters that listeners and routes lead to."""
        found = {cluster for cluster, _ in self._referred() if cluster}
        return found | {cluster for routes in self.has[RDS].values() for cluster in routed(routes)}


def referred(listener: Any) -> Iterator[tuple[str, str]]:
    """The clusters of a listener, each with "", or "" with its route configuration."""
    config = listener.filter_chains[0].filters[0].typed_config
    if filter_of(listener).endswith("TcpProxy"):
        proxy = TcpProxy()
        assert config.Unpack(proxy)
        yield proxy.cluster, ""
        return
    http = manager(listener)
    yield "", http.rds.route_config_name
    for cluster in routed(http.route_config):
        yield cluster, ""


def manager(listener: Any) -> Any:
    """The HTTP connection manager of a listener."""
    message = hcm.HttpConnectionManager()
    assert listener.filter_chains[0].filters[0].typed_config.Unpack(message)
    return message


def routed(routes: Any) -> set[str]:
    """The clusters that a route configuration names."""
    actions = [route.route for host in routes.virtual_hosts for route in host.routes]
    found = {action.cluster for action in actions}
    found |= {share.name for action in actions for share in action.weighted_clusters.clusters}
    found |= {mirror.cluster for action in actions for mirror in action.request_mirror_policies}
    return found - {""}


def addresses(assignment: Any) -> Mapping[tuple[str, int], tuple[int, int]]:
    """Of each endpoint by address and port: weight and health."""
    return {
        (each.endpoint.address.socket_address.address, each.endpoint.address.socket_address.port_value): (
            each.load_balancing_weight.value,
            each.health_status,
        )
        for group in assignment.endpoints
        for each in group.lb_endpoints
    }
