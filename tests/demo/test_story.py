"""The story: every act shows something, and its manifests say what the mesh is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from pilothouse.cli.inspection import Severity, inspect
from pilothouse.demo.manifests import manifests, save
from pilothouse.demo.mesh import CALLERS, FLOWS, HOSTS, START, ZONES, Mesh
from pilothouse.demo.shares import wanted
from pilothouse.demo.story import STORY, Act, Doing
from pilothouse.kubernetes.roots import Root
from pilothouse.kubernetes.served import ServedCluster
from pilothouse.model.services import Locality, ServiceName
from pilothouse.sources.files.disk import Look, look
from pilothouse.sources.files.last_good import LastGood

PORT = 20_080


def states() -> Iterator[tuple[Act, Mesh, Mesh]]:
    mesh = START
    for act in STORY:
        before, mesh = mesh, act.edit(mesh)
        yield act, before, mesh


MESHES = [START, *(after for _, _, after in states())]


def test_a_dozen_pods_and_three_callers_are_in_three_zones() -> None:
    assert len(START.pods) == len({pod.address for pod in START.pods}) == 12
    assert {pod.zone for pod in START.pods} == {caller.zone for caller in CALLERS} == set(ZONES)
    assert len({caller.namespace for caller in CALLERS}) == 3
    assert sorted(caller.sotw for caller in CALLERS) == [False, False, True]


@pytest.mark.parametrize(("act", "before", "after"), list(states()))
def test_an_act_changes_what_its_focus_sees_or_nothing_at_all(act: Act, before: Mesh, after: Mesh) -> None:
    edits = act.doing in (Doing.RENAME, Doing.IN_PLACE)
    assert (wanted(before, act.focus) != wanted(after, act.focus)) is edits
    assert (before != after) is edits


def test_the_story_has_all_its_steps_and_both_ways_to_save() -> None:
    assert sorted({act.step for act in STORY}) == [1, 2, 3, 4, 5, 6]
    assert {act.doing for act in STORY} == set(Doing)


def test_it_ends_as_it_began_but_for_the_move() -> None:
    assert MESHES[-1].pods == START.pods
    assert (START.web, MESHES[-1].web) == ("blue", "green")


def test_a_lost_zone_is_made_up_for_by_the_others() -> None:
    lost = next(after for act, _, after in states() if act.title == "zone eu-c is lost")
    for flow in FLOWS:
        assert "503" not in wanted(lost, flow)
        assert not [pod for pod in wanted(lost, flow) if pod.partition("-")[2].startswith("c")]


@pytest.mark.parametrize("mesh", MESHES)
def test_the_manifests_of_every_state_have_no_faults(mesh: Mesh, tmp_path: Path) -> None:
    save(tmp_path, {}, manifests(mesh, PORT))
    found = inspect([Root(tmp_path)], ServedCluster(allow_loopback=True))
    assert found.of(Severity.ERROR) + found.of(Severity.WARNING) == []


@pytest.mark.parametrize("mesh", MESHES)
def test_the_manifests_say_what_the_mesh_is(mesh: Mesh, tmp_path: Path) -> None:
    save(tmp_path, {}, manifests(mesh, PORT))
    found = LastGood(ServedCluster(allow_loopback=True))
    found.take_in(look([tmp_path], Look()), now=0)
    alias = found.service(ServiceName("shop", "web"))
    assert alias is not None
    assert alias.spec.external_name == f"{mesh.web}.shop.svc.cluster.local"
    for host in HOSTS:
        name = ServiceName("data", host) if host == "search" else ServiceName("shop", host)
        service = found.service(ServiceName("shop", mesh.web) if host == "web" else name)
        assert service is not None
        said = {(one.address, one.weight, one.state.value, one.locality) for one in service.endpoints}
        assert said == {
            (pod.address, pod.weight, "ready" if pod.ready else "not ready", Locality("eu", pod.zone))
            for pod in mesh.behind(host)
        }


@pytest.mark.parametrize("in_place", [False, True])
def test_the_files_are_those_of_the_last_state(in_place: bool, tmp_path: Path) -> None:
    files = [manifests(mesh, PORT) for mesh in MESHES]
    save(tmp_path, {}, files[0])
    for before, after in pairwise(files):
        save(tmp_path, before, after, in_place)
        assert {file.name: file.read_text() for file in tmp_path.iterdir()} == after


def test_only_what_differs_is_written(tmp_path: Path) -> None:
    before = manifests(START, PORT)
    save(tmp_path, {}, before)
    inodes = {file.name: file.stat().st_ino for file in tmp_path.iterdir()}
    after = manifests(START.changed({"payments-a1"}, weight=5), PORT)
    save(tmp_path, before, after)
    assert [f.name for f in tmp_path.iterdir() if f.stat().st_ino != inodes[f.name]] == ["payments.yaml"]
    save(tmp_path, after, before, in_place=True)
    assert (tmp_path / "payments.yaml").read_text() == before["payments.yaml"]
