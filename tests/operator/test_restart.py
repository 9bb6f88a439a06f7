"""What happened before a restart is still known after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.encoding.types import ResourceType
from pilothouse.journal import disk
from pilothouse.journal.disk import Kind
from pilothouse.journal.journal import CHANGE

from .plane import Plane, service, synced

ENDPOINTS = ResourceType.ENDPOINTS
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


def test_a_journal_that_cannot_be_used_is_moved_aside_with_a_line_in_the_log(plane, tmp_path: Path) -> None:
    plane.terminate()
    [file] = (tmp_path / "state" / "journal").glob("*.sqlite")
    file.write_bytes(b"no database" * 1000)
    plane.start()
    [line] = [each for each in plane._events() if "journal" in each["event"]]
    assert (line["level"], line["file"]) == ("error", str(file))
    assert Path(line["moved_to"]).read_bytes().startswith(b"no database")
    assert plane.get("changes")["items"]
