"""The control plane is killed and comes back beside something that it cannot read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from .injection import injection
from .stage import STEADY, Stage

SPOILT = STEADY[1]
"""The service whose file is spoilt; it is called all the time."""
_FRESH = "fresh"
_GRACE_S = 3.0  # for removals, which are sent some time after what comes


def _half(file: Path) -> None:
    text = file.read_text()
    file.write_text(text[: len(text) // 2])


def _break(file: Path) -> None:
    file.write_text("kind: Service\n  metadata: [}\n")


def _lock(file: Path) -> None:
    # A link to itself: root, too, cannot read that.
    file.unlink()
    os.symlink(file.name, file)


async def _restart_beside(stage: Stage, spoil: Callable[[Path], None], *flags: str) -> None:
    spoil(stage.file(SPOILT))
    stage.plane.crash()
    await stage.restart(*flags)
    await stage.follows()
    await stage.shows(stage.file(SPOILT).name)
    await stage.watch(_GRACE_S)


async def _with_state(stage: Stage, spoil: Callable[[Path], None]) -> None:
    await _restart_beside(stage, spoil)
    stage.save(_FRESH, 2)
    await stage.arrives(_FRESH, 2)


async def _without_state(stage: Stage, spoil: Callable[[Path], None]) -> None:
    await _restart_beside(stage, spoil)
    await stage.shows("degraded", "held", '"ready": false')


@injection()
async def restart(stage: Stage) -> None:
    """SIGKILL, and back"""
    stage.plane.crash()
    await stage.restart()
    await stage.follows()
    await stage.watch(1.0)


@injection()
async def restart_beside_half_a_file(stage: Stage) -> None:
    """SIGKILL beside a half-written file"""
    await _with_state(stage, _half)


@injection()
async def restart_beside_a_broken_file(stage: Stage) -> None:
    """SIGKILL beside a file that is no YAML"""
    await _with_state(stage, _break)


@injection()
async def restart_beside_an_unreadable_file(stage: Stage) -> None:
    """SIGKILL beside a file that cannot be read"""
    await _with_state(stage, _lock)


@injection("--no-state", again=True)
async def restart_without_state_beside_half_a_file(stage: Stage) -> None:
    """SIGKILL beside a half-written file, --no-state"""
    await _without_state(stage, _half)


@injection("--no-state", again=True)
async def restart_without_state_beside_a_broken_file(stage: Stage) -> None:
    """SIGKILL beside a file that is no YAML, --no-state"""
    await _without_state(stage, _break)


@injection("--no-state", again=True)
async def restart_without_state_beside_an_unreadable_file(stage: Stage) -> None:
    """SIGKILL beside a file that cannot be read, --no-state"""
    await _without_state(stage, _lock)


@injection("--no-state", absent=True, again=True)
async def what_is_missing_is_accepted(stage: Stage) -> None:
    """SIGKILL beside a file that is no YAML, --no-state --accept-missing: its services go"""
    stage.forget(SPOILT)
    await _restart_beside(stage, _break, "--no-state", "--accept-missing")


@injection(again=True)
async def corrupt_state(stage: Stage) -> None:
    """SIGKILL beside a half-written file and a corrupt state folder"""
    stage.plane.crash()
    for file in filter(Path.is_file, stage.state.rglob("*")):
        data = file.read_bytes()
        file.write_bytes(data[: len(data) // 2] + b"\0" + data[len(data) // 2 + 1 :])
    _half(stage.file(SPOILT))
    await stage.restart()
    await stage.follows()
    await stage.watch(_GRACE_S)
    stage.logged(str(stage.state))


@injection()
async def state_that_cannot_be_written(stage: Stage) -> None:
    """the state folder becomes a file while the process runs, then SIGKILL"""
    stage.state.rename(stage.folder / "state-before")
    stage.state.write_text("")
    await stage.follows()
    await stage.follows()
    stage.logged(str(stage.state))
    stage.plane.crash()
    stage.state.unlink()
    await stage.restart()
    await stage.follows()
    await stage.watch(1.0)
