"""What wakes a source."""

from __future__ import annotations

import asyncio

import pytest

from pilothouse.sources.files import watch
from pilothouse.sources.files.watch import Watch


@pytest.fixture(autouse=True)
def nothing_but_events(monkeypatch):
    monkeypatch.setattr(watch, "_RESCAN_S", 3600)


async def test_a_change_below_a_folder_wakes(tmp_path):
    (tmp_path / "in").mkdir()
    async with Watch([tmp_path]) as watched, asyncio.timeout(10):
        await watched.wait(3600)
        (tmp_path / "in" / "a.yaml").touch()
        await watched.wait(3600)


async def test_a_change_beside_a_file_wakes(tmp_path):
    path = tmp_path / "a.yaml"
    path.touch()
    async with Watch([path]) as watched, asyncio.timeout(10):
        await watched.wait(3600)
        path.unlink()
        await watched.wait(3600)


async def test_without_a_change_it_wakes_when_its_time_is_over(tmp_path):
    async with Watch([tmp_path]) as watched, asyncio.timeout(10):
        await watched.wait(0)
        await watched.wait(0.01)


async def test_where_nothing_can_be_watched_it_wakes_now_and_then(tmp_path, monkeypatch):
    def awatch(*folders, **options):
        raise OSError("OS file watch limit reached")

    monkeypatch.setattr(watch, "awatch", awatch)
    monkeypatch.setattr(watch, "_RESCAN_S", 0.01)
    async with Watch([tmp_path]) as watched, asyncio.timeout(10):
        await watched.wait(3600)
        await watched.wait(3600)


async def test_a_failure_of_the_watcher_is_not_swallowed(tmp_path, monkeypatch):
    def awatch(*folders, **options):
        raise RuntimeError("lost its thread")

    monkeypatch.setattr(watch, "awatch", awatch)
    async with Watch([tmp_path]) as watched, asyncio.timeout(10):
        with pytest.raises(RuntimeError, match="lost its thread"):
            await watched.wait(3600)
