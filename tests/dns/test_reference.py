"""The reference of DNS says which test shows what, and there is such a test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.quick

_ROOT = Path(__file__).parents[2]
_ROW = re.compile(r"\| (D\d+) \|.*\| `(test_\w+)` in `(tests/\S+\.py)` \|")
_ABOUT_MORE_CLUSTERS = {"D28"}


def test_each_row_of_the_schema_has_a_test():
    text = (_ROOT / "docs/reference/dns.md").read_text()
    rows = [found.groups() for line in text.splitlines() if (found := _ROW.fullmatch(line))]
    assert {row for row, _, _ in rows} | _ABOUT_MORE_CLUSTERS == {f"D{each}" for each in range(1, 30)}
    for row, test, file in rows:
        content = (_ROOT / file).read_text()
        assert f"def {test}(" in content, row
        if test == "test_the_schema":
            assert f'"{row} ' in content, row
