"""What happens while a disk does not answer, and when it does again."""

from __future__ import annotations

import asyncio
import os
import threading
import time

import pytest

from pilothouse.sources.files import disk as disk_module
from pilothouse.sources.files import lookout, tree, watch
from pilothouse.sources.files import source as files
from pilothouse.sources.files.disk import Look
from pilothouse.sources.files.lookout import Lookout
from pilothouse.sources.files.source import FilesSource

SILENT = "cannot be read: the disk does not answer"


@pytest.fixture(autouse=True)
def little_patience(monkeypatch):
    monkeypatch.setattr(lookout, "_PATIENCE_S", 0.2)
    monkeypatch.setattr(lookout, "_CHECK_S", 0.01)


class Disk:
    """Folders whose listing does not return while they hang, as on a file system whose server is gone."""

    def __init__(self, monkeypatch):
        self._scandir = os.scandir
        self._hanging = {}
        monkeypatch.setattr(tree.os, "scandir", self._listed)

    def hang(self, folder):
        self._hanging[str(folder)] = threading.Event()

    def answer(self, folder):
        self._hanging.pop(str(folder)).set()

    def _listed(self, folder):
        if folder in self._hanging:
            self._hanging[folder].wait()
        return self._scandir(folder)


@pytest.fixture
def disk(monkeypatch):
    disk = Disk(monkeypatch)
    yield disk
    for folder in list(disk._hanging):
        disk.answer(folder)


@pytest.fixture
def folders(tmp_path, manifest):
    """Five folders with one service each."""
    made = [tmp_path / f"in-{number}" for number in range(5)]
    for number, folder in enumerate(made):
        folder.mkdir()
        (folder / "a.yaml").write_text(manifest(f"a{number}"))
    return made


def readers():
    return [thread for thread in threading.enumerate() if thread.name == "manifests"]


async def test_a_folder_that_does_not_answer_is_named_and_the_others_are_read(tmp_path, folders, disk):
    disk.hang(folders[1])
    found = await Lookout([tmp_path]).look(Look())
    assert set(found.files) == {str(folder / "a.yaml") for folder in folders if folder != folders[1]}
    assert found.unreadable == {str(folders[1]): SILENT}
    assert found.hides(str(folders[1] / "a.yaml"))


async def test_it_is_read_again_when_it_answers(tmp_path, folders, disk, eventually):
    disk.hang(folders[1])
    reader = Lookout([tmp_path])
    await reader.look(Look())
    disk.answer(folders[1])
    await eventually(lambda: not readers())
    assert len((await reader.look(Look())).files) == len(folders)


async def test_a_root_that_does_not_answer_is_an_error_that_names_it(tmp_path, folders, disk):
    disk.hang(tmp_path)
    complaint = rf"the manifests in {tmp_path} have not been read for 0 s: {tmp_path} does not answer"
    with pytest.raises(OSError, match=complaint):
        await Lookout([tmp_path]).look(Look())


async def test_after_such_an_error_the_next_look_waits_for_an_answer(tmp_path, folders, disk):
    disk.hang(tmp_path)
    reader = Lookout([tmp_path])
    with pytest.raises(OSError, match="does not answer"):
        await reader.look(Look())
    waiting = asyncio.create_task(reader.look(Look()))
    await asyncio.wait([waiting], timeout=1)
    assert not waiting.done()
    disk.answer(tmp_path)
    assert len((await waiting).files) == len(folders)


async def test_however_much_does_not_answer_few_threads_hang(tmp_path, folders, disk):
    for folder in folders:
        disk.hang(folder)
    reader = Lookout([tmp_path])
    with pytest.raises(OSError, match="does not answer"):
        await reader.look(Look())
    waiting = asyncio.create_task(reader.look(Look()))
    await asyncio.wait([waiting], timeout=1)
    assert len(readers()) == lookout._MOST_STUCK
    waiting.cancel()


async def test_a_long_look_that_gets_on_is_waited_for(tmp_path, folders, monkeypatch):
    monkeypatch.setattr(lookout, "_PATIENCE_S", 1.0)

    def slow(folder, scandir=os.scandir):
        time.sleep(0.3)
        return scandir(folder)

    monkeypatch.setattr(tree.os, "scandir", slow)
    found = await Lookout([tmp_path]).look(Look())
    assert len(found.files) == len(folders)
    assert not found.unreadable


async def test_whoever_waits_can_be_cancelled(tmp_path, folders, disk, eventually):
    disk.hang(tmp_path)
    waiting = asyncio.create_task(Lookout([tmp_path]).look(Look()))
    await eventually(readers)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_while_one_folder_hangs_changes_elsewhere_are_served(
    tmp_path, folders, disk, running, eventually, manifest, monkeypatch
):
    monkeypatch.setattr(watch, "_RESCAN_S", 0.1)
    source = FilesSource([tmp_path], first_report_grace_s=0.2)
    async with running(source) as sink:
        await eventually(lambda: len(sink.services) == len(folders))
        disk.hang(folders[1])
        (fault,) = await eventually(lambda: source.faults)
        assert (fault.place, fault.message) == (str(folders[1]), SILENT)
        (folders[0] / "a.yaml").write_text(manifest("a0", "10.0.0.9"))
        await eventually(lambda: sink.addresses("a0") == ["10.0.0.9"])
        (folders[1] / "a.yaml").write_text(manifest("a1", "10.0.1.9"))
        disk.answer(folders[1])
        await eventually(lambda: sink.addresses("a1") == ["10.0.1.9"])
        assert not any(report[0] == "remove" for report in sink.reports)


async def test_a_file_that_takes_long_to_read_is_named_meanwhile(
    folders, running, eventually, manifest, monkeypatch
):
    begin, read = threading.Event(), disk_module.read

    def slow(data, *others):
        if b"slow" in data:
            begin.wait()
        return read(data, *others)

    monkeypatch.setattr(disk_module, "read", slow)
    source = FilesSource(folders)
    async with running(source) as sink:
        await eventually(lambda: len(sink.services) == len(folders))
        assert not source.faults
        large = folders[0] / "large.yaml"
        large.write_text(manifest("slow"))
        (fault,) = await eventually(lambda: source.faults)
        assert (fault.place, fault.message) == (str(large), files._SLOW)
        begin.set()
        await eventually(lambda: len(sink.services) == len(folders) + 1)
        assert not source.faults
