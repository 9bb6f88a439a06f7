"""From the monotonic clock to the time of day."""

from __future__ import annotations

import time

from pilothouse.admin.api.views import moment

_JUMP_S = 1.0


class _Clock:
    """How far the time of day is ahead of the monotonic clock.

    Measured again only after a jump, so that an answer in which nothing has changed stays the same.
    """

    ahead = time.time() - time.monotonic()

    def wall(self, at: float) -> float:
        ahead = time.time() - time.monotonic()
        if abs(ahead - self.ahead) > _JUMP_S:
            self.ahead = ahead
        return at + self.ahead


_clock = _Clock()


def wall(at: float) -> float:
    """A time of the monotonic clock in Unix seconds."""
    return _clock.wall(at)


def at(monotonic: float | None) -> str | None:
    """A time of the monotonic clock as text. None stays None."""
    return None if monotonic is None else moment(wall(monotonic))
