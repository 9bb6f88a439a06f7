"""What the fleet calls: services whose manifests are saved anew, and the toy backends behind all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.manifests import manifest

from pilothouse.demo.mesh import Pod
from pilothouse.model.services import Endpoint, Locality, Port, Service, ServiceName, ServiceSpec, ordered

_ZONE = Locality("region-1", "zone-a")
_BEHIND = 2
"""How many of the backends are endpoints of one service at one time."""

PODS = tuple(Pod(f"pod-{i}", "", _ZONE.zone, f"127.0.0.{11 + i}") for i in range(4))


class World:
    """Services in a folder of manifests, one file for each, all of them with endpoints at one port."""

    def __init__(self, folder: Path, services: int, port: int) -> None:
        self.hosts: Sequence[str] = [f"service-{number}" for number in range(services)]
        self._folder = folder
        self._port = port
        self._turns: Counter[int] = Counter()  # how often each was saved
        for number in range(services):
            self.save(number)

    def save(self, number: int) -> None:
        """Write a service, new or not. Its endpoints are other ones than when it was saved before."""
        spec = ServiceSpec(
            name=ServiceName("default", f"service-{number}"),
            ports=(Port("http", 8080),),
            vips=(f"172.16.{number >> 8}.{number & 255}",),
        )
        pods = [PODS[(self._turns[number] + i) % len(PODS)] for i in range(_BEHIND)]
        self._turns[number] += 1
        endpoints = [Endpoint(pod.address, (("http", self._port),), locality=_ZONE) for pod in pods]
        draft = self._folder / f".service-{number}"
        draft.write_text(manifest(Service(spec, ordered(endpoints))))
        draft.replace(self._file(number))

    def remove(self, number: int) -> None:
        self._file(number).unlink()

    def _file(self, number: int) -> Path:
        return self._folder / f"service-{number}.yaml"
