"""File descriptors: each connection takes one, and some are not for sidecars."""

from __future__ import annotations

import resource
from contextlib import suppress

# For the admin, the sources, and what the process itself has open.
_RESERVED = 256
_FEWEST = 16


def for_sidecars() -> int:
    """How many connections there may be, after the limit was raised to what the system grants at most."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some systems grant less than they say
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    if soft == resource.RLIM_INFINITY:
        return (1 << 31) - 1
    return min(max(soft - _RESERVED, _FEWEST), (1 << 31) - 1)
