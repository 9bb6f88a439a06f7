"""The services of the benchmark as objects of a real API server, where each can be changed.

No controller runs: slices are written as the controller would write them, so that only who follows the API is
measured. They name no Pods and no Nodes.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import aiohttp
from benchmarks.control import Fleet
from benchmarks.world import changed, service
from tests.real.cluster import ADMIN, Cluster

from pilothouse.model.services import Endpoint

_ABREAST = 16
#: What one slice can hold.
MOST_ENDPOINTS = 100
_SERVICES = "/api/v1/namespaces/default/services"
_SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"


class World(Fleet):
    """An async context. `at` is the server that follows, as `state` tells it.

    Every `headless`th service has no virtual IP; none if it is 0.
    """

    def __init__(self, cluster: Cluster, services: int, endpoints: int, headless: int = 0) -> None:
        self._cluster, self._headless = cluster, headless
        self._services = [service(number, endpoints) for number in range(services)]
        self._changed: set[int] = set()
        self._size = {"services": services, "endpoints": endpoints}
        self.at: Mapping[str, object] = {}
        #: ms that each change took to write.
        self.writes_ms: list[float] = []

    async def __aenter__(self) -> Self:
        tls = ssl.create_default_context(cafile=str(self._cluster.ca))
        self._session = aiohttp.ClientSession(
            self._cluster.url,
            connector=aiohttp.TCPConnector(ssl=tls, limit=_ABREAST),
            headers={"Authorization": f"Bearer {ADMIN}", "Content-Type": "application/json"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._session.close()

    async def fill(self) -> None:
        """Create all of it."""
        numbers = range(len(self._services))
        await _abreast(self._write("POST", _SERVICES, self._service(n)) for n in numbers)
        await _abreast(self._write("POST", _SLICES, self._slice(n)) for n in numbers)

    async def restore(self) -> None:
        """Undo all changes, so that the next server is asked for the same ones."""
        await _abreast(self._put(number) for number in self._changed)
        self._changed.clear()
        self.writes_ms.clear()

    def state(self) -> Mapping[str, object]:
        return {**self.at, **self._size}

    async def change(self, service: int, sequence: int) -> None:
        self._changed.add(service)
        begun = time.perf_counter()
        await self._put(service, sequence)
        self.writes_ms.append(1e3 * (time.perf_counter() - begun))

    async def _put(self, number: int, sequence: int | None = None) -> None:
        await self._write("PUT", f"{_SLICES}/{self._name(number)}", self._slice(number, sequence))

    def _name(self, number: int) -> str:
        return self._services[number].name.name

    def _service(self, number: int) -> dict[str, Any]:
        ports = [{"name": "http", "port": 8080, "appProtocol": "http"}]
        headless = self._headless and number % self._headless == 0
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": self._name(number)},
            # Without a selector: no Pods are looked for.
            "spec": {"ports": ports} | ({"clusterIP": "None"} if headless else {}),
        }

    def _slice(self, number: int, sequence: int | None = None) -> dict[str, Any]:
        found = self._services[number]
        if sequence is not None:
            found = replace(found, endpoints=changed(found.endpoints, sequence))
        name = self._name(number)
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080}],
            "endpoints": [_endpoint(each) for each in found.endpoints],
        }

    async def _write(self, method: str, path: str, document: Mapping[str, Any]) -> None:
        async with self._session.request(method, path, data=json.dumps(document)) as answer:
            if not answer.ok:
                raise RuntimeError(f"{method} {path}: {answer.status} {await answer.text()}")


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    conditions = {"ready": True, "serving": True, "terminating": False}
    return {"addresses": [endpoint.address], "conditions": conditions, "zone": endpoint.locality.zone}


async def _abreast(calls: Iterable[Awaitable[None]]) -> None:
    """Several at a time, in their order."""
    waiting = iter(calls)

    async def work() -> None:
        for call in waiting:
            await call

    await asyncio.gather(*(work() for _ in range(_ABREAST)))
