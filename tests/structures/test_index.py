"""What hangs on a key, one value or many."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.structures.index import Index

KEYS = st.lists(st.integers(0, 3), max_size=4)


@given(st.lists(st.tuples(KEYS, st.integers(0, 3))))
def test_many_keys_at_once_are_as_one_after_the_other(steps: list[tuple[list[int], int]]) -> None:
    together, singly = Index[int, int](), Index[int, int]()
    for keys, value in steps:
        together.add_to_each(keys, value)
        for key in keys:
            singly.add(key, value)
    for key in range(4):
        assert set(together.at(key)) == set(singly.at(key))
