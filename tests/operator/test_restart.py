"""What happened before a restart is still known after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pilothouse._pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from pilothouse.encoding.types import ResourceType
from pilothouse.journal import disk
from pilothouse.journal.disk import Kind
from pilothouse.journal.journal import CHANGE

from .plane import Plane, service, synced

CLUSTERS, ENDPOINTS = ResourceType.CLUSTER, ResourceType.ENDPOINTS
CART = "outbound|80||cart.shop.svc.cluster.local"


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    """A control plane that keeps a state folder."""
    found = Plane(tmp_path, state=tmp_path / "state")
    found.write("cart.json", service("cart", "10.1.7.8", "10.1.7.9"))
    try:
        found.start()
        yield found
    finally:
        found.stop()


async def test_changes_and_notes_are_known_after_a_restart(plane, client, eventually) -> None:
    stream = await client("web-7")
    await stream.ask(ENDPOINTS, CART)
    await stream.names()
    plane.write("cart.json", service("cart", "10.1.7.8"))
    await stream.accept(await stream.read(), error="no such thing")
    changed = lambda: (  # noqa: E731
        (found := plane.get("changes", service="shop/cart")["items"][0]).get("published", {}).get("rejected")
        and found
    )
    before = await eventually(changed)
    [said] = before["services"]
    assert said["endpoints"] == {
        "before": 2,
        "after": 1,
        "removed": {"count": 1, "first": ["10.1.7.9"]},
    }
    assert [each["node"] for each in before["published"]["answered"]] == ["web-7"]
    [note] = plane.get("notes")["items"]
    assert (note["kind"], note["who"], note["what"]) == ("nack", "web-7", "rejects EDS: no such thing")
    [first] = [each for each in plane.get("changes")["items"] if each["number"] == 1]
    assert [each["what"] for each in first["services"]] == ["first load: 1 service"]
    assert "first load: 1 service" in plane.run("changes", "--since", "1h")
    plane.terminate()
    plane.write("pay.json", service("pay", "10.1.8.1"))
    plane.start()
    after = await eventually(lambda: plane.get("changes", service="shop/cart")["items"])
    assert {**before, "earlier": True} in after
    assert plane.get(f"changes/{before['number']}") == {**before, "earlier": True}
    numbers = [each["number"] for each in plane.get("changes")["items"]]
    assert 1 in numbers, "the first load is kept, too"
    assert numbers == sorted(set(numbers), reverse=True)
    assert max(numbers) > before["number"]
    assert plane.get("notes")["items"] == [note]
    pages, cursor = [], {}
    while True:
        page = plane.get("changes", limit="1", **cursor)
        pages += [each["number"] for each in page["items"]]
        if "next" not in page:
            break
        cursor = {"after": page["next"]}
    assert pages == numbers
    text = plane.run("changes", "shop/cart", "--since", "3d")
    assert "2 endpoints -> 1 endpoint" in text


@pytest.mark.parametrize("killed", [True, False])
async def test_a_change_whose_answers_were_outstanding_ended_with_its_process(
    plane, tmp_path: Path, client, eventually, killed: bool
) -> None:
    stream = await synced(client, "web-7")
    plane.write("cart.json", service("cart", "10.1.7.8"))
    await stream.read()  # which is never answered
    waiting = lambda: plane.get("changes")["items"][0].get("waiting_for") == ["web-7"]  # noqa: E731
    await eventually(waiting)
    number = plane.get("changes")["items"][0]["number"]
    if killed:
        [file] = (tmp_path / "state" / "journal").glob("*.sqlite")
        kept = lambda: disk.read(file, disk.one(Kind(CHANGE, lambda number, _: number), number)).items  # noqa: E731
        await eventually(kept)
        plane.stop()
    else:
        plane.terminate()
    plane.start()
    change = plane.get(f"changes/{number}")
    told = change["published"]
    assert told["outstanding"] == 0
    if killed:
        assert (told["unknown"], change["waiting_for"]) == (1, ["web-7"])
        said = "1 unknown, as the process ended before their answers"
        assert f"0/1 proxy, {said}" in plane.run("changes")
    else:
        assert (told["left"], told["left_by"]) == (1, ["web-7"])
        said = "1 left without an answer"
        assert f"0/1 proxy, {said} (web-7)" in plane.run("changes")
    assert f"{said}: web-7" in plane.run("trace", str(number))


REFUSED = {"pilothouse.dev/load-balancing": "random"}
PAY = "outbound|80||pay.shop.svc.cluster.local"
WHY = f"Error adding/updating cluster(s) {PAY}: no such file"


async def test_what_every_proxy_refused_is_not_served_again_after_a_restart(
    plane, tmp_path: Path, client, eventually
) -> None:
    plane.write("pay.json", service("pay", "10.1.8.1"))
    await eventually(lambda: plane.get("services")["items"][1:])
    kept = lambda: list((tmp_path / "state" / "recalled").glob("*.state"))  # noqa: E731
    quarantined = lambda: plane.get("services/shop/pay").get("quarantined")  # noqa: E731
    stream = await client("web-7")
    await stream.ask(CLUSTERS)
    assert await stream.names() == [CART, PAY]
    plane.write("pay.json", service("pay", "10.1.8.1", annotations=REFUSED))
    await stream.accept(await stream.read(), error=WHY)
    before = await eventually(quarantined)
    good = await stream.read()
    await eventually(kept)
    plane.terminate()
    plane.start()
    after = quarantined()
    assert (after["reason"], after["served"]) == (before["reason"], True)
    stream = await client("web-7")
    await stream.ask(CLUSTERS)
    found = await stream.read()
    assert policies(found)[PAY] == policies(good)[PAY], "the version that works"
    await stream.accept(found)
    assert not plane.get("nacks")["items"]
    plane.write(
        "pay.json", service("pay", "10.1.8.1", annotations={"pilothouse.dev/load-balancing": "least-request"})
    )
    assert policies(await stream.read())[PAY] != policies(good)[PAY]
    await eventually(lambda: not quarantined() and not kept())


async def test_a_new_service_that_every_proxy_refused_is_not_served_after_a_restart_either(
    plane, tmp_path: Path, client, eventually
) -> None:
    stream = await client("web-7")
    await stream.ask(CLUSTERS)
    assert await stream.names() == [CART]
    plane.write("pay.json", service("pay", "10.1.8.1"))
    await stream.accept(await stream.read(), error=WHY)
    await eventually(lambda: list((tmp_path / "state" / "recalled").glob("*.state")))
    plane.stop()
    plane.start()
    assert plane.get("services/shop/pay")["quarantined"]["served"] is False
    stream = await client("web-7")
    await stream.ask(CLUSTERS)
    assert await stream.names() == [CART]
    await stream.ask(ENDPOINTS, PAY)
    await eventually(lambda: plane.get("proxies")["items"])


async def test_what_was_taken_back_is_tried_again_if_it_cannot_be_read(
    plane, tmp_path: Path, client, eventually
) -> None:
    stream = await client("web-7")
    await stream.ask(CLUSTERS)
    await stream.names()
    plane.write("pay.json", service("pay", "10.1.8.1"))
    await stream.accept(await stream.read(), error=WHY)
    [file] = await eventually(lambda: list((tmp_path / "state" / "recalled").glob("*.state")))
    plane.stop()
    file.write_bytes(b"no state")
    plane.start()
    assert [each for each in plane._events() if each.get("file") == str(file)]
    assert plane.get("services/shop/pay").get("quarantined") is None


def policies(response: Any) -> dict[str, int]:
    """The load-balancing policy of each cluster in a response."""
    found: dict[str, int] = {}
    for each in response.resources:
        cluster = Cluster.FromString(getattr(each, "resource", each).value)
        found[cluster.name] = cluster.lb_policy
    return found


def test_a_journal_that_cannot_be_used_is_moved_aside_with_a_line_in_the_log(plane, tmp_path: Path) -> None:
    plane.terminate()
    [file] = (tmp_path / "state" / "journal").glob("*.sqlite")
    file.write_bytes(b"no database" * 1000)
    plane.start()
    [line] = [each for each in plane._events() if "journal" in each["event"]]
    assert (line["level"], line["file"]) == ("error", str(file))
    assert Path(line["moved_to"]).read_bytes().startswith(b"no database")
    assert plane.get("changes")["items"]
