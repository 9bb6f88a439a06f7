"""The reference names all that there is, and nothing that there is not."""

from __future__ import annotations

import re
from pathlib import Path

from pilothouse.model.reasons import Reason

ROOT = Path(__file__).parents[1]
REFERENCE = (ROOT / "docs/kubernetes.md").read_text()


def test_every_reason_is_explained() -> None:
    table = REFERENCE.partition("## Reasons")[2]
    assert re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE) == [reason.value for reason in Reason]


def test_every_annotation_is_explained() -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "xds/pilothouse/kubernetes").rglob("*.py"))
    known = set(re.findall(r'"(pilothouse\.dev/[a-z-]+)"', code))
    assert known == set(re.findall(r"^\| `(pilothouse\.dev/[a-z-]+)`", REFERENCE, re.MULTILINE))
