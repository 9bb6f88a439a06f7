"""However fast the registry changes, and wherever connections break, a sidecar ends up with it."""

from __future__ import annotations

import asyncio
import random

import pytest

from pilothouse.model.services import Port, Protocol, Service

from .load import Load
from .mesh import virtual_ip
from .told import Told, service

pytestmark = pytest.mark.envoy

NAMES = ("a", "b", "c")
STEPS = 120


class Registry:
    """Services that appear, change in every respect, point to each other, and vanish."""

    def __init__(self, seed: int, source: Told, backends) -> None:
        self._dice, self._source, self._backends = random.Random(seed), source, backends
        self._vips = {name: virtual_ip() for name in NAMES}
        self.services = {service.name.name: service for service in source.services}

    async def change(self) -> None:
        name = self._dice.choice(NAMES)
        changed = self._changed(name) if self._dice.random() < 0.65 else None
        if changed is not None:
            self.services[name] = changed
            self._source.sink.put(changed)
        elif gone := self.services.pop(name, None):
            self._source.sink.remove(gone.name)
        await asyncio.sleep(self._dice.choice([0, 0, 0.001, 0.005, 0.02, 0.05]))

    def _changed(self, name: str) -> Service:
        other = self._dice.choice([one for one in NAMES if one != name])
        if self._dice.random() < 0.25:
            return service(name, ports=(), external_name=f"{other}.shop.svc.cluster.local")
        protocol = self._dice.choice([Protocol.HTTP, Protocol.GRPC])
        port = Port("http", self._dice.choice([8080, 8081]), protocol)
        backends = self._dice.sample(self._backends, self._dice.choice([0, 1, 1]))
        return service(name, *backends, ports=(port,), vips=(self._vips[name],))

    @property
    def clusters(self) -> dict[str, set[int]]:
        """The ports of the endpoints that each cluster should have."""
        return {
            f"outbound|{port.number}||{one.spec.hostname}": {
                int(number or 0) for endpoint in one.endpoints for _, number in endpoint.ports
            }
            for one in self.services.values()
            for port in one.spec.ports
        }

    def served(self, name: str) -> str | None:
        """The backend that should answer for a host; None if none can."""
        seen: set[str] = set()
        found = self.services.get(name)
        while found and found.spec.external_name and found.name.name not in seen:
            seen.add(found.name.name)
            found = self.services.get(found.spec.external_name.split(".")[0])
        ports = {number for endpoint in (found.endpoints if found else ()) for _, number in endpoint.ports}
        return next((backend.name for backend in self._backends if backend.port in ports), None)


@pytest.mark.parametrize("breaks", [0, 5], ids=["whole connection", "broken connections"])
async def test_a_sidecar_ends_up_with_the_registry(mesh, serving, eventually, breaks) -> None:
    backends = [await mesh.backend("one"), await mesh.backend("two")]
    source = Told(service("stable", backends[0]))
    xds, _ = await serving(source)
    tap = await mesh.tap(xds)
    sidecar = await mesh.sidecar(tap.port)
    registry = Registry(7, source, backends)
    async with Load(sidecar.egress, "stable", rate=200) as load:
        for step in range(STEPS):
            await registry.change()
            if breaks and step % (STEPS // breaks) == 0:
                tap.hang_up()
        await eventually(lambda: agrees(sidecar, registry), within=30)
    assert load.failures == []
    assert await sidecar.rejected() == {}


async def agrees(sidecar, registry: Registry) -> bool:
    """Whether the sidecar has the clusters of the registry, and serves each host as it should."""
    clusters = {name: set(hosts) for name, hosts in (await sidecar.clusters()).items()}
    if clusters != registry.clusters:
        return False
    wanted = {name: registry.served(name) for name in NAMES}
    return {name: await sidecar.server_of(name) for name in NAMES} == wanted
