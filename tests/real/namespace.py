"""A namespace of a cluster, and what tests do in it: Services, Pods as kubelets report them, endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from .api import Api, Object

_OWNER = "kubernetes.io/service-name"


class Seen(NamedTuple):
    """An endpoint as the real controller wrote it.

    `conditions` are those that are true; `zones` and `nodes` are hints, None without any.
    """

    conditions: frozenset[str]
    zone: str | None = None
    zones: tuple[str, ...] | None = None
    nodes: tuple[str, ...] | None = None


READY = frozenset({"ready", "serving"})
ENDING = frozenset({"serving", "terminating"})


class Namespace:
    """Objects of one namespace. What a test leaves in it stays until the cluster ends."""

    def __init__(self, api: Api, name: str) -> None:
        self.api, self.name = api, name

    def __str__(self) -> str:
        return self.name

    def open(self, **labels: str) -> None:
        """Create the namespace."""
        self.api.create(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name, "labels": labels}}
        )

    def object(self, kind: str, name: str, api: str = "v1", **fields: Any) -> Object:
        """An object of this namespace as a manifest has it. `labels` and `annotations` are its metadata's."""
        metadata: Object = {"name": name, "namespace": self.name}
        for key in ("labels", "annotations"):
            if key in fields:
                metadata[key] = fields.pop(key)
        return {"apiVersion": api, "kind": kind, "metadata": metadata, **fields}

    def service(
        self,
        name: str,
        ports: Iterable[Object] = ({"name": "http", "port": 80, "targetPort": 8080},),
        **spec: Any,
    ) -> Object:
        """Create a Service that selects the pods of `app: NAME`, unless the spec says otherwise."""
        full = {"selector": {"app": name}, "ports": list(ports)} | spec
        return self.api.create(self.object("Service", name, spec=full))

    def pod(self, name: str, app: str, node: str = "n1", *addresses: str, **spec: Any) -> None:
        """Create a pod of an app on a node; it is ready if it has addresses."""
        container = {"name": "app", "image": "none", "ports": [{"name": "http", "containerPort": 8080}]}
        full = {"nodeName": node, "terminationGracePeriodSeconds": 30, "containers": [container]} | spec
        self.api.create(self.object("Pod", name, labels={"app": app}, spec=full))
        if addresses:
            self.report(name, *addresses)

    def report(self, pod: str, *addresses: str, ready: bool = True) -> None:
        """Say of a pod what its kubelet would. Without addresses, it keeps those that it has."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        conditions = [
            {"type": each, "status": str(ready), "lastTransitionTime": now}
            for each in ("ContainersReady", "Ready")
        ]
        status: Object = {"phase": "Running", "conditions": conditions}
        if addresses:
            status |= {"podIP": addresses[0], "podIPs": [{"ip": each} for each in addresses]}
        self.api.patch_status("Pod", pod, status, self.name)

    def end_pod(self, name: str) -> None:
        """Ask a pod to end: it is terminating until `remove_pod`."""
        self.api.delete("Pod", name, self.name)

    def remove_pod(self, name: str) -> None:
        """A pod is gone at once, as after its grace."""
        self.api.delete("Pod", name, self.name, grace_s=0)

    def change_service(self, name: str, **spec: Any) -> None:
        """A merge patch of a Service's spec."""
        self.api.patch("Service", name, {"spec": spec}, self.name)

    def slices(self, service: str) -> list[Object]:
        """The EndpointSlices of a Service."""
        return self.api.list("EndpointSlice", self.name, labelSelector=f"{_OWNER}={service}")

    def endpoints(self, service: str) -> dict[str, Seen]:
        """What the slices of a Service say, by address."""
        listed = (each for piece in self.slices(service) for each in piece.get("endpoints") or ())
        return {address: _seen(each) for each in listed for address in each["addresses"]}

    def conditions(self, service: str) -> dict[str, frozenset[str]]:
        """The conditions of a Service's endpoints that are true, by address."""
        return {address: seen.conditions for address, seen in self.endpoints(service).items()}


def _seen(endpoint: Mapping[str, Any]) -> Seen:
    hints = endpoint.get("hints") or {}
    return Seen(
        frozenset(name for name, true in endpoint["conditions"].items() if true),
        endpoint.get("zone"),
        _names(hints.get("forZones")),
        _names(hints.get("forNodes")),
    )


def _names(hints: list[Object] | None) -> tuple[str, ...] | None:
    return None if hints is None else tuple(hint["name"] for hint in hints)
