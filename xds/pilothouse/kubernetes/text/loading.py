"""Turns YAML or JSON into plain values, even if the text is hostile. Finds the line of each field."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import yaml

from pilothouse.kubernetes.fields import Path
from pilothouse.kubernetes.text import block_text, json_text, yaml_text
from pilothouse.kubernetes.text.errors import TextError

__all__ = ["Lines", "TextError", "load"]

# Finding lines takes a second, slower reading. For larger texts, only the line of the document is given.
_MAX_FOR_LINES = 4 << 20
# The start of a line that is not blank, a comment, a directive or a bare document separator.
_CONTENT = re.compile(r"^(?![^\S\n]*(?:#|$)|%|---[^\S\n]*(?:#|$))", re.MULTILINE)
_NULLS = ("", "~", "null", "Null", "NULL")


def load(text: str) -> list[Any]:
    """The YAML documents of a text that are not null. Raises TextError if the text cannot be read."""
    try:
        found: object = block_text.document(text)
    except block_text.NotPlain:
        return [each for each in yaml_text.documents(text) if each is not None]
    return [found] if found is not None else []


class Lines:
    """The lines of fields in a text. The text is parsed for them only when the first line is asked for."""

    def __init__(self, text: str, *, json: bool = False) -> None:
        self._text = text
        self._json = json

    def of(self, document: int, path: Path = ()) -> int:
        """The line of a field, from 0, in the n-th document that is not null; else of what surrounds it."""
        if self._json:
            return self._places.line(path)
        roots = self._roots
        return _line(roots[document], path) if document < len(roots) else self.first

    @cached_property
    def first(self) -> int:
        """The first line with content, from 0."""
        found = _CONTENT.search(self._text)
        return self._text.count("\n", 0, found.start()) if found else 0

    @cached_property
    def _places(self) -> json_text.Places:
        return json_text.Places(self._text)

    @cached_property
    def _roots(self) -> list[yaml.Node]:
        if len(self._text) > _MAX_FOR_LINES:
            return []
        return [node for node in _nodes(self._text) if not _is_null(node)]


def _nodes(text: str) -> Iterator[yaml.Node]:
    """The nodes of a text that has been read without an error."""
    loader = yaml.CSafeLoader(text)
    while loader.check_node():
        node = loader.get_node()
        assert node is not None
        yield node


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.style is None and node.value in _NULLS


def _line(node: yaml.Node, path: Path) -> int:
    line = int(node.start_mark.line)
    for step in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == step), None)
            if found is None:
                break
            line, node = int(found[0].start_mark.line), found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = int(node.start_mark.line)
        else:
            break
    return line
