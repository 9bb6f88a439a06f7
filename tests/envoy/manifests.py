"""Manifests as a user writes them, and the folder that they are saved in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

Document = dict[str, Any]

NAMESPACE = "shop"


def service(name: str, namespace: str = NAMESPACE, **spec: Any) -> Document:
    """A Service with one port, 8080 named `http`, unless `spec` says otherwise."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"ports": [{"name": "http", "port": 8080}], **spec},
    }


def alias(name: str, target: str) -> Document:
    """An ExternalName service."""
    return service(name, type="ExternalName", externalName=target, ports=[])


def endpoint_slice(
    owner: str, address: str, port: int, namespace: str = NAMESPACE, **endpoint: Any
) -> Document:
    """A slice of one endpoint. `weight` and `port_name` are of the slice, all else is of the endpoint."""
    weight, port_name = endpoint.pop("weight", None), endpoint.pop("port_name", "http")
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{owner}-{address}-{port}".replace(":", "-"),
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": owner},
            "annotations": {} if weight is None else {"pilothouse.dev/weight": str(weight)},
        },
        "addressType": "IPv6" if ":" in address else "IPv4",
        "ports": [{"name": port_name, "port": port}],
        "endpoints": [{"addresses": [address], **endpoint}],
    }


def node(name: str, region: str, zone: str) -> Document:
    """A Node, which knows the region that a slice does not."""
    labels = {"topology.kubernetes.io/region": region, "topology.kubernetes.io/zone": zone}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


class Manifests:
    """A folder. A save replaces a file as a whole, as `kubectl` users and good editors do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def save(self, name: str, *documents: Document) -> None:
        self.write(name, "---\n".join([yaml.safe_dump(document) for document in documents]))

    def write(self, name: str, text: str) -> None:
        beside = self.folder / f".{name}"
        beside.write_text(text)
        os.replace(beside, self.folder / f"{name}.yaml")

    def delete(self, name: str) -> None:
        (self.folder / f"{name}.yaml").unlink()
