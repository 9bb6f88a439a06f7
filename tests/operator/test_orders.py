"""Orders to a running control plane: they reach its proxies, outlive it, and reach all of its workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from pilothouse._pb.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from pilothouse.encoding.types import ResourceType

from ..authority import replace
from ..ports import free_ports
from ..server.conftest import Stream
from .plane import Plane, service

TOKEN = "w" * 32
CART = "outbound|80||cart.shop.svc.cluster.local"


def plane_with_tokens(folder: Path, *flags: str) -> Plane:
    tokens = replace(folder / "tokens", f"alice:{TOKEN}\n".encode())
    replace(folder / "tokens.alice", TOKEN.encode())
    plane = Plane(folder, "--admin-tokens", tokens, *flags, allow_empty=False)
    plane.write("cart.json", service("cart", "10.1.7.8", "10.1.7.9"))
    return plane


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    """A control plane that takes orders and keeps what it is ordered."""
    found = plane_with_tokens(tmp_path)
    found.keeping = ["--state", str(tmp_path / "state")]
    try:
        found.start()
        yield found
    finally:
        found.stop()


def order(admin: str, path: str, **body: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {TOKEN}"}
    return httpx.post(
        f"http://{admin}/api/v1/{path}", json=body, headers=headers, trust_env=False, timeout=20
    )


def out(plane: Plane, admin: str = "") -> list[str]:
    """The addresses that are not called."""
    answer = httpx.get(f"http://{admin or plane.admin}/api/v1/endpoints?service=shop/cart", trust_env=False)
    return [row["address"] for row in answer.json()["items"] if row["called"] == "no"]


async def addresses(stream: Stream) -> set[str]:
    """Of the load assignment in the next response, which is acknowledged."""
    response = await stream.read()
    await stream.accept(response)
    found = ClusterLoadAssignment.FromString(response.resources[0].value)
    members = [each for locality in found.endpoints for each in locality.lb_endpoints]
    return {each.endpoint.address.socket_address.address for each in members}


async def test_a_drained_endpoint_leaves_the_proxies_and_comes_back(plane, client) -> None:
    stream = await client("web-7")
    await stream.ask(ResourceType.ENDPOINTS, CART)
    assert await addresses(stream) == {"10.1.7.8", "10.1.7.9"}
    assert order(plane.admin, "drain", addresses=["10.1.7.9"], reason="its disk is full").is_success
    assert await addresses(stream) == {"10.1.7.8"}
    change = plane.get("changes")["items"][0]
    assert (change["source"], change["place"]) == ("operator", "alice drains 10.1.7.9: its disk is full")
    assert "10.1.7.9 drained" in change["services"][0]["what"]
    shown = plane.run("endpoints", "shop/cart")
    assert "drained by an operator: alice, until " in shown
    assert "its disk is full" in plane.run("explain", "cart.shop", "--endpoint", "10.1.7.9", status=1)
    assert order(plane.admin, "undrain", addresses=["10.1.7.9"]).is_success
    assert await addresses(stream) == {"10.1.7.8", "10.1.7.9"}


def test_a_drain_that_is_in_force_is_no_effect_of_a_manifest(plane, tmp_path) -> None:
    assert order(plane.admin, "drain", addresses=["10.1.7.9"]).is_success
    file = tmp_path / "cart.json"
    file.write_text(service("cart", "10.1.7.8", "10.1.7.9").replace("8080", "9090"))
    assert "  shop/cart: 10.1.7.8 and 1 more: " in plane.run("what-if", str(file))
    assert out(plane) == ["10.1.7.9"]


async def test_a_drain_outlives_the_process_and_then_ends_by_itself(plane, eventually) -> None:
    assert order(plane.admin, "drain", addresses=["10.1.7.9"], lasts="15s").is_success
    plane.stop()
    plane.start()
    assert out(plane) == ["10.1.7.9"]
    assert plane.get("changes")["items"][-1]["touched"] == 1
    await eventually(lambda: out(plane) == [], within=60)


async def test_a_disconnected_proxy_is_told_why_and_may_come_back(plane, client, eventually) -> None:
    stream, other = await client("web-7"), await client("web-8")
    for each in (stream, other):
        await each.ask(ResourceType.ENDPOINTS, CART)
        await addresses(each)
    done = order(plane.admin, "proxies/web-7/disconnect", reason="it looks stuck").json()
    assert done["done"].startswith("1 stream of web-7 closed")
    assert await stream.ended() == (grpc.StatusCode.UNAVAILABLE, "alice disconnects it: it looks stuck")
    gone = await eventually(lambda: plane.get("proxies/web-7").get("gone"))
    assert gone[0]["why"] == "alice disconnects it: it looks stuck"
    assert plane.get("proxies/web-8")["state"] == "SYNCED"
    again = await client("web-7")
    await again.ask(ResourceType.ENDPOINTS, CART)
    assert await addresses(again) == {"10.1.7.8", "10.1.7.9"}
    assert order(plane.admin, "proxies/web-9/disconnect").json()["near"] == ["web-7", "web-8"]


async def test_an_emptied_folder_is_held_until_an_operator_believes_it(plane, eventually) -> None:
    for number in range(20):
        plane.write(f"s{number}.json", service(f"s{number}", f"10.2.0.{number + 1}"))
    await eventually(lambda: plane.get("status")["counts"]["services"] == 21)
    for file in plane.manifests.iterdir():
        file.unlink()
    held = await eventually(lambda: plane.get("holds")["items"])
    assert held[0]["lost_services"] == 21
    longer = order(plane.admin, "holds/files/reject").json()
    assert longer["hold"]["until"] > held[0]["until"]
    assert plane.get("status")["counts"]["services"] == 21
    assert order(plane.admin, "holds/files/release", reason="they moved").is_success
    assert plane.get("status")["counts"]["services"] == 0
    assert plane.get("holds")["items"] == []


@pytest.mark.parametrize("keeps", [True, False])
async def test_of_several_workers_each_follows_what_one_is_ordered(tmp_path, eventually, keeps) -> None:
    first = free_ports(2)
    admins = [f"127.0.0.1:{first}", f"127.0.0.1:{first + 1}"]
    plane = plane_with_tokens(tmp_path, "--workers", "2", "--admin", admins[0])
    if keeps:
        plane.keeping = ["--state", str(tmp_path / "state")]
    try:
        plane.start()
        await eventually(lambda: all(answers(each) for each in admins))
        said = order(admins[0], "drain", addresses=["10.1.7.9"])
        if keeps:
            assert said.is_success
            await eventually(lambda: out(plane, admins[1]) == ["10.1.7.9"])
        else:
            assert said.status_code == 409
            assert "--no-state" in said.json()["error"]
    finally:
        plane.stop()


def answers(admin: str) -> bool:
    try:
        return httpx.get(f"http://{admin}/readyz", trust_env=False).is_success
    except httpx.TransportError:
        return False


def test_the_commands_give_orders_in_a_context(plane, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    refused = plane.run("drain", "10.1.7.9", status=2)
    assert "an order needs a token" in refused
    assert "--token-file FILE) or PILOTHOUSE_TOKEN_FILE" in refused
    plane.set_context("night", token=tmp_path / "tokens.alice")
    assert "is drained until" in plane.run_in(
        "night", "drain", "shop/cart", "10.1.7.9", "--reason", "its disk"
    )
    listed = plane.run_in("night", "drains").splitlines()[1].split()
    assert listed[:3] == ["10.1.7.9", "shop/cart", "alice"]
    assert "would have no endpoint left" in plane.run_in("night", "drain", "10.1.7.8", status=2)
    narrower = plane.run_in("night", "undrain", "10.1.7.9:8080", status=2)
    assert "there is no drain of 10.1.7.9:8080; near: 10.1.7.9 of shop/cart" in narrower
    said = plane.run_in("night", "undrain", "10.1.7.9")
    assert said == "10.1.7.9 is no longer drained, in shop/cart\n"
    assert "no hold of the source 'files'" in plane.run_in("night", "release", "files", status=2)
    assert "no stream of web-9" in plane.run_in("night", "disconnect", "web-9", status=2)
    assert plane.run_in("night", "holds") == "no loss is held\n"
    assert plane.run_in("night", "drains") == "no endpoint is drained\n"
    assert "'day' is no context; there are night" in plane.run_in("day", "status", status=2)


def test_an_undrain_ends_what_its_address_its_port_and_its_service_include(plane) -> None:
    def drained() -> set[str]:
        return {
            f"{each['address']}:{each.get('port', '*')} of {each.get('service', '*')}"
            for each in plane.get("drains")["items"]
        }

    nine = {"addresses": ["10.1.7.9"]}
    for more in ({}, {"service": "shop/cart"}, {"addresses": ["10.1.7.9:8080"]}):
        assert order(plane.admin, "drain", **{**nine, **more}).is_success
    assert len(drained()) == 3
    assert order(plane.admin, "undrain", **nine, service="shop/cart").is_success
    assert drained() == {"10.1.7.9:* of *", "10.1.7.9:8080 of *"}
    assert order(plane.admin, "undrain", addresses=["10.1.7.9:8080"]).is_success
    assert drained() == {"10.1.7.9:* of *"}
    refused = order(plane.admin, "undrain", addresses=["10.1.7.9:8080"])
    assert (refused.status_code, refused.json()["near"]) == (404, ["10.1.7.9"])
    for more in ({"service": "shop/cart"}, {"addresses": ["10.1.7.9:8080"]}):
        assert order(plane.admin, "drain", **{**nine, **more}).is_success
    ended = order(plane.admin, "undrain", **nine).json()["items"]
    assert len(ended) == 3
    assert drained() == set()
