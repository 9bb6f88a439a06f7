"""The resources that there may be, for the state machines to draw from: few, so that they meet often."""

from __future__ import annotations

from itertools import combinations

from hypothesis import strategies as st

from pilothouse.encoding.types import ResourceType

from .clients import ALL
from .toy_world import CDS, EDS, FURTHER, LDS, RDS

NAMES = {CDS: "abc", EDS: "abc", LDS: "lm", RDS: "rs", FURTHER: "xy"}
TYPES = st.sampled_from(sorted(NAMES, key=lambda type: type.label))
CHANGES = st.lists(
    st.sampled_from(
        [(type, name, text) for type in NAMES for name in NAMES[type] for text in (None, "1", "2")]
    ),
    min_size=1,
    max_size=5,
)
# A few of the names that there may be, or everything.
ASKED = st.sampled_from(
    [
        (type, set(names))
        for type in NAMES
        for size in range(3)
        for names in combinations((*NAMES[type], ALL), size)
    ]
)


Changed = list[tuple[ResourceType, str, str | None]]
