"""How long to wait after a failure. Pure, but for chance."""

from __future__ import annotations

import random

# A pause is at its longest long before that. A float with a thousand doublings would overflow.
_MOST_DOUBLINGS = 20


def pause_s(earlier: int, first_s: float, longest_s: float) -> float:
    """How many seconds to wait after a failure. `earlier` is how many there were in a row before it.

    The pause grows with them, up to `longest_s`. Chance keeps those apart that failed at the same moment.
    """
    return random.uniform(0.5, 1.0) * min(longest_s, first_s * 2.0 ** min(earlier, _MOST_DOUBLINGS))
