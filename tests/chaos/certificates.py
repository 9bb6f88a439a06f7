"""Certificates that change on disk under open streams."""

from __future__ import annotations

import asyncio
import time

from pilothouse.demo.waiting import until

from .injection import injection
from .stage import Stage

_READ_AGAIN_S = 20.0


async def _shown(stage: Stage) -> str:
    assert stage.pki is not None
    return await asyncio.to_thread(stage.pki.shown, stage.plane.xds)


async def _undisturbed(stage: Stage, before: list[int]) -> None:
    await stage.follows()
    if await stage.connections() != before:
        stage.complain("streams were dropped")


@injection(tls=True)
async def rotated_certificate(stage: Stage) -> None:
    """another certificate and key on disk, under TLS with client certificates"""
    assert stage.pki is not None
    before, shown = await stage.connections(), await _shown(stage)
    stage.pki.rotate()

    async def another() -> bool:
        return await _shown(stage) != shown

    begun = time.monotonic()
    if not await until(another, _READ_AGAIN_S, every_s=0.2):
        stage.complain(
            f"new connections are shown the old certificate after {time.monotonic() - begun:.0f} s"
        )
    await _undisturbed(stage, before)


@injection(tls=True)
async def half_written_certificate(stage: Stage) -> None:
    """a half-written certificate on disk; the last good one stays in use"""
    assert stage.pki is not None
    before, shown = await stage.connections(), await _shown(stage)
    stage.pki.spoil()
    await stage.watch(6.0)
    if await _shown(stage) != shown:
        stage.complain("new connections are not shown the certificate that was good")
    await _undisturbed(stage, before)
    await stage.shows("server.crt")
