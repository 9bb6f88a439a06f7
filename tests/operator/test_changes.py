"""What changed and who has it; what was rejected; and that nothing changes any more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pilothouse.encoding.types import ResourceType

from ..apiserver.fake import FakeApi
from ..sources.kubernetes.backend import service as of_cluster
from ..sources.kubernetes.backend import slice_of
from .plane import Plane, service, synced

CLUSTER, ENDPOINTS = ResourceType.CLUSTER, ResourceType.ENDPOINTS


async def test_who_removed_all_endpoints_of_a_service_is_known_with_the_place_and_in_words(
    plane, client, eventually
) -> None:
    stream = await synced(client, "web-7")
    plane.write("cart.json", service("cart"))
    await stream.names()
    done = lambda: (  # noqa: E731
        (found := plane.get("changes", service="shop/cart")["items"])
        and found[0].get("published", {}).get("acknowledged")
        and found[0]
    )
    change = await eventually(done)
    assert change["source"] == "files"
    assert change["place"].startswith(str(plane.manifests / "cart.json"))
    [said] = change["services"]
    assert said["service"] == "shop/cart"
    assert said["what"] == "2 endpoints -> 0 endpoints; 10.1.7.8 and 1 more removed"
    told = change["published"]
    assert (told["proxies"], told["acknowledged"]) == (1, 1)
    assert (told["outstanding"], told["rejected"]) == (0, 0)
    assert told["waited"] >= 0
    text = plane.run("changes", "shop/cart", "--since", "10m")
    assert "2 endpoints -> 0 endpoints" in text
    assert "1/1 proxy in" in text


async def test_who_has_not_answered_a_change_is_named(plane, client, eventually) -> None:
    quick, slow = await synced(client, "web-1"), await synced(client, "web-2")
    plane.write("cart.json", service("cart", "10.1.7.8"))
    await quick.names()
    late = await slow.read()
    number = plane.get("changes")["items"][0]["number"]
    waiting = lambda: plane.get(f"changes/{number}").get("waiting_for") == ["web-2"]  # noqa: E731
    await eventually(waiting)
    told = plane.get(f"changes/{number}")["published"]
    assert (told["proxies"], told["acknowledged"], told["outstanding"]) == (2, 1, 1)
    assert told["slowest"] == "web-1"
    await slow.accept(late)
    await eventually(lambda: plane.get(f"changes/{number}")["published"]["slowest"] == "web-2")
    assert "2/2 proxies in" in (said := plane.run("changes", "shop/cart"))
    assert "web-2 last" in said
    found = plane.get(f"changes/{number}")
    assert [each["node"] for each in found["published"]["answered"]] == ["web-2", "web-1"], "slowest first"
    assert 0 <= found["delay"] < found["published"]["waited"]


async def test_a_change_that_a_proxy_left_without_an_answer_is_never_shown_as_complete(
    plane, client, eventually
) -> None:
    good, stream = await synced(client, "web-1"), await synced(client, "web-2")
    plane.write("cart.json", service("cart", "10.1.7.8"))
    await good.names()
    await stream.read()
    number = plane.get("changes")["items"][0]["number"]
    stream.call.cancel()
    told = lambda: plane.get(f"changes/{number}")["published"]  # noqa: E731
    await eventually(lambda: told()["left"] == 1 and told()["acknowledged"] == 1)
    assert (told()["proxies"], told()["outstanding"], told()["left_by"]) == (2, 0, ["web-2"])
    text = plane.run("changes", "shop/cart")
    assert "1/2 proxies, 1 left without an answer (web-2)" in text
    assert " in 0" not in text
    text = plane.run("trace", str(number))
    assert "1 of 2 proxies acknowledged it" in text
    assert "1 left without an answer: web-2" in text
    assert "web-1 EDS" in text
    [files] = plane.get("propagation")["items"]
    assert files["incomplete"] == 1


async def test_a_rejected_resource_is_mapped_to_its_service_and_place(plane, client, eventually) -> None:
    stream, other = await client("web-7"), await client("web-6")
    for each in (stream, other):
        await each.ask(CLUSTER)
        await each.names()
    plane.write("pay.json", service("payments", "10.1.7.1"))
    await other.names()  # which accepts it, so it is not taken back
    response = await stream.read()
    text = "Error adding/updating cluster(s) outbound|80||payments.shop.svc.cluster.local: no such thing"
    await stream.accept(response, error=text)
    [nack] = await eventually(lambda: plane.get("nacks")["items"])
    assert (nack["node"], nack["type"], nack["text"]) == ("web-7", "CDS", text)
    assert nack["resource"] == "outbound|80||payments.shop.svc.cluster.local"
    [about] = nack["services"]
    assert (about["service"], about["quarantined"]) == ("shop/payments", False)
    assert about["place"].startswith(str(plane.manifests / "pay.json"))
    newest = plane.get("changes", service="shop/payments")["items"][0]
    assert about["change"] == newest["number"]
    told = newest["published"]
    assert (told["rejected"], told["rejected_by"]) == (1, ["web-7"])
    assert "shop/payments" in plane.run("nacks")
    assert "rejected (web-7)" in plane.run("changes", "shop/payments")
    assert "web-7 is NACKED" in plane.run("status", status=1)


async def test_a_service_that_its_only_reader_rejects_is_taken_back_and_it_is_said_why(
    plane, client, eventually
) -> None:
    stream = await client("web-7")
    await stream.ask(CLUSTER)
    await stream.names()
    plane.write("pay.json", service("payments", "10.1.7.1"))
    await stream.accept(await stream.read(), error="no such thing")
    found = await eventually(lambda: plane.get("services/shop/payments").get("quarantined"))
    assert (found["reason"], found["served"]) == ("rejected by web-7: no such thing", False)
    [last, *_] = plane.get("changes", service="shop/payments")["items"]
    assert (last["source"], last["place"]) == ("proxies", "rejected by web-7")
    text = plane.run("trace", str(last["number"]))
    assert "published again, because of proxies: rejected by web-7" in text
    assert "declared at" not in text
    await stream.names()
    await eventually(lambda: not plane.get("nacks")["items"])
    assert "quarantined" in plane.run("status", status=1)
    plane.write("pay.json", service("payments", "10.1.7.1", annotations={"pilothouse.dev/export-to": "shop"}))
    assert await stream.names()
    await eventually(lambda: not plane.get("services/shop/payments").get("quarantined"))


def test_changes_since_a_time_are_shown_and_a_time_that_is_none_is_refused(plane) -> None:
    assert plane.get("changes", since="2020-01-01T00:00:00Z")["items"]
    assert plane.get("changes", since="2999-01-01T00:00:00Z")["items"] == []
    assert plane.get("changes", 400, since="soon") == {
        "error": "since: must be a duration such as 10m or 2h, or a time such as 2026-01-31T02:14:00Z,"
        " not 'soon'"
    }


async def test_a_file_that_cannot_be_read_any_more_is_named_with_what_stays(plane, eventually) -> None:
    (plane.manifests / "cart.json").write_text("{")
    [source] = await eventually(
        lambda: (found := plane.get("sources")["items"]) and found[0]["faults"] and found
    )
    [fault] = source["faults"]
    assert fault["file"] == str(plane.manifests / "cart.json")
    assert fault["in_force"] == "keeping its last valid version"
    assert str(plane.manifests / "cart.json") in plane.run("sources")
    assert "warning: source files" in plane.run("status", status=1)


async def test_a_change_that_is_long_ago_is_not_found(plane) -> None:
    known = plane.get("changes")["items"][0]["number"]
    error = plane.get("changes/99", 404)["error"]
    assert error == f"there is no change 99; known are 1 to {known}"


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """The API server of a cluster that has `shop/web`."""
    found = FakeApi()
    found.put("Service", "web", **of_cluster())
    found.put("EndpointSlice", "web-1", **slice_of("web", "10.1.9.1"))
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def in_cluster(api: FakeApi, tmp_path: Path) -> Iterator[Plane]:
    """A control plane that follows the cluster."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        json.dumps(
            {
                "current-context": "it",
                "contexts": [{"name": "it", "context": {"cluster": "it", "user": "me"}}],
                "clusters": [{"name": "it", "cluster": {"server": api.url}}],
                "users": [{"name": "me", "user": {}}],
            }
        )
    )
    found = Plane(tmp_path, "--kubeconfig", str(kubeconfig))
    try:
        found.start()
        yield found
    finally:
        found.stop()


async def test_when_nothing_changes_any_more_the_source_says_since_when_and_why(
    in_cluster, api, eventually
) -> None:
    plane = in_cluster

    def source() -> dict[str, Any]:
        return next(each for each in plane.get("sources")["items"] if each["name"] == "kubernetes")

    assert not source()["stale"]
    assert "stale_since" not in source()
    before = datetime.now(UTC).replace(microsecond=0)
    api.stop()
    await eventually(lambda: source()["stale"])
    found = source()
    assert before <= datetime.fromisoformat(found["stale_since"]) <= datetime.now(UTC)
    assert "cannot be reached" in found["error"]
    assert [row["name"] for row in plane.get("services")["items"]] == ["web"]
    assert "warning: source kubernetes: " in plane.run("status", status=1)
    assert "kubernetes" in plane.run("sources")
    api.start()
    await eventually(lambda: not source()["stale"])
    assert "stale_since" not in source()
