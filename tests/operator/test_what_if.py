"""What a client that does not exist would get, and what manifests would change before they are applied."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from pilothouse.encoding.types import ResourceType

from .plane import service

CLUSTER, ENDPOINTS = ResourceType.CLUSTER, ResourceType.ENDPOINTS
CART = "outbound|80||cart.shop.svc.cluster.local"
NODE = {"id": "web-9", "cluster": "web", "metadata": {"pilothouse": {"namespace": "shop"}}}


def posted(plane, page: str, sent: Any, status: int = 200) -> Any:
    data = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    kind = {"content-type": "application/json"}
    address = f"http://{plane.admin}/api/v1/{page}"
    answer = httpx.post(address, content=data, headers=kind, trust_env=False, timeout=30)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_a_node_that_is_not_connected_is_shown_what_it_would_get(plane, client, tmp_path) -> None:
    said = posted(plane, "resources", NODE)
    assert (said["node"], said["namespace"], said["dialect"]) == ("web-9", "shop", "envoy")
    assert [(each["type"], each["name"]) for each in said["items"]] == [
        ("CDS", CART),
        ("EDS", CART),
        ("LDS", "egress"),
        ("RDS", "egress"),
    ]
    stream = await client("web-9")
    for type, names in ((CLUSTER, ()), (ENDPOINTS, (CART,))):
        await stream.ask(type, *names)
        await stream.names()
    held = plane.get("proxies/web-9/resources", content="yes")["items"]
    whole = posted(plane, "resources?content=yes", NODE)["items"]
    assert held == whole[:2], "a proxy with this node holds the same"
    file = tmp_path / "bootstrap.json"
    file.write_text(json.dumps({"node": NODE, "admin": {}}))
    lines = plane.run("resources", "--node", str(file)).splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [[each["type"], each["name"]] for each in whole]
    inside = json.loads(plane.run("resources", "--node", str(file), "cds", CART))
    assert inside == whole[0]["content"]


async def test_a_node_that_captures_gets_listeners_at_virtual_ips_and_nothing_that_runs_is_touched(
    plane,
) -> None:
    text = json.loads(service("pay", "10.1.7.1"))
    text["items"][0]["spec"]["clusterIP"] = "10.96.0.7"
    plane.write("pay.json", json.dumps(text))
    node = {**NODE, "metadata": {"pilothouse": {"namespace": "shop", "capture": "vip"}}}
    while not (found := [each["name"] for each in posted(plane, "resources?type=LDS", node)["items"]])[1:]:
        pass
    assert found == ["10.96.0.7_80", "egress"]
    assert [each["name"] for each in posted(plane, "resources?type=LDS", NODE)["items"]] == ["egress"]


def test_a_node_that_is_none_is_refused_with_the_field(plane, tmp_path) -> None:
    refused = lambda sent, status=400: posted(plane, "resources", sent, status)["error"]  # noqa: E731
    assert refused({"id": 7}).startswith("node: Failed to parse id field")
    assert "nothing" in refused({"nothing": 7})
    bad = {"metadata": {"pilothouse": {"namespace": "No"}}}
    assert refused(bad) == "node.metadata.pilothouse.namespace: 'No' is not a namespace name"
    assert refused(b"[]") == "the body: Expected `object`, got `array`"
    assert refused(b"nonsense").startswith("the body is no JSON: ")
    assert refused(b'{"id":' * 9000 + b"1" + b"}" * 9000).startswith("the body is no JSON: ")
    assert refused(b" " * (64 << 10) + b"{}", 413) == "the body has more than 65536 bytes"
    file = tmp_path / "node.json"
    file.write_text("7")
    assert "has no node in it" in plane.run("resources", "--node", str(file), status=2)
    file.write_text("node: {id: a}\n---\nnode: {id: b}\n")
    two = plane.run("resources", "--node", str(file), status=2)
    assert two == f"pilothouse: --node: {file}: is not one document of JSON or YAML\n"
    assert "no such file" in plane.run("resources", "--node", str(tmp_path / "none"), status=2)


def test_more_services_than_can_be_tried_are_refused_with_their_number(plane, tmp_path) -> None:
    spec = {"ports": [{"port": 80}]}
    named = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": f"s{each}"}, "spec": spec}
        for each in range(10_001)
    ]
    file = tmp_path / "many.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": named}))
    said = plane.run("what-if", f"{file}=shop", status=2)
    assert "10,001 services would change, and 10,000 can be tried at a time: give fewer manifests" in said


@pytest.mark.parametrize(
    "manifest",
    [
        service("cart"),
        service("cart", "10.1.7.8", port="other"),
        service("cart", "10.1.7.8", not_ready=["10.1.7.8"]),
    ],
    ids=["no endpoint", "another port", "not ready"],
)
def test_a_manifest_that_leaves_no_endpoint_to_be_called_is_said_to(plane, tmp_path, manifest) -> None:
    file = tmp_path / "cart.json"
    file.write_text(manifest)
    beware = "beware: shop/cart would have no endpoint that is called"
    assert beware in plane.run("what-if", str(file)).splitlines()
    file.write_text(service("cart", "10.1.7.8", "10.1.7.9", "10.1.7.10"))
    assert "beware" not in plane.run("what-if", str(file))


async def test_what_a_manifest_would_change_is_what_it_changes_when_it_is_applied(
    plane, client, eventually, tmp_path
) -> None:
    stream = await client("web-7")
    await stream.ask(ENDPOINTS, CART)
    await stream.names()

    def versions():
        return {each["name"]: each["version"] for each in plane.get("proxies/web-7/resources")["items"]}

    before, changes = versions(), plane.get("changes")["items"]
    file = tmp_path / "cart.json"
    file.write_text(service("cart", "10.1.7.8"))
    said = plane.run("what-if", str(file))
    assert "1 service would change in source files:" in said
    assert "shop/cart: 2 endpoints -> 1 endpoint; 10.1.7.9 removed" in said
    assert said.splitlines()[-1] == "no faults; 1 connected proxy would notice"
    found = json.loads(plane.run("what-if", str(file), "-o", "json"))
    assert found["effects"] == [
        {"type": "EDS", "name": CART, "effect": "changed", "proxies": 1, "nodes": ["web-7"]}
    ]
    assert (versions(), plane.get("changes")["items"]) == (before, changes), "nothing has happened"
    plane.write("cart.json", file.read_text())
    await stream.names()
    assert versions() != before
    again = json.loads(plane.run("what-if", str(file), "-o", "json"))
    assert (again["touched"], again["effects"], again["ok"]) == (0, [], True)


def test_a_service_without_its_slices_is_joined_with_those_that_run(plane, tmp_path) -> None:
    text = json.loads(service("cart"))["items"][0]
    text["spec"]["ports"].append({"name": "admin", "port": 81})
    file = tmp_path / "cart.json"
    file.write_text(json.dumps(text))
    found = json.loads(plane.run("what-if", str(file), "-o", "json"))
    effects = {(each["type"], each["name"]): each["effect"] for each in found["effects"]}
    admin = "outbound|81||cart.shop.svc.cluster.local"
    assert effects[("CDS", admin)] == effects[("EDS", admin)] == "added"
    assert ("EDS", CART) not in effects, "its endpoints stay"
    assert "port-name-mismatch" in {each["code"] for each in found["left_out"]}


async def test_a_service_that_proxies_would_lose_is_named_with_them(plane, client, tmp_path) -> None:
    stream = await client("web-7")
    await stream.ask(CLUSTER)
    await stream.names()
    file = tmp_path / "cart.json"
    file.write_text(service("cart"))
    said = plane.run("what-if", "--delete", str(file)).splitlines()
    assert said[-2:] == [
        "gone: shop/cart, which web-7 would lose",
        "no faults; 1 connected proxy would notice",
    ]
    found = json.loads(plane.run("what-if", "--delete", str(file), "-o", "json"))
    assert found["gone"] == [{"service": "shop/cart", "proxies": 1, "nodes": ["web-7"]}]


def test_what_would_be_deleted_and_what_cannot_be_accepted_is_said_with_its_place(plane, tmp_path) -> None:
    file = tmp_path / "cart.json"
    file.write_text(service("cart"))
    found = json.loads(plane.run("what-if", "--delete", str(file), "-o", "json"))
    assert found["services"] == [{"service": "shop/cart", "place": f"{file}:1", "what": "removed"}]
    assert {each["effect"] for each in found["effects"] if each["type"] == "CDS"} == {"removed"}
    assert "gone" not in found or not found["gone"], "no proxy is connected"
    file.write_text(service("cart", "10.1.7.8").replace('"port": 80\n', '"port": 70000\n'))
    said = plane.run("what-if", str(file), status=1)
    assert "fault: " in said
    assert "port" in said
    assert said.splitlines()[-1].startswith("faults; ")


def test_a_mistake_in_what_is_supposed_names_the_field(plane) -> None:
    refused = lambda sent: posted(plane, "what-if", sent, 400)["error"]  # noqa: E731
    assert refused({}) == "the body: Object missing required field `files`"
    assert "`$.files[0].text`" in refused({"files": [{"name": "a", "text": 1}]})
    assert "unknown field `dlete`" in refused({"files": [], "dlete": True})
    assert refused({"files": [], "source": "consul"}).startswith("source: 'consul' is none that reads")


async def test_only_proxies_that_would_get_a_change_are_counted_and_all_of_them_are(
    plane, client, tmp_path
) -> None:
    for number in range(12):
        stream = await client(f"web-{number:02}")
        await stream.ask(CLUSTER)
        await stream.names()
        await stream.ask(ENDPOINTS, CART)
        await stream.names()
    other = await client("all-1")
    await other.ask(ResourceType.ROUTES, "egress")
    await other.names()
    file = tmp_path / "pay.json"
    file.write_text(service("pay", "10.1.8.1"))
    found = json.loads(plane.run("what-if", str(file), "-o", "json"))
    reached = {each["type"]: each["proxies"] for each in found["effects"]}
    assert reached == {"CDS": 12, "EDS": 12, "RDS": 1}
    [routes] = [each for each in found["effects"] if each["type"] == "RDS"]
    assert (routes["name"], routes["nodes"]) == ("egress", ["all-1"])
    assert found["proxies"] == 13
    assert "web-09 and 2 more" in plane.run("what-if", str(file), "-o", "wide")
