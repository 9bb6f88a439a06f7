"""How long the state machines search: seconds, or minutes with HYPOTHESIS_PROFILE=long."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"

# A failure of the short profile is not shrunk, which can take minutes: repeat it with the long one.
PROFILE = settings(
    max_examples=5000 if LONG else 100,
    stateful_step_count=60 if LONG else 40,
    derandomize=not LONG,
    phases=[Phase.generate, Phase.shrink] if LONG else [Phase.generate],
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
