"""How much of what a client says is taken, and how much of it is kept and shown."""

from __future__ import annotations

#: Names in one request, and of one type on one stream. Of 10,000 services with three ports there are 30,000.
MOST_NAMES = 1 << 16
#: In characters. A cluster's name, the longest there is here, has 270; others are names of nothing.
LONGEST_NAME = 1 << 16
#: In characters, of the version of a set, which may be one of another control plane.
LONGEST_VERSION = 1 << 12
#: In characters, of the reason for a rejection.
LONGEST_REASON = 500


class Excess(ValueError):
    """A request for more than a client is granted; the text names the field and the limit."""

    def __init__(self, field: str, limit: str) -> None:
        super().__init__(f"{field}: {limit}")


def counted(field: str, number: int) -> None:
    """Raises Excess if so many names are too many."""
    if number > MOST_NAMES:
        raise Excess(field, f"more than {MOST_NAMES} names of one type")


def cut(text: str, most: int) -> str:
    """As much of what a client says as is kept and shown."""
    return text if len(text) <= most else f"{text[:most]}..."
