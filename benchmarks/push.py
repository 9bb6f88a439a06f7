"""What one push costs without gRPC: streams are told of a change, send it to nobody, and are acknowledged.

    python -m benchmarks.push [--streams 1000] [--rounds 200]

Prints microseconds of processor time a push and ACK, the least of all rounds, for each variant.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import time
from typing import Any

import structlog
from benchmarks.world import changed, service

from pilothouse._pb.envoy.config.core.v3.base_pb2 import Node
from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.audience import OPEN, audience
from pilothouse.model.services import Service, ServiceName
from pilothouse.protocol.delta import DELTA
from pilothouse.protocol.sotw import SOTW
from pilothouse.protocol.stream import Codec, Stream
from pilothouse.registry.revisions import Revisions
from pilothouse.server.discovery import Discovery
from pilothouse.server.session import Session
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.world import World
from pilothouse.sources import UNSTATED

_SERVICES = 20


class Nobody:
    """In place of gRPC's context: takes what is written, and drops it."""

    def peer(self) -> str:
        return "nobody"

    async def write(self, _: bytes) -> None:
        return None


class Fleet:
    """Streams that have everything there is."""

    def __init__(self, codec: Codec[Any], streams: int) -> None:
        self.services: dict[ServiceName, Service] = {}
        self.catalogue = Catalogue()
        self.discovery = Discovery(self.catalogue)
        self._codec = codec
        self.revisions = Revisions()
        self._put([service(number, 10) for number in range(_SERVICES)])
        self.sessions = [self._session() for _ in range(streams)]
        for session in self.sessions:
            self.discovery._conversations[session] = None

    def _session(self) -> Session:
        context: Any = Nobody()
        tally = self.discovery.tally
        return Session(
            Stream(self._codec),
            None,
            context,
            lambda node, _: World(self.catalogue, audience(node, OPEN, "")),
            tally,
            self.discovery.rejections,
        )

    async def begin(self) -> None:
        names = [*self.catalogue.directory.clusters]
        for session in self.sessions:
            delta = self._codec is DELTA
            Request: Any = self._codec.Request
            wanted = {"resource_names_subscribe" if delta else "resource_names": names}
            node = Node(id="web-0")
            for type, fields in ((ResourceType.CLUSTER, {}), (ResourceType.ENDPOINTS, wanted)):
                await session.take(Request(type_url=type.url, node=node, **fields).SerializeToString())
                await asyncio.sleep(0)
                self._acknowledge(session, type)
                await asyncio.sleep(0)

    def change(self, sequence: int) -> None:
        before = [*self.services.values()][sequence % _SERVICES]
        after = Service(before.spec, changed(before.endpoints, sequence))
        self._put([after])

    def acknowledge(self) -> None:
        for session in self.sessions:
            self._acknowledge(session, ResourceType.ENDPOINTS)

    def _acknowledge(self, session: Session, type: ResourceType) -> None:
        assert session.acknowledged(b"".join(session.stream.subscriptions[type].exchange.acceptance))

    def _put(self, services: list[Service]) -> None:
        self.services.update({each.name: each for each in services})
        self._publish(self.catalogue.apply([each.name for each in services], self.services))

    def _publish(self, changes: list[Any]) -> None:
        self.revisions.note("benchmark", UNSTATED, [change.service.name for change in changes])
        self.discovery.publish(changes, self.revisions.take())


async def measure(codec: Codec[Any], streams: int, rounds: int) -> float:
    """Seconds of processor time for one push and its ACK."""
    fleet = Fleet(codec, streams)
    await fleet.begin()
    gc.collect()
    gc.disable()
    best = float("inf")
    for sequence in range(rounds):
        begun = time.process_time()
        fleet.change(sequence)
        await asyncio.sleep(0)
        fleet.acknowledge()
        best = min(best, time.process_time() - begun)
        await asyncio.sleep(0)
    gc.enable()
    return best / streams


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=200)
    said = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    for codec in (DELTA, SOTW):
        spent_s = asyncio.run(measure(codec, said.streams, said.rounds))
        print(f"{codec.variant}: {spent_s * 1e6:.2f} us")


if __name__ == "__main__":
    main()
