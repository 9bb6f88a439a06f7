"""Cuts the text of a manifest file into pieces that can be read alone: documents, or items of a list.

So a fault affects only its own piece, and after a change only the changed pieces are read again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

from pilothouse.kubernetes.text import json_text
from pilothouse.kubernetes.text.errors import TextError
from pilothouse.kubernetes.text.loading import load

# A line that begins or ends a document. It does so even inside of a quoted text (YAML 1.2, 9.1.2).
_MARK = re.compile(r"\n(?:---|\.\.\.)(?=[ \t\n]|$)")
_BEGIN, _END = "---", "..."
_ITEMS = re.compile(r"\nitems: *\n")
# The dash of the first item, after comments and blank lines.
_FIRST = re.compile(r"(?: *(?:#.*)?\n)*( *)-(?=[ \n])")
# `{a: 1}` is YAML in flow style. Nobody writes it as JSON.
_FLOW = re.compile(r"[\s\ufeff]*\{\s*[^\s\"}]")
#: The largest number of documents, or of list items, that are read. No cluster has so many. The limit bounds
#: the cost of a file that consists of tiny ones.
MOST = 250_000
# Another item may refer to an anchor, so a text with anchors is not cut.
_ANCHORS = (" &", "\n&", "[&", "{&", ",&")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a file. `line` counts from 0. `item` is the index in a list, for a list item.

    `value` is the parsed value, if it is known already. `error` says why the piece cannot be read.
    `kind` and `version` are the defaults for a list item that does not state its own.
    """

    text: str
    line: int
    item: int | None = None
    kind: str = ""
    version: str = ""
    json: bool = False
    value: Any = None
    error: TextError | None = None

    @property
    def identity(self) -> bytes:
        """Equal for pieces that mean the same."""
        within = "" if self.item is None else f"{self.kind}\0{self.version}\0"
        return f"{within}{self.text}".encode()

    def values(self) -> list[Any]:
        """The documents that are not null, or the single list item. Raises TextError if that fails."""
        if self.error is not None:
            raise self.error
        if self.json:
            return [self.value]
        found = load(self.text)
        if self.item is None:
            return found
        if len(found) != 1 or not isinstance(found[0], list) or len(found[0]) != 1:
            raise TextError(0, "is not an item of a list")
        return found[0]


def pieces(text: str) -> Iterator[Piece]:
    """Cut a text. Blank parts are skipped. If there are too many pieces, the last one is an error."""
    for number, piece in enumerate(_pieces(text)):
        if number == MOST:
            # The text is empty, so that the error is not attributed to a single object.
            why = f"exceeds the limit of {MOST} documents in a file"
            yield Piece("", piece.line, error=TextError(0, why))
            return
        yield piece


def _pieces(text: str) -> Iterator[Piece]:
    line = 0
    for document in _documents(text):
        if document.replace(_END, "").removeprefix(_BEGIN).strip():
            yield from _parts(document, line)
        line += document.count("\n")


def _documents(text: str) -> Iterator[str]:
    """Cut before each line that begins a document, and after each line that ends one."""
    start, pending = 0, ""
    for mark in _MARK.finditer(text):
        end = mark.start() + 1
        if mark[0].endswith(_END):
            end = text.find("\n", mark.end()) + 1 or len(text)
        piece = pending + text[start:end]
        # A directive (`%YAML 1.2`) comes before the line that begins its document.
        pending = piece if _is_directives(piece) else ""
        if piece and not pending:
            yield piece
        start = end
    if pending or start < len(text):
        yield pending + text[start:]


def _is_directives(text: str) -> bool:
    return "%" in text and all(line[:1] in ("%", "#") or not line.strip() for line in text.split("\n"))


def _parts(text: str, line: int) -> Iterator[Piece]:
    bare = text.removeprefix(_BEGIN)
    found = [*_of_stream(bare, line)] if json_text.begins(bare) else _of_list(text, line)
    yield from found or [Piece(text, line)]


def _of_stream(text: str, line: int) -> Iterator[Piece]:
    """The values of a stream of JSON. Empty if the text may be YAML instead."""
    found = [*islice(json_text.stream(text), MOST + 1)]
    if not all(value.certain for value in found) and (_FLOW.match(text) or _is_yaml(text)):
        return
    at = 0
    for value in found:
        line += text.count("\n", at, value.start)
        at = value.start
        said = text[value.start : value.end]
        yield Piece(said, line, json=True, value=value.value, error=value.error)


def _is_yaml(text: str) -> bool:
    try:
        load(text)
    except TextError:
        return False
    return True


def _of_list(text: str, line: int) -> list[Piece]:
    """The items of a list in block style. Empty if the list cannot be cut with certainty."""
    heads = [*_ITEMS.finditer(text)]
    if len(heads) != 1 or any(anchor in text for anchor in _ANCHORS):
        return []
    head = heads[0]
    first = _FIRST.match(text, head.end())
    if first is None:
        return []
    column = len(first[1])
    # Continuation lines of an item are always to the right of its dash (YAML 1.2, 6.1).
    after = re.compile(rf"\n {{0,{column - 1}}}[^\s#]" if column else r"\n(?:[^\s#-]|-[^\s])")
    found = after.search(text, first.end())
    end = found.start() + 1 if found else len(text)
    said = _said_around(text[: head.end()] + text[end:])
    if said is None:
        return []
    dash = re.compile(rf"\n {{{column}}}-(?=[ \n])")
    others = islice(dash.finditer(text, first.end(), end), MOST)
    starts = [head.end(), *(match.start() + 1 for match in others)]
    return [*_items(text, [*starts, end], line, *said)]


def _said_around(text: str) -> tuple[str, str] | None:
    """The kind and version of the items of a list, from the text around the items."""
    try:
        found = load(text)
    except TextError:
        return None
    if len(found) != 1 or not isinstance(found[0], dict) or found[0].get("items") is not None:
        return None
    kind, version = found[0].get("kind"), found[0].get("apiVersion", "")
    if not isinstance(kind, str) or not kind.endswith("List") or not isinstance(version, str):
        return None
    return kind.removesuffix("List"), version


def _items(text: str, cuts: list[int], line: int, kind: str, version: str) -> Iterator[Piece]:
    line += text.count("\n", 0, cuts[0])
    for item, (start, end) in enumerate(pairwise(cuts)):
        yield Piece(text[start:end], line, item, kind, version)
        line += text.count("\n", start, end)
