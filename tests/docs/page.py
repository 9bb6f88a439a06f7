"""A page of the documentation as what a reader does: files to save, and commands to run, in order.

Fenced blocks that say `title="NAME"` are files. Blocks of `sh` are commands; a block of `text` or `json`
right after one shows what it prints. A comment before a block says what is special about it:

    <!-- not run: WHY -->    a test cannot run it here
    <!-- exits: 1 -->        it fails, as the page says

A comment in a page says that its reader has done the first steps of the tutorial:

    <!-- starts after step 5 of the tutorial -->
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(?P<info>.*)\n(?P<body>(?:(?!```).*\n)*?)^```$", re.MULTILINE)
_TITLE = re.compile(r'title="([^"]+)"')
_START = re.compile(r"<!-- starts after step (\d+) of the tutorial -->")
_MARK = re.compile(r"<!-- (not run|exits): (.+?) -->\s*\Z")


@dataclass(frozen=True, slots=True)
class File:
    """A file that the reader saves."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Commands:
    """Commands that the reader runs; `shown` is what the page says they print, None if it says nothing.

    `not_run` is why a test does not run them, empty if it does.
    """

    line: int
    text: str
    shown: str | None = None
    not_run: str = ""
    status: int = 0


def before(page: Path, tutorial: Path) -> list[File | Commands]:
    """What a reader of this page has done before: of what only shows something, the last suffices."""
    start = _START.search(page.read_text())
    if start is None:
        return []
    found = _steps(tutorial.read_text().partition(f"\n## {int(start[1]) + 1}.")[0])
    return [step for step in found[:-1] if isinstance(step, File) or step.shown is None] + found[-1:]


def steps(page: Path) -> list[File | Commands]:
    """What a reader of this page does."""
    return _steps(page.read_text())


def _steps(text: str) -> list[File | Commands]:
    found: list[File | Commands] = []
    for line, language, title, body, mark in _blocks(text):
        if title:
            found.append(File(title, body))
        elif language == "sh":
            found.append(_commands(line, body, mark))
        elif language in ("text", "json") and found and _can_show(found[-1]):
            last = found[-1]
            assert isinstance(last, Commands)
            found[-1] = Commands(last.line, last.text, body, last.not_run, last.status)
    return found


def _can_show(step: File | Commands) -> bool:
    return isinstance(step, Commands) and step.shown is None


def _commands(line: int, body: str, mark: tuple[str, str]) -> Commands:
    kind, text = mark
    if kind == "not run":
        return Commands(line, body, not_run=text)
    return Commands(line, body, status=int(text) if kind == "exits" else 0)


def _blocks(text: str) -> Iterator[tuple[int, str, str, str, tuple[str, str]]]:
    """Line, language, title, content and mark of each fenced block."""
    end = 0
    for fence in _FENCE.finditer(text):
        info, mark = fence["info"], _MARK.search(text[end : fence.start()])
        title = _TITLE.search(info)
        line = text.count("\n", 0, fence.start()) + 1
        marked = (mark[1], mark[2]) if mark else ("", "")
        yield line, info.partition(" ")[0], title[1] if title else "", fence["body"], marked
        end = fence.end()
