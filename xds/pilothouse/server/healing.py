"""Heals streams whose clients do not answer. They are sent the same again, once, and then the stream ends.

A push sets no timer. Instead, all streams are looked at every few seconds, in turns.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import structlog

from pilothouse.server.discovery import Discovery
from pilothouse.server.session import Session
from pilothouse.structures.turns import Turn

log = structlog.get_logger(__name__)

_TURN_S = 0.002


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client may owe an answer, in seconds, and how often that is looked at.

    Envoy withholds the ACK of clusters until they are warm, which takes up to 15 s by default: something is
    sent again only later than that. A stream ends when its answers are not waited for any more, either.
    """

    resend_s: float = 20.0
    close_s: float = 60.0
    look_s: float = 5.0


PATIENCE = Patience()


async def heal(discovery: Discovery, patience: Patience = PATIENCE) -> None:
    """Look after all streams for ever."""
    while True:
        await asyncio.sleep(patience.look_s)
        turn = Turn(_TURN_S)
        for session in list(discovery.sessions):
            _heal(discovery, session, patience)
            await turn.over()


def _heal(discovery: Discovery, session: Session, patience: Patience) -> None:
    since, now = session.stream.silent_since, time.monotonic()
    if since is None or session.closing:
        return
    waited_s = now - since
    if waited_s >= patience.close_s:
        types = ", ".join(session.unanswered)
        discovery.disconnect(session, f"no answer to {types} for {waited_s:.0f} s: reconnect")
        discovery.tally.stale_closed += 1
    elif waited_s >= patience.resend_s and session.remind(now - patience.resend_s):
        discovery.tally.stale_resent += 1
        log.warning(
            "a client does not answer, so it is sent the same again",
            node=session.node_id,
            peer=session.peer,
            types=session.unanswered,
            unanswered_s=round(waited_s, 1),
        )
