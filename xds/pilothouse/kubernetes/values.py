"""YAML or JSON text becomes plain values; the text can be hostile. And on which line of it a field stands."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import yaml

from pilothouse.kubernetes.fields import Path

# Kubernetes objects are some ten levels deep. libyaml's composer recurses on the C stack and would
# end the process at some ten thousand.
_MAX_DEPTH = 100
# How many values aliases may blow a text up by. A "billion laughs" text has a few hundred bytes.
_MAX_EXPANSION = 1_000_000
# A merge copies, so each one is bounded too: in mappings merged into one, and in fields over all.
_MAX_MERGES = 16
_MAX_MERGED = 100_000
# Lines are looked up in a second, slower reading. Beyond this size one is told the document's line.
_MAX_FOR_LINES = 4 << 20
# The start of a line that is neither blank nor a comment, a directive or a bare document separator.
_CONTENT = re.compile(r"^(?![^\S\n]*(?:#|$)|%|---[^\S\n]*(?:#|$))", re.MULTILINE)
_TAG = "tag:yaml.org,2002:"
_NULL, _MERGE, _SEQUENCE = f"{_TAG}null", f"{_TAG}merge", f"{_TAG}seq"


class TextError(ValueError):
    """A text that cannot be read. `line` counts from 0."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(line, message)
        self.line = line
        self.message = message


_INTEGER = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)$")
_FLOAT = re.compile(
    r"(?:[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """What an unquoted word may be, as kubectl reads it: no time, and no number to the base 60."""
    meant = {f"{_TAG}int": _INTEGER, f"{_TAG}float": _FLOAT}
    known = (f"{_TAG}bool", _NULL, _MERGE, *meant)
    return {
        first: [(tag, meant.get(tag, pattern)) for tag, pattern in found if tag in known]
        for first, found in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


class _Loader(yaml.CSafeLoader):
    """The safe loader with bounds, for texts that are made to exhaust their reader."""

    yaml_implicit_resolvers = _resolvers()

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._merged = 0

    # The composer calls these two around each value that it descends into.
    def descend_resolver(self, current_node: Any, current_index: Any) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            mark = current_node.start_mark if current_node else None
            raise yaml.MarkedYAMLError(
                problem=f"is nested deeper than {_MAX_DEPTH} levels", problem_mark=mark
            )

    def ascend_resolver(self) -> None:
        self._depth -= 1

    def flatten_mapping(self, node: Any) -> None:
        merges = [value for key, value in node.value if key.tag == _MERGE]
        if sum(len(value.value) if value.tag == _SEQUENCE else 1 for value in merges) > _MAX_MERGES:
            raise yaml.MarkedYAMLError(problem="merges too many mappings", problem_mark=node.start_mark)
        super().flatten_mapping(node)
        self._merged += len(node.value) if merges else 0
        if self._merged > _MAX_MERGED:
            raise yaml.MarkedYAMLError(problem="merges too much", problem_mark=node.start_mark)


def load(text: str) -> list[Any]:
    """The documents of a text that are not null. Raises TextError where it cannot be read."""
    if text.removeprefix("---").lstrip().startswith("{"):
        # JSON is YAML, but its own reader is ten times as fast. What it refuses may still be YAML.
        try:
            return [json.loads(text.removeprefix("---"))]
        except (ValueError, RecursionError):
            pass
    documents = list(_documents(text))
    if "*" in text and any(_exceeds(document, len(text) + _MAX_EXPANSION) for document in documents):
        raise TextError(0, "its aliases expand to too much")
    return documents


class Lines:
    """On which line of a text a field stands, looked up only if somebody asks."""

    def __init__(self, text: str) -> None:
        self._text = text

    def of(self, document: int, path: Path = ()) -> int:
        """The line, from 0, of a field of the n-th document that is not null; else of what is around it."""
        roots = self._roots
        return _line(roots[document], path) if document < len(roots) else self.first

    @cached_property
    def first(self) -> int:
        """The first line, from 0, with something to read on it."""
        return _first_line(self._text)

    @cached_property
    def _roots(self) -> list[yaml.Node]:
        if len(self._text) > _MAX_FOR_LINES:
            return []
        loader = _Loader(self._text)
        try:
            return [node for node in _drain(loader.check_node, loader.get_node) if node.tag != _NULL]
        except yaml.YAMLError:
            # JSON that is no YAML, for example by its tabs.
            return []
        finally:
            loader.dispose()


def _first_line(text: str) -> int:
    found = _CONTENT.search(text)
    return text.count("\n", 0, found.start()) if found else 0


def _documents(text: str) -> Iterator[Any]:
    loader = _Loader(text)
    try:
        yield from (found for found in _drain(loader.check_data, loader.get_data) if found is not None)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # What ends too early is marked after its end.
        line = min(mark.line, text.rstrip().count("\n")) if mark else _first_line(text)
        raise TextError(line, _message(error)) from None
    except yaml.YAMLError as error:
        raise TextError(_first_line(text), " ".join(str(error).split())) from None
    except RecursionError:
        raise TextError(_first_line(text), "contains itself") from None
    except (ValueError, OverflowError) as error:
        # A number of thousands of digits, or a tagged time such as 2026-13-45: no mark comes with these.
        raise TextError(_first_line(text), f"has a value that cannot be read: {error}") from None
    finally:
        loader.dispose()


def _drain(check: Callable[[], bool], get: Callable[[], Any]) -> Iterator[Any]:
    while check():
        yield get()


def _message(error: yaml.MarkedYAMLError) -> str:
    parts = (str(part) for part in (error.problem, error.context) if part)
    return ", ".join(parts) or "cannot be read"


def _exceeds(value: object, limit: int) -> bool:
    """Whether writing a value out in full, without aliases, takes more than so many values."""
    pending, count = [value], 0
    while pending:
        top = pending.pop()
        inner = top.values() if isinstance(top, dict) else top if isinstance(top, list) else ()
        count += len(inner)
        if count > limit:
            return True
        pending.extend(inner)
    return False


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
