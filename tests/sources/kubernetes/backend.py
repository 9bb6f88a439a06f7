"""The fake API server as a backend of the contract of sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pilothouse.apiserver.kubeconfig import Access
from pilothouse.sources import Source
from pilothouse.sources.kubernetes.reflector import Pace
from pilothouse.sources.kubernetes.source import KubernetesSource

from ...apiserver.fake import FakeApi

#: For tests that wait for what takes long.
HURRIED = Pace(quiet_s=30.0, retry_s=(0.01, 0.05), begin_s=0.5, ask_s=0.05, grace_s=2.0)

PORTS = [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]


def service(**spec: Any) -> dict[str, Any]:
    return {
        "spec": {
            "ports": PORTS,
            "type": "ClusterIP",
            "clusterIP": "10.96.0.1",
            "selector": {"app": "a"},
            **spec,
        }
    }


def slice_of(name: str, *addresses: str, ready: bool = True, **fields: Any) -> dict[str, Any]:
    """The fields of an EndpointSlice of a Service."""
    conditions = {"ready": ready, "serving": ready, "terminating": False}
    return {
        "metadata": {"labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": [address], "conditions": conditions} for address in addresses],
        **fields,
    }


class KubernetesBackend:
    """A Service and one EndpointSlice for each name."""

    def __init__(self, _: Path) -> None:
        self.api = FakeApi()

    def source(self) -> Source:
        return KubernetesSource(Access(self.api.url), pace=HURRIED)

    def declare(self, name: str, *addresses: str) -> None:
        self.api.put("Service", name, **service())
        self.api.put("EndpointSlice", f"{name}-1", **slice_of(name, *addresses))

    def withdraw(self, name: str) -> None:
        self.api.delete("Service", name)
        self.api.delete("EndpointSlice", f"{name}-1")

    def go_away(self) -> None:
        self.api.stop()

    def close(self) -> None:
        self.api.close()
