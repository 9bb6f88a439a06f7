"""Virtual IPs that services were given stay theirs, whatever becomes of processes, disks and manifests."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..conftest import Eventually
from ..ports import free_port
from .plane import Plane, service
from .test_names import addresses

RANGE = "240.240.0.0/16"
_BOTH = '[{"name": "tcp", "port": 8080}, {"name": "http", "port": 8081}]'


def manifest(name: str, **spec: Any) -> str:
    found = json.loads(service(name, "10.1.7.8", port="tcp"))
    found["items"][0]["spec"] = {"ports": [{"name": "tcp", "port": 5432}], **spec}
    return json.dumps(found)


def given(file: Path) -> dict[str, bool]:
    """Each address that is kept, and whether it is given now."""
    lines = file.read_text().splitlines(keepends=True)
    entries = [json.loads(line.partition(" ")[2]) for line in lines if line.endswith("\n")]
    return {address: is_given for address, _, _, is_given in entries}


def vips(plane: Plane, name: str) -> list[str]:
    return plane.get(f"services/shop/{name}")["virtual_ips"]


def all_vips(plane: Plane, names: list[str]) -> dict[str, str]:
    """Of services that have one each."""
    found = {name: vips(plane, name) for name in names}
    return {name: each[0] for name, each in found.items() if each}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def file(state: Path) -> Path:
    """What is kept."""
    return state / "addresses" / "allocated"


@pytest.fixture
def plane(tmp_path: Path, state: Path) -> Iterator[Plane]:
    """A control plane that is not started."""
    found = Plane(tmp_path, "--virtual-ips", RANGE, state=state)
    found.write("db.json", manifest("db"))
    try:
        yield found
    finally:
        found.stop()


async def test_vip_stable_restart_a_service_has_its_address_from_the_first_moment(
    plane: Plane, eventually: Eventually
) -> None:
    plane.start()
    plane.write("cart.json", manifest("cart"))
    await eventually(lambda: plane.get("services", search="cart")["items"] and vips(plane, "cart"))
    assert (vips(plane, "db"), vips(plane, "cart")) == (["240.240.0.1"], ["240.240.0.2"])
    plane.write("a-first.json", manifest("a-first"))
    plane.terminate()
    plane.start()
    assert (vips(plane, "db"), vips(plane, "cart")) == (["240.240.0.1"], ["240.240.0.2"])
    assert vips(plane, "a-first") == ["240.240.0.3"]


async def test_killed_in_a_burst_of_changes_nothing_has_moved(
    plane: Plane, file: Path, eventually: Eventually
) -> None:
    plane.start()
    names = [f"s{number}" for number in range(60)]
    seen: dict[str, str] = {}
    for killed in range(3):
        for name in names[killed * 20 : killed * 20 + 20]:
            plane.write(f"{name}.json", manifest(name))
        before = killed * 20 + 1
        await eventually(lambda before=before: len(given(file)) > before)
        for _ in range(2):
            listed = [each["name"] for each in plane.get("services", limit="1000")["items"]]
            seen |= all_vips(plane, [name for name in listed if name not in seen])
        plane.stop()
        plane.start()
        now = all_vips(plane, ["db", *names[: killed * 20 + 20]])
        assert len(now) == killed * 20 + 21
        assert {name: now[name] for name in seen} == seen
        assert len({*now.values()}) == len(now)


async def test_vip_user_conflict_who_states_an_address_has_it_and_the_other_gets_the_next(
    plane: Plane, eventually: Eventually
) -> None:
    plane.start()
    plane.write("cart.json", manifest("cart", clusterIP="240.240.0.1"))
    await eventually(lambda: vips(plane, "db") == ["240.240.0.2"])
    assert vips(plane, "cart") == ["240.240.0.1"]
    assert "a virtual IP has changed, because another service states it" in plane.log()
    plane.terminate()
    plane.start()
    assert (vips(plane, "db"), vips(plane, "cart")) == (["240.240.0.2"], ["240.240.0.1"])


async def test_vip_quarantine_a_service_that_comes_back_gets_its_address_and_another_does_not(
    plane: Plane, eventually: Eventually
) -> None:
    plane.start()
    (plane.manifests / "db.json").unlink()
    await eventually(lambda: not plane.get("services")["items"])
    plane.write("cart.json", manifest("cart"))
    await eventually(lambda: plane.get("services")["items"] and vips(plane, "cart") == ["240.240.0.2"])
    plane.write("db.json", manifest("db"))
    await eventually(lambda: len(plane.get("services")["items"]) == 2 and vips(plane, "db"))
    assert vips(plane, "db") == ["240.240.0.1"]


async def test_what_is_gone_when_the_process_starts_gives_its_address_back(
    plane: Plane, file: Path, eventually: Eventually
) -> None:
    plane.start()
    plane.terminate()
    plane.write("cart.json", manifest("cart"))
    (plane.manifests / "db.json").unlink()
    plane.start()
    await eventually(lambda: given(file) == {"240.240.0.1": False, "240.240.0.2": True})
    assert vips(plane, "cart") == ["240.240.0.2"], "the other one rests"


async def test_an_address_is_kept_while_a_manifest_cannot_be_read(plane: Plane, file: Path) -> None:
    plane.start()
    plane.terminate()
    plane.write("cart.json", manifest("cart"))
    plane.write("db.json", "{")
    plane.start()
    plane.write("db.json", manifest("db"))
    plane.terminate()
    plane.start()
    assert vips(plane, "db") == ["240.240.0.1"]
    assert given(file) == {"240.240.0.1": True, "240.240.0.2": True}


async def test_vip_exhausted_a_service_says_why_it_has_none_and_http_goes_on(
    tmp_path: Path, state: Path, eventually: Eventually
) -> None:
    plane = Plane(tmp_path, "--virtual-ips", "240.240.0.0/29", state=state)
    both = [{"name": "tcp", "port": 5432}, {"name": "http", "port": 80}]
    for number in range(8):
        text = manifest(f"s{number}", ports=both).replace('[{"name": "tcp", "port": 8080}]', _BOTH)
        plane.write(f"s{number}.json", text)
    try:
        plane.start()
        left_out = plane.get("services/shop/s7")["left_out"]
        said = "the Service needs a virtual IP and was given none: no address of 240.240.0.0/29 is free"
        assert {"code": "vip-not-given", "words": said, "about": "shop/s7"} in left_out

        def lacking() -> list[str]:
            listed = plane.get("services")["items"]
            return [each["name"] for each in listed if "vip-not-given" in each["left_out"]]

        await eventually(lambda: lacking() == ["s7"])
        assert "virtual IPs are exhausted" in plane.log()
        told = plane.run("explain", "s7:80", "--namespace", "shop")
        assert "outbound|80||s7.shop.svc.cluster.local" in told
        assert "no address of 240.240.0.0/29 is free" in told
    finally:
        plane.stop()


def test_a_file_of_garbage_is_one_warning_and_services_go_on(plane: Plane, file: Path) -> None:
    plane.start()
    plane.terminate()
    file.write_bytes(b"\xff\x00garbage\n" * 1000 + file.read_bytes())
    plane.start()
    assert vips(plane, "db") == ["240.240.0.1"]
    warnings = [each for each in plane.log().splitlines() if "cannot be read" in each]
    assert len(warnings) == 1
    assert f"{file}:1" in warnings[0]


async def test_a_folder_that_cannot_be_written_is_said_and_services_go_on_without(
    plane: Plane, file: Path, eventually: Eventually
) -> None:
    plane.start()
    shutil.move(file.parent, file.parent.with_name("elsewhere"))
    file.parent.write_text("a file in the place of the folder")
    plane.write("cart.json", manifest("cart"))
    why = "the Service needs a virtual IP and was given none: it cannot be kept"
    await eventually(
        lambda: (
            plane.get("services", search="cart")["items"]
            and why in str(plane.get("services/shop/cart")["left_out"])
        )
    )
    assert "virtual IPs cannot be kept" in plane.log()
    assert (vips(plane, "db"), vips(plane, "cart")) == (["240.240.0.1"], [])
    file.parent.unlink()
    await eventually(lambda: vips(plane, "cart") == ["240.240.0.2"])
    plane.terminate()
    plane.start()
    assert (vips(plane, "db"), vips(plane, "cart")) == (["240.240.0.1"], ["240.240.0.2"])


def test_a_what_if_keeps_nothing(plane: Plane, file: Path) -> None:
    plane.start()
    before = file.read_bytes()
    new = plane.manifests.parent / "new.json"
    new.write_text(manifest("new"))
    assert "240.240.0.2_5432" in plane.run("what-if", str(new))
    assert file.read_bytes() == before


async def test_workers_agree(tmp_path: Path, state: Path, eventually: Eventually) -> None:
    port = free_port()
    flags = "--virtual-ips", RANGE, "--dns", f"127.0.0.1:{port}", "--workers", "2"
    plane = Plane(tmp_path, *flags, state=state)
    names = [f"s{number}" for number in range(30)]
    try:
        for name in names[:10]:
            plane.write(f"{name}.json", manifest(name))
        plane.start()
        for name in names[10:]:
            plane.write(f"{name}.json", manifest(name))

        def told() -> list[set[str]]:
            """What is answered to questions that either worker may have got."""
            return [{*addresses(port, f"{name}.shop.svc.cluster.local.")} for name in names for _ in range(4)]

        await eventually(lambda: all(told()))
        answers = told()
        by_name = [set().union(*answers[at : at + 4]) for at in range(0, len(answers), 4)]
        assert all(len(each) == 1 for each in by_name), "all workers say the same"
        assert len(set().union(*by_name)) == len(names)
    finally:
        plane.stop()
