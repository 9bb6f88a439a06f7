"""The files source on real files, with real events."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pilothouse.kubernetes.served import ServedCluster
from pilothouse.model.services import ServiceName
from pilothouse.sources import Standing
from pilothouse.sources.files import source as files
from pilothouse.sources.files import watch
from pilothouse.sources.files.source import Absence, FilesSource


@pytest.fixture(autouse=True)
def nothing_but_events(monkeypatch):
    """No look without a reason: what these tests see, they see by events and not by luck."""
    monkeypatch.setattr(watch, "_RESCAN_S", 3600)
    monkeypatch.setattr(files, "_IDLE_S", 3600)


@pytest.fixture
def source(folder):
    return FilesSource([folder], absence=Absence(allow_empty=True), first_report_grace_s=0.2)


@pytest.fixture
def write(folder, manifest):
    """Writes the manifest of a service; by default into a file of its name."""

    def write_manifest(name, *addresses, file=None):
        path = folder / (file or f"{name}.yaml")
        path.write_text(manifest(name, *addresses))
        return path

    return write_manifest


def save_as_an_editor(path, text):
    """Vim's way: the old file is moved away, a new one is written in its place, the old one deleted."""
    backup = path.with_name(f"{path.name}~")
    path.rename(backup)
    path.write_text(text)
    backup.unlink()


async def test_the_place_of_a_change_is_the_file_and_the_line_and_that_of_a_loss_the_file(
    running, eventually, source, write, manifest, folder
):
    path = write("a", "10.0.0.1")
    async with running(source) as sink:
        await eventually(lambda: sink.reports)
        path.write_text("# two\n# lines\n" + manifest("a", "10.0.0.2"))
        await eventually(lambda: sink.causes)
        assert sink.causes[0].place == f"{path}:3"
        path.unlink()
        await eventually(lambda: sink.addresses("a") is None)
        assert sink.causes[-1].place == str(path)


async def test_a_saved_change_arrives_whatever_the_way_of_saving(
    running, eventually, source, write, manifest
):
    path = write("a", "10.0.0.1")
    async with running(source) as sink:
        await eventually(lambda: sink.reports)
        save_as_an_editor(path, manifest("a", "10.0.0.2"))
        await eventually(lambda: sink.addresses("a") == ["10.0.0.2"])
        beside = path.with_name(".a.yaml.tmp")
        beside.write_text(manifest("a", "10.0.0.3"))
        os.replace(beside, path)
        await eventually(lambda: sink.addresses("a") == ["10.0.0.3"])
        assert ("remove", ServiceName("shop", "a")) not in sink.reports


@pytest.mark.parametrize("text", ["", "# nothing\n", "apiVersion: v1\nkind: Serv", "\x00\x01", "a: ["])
async def test_a_broken_file_keeps_the_last_good_state(running, eventually, source, write, text):
    path = write("a", "10.0.0.1")
    async with running(source) as sink:
        await eventually(lambda: sink.reports)
        path.write_text(text)
        assert await eventually(lambda: source.faults)
        assert {dict(fault.parts)["file"] for fault in source.faults} == {str(path)}
        write("b", "10.0.1.1")
        await eventually(lambda: sink.addresses("b"))
        assert sink.addresses("a") == ["10.0.0.1"]
        write("a", "10.0.0.2")
        await eventually(lambda: sink.addresses("a") == ["10.0.0.2"])
        await eventually(lambda: not source.faults)


async def test_one_bad_document_costs_itself_and_the_rest_of_its_file_is_applied(
    running, eventually, source, write, manifest
):
    path = write("all")
    path.write_text(f"{manifest('a', '10.0.0.1')}---\n{manifest('b', '10.0.1.1')}")
    async with running(source) as sink:
        await eventually(lambda: sink.reports)
        bad = manifest("b", "10.0.1.2").replace("port: 80,", "port: 70000,")
        path.write_text(f"{manifest('a', '10.0.0.2')}---\n{bad}")
        (fault,) = await eventually(lambda: source.faults)
        assert (fault.place, fault.field) == (f"{path}:18", "spec.ports[0].port")
        assert dict(fault.parts) == {"file": str(path), "line": 18, "document": 3}
        assert str(fault) == f"{path}:18: spec.ports[0].port: 70000 is not in 1..65535"
        write("c", "10.0.2.1")
        await eventually(lambda: sink.addresses("c"))
        assert (sink.addresses("a"), sink.addresses("b")) == (["10.0.0.2"], ["10.0.1.2"])
        assert fault.standing is Standing.LAST_GOOD


async def test_a_document_that_is_taken_out_is_removed(running, eventually, source, manifest, folder):
    path = folder / "all.yaml"
    path.write_text(f"{manifest('a', '10.0.0.1')}---\n{manifest('b', '10.0.1.1')}")
    async with running(source) as sink:
        await eventually(lambda: sink.reports)
        path.write_text(manifest("b", "10.0.1.1"))
        await eventually(lambda: sink.addresses("a") is None)
        assert sink.reports[1:] == [("remove", ServiceName("shop", "a"))]


async def test_a_renamed_file_is_no_change(running, eventually, source, write):
    path = write("a", "10.0.0.1")
    async with running(source) as sink:
        await eventually(lambda: sink.reports)
        path = path.rename(path.with_name("z.yaml"))
        write("b", "10.0.1.1")
        await eventually(lambda: sink.addresses("b"))
        path.unlink()
        await eventually(lambda: sink.addresses("a") is None)
        assert sink.reports[1:] == [("put", ServiceName("shop", "b")), ("remove", ServiceName("shop", "a"))]


async def test_two_files_that_declare_the_same_are_named_and_the_other_takes_over(
    running, eventually, source, write
):
    winner, loser = write("a", "10.0.0.1", file="1.yaml"), write("a", "10.0.0.2", file="2.yaml")
    async with running(source) as sink:
        await eventually(lambda: sink.reports)
        assert sink.addresses("a") == ["10.0.0.1"]
        assert {dict(fault.parts)["file"] for fault in source.faults} == {str(loser)}
        assert f"Service shop/a is declared in {winner}:1 too" in source.faults[0].message
        winner.unlink()
        await eventually(lambda: sink.addresses("a") == ["10.0.0.2"])
        assert list(source.faults) == []
        assert ("remove", ServiceName("shop", "a")) not in sink.reports


async def test_a_mounted_config_map_is_followed_when_it_is_swapped(
    running, eventually, source, folder, manifest
):
    # As the kubelet does it: each version in a hidden folder, one link that moves, one link a file.
    def publish(version, *addresses):
        (folder / version).mkdir()
        (folder / version / "a.yaml").write_text(manifest("a", *addresses))
        (folder / "..data_tmp").symlink_to(version)
        (folder / "..data_tmp").rename(folder / "..data")

    publish("..2026_01_01", "10.0.0.1")
    (folder / "a.yaml").symlink_to(Path("..data") / "a.yaml")
    async with running(source) as sink:
        await eventually(lambda: sink.reports)
        assert sink.addresses("a") == ["10.0.0.1"]
        publish("..2026_01_02", "10.0.0.2")
        shutil.rmtree(folder / "..2026_01_01")
        await eventually(lambda: sink.addresses("a") == ["10.0.0.2"])
        assert list(source.faults) == []
        assert ("remove", ServiceName("shop", "a")) not in sink.reports


async def test_a_folder_that_comes_later_is_watched_too(running, eventually, source, folder, manifest):
    async with running(source) as sink:
        await eventually(lambda: sink.reports)
        inner = folder / "team" / "shop"
        inner.mkdir(parents=True)
        (inner / "a.yml").write_text(manifest("a", "10.0.0.1"))
        await eventually(lambda: sink.addresses("a") == ["10.0.0.1"])
        (inner / "a.yml").write_text(manifest("a", "10.0.0.2"))
        await eventually(lambda: sink.addresses("a") == ["10.0.0.2"])
        shutil.rmtree(folder / "team")
        await eventually(lambda: sink.addresses("a") is None)


async def test_a_single_file_is_followed_when_it_is_replaced_and_kept_when_it_is_gone(
    running, eventually, folder, manifest
):
    path = folder / "mesh.txt"
    path.write_text(manifest("a", "10.0.0.1"))
    source = FilesSource([path])
    async with running(source) as sink:
        await eventually(lambda: sink.addresses("a") == ["10.0.0.1"])
        save_as_an_editor(path, manifest("a", "10.0.0.2"))
        await eventually(lambda: sink.addresses("a") == ["10.0.0.2"])
        path.unlink()
        (fault,) = await eventually(lambda: source.faults)
        assert str(fault) == f"{path}: cannot be read: no such file or directory"
        path.write_text(manifest("a", "10.0.0.3"))
        await eventually(lambda: sink.addresses("a") == ["10.0.0.3"])
        assert ("remove", ServiceName("shop", "a")) not in sink.reports


async def test_a_folder_that_disappears_takes_nothing_away_and_is_watched_when_it_is_back(
    running, eventually, source, folder, write
):
    write("a", "10.0.0.1")
    write("b", "10.0.1.1")
    async with running(source) as sink:
        await eventually(lambda: sink.reports)
        folder.rename(folder.with_name("elsewhere"))
        (fault,) = await eventually(lambda: source.faults)
        assert str(fault) == f"{folder}: cannot be read: no such file or directory"
        folder.mkdir()
        write("a", "10.0.0.1")
        write("b", "10.0.1.2")
        await eventually(lambda: sink.addresses("b") == ["10.0.1.2"])
        write("b", "10.0.1.3")
        await eventually(lambda: sink.addresses("b") == ["10.0.1.3"])
        assert set(sink.reports[1:]) == {("put", ServiceName("shop", "b"))}


async def test_a_path_that_does_not_exist_is_a_failure_that_names_it(tmp_path):
    path = tmp_path / "nowhere"
    source = FilesSource([path])
    with pytest.raises(OSError, match=f"manifests in {path}: cannot be read: no such file or directory"):
        await source.run(None)  # type: ignore[arg-type]  # it comes to no report
    assert [dict(fault.parts)["file"] for fault in source.faults] == [str(path)]


async def test_the_first_report_waits_for_a_file_that_is_still_being_written(
    running, eventually, folder, write, manifest
):
    write("a", "10.0.0.1")
    half = folder / "b.yaml"
    half.write_text(manifest("b", "10.0.1.1")[:60])
    source = FilesSource([folder], first_report_grace_s=3600)
    async with running(source) as sink:
        assert await eventually(lambda: source.faults)
        assert sink.reports == []
        half.write_text(manifest("b", "10.0.1.1"))
        await eventually(lambda: sink.reports)
        assert sink.reports == [("replace", [ServiceName("shop", "a"), ServiceName("shop", "b")])]
        assert list(source.faults) == []


async def test_the_first_report_does_not_wait_for_ever(running, eventually, source, write):
    write("a", "10.0.0.1")
    write("b").write_text("kind: Service")
    async with running(source) as sink:
        await eventually(lambda: sink.reports)
        assert sink.reports == [("replace", [ServiceName("shop", "a")])]
        assert [fault.message for fault in source.faults] == ["is required"]
        write("b", "10.0.1.1")
        await eventually(lambda: sink.addresses("b") == ["10.0.1.1"])


async def test_the_domain_of_the_cluster_is_a_choice(running, eventually, folder, write):
    write("a")
    async with running(FilesSource([folder], ServedCluster("mesh.example"))) as sink:
        await eventually(lambda: sink.reports)
        assert sink.services[ServiceName("shop", "a")].spec.hostname == "a.shop.svc.mesh.example"
