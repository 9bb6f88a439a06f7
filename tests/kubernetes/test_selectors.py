"""The syntax of label selectors: what an API server would refuse is refused at the start, with the place."""

from __future__ import annotations

import pytest

from pilothouse.kubernetes.selectors import selector


@pytest.mark.parametrize(
    "text",
    [
        "team=shop",
        "team == shop",
        "team!=shop",
        "team in (shop, office)",
        "team notin (shop),example.com/track=stable",
        "team,!legacy",
        "! legacy",
        "generation>3,generation < 10",
        "team=",
        "team=,track",
        "team in (,)",
        "in in (in)",
        " team=shop ",
    ],
)
def test_what_an_api_server_takes_is_kept_as_it_was_written(text: str) -> None:
    assert selector(text) == text.strip()


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            "",
            "at character 1: there has to be the key of a label, such as team or example.com/team, but the s",
        ),
        (
            "team=shop,",
            "at character 11: there has to be the key of a label, such as team or example.com/team, but",
        ),
        ("team in shop", 'at character 9: there has to be "(", not "shop"'),
        ("team in (shop", 'at character 14: there has to be ")", but the selector ends'),
        ("team in ()", 'at character 10: there has to be a value, not ")"'),
        ("team in (a b)", 'at character 12: there has to be ")", not "b"'),
        ("team is shop", 'at character 6: there has to be one of =, ==, !=, in, notin, >, <, not "is"'),
        ("team=shop office", 'at character 11: there has to be ",", not "office"'),
        ("!team=shop", 'at character 6: there has to be ",", not "="'),
        (
            "team/x/y=1",
            "at character 1: there has to be the key of a label, such as team or example.com/team, not",
        ),
        (
            "team=a/b",
            "at character 6: there has to be the value of a label (at most 63 letters, digits, -, _ and",
        ),
        ("team>many", 'at character 6: there has to be a whole number, not "many"'),
        ("team===a", 'at character 7: there has to be ",", not "="'),
    ],
)
def test_what_it_would_refuse_is_refused_with_the_place(text: str, mistake: str) -> None:
    with pytest.raises(ValueError, match="is not a label selector") as raised:
        selector(text)
    assert mistake in str(raised.value)
