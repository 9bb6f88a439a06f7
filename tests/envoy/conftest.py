"""A mesh for each test, with Envoys that speak one variant of the protocol, then the other."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from pilothouse import app
from pilothouse.config.settings import Settings
from pilothouse.structures.hostport import HostPort

from .dns_server import DnsServer
from .manifests import service
from .mesh import Mesh
from .routes import Teller
from .told import Told

Serving = Callable[[Told], Awaitable[tuple[int, int]]]


@pytest.fixture(scope="session")
def envoy_binary() -> Path:
    """$ENVOY_BIN, else the one beside this Python, else on the PATH."""
    beside = Path(sys.executable).with_name("envoy")
    found = os.environ.get("ENVOY_BIN") or (beside if beside.exists() else shutil.which("envoy"))
    assert found, "no envoy: install the extra `demo`, or set ENVOY_BIN"
    return Path(found)


@pytest.fixture(params=["sotw", "delta"])
async def mesh(
    request: pytest.FixtureRequest, tmp_path: Path, envoy_binary: Path, eventually: Any
) -> AsyncIterator[Mesh]:
    """Nothing runs yet: a test saves its manifests, then starts what it needs."""
    async with AsyncExitStack() as cleanup:
        yield Mesh(tmp_path, envoy_binary, request.param == "delta", eventually, cleanup)


@pytest.fixture
async def names(mesh: Mesh) -> AsyncIterator[DnsServer]:
    """The name server of all sidecars that are started from now on."""
    server = DnsServer()
    mesh.resolve_by(await server.start())
    yield server
    server.stop()


@pytest.fixture
async def serving(tmp_path: Path) -> AsyncIterator[Serving]:
    """The control plane in this process: `xds, admin = await serving(source)` gives its ports."""
    anywhere = HostPort("127.0.0.1", 0)
    settings = Settings(xds=anywhere, admin=anywhere)
    tasks: list[asyncio.Task[None]] = []

    async def run(source: Told) -> tuple[int, int]:
        ports: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
        running = app.run(settings, [source], lambda xds, admin: ports.set_result((xds, admin)))
        tasks.append(asyncio.create_task(running))
        return await asyncio.wait_for(ports, 10)

    yield run
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def tellers(mesh: Mesh) -> dict[str, Teller]:
    """Backends of the services `web`, `blue` and `green`, which are saved."""
    found: dict[str, Teller] = {}
    for name in ("web", "blue", "green"):
        found[name] = await mesh.backend(name, kind=Teller)
        mesh.manifests.save(name, service(name), found[name].slice(name))
    return found
