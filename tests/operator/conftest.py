"""A running control plane, and clients of it that do as they are told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from ..server.conftest import ADS, Stream
from .plane import Plane, service


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    """A control plane that serves `shop/cart` with two endpoints."""
    found = Plane(tmp_path)
    found.write("cart.json", service("cart", "10.1.7.8", "10.1.7.9"))
    try:
        found.start()
        yield found
    finally:
        found.stop()


@pytest.fixture
async def client_of() -> AsyncIterator[Callable[[Plane], Callable[..., Any]]]:
    """Opens an ADS stream at a control plane: `stream = await client_of(plane)("web-7")`.

    Each has a connection of its own.
    """
    async with AsyncExitStack() as cleanup:

        def of(plane: Plane) -> Callable[..., Any]:
            async def connect(node: str, method: str = "StreamAggregatedResources", **said: Any) -> Stream:
                alone = [("grpc.use_local_subchannel_pool", 1)]
                channel = await cleanup.enter_async_context(grpc.aio.insecure_channel(plane.xds, alone))
                metadata = {"pilothouse": {"namespace": said.pop("namespace", "shop")}}
                return Stream(channel, ADS + method, {"id": node, "metadata": metadata, **said})

            return connect

        yield of


@pytest.fixture
def client(plane: Plane, client_of: Callable[[Plane], Callable[..., Any]]) -> Callable[..., Any]:
    """Opens an ADS stream at the control plane: `stream = await client("web-7")`."""
    return client_of(plane)
