"""A list in parts is the list at once."""

from __future__ import annotations

import pytest

from pilothouse.admin.api.encoding import decoded, encoded, for_people, in_parts
from pilothouse.admin.api.views.orders import DrainList, DrainView
from pilothouse.structures.turns import at_once

pytestmark = pytest.mark.quick

#: What looks like an empty list, in a text.
_CONFUSING = '\n  "items": []\n'


def _list(count: int) -> DrainList:
    items = (DrainView(f"10.0.0.{each}", _CONFUSING, "now", "then", reason="é{[") for each in range(count))
    return DrainList(tuple(items), next=_CONFUSING)


@pytest.mark.parametrize("count", [0, 1, 19, 20, 21, 40, 41, 100])
def test_a_list_in_parts_is_the_list_at_once(count: int) -> None:
    assert at_once(in_parts(_list(count))) == for_people(encoded(_list(count)))


def test_a_long_list_is_encoded_in_many_steps() -> None:
    assert sum(1 for _ in in_parts(_list(1000))) >= 50


def test_a_file_name_that_is_not_utf_8_is_written_as_at_once() -> None:
    odd = DrainList((*_list(50).items, DrainView("10.0.1.1", "\udcff", "now", "then")))
    text = at_once(in_parts(odd))
    assert decoded(text, DrainList) == odd
