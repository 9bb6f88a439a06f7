"""How long to wait after a failure. Pure, but for chance."""

from __future__ import annotations

import random

# A pause is at its longest long before that, and a float of more doublings overflows.
_MOST_DOUBLINGS = 20


def pause_s(earlier: int, first_s: float, longest_s: float) -> float:
    """The pause in seconds after a failure that had so many `earlier` ones: longer and longer.

    It is never the same for many who failed at the same moment.
    """
    return random.uniform(0.5, 1.0) * min(longest_s, first_s * 2.0 ** min(earlier, _MOST_DOUBLINGS))
