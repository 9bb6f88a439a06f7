"""File descriptors: each connection takes one, and some are reserved."""

from __future__ import annotations

import resource
from contextlib import suppress

# Reserved for the admin port, the sources, and the process itself.
_RESERVED = 256
_FEWEST = 16


def for_sidecars() -> int:
    """The largest number of sidecar connections. Raises the process's limit as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some systems allow less than they report
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    if soft == resource.RLIM_INFINITY:
        return (1 << 31) - 1
    return min(max(soft - _RESERVED, _FEWEST), (1 << 31) - 1)
