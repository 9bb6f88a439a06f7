"""A control plane, greeters behind the service shop/payments, and callers, for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from ..wire.plane import ControlPlane
from .caller import Caller
from .greeter import Greeter


@pytest.fixture
def control_plane(tmp_path: Path) -> Iterator[ControlPlane]:
    """A test starts it."""
    found = ControlPlane(tmp_path)
    yield found
    found.kill()


@pytest.fixture
async def cleanup() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def greeters(cleanup: AsyncExitStack) -> Callable[..., Awaitable[list[Greeter]]]:
    async def start(*names: str) -> list[Greeter]:
        found = [Greeter(name) for name in names]
        for greeter in found:
            await greeter.start()
            cleanup.push_async_callback(greeter.stop)
        return found

    return start


@pytest.fixture
def calling(
    tmp_path: Path, control_plane: ControlPlane, cleanup: AsyncExitStack
) -> Callable[..., Awaitable[Caller]]:
    async def start(target: str = "payments.shop:8080", **node: Any) -> Caller:
        caller = Caller(tmp_path, control_plane.address, target, **node)
        await caller.start()
        cleanup.push_async_callback(caller.stop)
        return caller

    return start
