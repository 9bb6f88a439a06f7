"""A source, what serves it, and a writer, in this process."""

from __future__ import annotations

import asyncio

from pilothouse.apiserver.election import Terms
from pilothouse.apiserver.kubeconfig import Access
from pilothouse.kubernetes.served import ServedCluster
from pilothouse.registry.merged import Registry
from pilothouse.registry.supervise import SourceState, supervise
from pilothouse.serving.catalogue import Catalogue
from pilothouse.sources.kubernetes.shown import ShownRoutes
from pilothouse.sources.kubernetes.source import KubernetesSource
from pilothouse.status.board import Board
from pilothouse.status.queue import Times
from pilothouse.status.writer import Pace, Writer

from ..sources.kubernetes.backend import HURRIED

# Nobody dies here, so a busy machine is to lose no Lease.
PACE = Pace(Times(0.02, 0.02, 0.1, (0.02, 0.1)), Terms(duration=60.0, renewal=40.0, retry=0.05))


class Replica:
    """It follows what is served of a cluster, and writes there."""

    def __init__(self, access: Access, served: ServedCluster | None = None) -> None:
        self.shown = ShownRoutes()
        self.source = KubernetesSource(access, served or ServedCluster(), pace=HURRIED, shown=self.shown)
        self.registry, self.catalogue = Registry(["kubernetes"]), Catalogue()
        self.board = Board(self.shown, self.registry.services, self.catalogue)
        self.writer = Writer(access, self.shown, self.board, PACE)
        state = SourceState(self.source)
        following = supervise(state, self.registry.shard("kubernetes"), lambda state, retry_s: None)
        running = (following, self.writer.run(), self._publish())
        self._tasks = [asyncio.create_task(each) for each in running]

    async def _publish(self) -> None:
        while True:
            names = await self.registry.changed.take()
            self.catalogue.apply(names, self.registry.services)
            self.writer.stir(names)

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
