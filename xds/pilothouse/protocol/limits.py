"""Limits on what a client may send, and on how much of it is kept and shown."""

from __future__ import annotations

#: Names in one request, and names of one type on one stream. 10,000 services with three ports have 30,000.
MOST_NAMES = 1 << 16
#: In characters. The longest names are those of clusters, with 270. No resource has a longer name.
LONGEST_NAME = 1 << 16
#: In characters, for the version of a set. It may come from another control plane.
LONGEST_VERSION = 1 << 12
#: In characters, for the reason of a rejection.
LONGEST_REASON = 500


class Excess(ValueError):
    """A request exceeds a limit. The text names the field and the limit."""

    def __init__(self, field: str, limit: str) -> None:
        super().__init__(f"{field}: {limit}")


def counted(field: str, number: int) -> None:
    """Raise Excess if there are too many names."""
    if number > MOST_NAMES:
        raise Excess(field, f"more than {MOST_NAMES} names of one type")
