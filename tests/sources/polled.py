"""A source that asks for everything again and again, as one that polls a URL would: no file, no document."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pilothouse.model.reasons import Reason
from pilothouse.model.services import Endpoint, Port, Service, ServiceName, ServiceSpec, ordered
from pilothouse.sources import Cause, Fault, Sink, Source

#: The revision of everything, and the services by name. Raises OSError.
Answer = Callable[[], tuple[int, Mapping[ServiceName, Service]]]


class PolledSource:
    """Reports how one answer differs from the one before."""

    name = "polled"
    faults: Sequence[Fault] = ()
    left_out: Mapping[Reason, int] = {}

    def __init__(self, ask: Answer, every_s: float) -> None:
        self._ask, self._every_s = ask, every_s
        self._again = asyncio.Event()

    def reread(self) -> None:
        self._again.set()

    async def run(self, sink: Sink) -> None:
        revision, known = self._ask()
        sink.replace(known.values(), cause=Cause(f"everything@{revision}"))
        while True:
            await self._pause()
            heard = time.monotonic()
            revision, found = self._ask()
            with sink.together():
                for name in sorted(known.keys() | found.keys()):
                    cause = Cause(f"{name}@{revision}", heard)
                    if name not in found:
                        sink.remove(name, cause)
                    elif found[name] != known.get(name):
                        sink.put(found[name], cause)
            known = found

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._every_s):
                await self._again.wait()
        except TimeoutError:
            pass
        self._again.clear()


class PolledBackend:
    """A table in memory."""

    def __init__(self, _: Path) -> None:
        self._services: dict[ServiceName, Service] = {}
        self._revision = 0
        self._away = False

    def source(self) -> Source:
        return PolledSource(self._answer, every_s=0.01)

    def declare(self, name: str, *addresses: str) -> None:
        spec = ServiceSpec(ServiceName("shop", name), (Port("http", 80, target=8080),))
        endpoints = ordered(Endpoint(address, (("http", 8080),)) for address in addresses)
        self._services[spec.name] = Service(spec, endpoints)
        self._revision += 1

    def withdraw(self, name: str) -> None:
        del self._services[ServiceName("shop", name)]
        self._revision += 1

    def go_away(self) -> None:
        self._away = True

    def _answer(self) -> tuple[int, Mapping[ServiceName, Service]]:
        if self._away:
            raise OSError("the table does not answer")
        return self._revision, dict(self._services)
