"""Which names a mistyped one may have meant."""

from __future__ import annotations

import pytest

from pilothouse.structures.nearness import near
from pilothouse.structures.turns import at_once

NAMES = ["shop/cart", "shop/payments", "shop/card", "front/web", "shop/inventory"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("shop/crat", ("shop/cart",)),
        ("shop/paymnets", ("shop/payments",)),
        ("cart", ("shop/cart",)),
        ("shop/zzzzzzzz", ()),
        ("", ()),
    ],
)
def test_the_nearest_names_are_found(wanted, found) -> None:
    said = at_once(near(wanted, NAMES))
    assert said[: len(found)] == found
    assert len(said) <= 3
