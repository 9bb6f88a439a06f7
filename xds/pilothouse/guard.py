"""Which losses to believe: the seam between what a source reports and what is served.

Loss that is explicit (a deletion event, a manifest that was removed) is honoured at once. Loss that
is only implied by a report of everything may be a fault of the backend; whether to believe it is
decided here, before the merge, so that no later stage has to ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pilothouse.model import Service, ServiceName

Report = Mapping[ServiceName, Service]


class Guard(Protocol):
    """Decides what of a full report comes into force."""

    def __call__(self, source: str, before: Report, after: Report) -> Report:
        """`before` is in force, `after` was reported. Returns what is to be in force now."""


def believe(source: str, before: Report, after: Report) -> Report:
    """Takes every report at its word: right for sources whose reports are explicit, such as files."""
    return after
