"""The walk from a name to its endpoints, and why it ends too early."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pilothouse.encoding.types import ResourceType

from .plane import Plane, service

CLUSTER, ENDPOINTS = ResourceType.CLUSTER, ResourceType.ENDPOINTS
CART = "outbound|80||cart.shop.svc.cluster.local"


def route(name: str, **weights: int) -> str:
    """An HTTPRoute of the service `name` that shares its requests by weight."""
    backends = [{"name": each, "port": 80, "weight": weight} for each, weight in weights.items()]
    return json.dumps(
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": f"{name}-canary", "namespace": "shop"},
            "spec": {
                "parentRefs": [{"group": "", "kind": "Service", "name": name}],
                "rules": [{"backendRefs": backends}],
            },
        }
    )


async def test_a_name_leads_to_endpoints_and_the_proxy_has_acknowledged_them(
    plane, client, eventually
) -> None:
    stream = await client("web-7")
    await stream.ask(ENDPOINTS, CART)
    await stream.names()
    states = lambda: {  # noqa: E731
        step["type"]: step["state"] for step in plane.get("explain", name="cart", proxy="web-7")["steps"]
    }
    await eventually(lambda: states()["EDS"] == "acknowledged")
    found = plane.get("explain", name="cart", proxy="web-7")
    assert (found["found"], found["service"]) == (True, "shop/cart")
    assert found["asked_by"] == {"namespace": "shop", "locality": {}, "proxy": "web-7", "state": "SYNCED"}
    [cluster] = found["clusters"]
    assert [(each["address"], each["share"]) for each in cluster["endpoints"]] == [
        ("10.1.7.8", 50.0),
        ("10.1.7.9", 50.0),
    ]
    assert cluster["arithmetic"] == ["priority 0: 2 of 2 healthy; gets 100 %"]
    plane.write("cart.json", service("cart", "10.1.7.8"))
    await stream.read()
    assert states()["EDS"] == "unanswered"
    said = plane.run("explain", "cart", "--from", "web-7")
    assert "EDS         unanswered" in said
    assert "beware: web-7 is SENDING, so this may not be in force there yet" in said


@pytest.mark.parametrize("method", ["StreamAggregatedResources", "DeltaAggregatedResources"])
async def test_a_rejection_is_about_the_resource_that_was_rejected_and_about_no_other(
    plane, client, eventually, method
) -> None:
    stream, other = await client("web-7", method), await client("web-6", method)
    for each in (stream, other):
        await each.ask(CLUSTER)
        await each.names()
    plane.write("bad.json", service("bad", "10.1.7.1"))
    await other.names()  # which accepts it, so it is not taken back
    await stream.accept(
        await stream.read(),
        error="Error adding/updating cluster(s) outbound|80||bad.shop.svc.cluster.local: bad",
    )
    state = lambda name: next(  # noqa: E731
        step["state"]
        for step in plane.get("explain", name=name, proxy="web-7")["steps"]
        if step["type"] == "CDS"
    )
    await eventually(lambda: state("bad") == "rejected")
    assert state("cart") == "acknowledged"
    assert [each["name"] for each in plane.get("proxies/web-7/diff")["items"] if each["type"] == "CDS"] == [
        "outbound|80||bad.shop.svc.cluster.local"
    ]


async def test_of_a_host_that_the_proxy_finds_in_dns_it_is_said_that_only_its_envoy_knows_the_rest(
    plane, client, eventually
) -> None:
    spec = {"type": "ExternalName", "externalName": "old.example.com", "ports": [{"port": 80}]}
    metadata = {"name": "legacy", "namespace": "shop"}
    plane.write(
        "legacy.json",
        json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}),
    )
    await eventually(lambda: plane.get("explain", name="legacy.shop")["found"])
    stream = await client("web-7")
    await stream.ask(CLUSTER)
    await stream.names()
    for more in ({}, {"endpoint": "192.0.2.1"}):
        found = plane.get("explain", name="legacy", proxy="web-7", **more)
        [cluster] = found["clusters"]
        assert cluster["by_dns"] == [{"host": "old.example.com", "port": 80, "weight": 1}]
        assert "reaches" not in found
        assert not {"reached", "problem"} & cluster.keys()
        assert "EDS" not in [step["type"] for step in found["steps"]]
    said = plane.run("explain", "legacy", "--from", "web-7")
    assert "the proxy itself looks the hosts up in DNS\n  old.example.com:80" in said
    assert "curl ENVOY_ADMIN/clusters" in said
    assert "leads nowhere" not in said


async def test_an_endpoint_that_is_not_ready_gets_no_share_and_it_is_said_why(plane, eventually) -> None:
    plane.write("cart.json", service("cart", "10.1.7.8", "10.1.7.9", not_ready=("10.1.7.9",)))

    def targets(**query):
        [cluster] = plane.get("explain", name="shop/cart", namespace="shop", **query)["clusters"]
        return cluster["endpoints"]

    await eventually(lambda: [each["share"] for each in targets()] == [100.0, 0.0])
    [one] = targets(endpoint="10.1.7.9")
    assert one["reason"]["code"] == "not-ready"
    said = plane.run("explain", "shop/cart", "--namespace", "shop", "--endpoint", "10.1.7.9", status=1)
    plane.run("explain", "shop/cart", "--namespace", "shop", "--endpoint", "10.1.7.8")
    assert "not-ready: the endpoint is not ready" in said
    nowhere = plane.get("explain", name="shop/cart", namespace="shop", endpoint="10.9.9.9")["clusters"][0]
    assert nowhere["problem"]["code"] == "no-such-endpoint"


async def test_shares_say_that_a_version_gets_30_percent_and_by_which_rule(plane, eventually) -> None:
    for name in ("v1", "v2"):
        plane.write(f"{name}.json", service(name, f"10.1.8.{name[1]}"))
    plane.write("route.json", route("cart", v1=70, v2=30))
    to = lambda: [  # noqa: E731
        (each["cluster"].partition("||")[2].partition(".")[0], each["share"])
        for each in plane.get("explain", name="cart.shop")["routes"][0]["to"]
        if "cluster" in each
    ]
    await eventually(lambda: to() == [("v1", 70.0), ("v2", 30.0)])
    said = plane.run("explain", "cart.shop")
    assert "HTTPRoute shop/cart-canary" in said
    assert "30.00 %  outbound|80||v2.shop.svc.cluster.local (weight 30)" in said


async def test_zones_are_in_the_arithmetic(plane, eventually) -> None:
    zones: Any = {"10.1.7.8": {"zone": "a"}, "10.1.7.9": {"zone": "b"}}
    plane.write("cart.json", service("cart", "10.1.7.8", "10.1.7.9", **zones))
    shares = lambda zone: {  # noqa: E731
        each["address"]: (each["share"], each["priority"])
        for each in plane.get("explain", name="cart.shop", locality=f"/{zone}")["clusters"][0]["endpoints"]
    }
    await eventually(lambda: shares("b") == {"10.1.7.8": (0.0, 1), "10.1.7.9": (100.0, 0)})
    assert shares("a") == {"10.1.7.8": (100.0, 0), "10.1.7.9": (0.0, 1)}


async def test_a_service_that_is_not_exported_leads_nowhere_and_it_is_said_to_whom(plane, eventually) -> None:
    plane.write("pay.json", service("payments", "10.1.7.1", annotations={"pilothouse.dev/export-to": "shop"}))
    await eventually(lambda: plane.get("services", search="payments")["items"])
    found = plane.get("explain", name="payments.shop", namespace="front")
    assert not found["found"]
    assert found["problem"]["code"] == "not-exported"
    assert "front" in found["problem"]["words"]
    assert plane.get("explain", name="payments.shop", namespace="shop")["found"]
    said = plane.run("explain", "payments.shop", "--namespace", "front", status=1)
    assert "leads nowhere: shop/payments [not-exported]" in said


async def test_a_name_that_nothing_has_is_answered_with_near_ones(plane) -> None:
    found = plane.get("explain", name="carts.shop", namespace="shop")
    assert (found["found"], found["problem"]["code"], found["near"]) == (
        False,
        "no-such-service",
        ["shop/cart"],
    )
    assert plane.get("explain", name="cart")["problem"]["code"] == "no-namespace"
    assert plane.get("explain", name="cart.shop:81")["problem"]["code"] == "no-such-port"
    assert plane.get("explain", 400)["error"].startswith("name: is required")
    assert plane.get("explain", 400, name="cart", proxy="x", namespace="y")["error"].startswith("proxy: ")
    assert "there is no proxy x" in plane.get("explain", 404, name="cart", proxy="x")["error"]


@pytest.fixture
def suffixed(tmp_path: Path):
    folder = tmp_path / "suffixed"
    folder.mkdir()
    plane = Plane(folder, "--extra-suffixes", ".mesh")
    plane.write("a.json", service("payments", "10.1.7.1"))
    plane.write("b.json", service("payments", "10.1.7.2", namespace="mesh"))
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()


def test_a_name_that_is_taken_is_said_to_be_whose(suffixed) -> None:
    found = suffixed.get("explain", name="payments.mesh", namespace="shop")
    assert (found["found"], found["service"]) == (True, "mesh/payments")
    [note] = found["notes"]
    assert (note["code"], note["about"]) == ("name-taken", "shop/payments")
    assert note["words"] == "another Service has that host name: payments.mesh is mesh/payments"
    assert "[name-taken]" in suffixed.run("explain", "payments.mesh", "--namespace", "shop")


def test_what_a_short_name_costs_in_dns_is_said_with_the_name_that_costs_least(plane) -> None:
    asked = lambda host, **client: plane.get("explain", name=host, **client).get("dns")  # noqa: E731
    short = asked("cart", namespace="shop")
    assert short == {
        "asked": [{"name": "cart.shop.svc.cluster.local.", "exists": True}],
        "queries": 2,
        "shortest": "cart",
    }
    other = asked("cart.shop", namespace="front")
    assert [(each["name"], each["exists"]) for each in other["asked"]] == [
        ("cart.shop.front.svc.cluster.local.", False),
        ("cart.shop.svc.cluster.local.", True),
    ]
    assert (other["queries"], other["shortest"]) == (4, "cart.shop.svc.cluster.local.")
    outside = asked("example.com", namespace="shop")
    assert outside["asked"][3] == {"name": "example.com."}
    assert (outside["queries"], outside["shortest"]) == (8, "example.com.")
    assert asked("cart.shop") is None
    assert asked("10.1.7.8", namespace="shop") is None
    said = plane.run("explain", "cart.shop", "--namespace", "front")
    assert "asks for 2 names, with 4 queries; cart.shop.svc.cluster.local. needs one" in said


async def test_what_each_resolver_answers_is_said_also_of_what_is_not_exported(plane, eventually) -> None:
    own = {"pilothouse.dev/export-to": "."}
    plane.write("ledger.json", service("ledger", "10.1.7.7", namespace="bank", annotations=own))
    name = "ledger.bank.svc.cluster.local."
    answers = lambda **client: {  # noqa: E731
        each["resolver"]: (each["code"], each["name"])
        for each in plane.get("explain", name=name.rstrip("."), **client)["answers"]
    }
    await eventually(lambda: plane.get("explain", name=name.rstrip("."), namespace="bank")["found"])
    assert answers(namespace="shop") == {"serve --dns": ("NXDOMAIN", name), "dns-agent": ("NXDOMAIN", name)}
    assert answers(namespace="bank")["dns-agent"] == ("NODATA", name)
    assert answers() == {"serve --dns": ("NXDOMAIN", name)}
    said = plane.run("explain", name.rstrip("."), "--namespace", "shop", status=1)
    assert "CoreDNS     a Pod in shop asks for 4 names" in said
    assert f"serve --dns NXDOMAIN: {name}\ndns-agent   NXDOMAIN: {name}" in said


async def test_a_script_is_told_by_the_exit_status_whether_requests_get_anywhere(plane, eventually) -> None:
    plane.run("explain", "cart.shop")
    assert plane.get("explain", name="cart.shop")["reaches"]
    said = json.loads(plane.run("explain", "carts.shop", "-o", "json", status=1))
    assert (said["found"], said["reaches"]) == (False, False)
    plane.write("cart.json", service("cart", "10.1.7.8", not_ready=("10.1.7.8",)))
    await eventually(lambda: not plane.get("explain", name="cart.shop")["reaches"])
    said = plane.run("explain", "cart.shop", status=1)
    assert "leads nowhere: no request gets there" in said


def test_a_short_name_that_means_nothing_here_is_said_to_mean_something_elsewhere(plane) -> None:
    said = plane.run("explain", "cart", status=1)
    assert "try         --namespace shop; or a longer name, such as cart.shop" in said
    said = plane.run("explain", "cart", "--namespace", "front", status=1)
    assert "try         --namespace shop; or a longer name, such as cart.shop" in said
    assert "try " not in plane.run("explain", "carts.shop", status=1)


async def test_the_arithmetic_can_be_followed_from_health_to_priority_to_place(plane, eventually) -> None:
    zones: Any = {"10.1.7.7": {"zone": "a"}, "10.1.7.8": {"zone": "a"}, "10.1.7.9": {"zone": "b"}}
    addresses = ("10.1.7.7", "10.1.7.8", "10.1.7.9")
    plane.write("cart.json", service("cart", *addresses, not_ready=("10.1.7.8",), **zones))
    cluster = lambda **client: plane.get("explain", name="cart.shop", **client)["clusters"][0]  # noqa: E731
    await eventually(lambda: cluster()["total"] == 3)
    everywhere = cluster()
    assert everywhere["arithmetic"] == [
        "priority 0: 2 of 3 healthy, 66.67 % x 1.4 = 93.33 %; gets 100 %",
        "a: 1 of 2 healthy, 50 % x 1.4 = 70 %",
        "  weight 2 x 70 % = 1.4 of 2.4; gets 58.33 %",
        "b: 1 of 1 healthy",
        "  weight 1 of 2.4; gets 41.67 %",
        "93.33 % in all is less than 100 %: each priority gets its part of that",
    ]
    [priority] = everywhere["priorities"]
    assert [(each["weight"], each["trusted"], each["share"]) for each in priority["localities"]] == [
        (2, 70.0, 58.33),
        (1, 100.0, 41.67),
    ]
    assert cluster(locality="/a")["arithmetic"] == [
        "priority 0: 1 of 2 healthy, 50 % x 1.4 = 70 %; gets 70 %",
        "priority 1: 1 of 1 healthy; gets the rest, 30 %",
    ]
    said = plane.run("explain", "cart.shop")
    assert "\n    weight 2 x 70 % = 1.4 of 2.4; gets 58.33 %\n" in said


async def test_little_is_not_shown_as_nothing(plane, eventually) -> None:
    for name in ("v1", "v2"):
        plane.write(f"{name}.json", service(name, f"10.1.8.{name[1]}"))
    plane.write("route.json", route("cart", v1=100_000, v2=1))
    shares = lambda: [to["share"] for to in plane.get("explain", name="cart.shop")["routes"][0]["to"]]  # noqa: E731
    await eventually(lambda: shares() == [100.0, 0.001])
    assert "< 0.01 %  outbound|80||v2.shop" in plane.run("explain", "cart.shop")


async def test_a_name_that_has_gone_is_said_to_have_gone(plane, eventually) -> None:
    plane.write("pay.json", service("pay", "10.1.8.1"))
    await eventually(lambda: plane.get("explain", name="pay.shop")["found"])
    (plane.manifests / "pay.json").unlink()
    await eventually(lambda: not plane.get("explain", name="pay.shop")["found"])
    [about] = plane.get("explain", name="pay.shop")["last_change"]["services"]
    assert about["service"] == "shop/pay"
    assert "changed     shop/pay" in plane.run("explain", "pay.shop", status=1)


async def test_a_proxy_whose_namespace_has_no_service_is_told_so(plane, client, eventually) -> None:
    stream = await client("typo-1", namespace="shpo")
    await stream.ask(CLUSTER)
    await stream.names()
    said = plane.get("explain", name="cart", proxy="typo-1")["problem"]["words"]
    assert said == "no service has this name, and the client's namespace, shpo, has no service at all"
    assert "at all" not in plane.get("explain", name="carte", namespace="shop")["problem"]["words"]


async def test_what_a_proxy_depends_on_and_nobody_knows_is_marked(plane, client) -> None:
    about = {"pilothouse": {"namespace": "shop", "dependencies": ["shop/cart", "shop/nothere"]}}
    stream = await client("web-7", metadata=about)
    await stream.ask(CLUSTER)
    await stream.names()
    assert plane.get("proxies/web-7")["streams"][0]["unknown"] == ["shop/nothere"]
    assert "unknown     shop/nothere [declared-but-unknown]" in plane.run("proxies", "web-7")
    problem = plane.get("explain", name="nothere.shop", proxy="web-7")["problem"]
    assert problem["code"] == "declared-but-unknown"
    assert problem["words"].endswith("shop/nothere")
    assert plane.get("explain", name="other.shop", proxy="web-7")["problem"]["code"] == "no-such-service"


async def test_of_two_envoys_with_one_node_id_it_is_said_which_one_is_meant(plane, client) -> None:
    alone = await client("web-7")
    await alone.ask(CLUSTER)
    await alone.names()
    assert "streams" not in plane.get("explain", name="cart", proxy="web-7")["asked_by"]
    assert "ambiguous" not in plane.get("status")
    second = await client("web-7")
    await second.ask(CLUSTER)
    await second.names()
    newest = plane.get("proxies/web-7")["streams"][1]["peer"]
    asked_by = plane.get("explain", name="cart", proxy="web-7")["asked_by"]
    assert (asked_by["streams"], asked_by["peer"]) == (2, newest)
    assert plane.get("status")["ambiguous"] == ["web-7"]
    said = plane.run("explain", "cart", "--from", "web-7")
    assert f"beware: 2 clients state this node id; this is about {newest}" in said
    assert "beware: 2 Envoys state this node id" in plane.run("proxies", "web-7")
    assert "several Envoys state the node id web-7" in plane.run("status", status=1)
