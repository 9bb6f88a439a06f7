"""Lists of many pages: all of them, or as many items as are wanted."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from pilothouse.admin.api.views import ChangedView, ChangeView
from pilothouse.cli import asking

NOW = "2026-01-31T02:14:00.000Z"
THERE = 2500
Queries = list[dict[str, str]]


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> Queries:
    """What is asked of an API that has 2,500 changes, the newest first."""
    asked: Queries = []

    def send(_: object, page: str, *_more: object) -> tuple[int, bytes]:
        query = {name: value for name, [value] in parse_qs(urlsplit(page).query).items()}
        asked.append(query)
        newest = int(query.get("after", THERE + 1)) - 1
        last = max(1, newest - int(query["limit"]) + 1)
        said = (ChangedView("shop/cart", None, "changed"),)
        items = [ChangeView(number, NOW, "files", 1, said) for number in range(newest, last - 1, -1)]
        body = {"items": msgspec.to_builtins(items), **({"next": str(last)} if last > 1 else {})}
        return 200, json.dumps(body).encode()

    monkeypatch.setattr(asking, "_send", send)
    return asked


def numbers(outcome) -> list[int]:
    return [each["number"] for each in json.loads(outcome.out)["items"]]


@pytest.mark.parametrize(
    ("flags", "shown"),
    [
        ([], 50),
        (["--limit", "7"], 7),
        (["--limit", "1200"], 1200),
        (["--limit", "9999"], THERE),
        (["--since", "2h"], THERE),
        (["--since", "2h", "--limit", "3"], 3),
    ],
)
def test_the_newest_changes_are_shown_and_all_since_a_time(
    pilothouse: Callable, queries: Queries, flags: list[str], shown: int
) -> None:
    found = pilothouse("changes", *flags, "-o", "json", "--admin", "127.0.0.1:1")
    assert numbers(found) == [*range(THERE, THERE - shown, -1)]
    assert ("next" in json.loads(found.out)) == (shown < THERE)
    assert sum(int(each["limit"]) for each in queries) < shown + 1000, "no more is asked than is wanted"
    lines = pilothouse("changes", *flags, "--admin", "127.0.0.1:1").out.splitlines()
    if shown < THERE:
        assert (
            lines.pop() == f"these are the newest {shown:,}; for more: --limit N, or --since TIME such as 1h"
        )
    assert len(lines) == 1 + shown
