"""Values of Envoy's runtime (RTDS): from a file, over ADS, changed without a restart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .load import ask
from .manifests import service

pytestmark = pytest.mark.envoy

STAYS = "keeping its last valid version"


@pytest.fixture
async def file(mesh, tmp_path) -> Path:
    one = await mesh.backend("one")
    mesh.manifests.save("payments", service("payments"), one.slice("payments"))
    file = tmp_path / "runtime.yaml"
    file.write_text(
        "shop.limit: 3\nshop:\n  enabled: true\nshop.share: {numerator: 5, denominator: HUNDRED}\n"
    )
    return file


async def test_a_sidecar_has_the_values_and_follows_them(mesh, file, eventually) -> None:
    control_plane = await mesh.serve("--runtime", str(file))
    asking = await mesh.sidecar(control_plane.port, runtime=True)
    other = await mesh.sidecar(control_plane.port)
    found = await asking.runtime()
    assert (found["shop.limit"], found["shop.enabled"]) == ("3", "true")
    assert "number_value: 5" in found["shop.share"]
    assert "shop.limit" not in await other.runtime()

    file.write_text(json.dumps({"shop.limit": 4}))
    await eventually(lambda: has(asking, "shop.limit", "4"))
    assert "shop.enabled" not in await asking.runtime(), "a layer is a whole"
    assert await asking.rejected() == {}
    assert await ask(asking.egress, "payments") == (200, "one")


async def test_a_broken_file_changes_nothing_and_is_shown(mesh, file, eventually) -> None:
    control_plane = await mesh.serve("--runtime", str(file))
    sidecar = await mesh.sidecar(control_plane.port, runtime=True)
    file.write_text("shop.limit: 4\nshop.limit: 5\n")
    await eventually(lambda: faults(control_plane))
    [fault] = await faults(control_plane)
    assert (fault["line"], fault["field"], fault["message"]) == (2, "shop.limit", "appears twice")
    assert fault["in_force"] == STAYS
    assert (await control_plane.ready())["status"] == 200
    assert await has(sidecar, "shop.limit", "3")

    file.write_text("shop.limit: 5\n")
    await eventually(lambda: has(sidecar, "shop.limit", "5"))
    assert await faults(control_plane) == []


async def test_what_changes_while_nobody_serves_arrives_afterwards(mesh, file, eventually) -> None:
    control_plane = await mesh.serve("--runtime", str(file))
    sidecar = await mesh.sidecar(control_plane.port, runtime=True)
    control_plane.kill()
    file.write_text("shop.limit: 7\n")
    await mesh.launch(control_plane)
    await eventually(lambda: has(sidecar, "shop.limit", "7"))
    assert await ask(sidecar.egress, "payments") == (200, "one")
    assert await sidecar.rejected() == {}


async def test_without_a_file_a_sidecar_that_asks_starts_all_the_same(mesh, file) -> None:
    control_plane = await mesh.serve()
    sidecar = await mesh.sidecar(control_plane.port, runtime=True)
    assert await ask(sidecar.egress, "payments") == (200, "one")
    assert await sidecar.rejected() == {}


async def has(sidecar, key: str, value: str) -> bool:
    return (await sidecar.runtime()).get(key) == value


async def faults(control_plane) -> list[dict]:
    sources = (await control_plane.ready())["sources"]
    return [fault for source in sources if source["name"] == "runtime" for fault in source["faults"]]
