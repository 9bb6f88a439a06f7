"""What wakes a source."""

from __future__ import annotations

import asyncio
import os

import pytest

from pilothouse.sources.files import watch
from pilothouse.sources.files.watch import Watch


@pytest.fixture(autouse=True)
def nothing_but_events(monkeypatch):
    monkeypatch.setattr(watch, "_RESCAN_S", 3600)


def watching(*folders):
    """A watch that follows these folders, as a look finds them."""
    watched = Watch()
    watched.follow(identities(*folders))
    return watched


def identities(*folders):
    return {str(folder): (folder.stat().st_dev, folder.stat().st_ino) for folder in folders}


async def test_a_change_in_any_of_the_folders_wakes(tmp_path):
    inner = tmp_path / "in"
    inner.mkdir()
    async with watching(tmp_path, inner) as watched, asyncio.timeout(10):
        await watched.wait(3600)
        (inner / "a.yaml").touch()
        await watched.wait(3600)
        (tmp_path / "b.yaml").touch()
        await watched.wait(3600)


async def test_other_folders_are_watched_from_the_moment_they_are_followed(tmp_path):
    first, other = tmp_path / "first", tmp_path / "other"
    first.mkdir()
    other.mkdir()
    async with watching(first) as watched, asyncio.timeout(10):
        await watched.wait(3600)
        watched.follow(identities(first, other))
        await watched.wait(3600)
        (other / "a.yaml").touch()
        await watched.wait(3600)


async def test_the_end_of_a_folder_wakes_and_so_does_what_happens_when_it_is_back(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    async with watching(folder) as watched, asyncio.timeout(10):
        await watched.wait(3600)
        folder.rmdir()
        await watched.wait(3600)
        folder.mkdir()
        watched.follow(identities(folder))
        (folder / "a.yaml").touch()
        await watched.wait(3600)


async def test_a_file_name_that_is_not_utf_8_wakes_and_the_next_change_does_too(tmp_path):
    async with watching(tmp_path) as watched, asyncio.timeout(10):
        await watched.wait(3600)
        (tmp_path / os.fsdecode(b"\xff.yaml")).touch()
        await watched.wait(3600)
        (tmp_path / "a.yaml").touch()
        await watched.wait(3600)


async def test_a_folder_whose_name_is_not_utf_8_keeps_no_other_from_being_watched(tmp_path):
    odd = tmp_path / os.fsdecode(b"\xff")
    odd.mkdir()
    async with watching(tmp_path, odd) as watched, asyncio.timeout(10):
        await watched.wait(3600)
        (tmp_path / "a.yaml").touch()
        await watched.wait(3600)


async def test_somebody_can_be_woken_without_a_change(tmp_path):
    async with watching(tmp_path) as watched, asyncio.timeout(10):
        await watched.wait(3600)
        watched.wake()
        await watched.wait(3600)


async def test_without_a_change_it_wakes_when_its_time_is_over(tmp_path):
    async with watching(tmp_path) as watched, asyncio.timeout(10):
        await watched.wait(0)
        await watched.wait(0.01)


async def test_where_nothing_can_be_watched_it_wakes_now_and_then(tmp_path, monkeypatch):
    def awatch(*folders, **options):
        raise OSError("OS file watch limit reached")

    monkeypatch.setattr(watch, "awatch", awatch)
    monkeypatch.setattr(watch, "_RESCAN_S", 0.01)
    async with watching(tmp_path) as watched, asyncio.timeout(10):
        await watched.wait(3600)
        await watched.wait(3600)


async def test_of_too_many_folders_it_wakes_now_and_then(tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "_MOST_WATCHED", 0)
    monkeypatch.setattr(watch, "_RESCAN_S", 0.01)
    async with watching(tmp_path) as watched, asyncio.timeout(10):
        await watched.wait(3600)
        await watched.wait(3600)


async def test_a_failure_of_the_watcher_is_not_swallowed(tmp_path, monkeypatch):
    def awatch(*folders, **options):
        raise RuntimeError("lost its thread")

    monkeypatch.setattr(watch, "awatch", awatch)
    async with watching(tmp_path) as watched, asyncio.timeout(10):
        with pytest.raises(RuntimeError, match="lost its thread"):
            await watched.wait(3600)
