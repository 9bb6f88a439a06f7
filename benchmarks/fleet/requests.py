"""Requests through some of the Envoys, all the time; each is sent once, and each that fails counts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from benchmarks.fleet.world import PODS

from pilothouse.demo.traffic import drive

_NAMES = frozenset(pod.name for pod in PODS)
_CALLERS = 20
_EACH_PER_S = 10.0


class Requests:
    """What became of them."""

    def __init__(self) -> None:
        self.sent = 0
        self.failed: Counter[str] = Counter()

    def see(self, sent_s: float, ended_s: float, outcome: str) -> None:
        """Take in one: the name of the pod that answered, or what came instead."""
        self.sent += 1
        if outcome not in _NAMES:
            self.failed[outcome] += 1


@asynccontextmanager
async def calling(hosts: Sequence[str], egress: Sequence[int]) -> AsyncIterator[Requests]:
    """Call while the block runs, from Envoys that are spread over the fleet, one host each."""
    requests = Requests()
    step = max(1, len(egress) // _CALLERS)
    callers = list(egress)[::step][:_CALLERS]
    tasks = [
        asyncio.create_task(drive(hosts[i % len(hosts)], port, _EACH_PER_S, requests))
        for i, port in enumerate(callers)
    ]
    try:
        yield requests
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
