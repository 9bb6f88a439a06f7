"""Services on disk, in a namespace for each test, so that tests can share one control plane."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

PORT = 8080

_numbers = count(1)


@dataclass(frozen=True)
class Service:
    """What a test says of a service: what its port speaks, and the addresses of its endpoints."""

    speaks: str = "http"
    addresses: tuple[str, ...] = ("10.1.0.1",)
    weight: int = 1


class Namespace:
    """The manifests of one namespace. A save replaces a file as a whole."""

    def __init__(self, folder: Path) -> None:
        number = next(_numbers)
        self.name = f"test-{number}"
        self.services: dict[str, Service] = {}
        self._folder = folder
        self._block = f"10.{100 + (number >> 8)}.{number & 255}"
        self._places: dict[str, int] = {}

    def save(self, name: str, service: Service) -> None:
        """Create or change a service."""
        self.services[name] = service
        self.write(name, [manifest(self.name, name, self.vip(name), service)])

    def delete(self, name: str) -> None:
        del self.services[name]
        (self._folder / f"{self.name}-{name}.yaml").unlink()

    def clear(self) -> None:
        """Delete all."""
        for name in [*self.services]:
            self.delete(name)

    def write(self, file: str, manifests: Sequence[str]) -> None:
        beside = self._folder / f".{self.name}-{file}"
        beside.write_text("---\n".join(manifests))
        os.replace(beside, self._folder / f"{self.name}-{file}.yaml")

    def vip(self, name: str) -> str:
        return f"{self._block}.{self._places.setdefault(name, len(self._places) + 1)}"

    def cluster(self, name: str) -> str:
        return f"outbound|{PORT}||{name}.{self.name}.svc.cluster.local"

    def listener(self, name: str) -> str:
        return f"{self.vip(name)}_{PORT}"


def manifest(namespace: str, name: str, vip: str, service: Service) -> str:
    """A Service and the EndpointSlice with its endpoints."""
    owned: dict[str, Any] = {
        "name": f"{name}-1",
        "namespace": namespace,
        "labels": {"kubernetes.io/service-name": name},
        "annotations": {"pilothouse.dev/weight": str(service.weight)},
    }
    port = {"name": "main", "port": PORT, "appProtocol": service.speaks}
    documents = (
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"clusterIP": vip, "ports": [port]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": owned,
            "addressType": "IPv4",
            "ports": [{"name": "main", "port": 9000}],
            "endpoints": [{"addresses": [address]} for address in service.addresses],
        },
    )
    # JSON is YAML.
    return "\n---\n".join(map(json.dumps, documents)) + "\n"
