"""The mesh as Kubernetes manifests, and how changes are saved: as programs do and as people do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from pilothouse.demo.mesh import NAMESPACES, REGION, ZONES, Mesh

DOMAIN = "cluster.local"

Files = Mapping[str, str]
"""The text of each file, by its name."""


def manifests(mesh: Mesh, port: int) -> Files:
    """The files of a mesh whose pods listen on this port. There is one file for each service."""
    files = {"nodes.yaml": _text(_nodes())}
    for service in mesh.services:
        files[f"{service}.yaml"] = _text(_service(mesh, service, port))
    # saved after the service that it leads to
    files["web.yaml"] = _text(_alias("web", mesh.web))
    return files


def save(folder: Path, before: Files, after: Files, in_place: bool = False) -> None:
    """Write the files that differ, then delete those that are gone.

    Many editors write a file in place. The other way is to rename a new file over the old one, so that no
    reader ever finds half of it.
    """
    for name, text in after.items():
        if before.get(name) == text:
            continue
        if in_place:
            (folder / name).write_text(text)
        else:
            (folder / f".{name}").write_text(text)
            (folder / f".{name}").replace(folder / name)
    for name in before.keys() - after.keys():
        (folder / name).unlink()


def _text(documents: Iterator[Mapping[str, Any]]) -> str:
    return yaml.safe_dump_all(documents, sort_keys=False)


def _nodes() -> Iterator[Mapping[str, Any]]:
    for zone in ZONES:
        labels = {"topology.kubernetes.io/region": REGION, "topology.kubernetes.io/zone": zone}
        yield {"apiVersion": "v1", "kind": "Node", "metadata": {"name": _node(zone), "labels": labels}}


def _node(zone: str) -> str:
    return f"node-{zone}"


def _alias(name: str, target: str) -> Iterator[Mapping[str, Any]]:
    host = f"{target}.{NAMESPACES[target]}.svc.{DOMAIN}"
    yield _object("v1", "Service", name, name, spec={"type": "ExternalName", "externalName": host})


def _service(mesh: Mesh, name: str, port: int) -> Iterator[Mapping[str, Any]]:
    ports = [{"name": "http", "port": 80, "targetPort": port}]
    yield _object("v1", "Service", name, name, spec={"selector": {"app": name}, "ports": ports})
    pods = mesh.behind("web" if name == mesh.web else name)
    metadata = {
        "labels": {"kubernetes.io/service-name": name},
        "annotations": {
            "pilothouse.dev/endpoint-weights": json.dumps({pod.address: pod.weight for pod in pods})
        },
    }
    endpoints = [
        {
            "addresses": [pod.address],
            "conditions": {"ready": pod.ready},
            "nodeName": _node(pod.zone),
            "zone": pod.zone,
            "targetRef": {"kind": "Pod", "name": pod.name},
        }
        for pod in pods
    ]
    yield _object(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        f"{name}-1",
        name,
        metadata,
        addressType="IPv4",
        ports=[{"name": "http", "port": port}],
        endpoints=endpoints,
    )


def _object(
    version: str, kind: str, name: str, service: str, metadata: Mapping[str, Any] | None = None, **rest: Any
) -> Mapping[str, Any]:
    about = {"name": name, "namespace": NAMESPACES[service], **(metadata or {})}
    return {"apiVersion": version, "kind": kind, "metadata": about, **rest}
