"""Clients that misbehave while others are served: how long a change takes, and whether memory comes back."""

from __future__ import annotations

import time

from pilothouse.demo.waiting import until

from .injection import injection
from .stage import ATTACKS, Stage

_FOR_S = 4.0
_LOG_MB = 5


async def _attacked(stage: Stage, name: str, for_s: float = _FOR_S) -> None:
    """Move endpoints while an attack runs, and once more after it."""
    attack = stage.program(ATTACKS, name, stage.plane.xds)
    await until(lambda: bool(attack.said), 20.0)
    begun = time.monotonic()
    while not attack.over and time.monotonic() - begun < for_s:
        await stage.follows()
    attack.end()
    await stage.follows()
    written = len(stage.plane.log) / 1e6
    if written > _LOG_MB:
        stage.complain(f"the log has {written:.0f} MB")


@injection(alone=True)
async def requests_of_4_mb(stage: Stage) -> None:
    """requests of 4 MB, one after the other"""
    await _attacked(stage, "requests_of_4_mb")


@injection(alone=True)
async def million_names(stage: Stage) -> None:
    """streams that name 1,000,000 clusters each"""
    await _attacked(stage, "million_names", for_s=30.0)


@injection(alone=True)
async def nack_storm(stage: Stage) -> None:
    """NACKs with texts of 60 kB, from nodes with ids of 20 kB"""
    await _attacked(stage, "nack_storm")


@injection(alone=True)
async def changing_clients(stage: Stage) -> None:
    """clients that come once, each of its own namespace, egress address and dependencies"""
    await _attacked(stage, "changing_clients")


@injection(alone=True)
async def rapid_reset(stage: Stage) -> None:
    """HTTP/2 streams that are opened and reset"""
    await _attacked(stage, "rapid_reset")


@injection(alone=True)
async def open_streams(stage: Stage) -> None:
    """HTTP/2 streams that are opened and left alone"""
    await _attacked(stage, "open_streams")


@injection(alone=True)
async def continuation_flood(stage: Stage) -> None:
    """HTTP/2 headers without an end"""
    await _attacked(stage, "continuation_flood")


@injection(alone=True)
async def settings_flood(stage: Stage) -> None:
    """HTTP/2 settings and pings without an end"""
    await _attacked(stage, "settings_flood")


@injection(alone=True)
async def half_requests(stage: Stage) -> None:
    """1,000 half requests at the admin port, which keep no new Envoy out"""
    attack = stage.program(ATTACKS, "half_requests", stage.plane.admin)
    await until(lambda: "connections" in attack.said, 20.0)
    await stage.follows()
    await stage.shows(status=(200,))
    await stage.client(delta=True)
    await stage.follows()
    attack.end()
