"""Where a rule is tried: a namespace of its own on the shared control plane, for one type, in one variant.

`everywhere` plays a test in several scenes at once, so that the waits for what must not come overlap.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from itertools import product
from typing import Any

import grpc

from .manifests import Namespace, Service
from .plane import ControlPlane
from .sidecar import Sidecar, addresses, routed
from .stream import Stream, node
from .talks import Delta, Sotw
from .topics import CDS, EDS, EGRESS, LDS, RDS, Topic

Test = Callable[["Scene"], Awaitable[None]]


@asynccontextmanager
async def dialled(control_plane: ControlPlane, **options: int) -> AsyncIterator[grpc.aio.Channel]:
    """A connection that is shared with no other channel."""
    settings = {"grpc.use_local_subchannel_pool": 1, "grpc.max_receive_message_length": -1, **options}
    channel = grpc.aio.insecure_channel(control_plane.address, [*settings.items()])
    try:
        yield channel
    finally:
        await channel.close()


class Scene:
    """One type, one variant, one way to reach it, and the services of a namespace."""

    def __init__(
        self,
        control_plane: ControlPlane,
        channel: grpc.aio.Channel,
        variant: str,
        transport: str,
        topic: Topic,
    ) -> None:
        self.control_plane, self.channel = control_plane, channel
        self.variant, self.transport, self.topic = variant, transport, topic
        self.namespace = Namespace(control_plane.manifests)
        self.node = node(
            namespace=self.namespace.name, dependencies=[f"{self.namespace.name}/*"], capture="vip"
        )
        self._streams: list[Stream] = []
        self.witness = self.sidecar("delta")

    def stream(self, topic: Topic | None = None) -> Stream:
        """A new stream, with ADS unless this scene is about the services of the types."""
        stream = Stream(self.channel, self.variant, topic if self.transport == "separate" else None)
        self._streams.append(stream)
        return stream

    def dial(self, topic: Topic | None = None, on: Any = None, **first: Any) -> Any:
        """A conversation on a new stream, or with ADS on that of another conversation."""
        topic = topic or self.topic
        shared = on is not None and self.transport == "ads"
        stream = on.stream if shared else self.stream(topic)
        if not shared:
            first = {"node": self.node, **first}
        return (Sotw if self.variant == "sotw" else Delta)(stream, topic, self.naming(topic), **first)

    def missing(self, *words: str) -> list[str]:
        """What is told of these names, of which there is nothing; in State of the World only of endpoints."""
        return [*words] if self.variant == "delta" or self.topic is EDS else []

    def stated(self, changed: dict[str, int], whole: dict[str, int]) -> dict[str, int]:
        """What a response holds: State of the World restates all clusters and listeners."""
        return whole if self.variant == "sotw" and self.topic.full_state else changed

    def sidecar(self, variant: str, eager: bool = False) -> Sidecar:
        return Sidecar(self.node, eager).connect(Stream(self.channel, variant, None))

    def naming(self, topic: Topic) -> Callable[[str], str]:
        """Names for the words of a test: a service's, or what comes after `=` as it stands."""

        def name(word: str) -> str:
            if word == "*":
                return word
            return word[1:] if word.startswith("=") else topic.name(self.namespace, word)

        return name

    async def save(self, topic: Topic | None = None, /, **contents: int) -> None:
        """Create or change services, and wait until that is in force."""
        self.put(topic, **contents)
        await self.settled()

    def put(self, topic: Topic | None = None, /, **contents: int) -> None:
        for word, n in contents.items():
            self.namespace.save(word, (topic or self.topic).made(n))

    async def delete(self, *words: str) -> None:
        """Delete services, and wait until that is in force."""
        for word in words:
            self.namespace.delete(word)
        await self.settled()

    async def settled(self) -> None:
        """Wait until a well-behaved sidecar has what the manifests say."""
        await ends(self.namespace, self.witness)

    async def close(self) -> None:
        for stream in self._streams:
            stream.cancel()
        await self.witness.close()
        self.namespace.clear()


async def ends(namespace: Namespace, *sidecars: Sidecar, capture: bool = True) -> None:
    """Wait until these have what the manifests say. With `capture` they take all calls at virtual IPs."""
    wanted = expected(namespace, capture)
    for sidecar in sidecars:
        # A sidecar that has routes has everything, also where there is nothing yet.
        await sidecar.until(lambda sidecar=sidecar: bool(sidecar.has[RDS]) and seen(sidecar) == wanted)


def expected(namespace: Namespace, capture: bool) -> dict[str, Any]:
    """What a sidecar should have of a namespace."""
    services = namespace.services.items()
    http = {name: service.speaks not in ("tcp", "tls") for name, service in services}
    return {
        "CDS": {
            namespace.cluster(name): CDS.read(CDS.message()) + service.speaks.endswith("h2c")
            for name, service in services
        },
        "EDS": {namespace.cluster(name): _endpoints(service) for name, service in services},
        "LDS": {
            namespace.listener(name): 1 + by_host for name, by_host in http.items() if capture or not by_host
        },
        "RDS": {namespace.cluster(name) for name, by_host in http.items() if by_host},
    }


def _endpoints(service: Service) -> dict[tuple[str, int], tuple[int, int]]:
    return {(address, 9000): (service.weight, 1) for address in service.addresses}


def seen(sidecar: Sidecar) -> dict[str, Any]:
    """What a sidecar has, in the words of `expected`, which knows no clusters that wait for endpoints."""
    has = sidecar.has
    return {
        "CDS": {name: CDS.read(cluster) for name, cluster in has[CDS].items() if name not in sidecar.warming},
        "EDS": {name: addresses(has[EDS][name]) for name in has[CDS] if name in has[EDS]},
        "LDS": {name: LDS.read(listener) for name, listener in has[LDS].items() if name != EGRESS},
        "RDS": {cluster for routes in has[RDS].values() for cluster in routed(routes)},
    }


@asynccontextmanager
async def scene(
    control_plane: ControlPlane, variant: str = "sotw", transport: str = "ads", topic: Topic = CDS
) -> AsyncIterator[Scene]:
    async with dialled(control_plane) as channel:
        here = Scene(control_plane, channel, variant, transport, topic)
        try:
            await here.settled()
            yield here
        finally:
            await here.close()


def everywhere(
    *topics: Topic,
    variants: Iterable[str] = ("sotw", "delta"),
    transports: Iterable[str] = ("ads", "separate"),
) -> Callable[[Test], Callable[[ControlPlane], Awaitable[None]]]:
    """Play a test for each of these types, in each variant, on ADS and on the type's own service."""
    places = [*product(variants, transports, topics or (CDS, EDS, LDS))]

    def decorate(test: Test) -> Callable[[ControlPlane], Awaitable[None]]:
        async def play(control_plane: ControlPlane, place: tuple[str, str, Topic]) -> None:
            async with scene(control_plane, *place) as here:
                await test(here)

        async def run(control_plane: ControlPlane) -> None:
            plays = [play(control_plane, place) for place in places]
            results = await asyncio.gather(*plays, return_exceptions=True)
            failures = []
            for place, failure in zip(places, results, strict=True):
                if isinstance(failure, Exception):
                    failure.add_note("with {}, {}, {!r}".format(*place))
                    failures.append(failure)
            if failures:
                raise failures[0] if len(failures) == 1 else ExceptionGroup("in several places", failures)

        run.__name__, run.__doc__ = test.__name__, test.__doc__
        return run

    return decorate
