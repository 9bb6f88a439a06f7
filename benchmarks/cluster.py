"""An API server with many Services and EndpointSlices, which says again and again what it was made to say.

It does not decide anything, so that what it costs is not measured as that of who asks.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from aiohttp import web

Object = dict[str, Any]
Listed = Callable[[int], Sequence[Object]]

_PLACES = 300  # nodes
_ZONES = 3
_PAGE = 500
_EMPTY = ("pods", "namespaces")


def node(number: int) -> Object:
    labels = {
        "topology.kubernetes.io/region": "region-1",
        "topology.kubernetes.io/zone": f"zone-{number % _ZONES}",
    }
    return {"metadata": {**_meta(f"node-{number:05}", number, ""), "labels": labels}}


def service(number: int, relisted: int) -> Object:
    ip = f"172.16.{number >> 8}.{number & 255}"
    port = {"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}
    return {
        "metadata": {**_meta(f"service-{number:05}", number), "labels": {"app": f"service-{number:05}"}},
        "spec": {
            "clusterIP": ip,
            "clusterIPs": [ip],
            "internalTrafficPolicy": "Cluster",
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "ports": [port, {**port, "name": "admin", "port": 81 + relisted}],
            "selector": {"app": f"service-{number:05}"},
            "sessionAffinity": "None",
            "type": "ClusterIP",
        },
        "status": {"loadBalancer": {}},
    }


def endpoint_slice(number: int, endpoints: int, relisted: int) -> Object:
    """As the controller of slices writes them."""
    name = f"service-{number:05}"
    owner = {"apiVersion": "v1", "kind": "Service", "name": name, "uid": _uid(number)}
    meta = {
        **_meta(f"{name}-x7k2p", number),
        "generateName": f"{name}-",
        "generation": 3,
        "labels": {
            "app": name,
            "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            "kubernetes.io/service-name": name,
        },
        "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": "2026-11-30T00:00:00Z"},
        "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
    }
    return {
        "metadata": meta,
        "addressType": "IPv4",
        "endpoints": [_endpoint(number, i + (i == 0) * relisted, name) for i in range(endpoints)],
        "ports": [
            {"name": "http", "port": 8080, "protocol": "TCP"},
            {"name": "admin", "port": 8081, "protocol": "TCP"},
        ],
    }


def _endpoint(number: int, i: int, name: str) -> Object:
    on = number * 7 + i
    target = {
        "kind": "Pod",
        "name": f"{name}-5d9c7b4f6-{i:05}",
        "namespace": "default",
        "uid": _uid(number * 1000 + i),
    }
    return {
        "addresses": [f"10.{number >> 8}.{number & 255}.{i & 255}"],
        "conditions": {"ready": True, "serving": True, "terminating": False},
        "nodeName": f"node-{on % _PLACES:05}",
        "targetRef": target,
        "zone": f"zone-{on % _PLACES % _ZONES}",
    }


def _meta(name: str, number: int, namespace: str = "default") -> Object:
    managed = {
        "manager": "kube-controller-manager",
        "operation": "Update",
        "apiVersion": "discovery.k8s.io/v1",
        "time": "2026-11-30T00:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:metadata": {"f:labels": {f"f:label-{i}": {} for i in range(20)}}},
    }
    meta = {
        "name": name,
        "uid": _uid(number),
        "resourceVersion": str(number + 1000),
        "creationTimestamp": "2026-11-30T00:00:00Z",
        "managedFields": [managed],
    }
    return {**meta, "namespace": namespace} if namespace else meta


def _uid(number: int) -> str:
    return f"{number:08x}-52f1-4c4a-9d5e-3f8a6b7c{number & 0xFFFF:04x}"


def pages(kind: str, items: Sequence[Object]) -> list[bytes]:
    """What is answered to a list, part by part."""
    found = []
    for at in range(0, max(1, len(items)), _PAGE):
        further = {"continue": str(at // _PAGE + 1)} if at + _PAGE < len(items) else {}
        meta = {"resourceVersion": "900000", **further}
        found.append(_json({"kind": f"{kind}List", "metadata": meta, "items": items[at : at + _PAGE]}))
    return found


def stream(kind: str, version: str, items: Iterable[Object]) -> bytes:
    """What begins a watch: every object, and then the end of the beginning."""
    lines = [_line("ADDED", {"kind": kind, "apiVersion": version, **each}) for each in items]
    meta = {"resourceVersion": "900000", "annotations": {"k8s.io/initial-events-end": "true"}}
    end = _line("BOOKMARK", {"kind": kind, "apiVersion": version, "metadata": meta})
    return b"".join([*lines, end])


def _line(type: str, found: Object) -> bytes:
    return _json({"type": type, "object": found}) + b"\n"


def _json(found: Object) -> bytes:
    return json.dumps(found, separators=(",", ":")).encode()


class Recorded:
    """The bodies of one kind: a list in pages, or in one. Every second list has changed."""

    def __init__(self, kind: str, version: str, streamed: bool, listed: Listed) -> None:
        bodies = [listed(0), listed(1)]
        if streamed:
            self._bodies = [[stream(kind, version, items)] for items in bodies]
        else:
            self._bodies = [pages(kind, items) for items in bodies]
        self._lists = 0

    def next(self) -> None:
        """What is said from now on is a new list."""
        self._lists += 1

    def body(self, number: int = 0) -> bytes:
        return self._bodies[(self._lists - 1) % 2][number]


class ApiServer:
    """Answers lists, and watches of which nothing more is heard."""

    def __init__(self, recorded: dict[str, Recorded], streams_lists: bool) -> None:
        self._recorded, self._streams_lists = recorded, streams_lists

    async def answer(self, request: web.Request) -> web.StreamResponse:
        found = self._recorded.get(request.path.rpartition("/")[2])
        if found is None:
            return web.json_response({"kind": "Status", "code": 404, "message": "not found"}, status=404)
        streamed = request.query.get("sendInitialEvents") == "true"
        if streamed and not self._streams_lists:
            said = {"kind": "Status", "code": 422, "message": "sendInitialEvents is forbidden"}
            return web.json_response(said, status=422)
        if request.query.get("watch") != "1":
            number = int(request.query.get("continue", "0"))
            if not number:
                found.next()
            return web.Response(body=found.body(number), content_type="application/json")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        if streamed:
            found.next()
            body = found.body()
            for at in range(0, len(body), 1 << 18):
                await response.write(body[at : at + (1 << 18)])
        await asyncio.sleep(3600)
        return response


async def serve(services: int, slices: int, endpoints: int, every: int, streams_lists: bool) -> None:
    """Prints the port, once it serves. Of the Services and their slices each `every`th one changes."""

    def changed(number: int, again: int) -> int:
        return again if number % every == 0 else 0

    metadata = "PartialObjectMetadata", "meta.k8s.io/v1"
    kinds: dict[str, tuple[str, str, Listed]] = {
        "services": ("Service", "v1", lambda again: [service(i, changed(i, again)) for i in range(services)]),
        "endpointslices": (
            "EndpointSlice",
            "discovery.k8s.io/v1",
            lambda again: [endpoint_slice(i, endpoints, changed(i, again) * 50) for i in range(slices)],
        ),
        "nodes": (*metadata, lambda again: [node(i) for i in range(_PLACES)]),
        **{plural: (*metadata, lambda again: []) for plural in _EMPTY},
    }
    recorded = {
        plural: Recorded(kind, version, streams_lists, listed)
        for plural, (kind, version, listed) in kinds.items()
    }
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", ApiServer(recorded, streams_lists).answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(3600)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, required=True)
    parser.add_argument("--slices", type=int, required=True)
    parser.add_argument("--endpoints", type=int, required=True)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--paged", action="store_true", help="lists are not streamed")
    said = parser.parse_args()
    asyncio.run(serve(said.services, said.slices, said.endpoints, said.every, not said.paged))


if __name__ == "__main__":
    main()
