"""A mesh on this machine: manifests, the control plane that reads them, backends and sidecars."""

from __future__ import annotations

import json
import random
import ssl
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from pilothouse.mesh.audience import Node
from pilothouse.model.services import Locality
from pilothouse.sidecar.bootstrap import Sidecar, Tls, bootstrap
from pilothouse.structures.hostport import HostPort

from ..ports import free_port
from .backends import Backend
from .control_plane import ControlPlane
from .dns_server import resolver
from .manifests import Manifests
from .sidecar import Envoy
from .tap import Tap


class Mesh:
    """What it starts ends when `cleanup` is closed. Sidecars speak Delta, or State of the World."""

    def __init__(
        self, folder: Path, envoy: Path, delta: bool, eventually: Any, cleanup: AsyncExitStack
    ) -> None:
        self.manifests = Manifests(folder / "manifests")
        self.delta = delta
        self._folder, self._envoy = folder, envoy
        self._eventually, self._cleanup = eventually, cleanup
        self._sidecars = 0
        self._resolver: int | None = None

    async def backend(self, name: str, tls: ssl.SSLContext | None = None, kind: type[Any] = Backend) -> Any:
        backend = kind(name)
        backend.tls = tls
        await backend.start()
        self._cleanup.push_async_callback(backend.stop)
        return backend

    async def serve(self, *flags: str) -> ControlPlane:
        """Start the control plane, and wait until it serves."""
        control_plane = ControlPlane(
            free_port(), self._folder / "log", ["--manifests", str(self.manifests.folder), *flags]
        )
        self._cleanup.push_async_callback(control_plane.close)
        await self.launch(control_plane)
        return control_plane

    async def launch(self, control_plane: ControlPlane) -> None:
        """Start it once more, and wait until it serves."""
        control_plane.launch()
        # A start beside a broken file waits for it to be whole.
        await self._eventually(lambda: control_plane.serving, within=30.0)

    async def tap(self, port: int) -> Tap:
        """Listen in on connections to the control plane at `port`."""
        tap = Tap(port, self.delta)
        await tap.start()
        self._cleanup.push_async_callback(tap.stop)
        return tap

    def resolve_by(self, port: int) -> None:
        """Let the sidecars that are started from now on ask a DNS server on this machine."""
        self._resolver = port

    async def sidecar(self, port: int, locality: str = "", tls: Tls | None = None, **said: Any) -> Envoy:
        """Start an Envoy that has its control plane at `port`, and wait until it is live."""
        envoy = self.start_sidecar(port, locality, tls, **said)
        await self._eventually(envoy.live)
        return envoy

    def start_sidecar(self, port: int, locality: str = "", tls: Tls | None = None, **said: Any) -> Envoy:
        """Start an Envoy that says `said` in its node's metadata; with `runtime` it asks for that, too.

        `listeners` are its own, beside those that come over xDS.
        """
        self._sidecars += 1
        envoy = Envoy(free_port())
        asks, listeners = bool(said.pop("runtime", False)), said.pop("listeners", [])
        metadata = {"namespace": "shop", "egress": "{}:{}".format(*envoy.egress), **said}
        who = Node(f"web-{self._sidecars}", Locality(*locality.split("/")), {"pilothouse": metadata})
        text = bootstrap(Sidecar(who, "web", HostPort("127.0.0.1", port), not self.delta, 0, tls, asks))
        if listeners:
            parsed = json.loads(text)
            parsed["static_resources"]["listeners"] = listeners
            text = json.dumps(parsed)
        if self._resolver is not None:
            text = json.dumps(json.loads(text) | {"typed_dns_resolver_config": resolver(self._resolver)})
        envoy.launch(self._envoy, text, self._folder / who.id)
        self._cleanup.push_async_callback(envoy.close)
        return envoy


def virtual_ip() -> str:
    """A loopback address that nobody else is likely to use: it can be bound without any privilege."""
    return f"127.{random.randrange(16, 255)}.{random.randrange(256)}.{random.randrange(1, 255)}"
