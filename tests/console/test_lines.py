"""The lines in which two texts differ, as the browser finds them."""

from __future__ import annotations

import difflib
import random
from typing import Any

import pytest

#: Runs in the page: what `difference` says of some pairs of texts.
FOUND = """async (pairs) => {
  const { difference } = await import('./lines.js');
  return pairs.map(([before, after]) => difference(before, after));
}"""
LONG = [f"line {number}" for number in range(30_000)]


@pytest.fixture
async def differences(look) -> Any:
    page = await look()

    async def found(*pairs: tuple[list[str], list[str]]) -> list[dict[str, Any]]:
        return await page.evaluate(FOUND, pairs)

    return found


def shown(found: dict[str, Any]) -> list[str]:
    return [
        f"{each['sign']}{each['text']}" if "text" in each else str(each["skipped"]) for each in found["parts"]
    ]


async def test_what_goes_what_comes_and_what_is_near_is_shown(differences) -> None:
    before = [str(number) for number in range(20)]
    after = [*before[:10], "new", *before[11:]]
    [found] = await differences((before, after))
    assert shown(found) == ["7", " 7", " 8", " 9", "-10", "+new", " 11", " 12", " 13", "6"]
    assert (found["added"], found["removed"]) == (1, 1)


async def test_nothing_against_something_is_all_of_it(differences) -> None:
    found = await differences(([], ["a", "b"]), (["a", "b"], []), (["a"], ["a"]), ([], []))
    assert [shown(each) for each in found] == [["+a", "+b"], ["-a", "-b"], ["1"], []]


async def test_both_texts_can_be_read_from_it_and_no_shorter_way_is_known(differences) -> None:
    chance = random.Random(7)
    pairs = [
        tuple([chance.choice("abc") for _ in range(chance.randrange(9))] for _ in range(2))
        for _ in range(2000)
    ]
    for (before, after), found in zip(pairs, await differences(*pairs), strict=True):
        lines = shown(found)
        if not any("skipped" in each for each in found["parts"]):
            assert [each[1:] for each in lines if each[0] != "+"] == before
            assert [each[1:] for each in lines if each[0] != "-"] == after
        known = difflib.SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
        assert found["removed"] <= len(before) - sum(each.size for each in known)


async def test_a_long_text_in_which_little_or_everything_differs_is_no_hurdle(differences) -> None:
    little = [f"{line}!" if number % 300 == 0 else line for number, line in enumerate(LONG)]
    some, everything = await differences((LONG, little), (LONG, [f"{line}!" for line in LONG]))
    assert (some["added"], some["removed"]) == (100, 100)
    assert (everything["added"], everything["removed"]) == (30_000, 30_000)
