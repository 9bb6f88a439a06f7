"""gRPC clients without a sidecar (gRFC A27): they call through all that may happen, and no call fails."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .caller import SECONDS
from .greeter import save


def _rejections(control_plane: Any) -> list[Any]:
    return [event for event in control_plane.log if event["level"] != "info"]


@pytest.mark.parametrize(
    ("target", "node"),
    [
        ("payments.shop:8080", {}),
        ("payments.shop.svc:8080", {}),
        ("payments.shop.svc.cluster.local:8080", {}),
        ("payments:8080", {"metadata": {"NAMESPACE": "shop"}}),
        ("payments:8080", {"metadata": {"pilothouse": {"namespace": "shop"}}}),
        ("payments.shop:8080", {"metadata": {"pilothouse": {"dependencies": ["shop/payments"]}}}),
    ],
)
async def test_a_service_is_reached_by_each_of_its_names(
    control_plane, greeters, calling, target: str, node: dict[str, Any]
) -> None:
    save(control_plane.manifests, *await greeters("a", "b"))
    control_plane.start()
    caller = await calling(target, **node)
    await caller.reaches("a", "b")
    assert _rejections(control_plane) == []


async def test_calls_go_on_through_changes_of_endpoints(control_plane, greeters, calling) -> None:
    a, b, c = await greeters("a", "b", "c")
    save(control_plane.manifests, a)
    control_plane.start()
    caller = await calling()
    await caller.reaches("a")
    for present in ([a, b], [b], [a, b, c], [c], [a]):
        save(control_plane.manifests, *present)
        await caller.reaches(*(greeter.name for greeter in present))
    await b.stop()
    await c.stop()
    await caller.goes_on()
    assert _rejections(control_plane) == []


async def test_calls_go_on_while_the_control_plane_is_gone_and_when_it_is_back(
    control_plane, greeters, calling
) -> None:
    a, b = await greeters("a", "b")
    save(control_plane.manifests, a)
    control_plane.start()
    caller = await calling()
    await caller.reaches("a")
    control_plane.kill()
    await caller.goes_on(50)
    save(control_plane.manifests, a, b)
    control_plane.start()
    await caller.reaches("a", "b")
    save(control_plane.manifests, b)
    await caller.reaches("b")
    assert _rejections(control_plane) == []


async def test_a_client_that_is_there_first_is_served_when_the_service_comes_into_being(
    control_plane, greeters, calling
) -> None:
    control_plane.start()
    caller = await calling()
    save(control_plane.manifests, *await greeters("a"))
    await caller.reaches("a")


async def test_endpoints_nearby_are_called_and_those_further_off_when_there_are_none(
    control_plane, greeters, calling
) -> None:
    a, b = await greeters("a", "b")
    save(control_plane.manifests, a, b, zones=["west", "east"])
    control_plane.start()
    caller = await calling(locality={"zone": "west"})
    await caller.reaches("a")
    save(control_plane.manifests, b, zones=["east"])
    await caller.reaches("b")
    save(control_plane.manifests, a, b, zones=["west", "east"])
    await caller.reaches("a")
    assert _rejections(control_plane) == []


async def test_a_client_stays_at_an_endpoint_and_finds_another_when_that_goes(
    control_plane, greeters, calling
) -> None:
    everyone = await greeters("a", "b", "c")
    save(control_plane.manifests, *everyone, sessionAffinity="ClientIP")
    control_plane.start()
    caller = await calling()
    (home,) = set(await caller.goes_on(50))
    others = [greeter for greeter in everyone if greeter.name != home]
    save(control_plane.manifests, *others, sessionAffinity="ClientIP")
    async with asyncio.timeout(SECONDS):
        while (answers := set(await caller.goes_on())) != answers & {greeter.name for greeter in others}:
            pass
    assert len(answers) == 1
    assert _rejections(control_plane) == []


async def test_what_sidecars_speak_tls_to_is_called_as_the_channel_of_a_client_has_it(
    control_plane, greeters, calling
) -> None:
    port = {"name": "grpc", "port": 8080, "appProtocol": "https"}
    says = {"pilothouse.dev/originate-tls": "on"}
    save(control_plane.manifests, *await greeters("a"), annotations=says, ports=[port])
    control_plane.start()
    caller = await calling()
    await caller.reaches("a")
    assert _rejections(control_plane) == []
