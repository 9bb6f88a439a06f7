"""What a files source keeps for the next process, and what that makes of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import structlog

from pilothouse.model.services import ServiceName
from pilothouse.sources.files.kept import Kept
from pilothouse.sources.files.source import Absence, FilesSource
from pilothouse.structures.state import StateFolder


@pytest.fixture
def state(tmp_path):
    return StateFolder(tmp_path / "state" / "files")


@pytest.fixture
def start(folder, state):
    """A new process: it knows nothing but what is on the disk."""

    def started(hold_s=120.0, **absence):
        return FilesSource(
            [folder], kept=Kept(state, hold_s), absence=Absence(**absence), first_report_grace_s=0.3
        )

    return started


@pytest.fixture
def told(running, eventually, state, folder, manifest, start):
    """A process that ran for a while, with the services `a` and `b`."""

    async def tell():
        (folder / "a.yaml").write_text(manifest("a", "10.0.0.1"))
        (folder / "b.yaml").write_text(manifest("b", "10.0.1.1"))
        async with running(start()) as sink:
            await eventually(lambda: sink.reports)
            await eventually(lambda: len(kept(state)) == 2)

    return tell


def kept(state):
    """The names of the files that are kept."""
    found, _ = state.load()
    return {Path(key).name for key in found}


async def test_a_broken_file_is_as_it_was_for_the_next_process(told, running, eventually, folder, start):
    await told()
    (folder / "b.yaml").write_text("a: [")
    async with running(start()) as sink:
        await eventually(lambda: len(sink.reports) == 2)
        assert sink.reports == [
            ("restore", [ServiceName("shop", "a"), ServiceName("shop", "b")]),
            ("replace", [ServiceName("shop", "a"), ServiceName("shop", "b")]),
        ]
        assert sink.places == ()


async def test_without_a_state_it_is_unknown_until_it_can_be_read_or_is_removed(
    told, running, eventually, folder, manifest
):
    await told()
    (folder / "a.yaml").write_text("a: [")
    (folder / "b.yaml").write_text("b: [")
    async with running(FilesSource([folder], first_report_grace_s=0.2)) as sink:
        await eventually(lambda: sink.reports)
        assert sink.places == (str(folder / "a.yaml"), str(folder / "b.yaml"))
        (folder / "a.yaml").write_text(manifest("a"))
        await eventually(lambda: sink.places == (str(folder / "b.yaml"),))
        (folder / "b.yaml").rename(folder / "new.yaml")  # it is still unknown
        await eventually(lambda: sink.places == (str(folder / "new.yaml"),))
        (folder / "new.yaml").unlink()
        await eventually(lambda: sink.places == ())


async def test_a_file_that_was_removed_meanwhile_was_removed(told, running, eventually, folder, start, state):
    await told()
    (folder / "b.yaml").unlink()
    async with running(start()) as sink:
        await eventually(lambda: sink.services.keys() == {ServiceName("shop", "a")})
        assert not sink.suspect
        await eventually(lambda: kept(state) == {"a.yaml"})


async def test_a_folder_that_is_empty_is_not_reported_at_the_start(
    told, running, eventually, folder, start, state, manifest
):
    await told()
    shutil.rmtree(folder)
    folder.mkdir()
    source = start(hold_s=0.1)
    async with running(source) as sink:
        assert await eventually(lambda: source.faults)
        assert str(source.faults[0]).endswith(
            "holds no manifest; add one, or set --allow-empty if that is intended"
        )
        assert sink.reports == [("restore", [ServiceName("shop", "a"), ServiceName("shop", "b")])]
        assert kept(state) == {"a.yaml", "b.yaml"}
        (folder / "c.yaml").write_text(manifest("c"))
        await eventually(lambda: sink.reports[-1] == ("replace", [ServiceName("shop", "c")]))
        assert sink.suspect
        await eventually(lambda: kept(state) == {"c.yaml"})


async def test_a_start_on_an_empty_folder_says_in_the_log_what_it_waits_for(
    running, eventually, folder, start, manifest
):
    with structlog.testing.capture_logs() as logs:
        source = start()
        async with running(source) as sink:
            assert await eventually(lambda: source.faults)
            (folder / "c.yaml").write_text(manifest("c"))
            await eventually(lambda: sink.reports == [("replace", [ServiceName("shop", "c")])])
    said = [(line["event"], line["file"]) for line in logs if line.get("message", "").startswith("holds no")]
    assert said == [("fault in a manifest", str(folder)), ("fault in a manifest is mended", str(folder))]


async def test_an_empty_folder_is_reported_if_that_is_allowed(running, eventually, start):
    async with running(start(allow_empty=True)) as sink:
        await eventually(lambda: sink.reports == [("replace", [])])


async def test_what_is_missing_is_absent_if_that_is_accepted(told, running, eventually, folder, start, state):
    await told()
    (folder / "b.yaml").write_text("a: [")
    async with running(start(accept_missing=True)) as sink:
        await eventually(lambda: sink.reports == [("replace", [ServiceName("shop", "a")])])
        await eventually(lambda: kept(state) == {"a.yaml"})


async def test_an_emptied_folder_is_reported_as_a_whole_and_kept_while_that_may_be_doubted(
    told, running, eventually, folder, start, state
):
    await told()
    async with running(start(hold_s=0.5)) as sink:
        await eventually(lambda: sink.reports)
        for file in folder.iterdir():
            file.unlink()
        await eventually(lambda: sink.reports[1:] == [("replace", [])])
        await eventually(lambda: kept(state) == set())


async def test_what_is_corrupt_is_named_until_it_is_written_anew(
    told, running, eventually, folder, start, state, manifest
):
    await told()
    corrupt = state.file(str(folder / "b.yaml"))
    corrupt.write_bytes(corrupt.read_bytes()[:-1])
    (folder / "b.yaml").write_text("a: [")
    source = start()
    async with running(source) as sink:
        await eventually(lambda: sink.reports)
        assert sink.places == (str(folder / "b.yaml"),)
        assert [str(fault) for fault in source.faults if fault.place == str(corrupt)] == [
            f"{corrupt}: kept state: does not match its checksum"
        ]
        (folder / "b.yaml").write_text(manifest("b"))
        await eventually(lambda: not source.faults)
        assert sink.places == ()


async def test_a_state_that_cannot_be_kept_is_told_and_stops_nothing(
    running, eventually, folder, start, state, manifest
):
    state.folder.parent.write_text("a file is in the way")
    (folder / "a.yaml").write_text(manifest("a"))
    source = start()
    with structlog.testing.capture_logs() as logs:
        await _told_and_mended(source, running, eventually, folder, state, manifest)
    said = [line["event"] for line in logs if line["event"] != "left out"]
    assert said == ["the state folder cannot be written", "the state folder is written again"]


async def _told_and_mended(source, running, eventually, folder, state, manifest):
    async with running(source) as sink:
        await eventually(lambda: sink.reports)
        (fault,) = await eventually(lambda: source.faults)
        assert str(fault) == (
            f"{state.folder}: the state folder cannot be written (Not a directory):"
            " after a restart the last good versions are not known"
        )
        state.folder.parent.unlink()
        (folder / "b.yaml").write_text(manifest("b"))
        await eventually(lambda: kept(state) == {"a.yaml", "b.yaml"})
        await eventually(lambda: not source.faults)
