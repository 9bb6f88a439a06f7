"""Kubelets of nodes that do not exist (kwok), and a scheduler that takes the next node.

Pods of Deployments become ready, get addresses of `POD_NETWORK`, terminate, and are gone. Where a test needs
exact moments, it writes the status of pods itself (`namespace`).
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import httpx

from ..ports import free_port
from .api import Api, Object, Refused
from .cluster import Cluster
from .nodes import HOSTNAME, ZONE
from .process import Process

POD_NETWORK = "10.244.0.0/16"
_STAGES = Path(__file__).parent / "stages.yaml"
_LOOK_S = 0.1


class Kwok:
    """kwok for all nodes of a cluster, one of each zone. `extra` are objects of kwok's own configuration."""

    def __init__(
        self,
        program: Path,
        cluster: Cluster,
        zones: Sequence[str] = ("a", "b", "c"),
        extra: Iterable[Object] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._cluster = cluster
        self._nodes = {f"kwok-{zone}": zone for zone in zones}
        config = cluster.folder / "kwok.yaml"
        config.write_text("\n---\n".join([_STAGES.read_text(), *map(json.dumps, extra)]))
        self.process = Process("kwok", [program, *self._flags(config)], cluster.folder, environment)
        self._scheduler = Scheduler(cluster.api, list(self._nodes))

    def start(self) -> None:
        for name, zone in self._nodes.items():
            metadata = {"name": name, "labels": {ZONE: zone, HOSTNAME: name}}
            self._cluster.api.create({"apiVersion": "v1", "kind": "Node", "metadata": metadata})
        self.process.start()
        self._scheduler.start()

    def stop(self) -> None:
        self._scheduler.stop()
        self.process.stop()

    def _flags(self, config: Path) -> tuple[str, ...]:
        folder = self._cluster.folder
        return (
            f"--kubeconfig={self._cluster.kubeconfig}",
            f"--config={config}",
            # Nodes of the tests themselves stay with the tests.
            f"--manage-nodes-with-label-selector={HOSTNAME} in ({','.join(self._nodes)})",
            f"--cidr={POD_NETWORK}",
            "--node-ip=127.0.0.1",
            f"--node-port={free_port()}",
            "--node-lease-duration-seconds=40",
            # The API server asks for `exec` here.
            f"--tls-cert-file={folder / 'server.crt'}",
            f"--tls-private-key-file={folder / 'server.key'}",
        )


class Scheduler:
    """Binds each pod that waits for a node to the next one."""

    def __init__(self, api: Api, nodes: Sequence[str]) -> None:
        self._api = api
        self._nodes = itertools.cycle(nodes)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scheduler", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(_LOOK_S):
            try:
                for pod in self._api.list("Pod", fieldSelector="spec.nodeName="):
                    self._bind(pod["metadata"]["namespace"], pod["metadata"]["name"])
            except (httpx.TransportError, Refused):
                # A server that a test has ended, or a pod that has gone meanwhile.
                continue

    def _bind(self, namespace: str, pod: str) -> None:
        target = {"kind": "Node", "name": next(self._nodes)}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod}, "target": target}
        self._api.call("POST", f"/api/v1/namespaces/{namespace}/pods/{pod}/binding", binding)
