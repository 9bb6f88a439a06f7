"""What the server does about clients that want much, or what is not there for them."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
import structlog

from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.audience import Admission
from pilothouse.server import session

from .conftest import Server, cluster, named

CLUSTER, ENDPOINTS = ResourceType.CLUSTER, ResourceType.ENDPOINTS


def known_as(namespace: str, *dependencies: str) -> dict[str, Any]:
    said: dict[str, Any] = {"namespace": namespace}
    if dependencies:
        said["dependencies"] = list(dependencies)
    return {"metadata": {"pilothouse": said}}


@pytest.fixture
def admission() -> Admission:
    return Admission(wildcards=frozenset({"shop"}))


async def test_who_may_not_depend_on_everything_is_told_so(ads: Any) -> None:
    for node in (known_as("web"), known_as("web", "*")):
        stream = ads(**node)
        await stream.ask(CLUSTER)
        code, details = await stream.ended()
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert details.startswith("node.metadata.pilothouse.dependencies: ")
    stream = ads(**known_as("web", "shop/orders"))
    await stream.ask(CLUSTER)
    assert await stream.names() == [cluster("orders")]


async def test_endpoints_of_what_is_not_there_or_out_of_scope_are_counted(
    server: Server, ads: Any, eventually: Any
) -> None:
    def counted() -> int:
        live = sum(each.unknown_names for each in server.discovery.sessions)
        return live + server.discovery.tally.unknown_names

    stream = ads(**known_as("web", "shop/orders"))
    await stream.ask(CLUSTER)
    await stream.names()
    await stream.ask(ENDPOINTS, *map(cluster, ("nothing", "orders", "payments")))
    response = await stream.read()
    assert cluster("orders") in named(response)
    assert counted() == 2
    await stream.ask(ENDPOINTS, cluster("orders"), cluster("never"))
    await stream.accept(response)
    await eventually(lambda: counted() == 3)
    stream.call.cancel()
    await eventually(lambda: not server.discovery.sessions)
    assert counted() == 3


async def test_many_clusters_at_one_sidecar_are_a_warning_once_a_namespace(
    ads: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_MANY_CLUSTERS", 1)
    with structlog.testing.capture_logs() as logs:
        for node in (known_as("shop"), known_as("shop"), known_as("web", "shop/orders")):
            stream = ads(**node)
            await stream.ask(CLUSTER)
            await stream.names()
    warnings = [entry for entry in logs if entry["log_level"] == "warning"]
    assert [(entry["namespace"], entry["clusters"]) for entry in warnings] == [("shop", 2)]
