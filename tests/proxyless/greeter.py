"""Servers that answer every call with their name, and how they are written into manifests."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import grpc

METHOD = "/greeter.Greeter/Greet"


class Greeter:
    """A gRPC server; on a free port of this machine, unless told otherwise."""

    def __init__(self, name: str, address: str = "127.0.0.1:0") -> None:
        self.name = name
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        service, _, method = METHOD[1:].partition("/")
        handler = grpc.unary_unary_rpc_method_handler(self._greet)
        self._server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(service, {method: handler})]
        )
        self.port = self._server.add_insecure_port(address)

    async def start(self) -> None:
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(None)

    async def _greet(self, request: bytes, context: Any) -> bytes:
        return self.name.encode()


def save(
    folder: Path,
    *greeters: Greeter,
    zones: Iterable[str] = (),
    annotations: Mapping[str, str] = MappingProxyType({}),
    **spec: Any,
) -> None:
    """The service shop/payments with these endpoints, each in a slice since each has its own port."""
    each = [*zones] or [""] * len(greeters)
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "payments", "namespace": "shop", "annotations": dict(annotations)},
        "spec": {"clusterIP": "10.96.0.21", "ports": [{"name": "grpc", "port": 8080}], **spec},
    }
    slices = [_slice(greeter, zone) for greeter, zone in zip(greeters, each, strict=True)]
    beside = folder / ".payments"
    beside.write_text("\n---\n".join(map(json.dumps, [service, *slices])))
    os.replace(beside, folder / "payments.yaml")


def _slice(greeter: Greeter, zone: str) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"payments-{greeter.name}",
            "namespace": "shop",
            "labels": {"kubernetes.io/service-name": "payments"},
        },
        "addressType": "IPv4",
        "ports": [{"name": "grpc", "port": greeter.port}],
        "endpoints": [{"addresses": ["127.0.0.1"], **({"zone": zone} if zone else {})}],
    }
