"""Nodes that give signs of life, as kubelets do, until they are silenced."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import httpx

from .api import Api, Object, Refused

ZONE, REGION, HOSTNAME = (
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "kubernetes.io/hostname",
)
_BEAT_S = 1.0


class Nodes:
    """Pods are ready on living nodes only: on silent ones they fail after the cluster's grace."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._living: set[str] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="kubelets", daemon=True)
        self._thread.start()

    def add(self, name: str, zone: str, region: str = "eu") -> None:
        """A node that is ready."""
        labels = {ZONE: zone, REGION: region, HOSTNAME: name}
        self._api.create({"kind": "Node", "apiVersion": "v1", "metadata": {"name": name, "labels": labels}})
        self._sign(name)
        self._living.add(name)

    def silence(self, *names: str) -> None:
        """As if these nodes, or all, had been cut off: nothing is heard of them until `revive`."""
        self._living -= set(names or self._living)

    def revive(self, *names: str) -> None:
        for name in names:
            self._sign(name)
            self._living.add(name)

    def close(self) -> None:
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._over.wait(_BEAT_S):
            for name in sorted(self._living):
                try:
                    self._sign(name)
                except (httpx.TransportError, Refused):
                    # A test has ended the server, or frozen it.
                    continue

    def _sign(self, name: str) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        ready: Object = {"type": "Ready", "status": "True", "reason": "Test", "lastHeartbeatTime": now}
        room = {"cpu": "1k", "memory": "1Ti", "pods": "1M"}
        self._api.patch_status("Node", name, {"conditions": [ready], "allocatable": room})
