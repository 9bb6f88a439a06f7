"""What all answers are made of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, TypeAlias

from msgspec import Struct

#: How a client stands with one type. See `SubscriptionView`.
SyncState: TypeAlias = Literal["SYNCED", "SENDING", "STALE", "NACKED", "IDLE"]


def moment(seconds: float) -> str:
    """A time in Unix seconds as text, for example `2026-01-31T02:14:05.123Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class View(Struct, frozen=True, omit_defaults=True):
    """Something that a page shows."""


class Why(View, frozen=True):
    """A reason: its code, the words for it, and what it is about."""

    code: str
    words: str
    about: str | None = None


class PlaceView(View, frozen=True):
    """Where something runs."""

    region: str | None = None
    zone: str | None = None
    sub_zone: str | None = None


class ErrorView(View, frozen=True):
    """What is wrong with a request, in one line. `near` has names that are like the one asked for."""

    error: str
    near: tuple[str, ...] = ()
