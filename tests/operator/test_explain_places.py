"""What is explained need not be a service's name: a pasted URL, an endpoint's address, or its own name."""

from __future__ import annotations

from typing import Any

import pytest

from .plane import service


def test_of_a_url_the_host_and_the_port_are_taken_and_that_is_said(plane) -> None:
    pasted = plane.get("explain", name="http://cart.shop:80/basket?x=1")
    plain = plane.get("explain", name="cart.shop:80")
    assert pasted["read_as"] == "host cart.shop, port 80, of a URL"
    assert "read_as" not in plain
    assert {**pasted, "name": "", "read_as": ""} == {**plain, "name": "", "read_as": ""}
    said = plane.run("explain", "https://cart.shop/basket", status=1)
    assert "read as     host cart.shop, port 443, of a URL" in said
    assert "shop/cart has no TCP port 443; its ports: 80" in said


async def test_the_address_of_an_endpoint_is_explained_as_its_service_leads_there(plane, eventually) -> None:
    plane.write("cart.json", service("cart", "10.1.7.8", "10.1.7.9", not_ready=("10.1.7.9",)))
    plane.write("pay.json", service("pay", "10.1.7.9"))
    await eventually(lambda: plane.get("explain", name="10.1.7.9").get("read_as", "").endswith("by name"))
    found = plane.get("explain", name="10.1.7.9")
    assert found["read_as"] == "an endpoint of shop/cart, and of shop/pay: ask for these by name"
    assert (found["service"], found["reaches"]) == ("shop/cart", False)
    [row] = found["clusters"][0]["endpoints"]
    assert (row["address"], row["reason"]["code"]) == ("10.1.7.9", "not-ready")
    assert plane.get("explain", name="10.1.7.8:8080")["reaches"]
    asked = plane.get("explain", name="10.1.7.8:80")  # the port of the service, not of the endpoint
    assert asked["problem"]["words"] == "the endpoint has no port 80; its ports: 8080"
    assert plane.get("explain", name="10.9.9.9")["problem"]["code"] == "no-such-service"


async def test_an_endpoint_is_explained_at_its_own_port_although_the_service_calls_another(
    plane, eventually
) -> None:
    plane.write("cart.json", service("cart", "10.1.7.8", port="web"))
    reason = lambda: plane.get("explain", name="10.1.7.8:8080")["clusters"][0]["endpoints"][0].get("reason")  # noqa: E731
    await eventually(lambda: (reason() or {}).get("code") == "port-name-mismatch")


async def test_the_name_of_an_endpoint_leads_to_that_endpoint_only(plane, eventually) -> None:
    named: dict[str, Any] = {f"10.1.6.{number + 1}": {"hostname": f"db-{number}"} for number in range(2)}
    text = service("db", "10.1.6.1", "10.1.6.2", not_ready=("10.1.6.2",), **named)
    plane.write("db.json", text.replace('"spec": {', '"spec": {"clusterIP": "None", '))
    await eventually(lambda: plane.get("services", search="db")["items"])
    found = plane.get("explain", name="db-0.db", namespace="shop")["clusters"][0]
    assert [(each["address"], each["share"]) for each in found["endpoints"]] == [("10.1.6.1", 100.0)]
    assert found["arithmetic"] == ["the route chooses by the host name of the endpoint"]
    gone = plane.get("explain", name="db-1.db", namespace="shop")
    assert not gone["reaches"]
    assert gone["clusters"][0]["endpoints"][0]["reason"]["code"] == "not-ready"
    plane.run("explain", "db-1.db", "--namespace", "shop", status=1)


@pytest.mark.parametrize(
    "pasted",
    [
        "http://[::1",
        "http://cart.shop:-1/",
        "http:/cart.shop",
        '"http://cart.shop"',
        "http://cart.shop:0/",
        "http://",
    ],
)
def test_what_only_looks_like_a_url_is_a_mistake(plane, pasted) -> None:
    assert "has no host, or a port that is none" in plane.get("explain", name=pasted, status=400)["error"]
    plane.run("explain", pasted, status=2)


async def test_an_endpoint_of_another_service_is_said_to_be_one(plane, eventually) -> None:
    plane.write("pay.json", service("pay", "10.1.8.1"))
    await eventually(lambda: plane.get("services", search="pay")["items"])
    found = plane.get("explain", name="cart.shop", endpoint="10.1.8.1")["clusters"][0]
    assert found["problem"]["words"].endswith("; it is one of shop/pay")
    assert "it is one of shop/pay" in plane.run("explain", "cart.shop", "--endpoint", "10.1.8.1", status=1)
