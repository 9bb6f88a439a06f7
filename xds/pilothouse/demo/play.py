"""Plays the story: makes each change, waits until the traffic shows it, counts for a while, and judges."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from pilothouse.demo.board import Board
from pilothouse.demo.mesh import CALLERS
from pilothouse.demo.stage import Stage
from pilothouse.demo.story import STORY, Act, Doing
from pilothouse.demo.verdict import Reconnected, Verdict, verdict
from pilothouse.demo.waiting import until

_SHOWS_S = 10.0
_BACK_S = 20.0
_POLL_S = 0.005
_SETUP_S = 6.0
"""What a run needs beside its acts: to start, and for the control plane to come back."""


class Teller(Protocol):
    """Receives the progress of the story."""

    def begins(self, act: Act) -> None: ...
    def ends(self, verdict: Verdict) -> None: ...


async def play(
    stage: Stage, board: Board, teller: Teller, seconds: float, require: Callable[[], None]
) -> None:
    """Play all acts in about `seconds`. The verdicts go to the board.

    After each act, `require` may raise if a part of the mesh has ended.
    """
    hold_s = (seconds - _SETUP_S) / len(STORY)
    for act in STORY:
        board.act = act
        teller.begins(act)
        result = await _perform(stage, board, act, hold_s)
        require()
        board.verdicts.append(result)
        teller.ends(result)
    board.act = None


async def _perform(stage: Stage, board: Board, act: Act, hold_s: float) -> Verdict:
    if act.doing is Doing.RESTART:
        return await _restart(stage, act, hold_s)
    if act.doing is Doing.KILL:
        watches = stage.watch(stage.mesh)
        stage.control_plane.kill()
    else:
        watches = stage.edit(act.edit(stage.mesh), act.doing is Doing.IN_PLACE)
        board.mesh = stage.mesh
    await until(lambda: all(watch.shown for watch in watches.values()), _SHOWS_S, _POLL_S)
    board.took(watches.values())
    await asyncio.sleep(hold_s)
    return verdict(act, watches, time.monotonic())


async def _restart(stage: Stage, act: Act, hold_s: float) -> Verdict:
    watches, began = stage.watch(stage.mesh), time.monotonic()
    await stage.control_plane.start()
    asked = await stage.control_plane.heard_of(len(CALLERS), _BACK_S)
    back_s = time.monotonic() - began
    # It may still send something late.
    await asyncio.sleep(hold_s)
    activity = await stage.control_plane.activity()
    back = Reconnected(activity.streams, asked, back_s, activity.responses)
    return verdict(act, watches, time.monotonic(), back)
