"""Reads all of YAML into plain values, with bounds on everything that a text can cost."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from pilothouse.kubernetes.text import scalars
from pilothouse.kubernetes.text.errors import TEMPLATE_HINT, TextError

# Kubernetes objects are about ten levels deep.
_MAX_DEPTH = 100
# How many values the aliases of a text may expand to. A "billion laughs" text has a few hundred bytes.
_EXPANDED, _EXPANDED_PER_CHARACTER = 1000, 10

_INDENTED_BY_TAB = re.compile(" *\t")
# libyaml's messages for a tab.
_TAB_IS_TO_BLAME = re.compile("cannot start any token|tab character")


def documents(text: str) -> Iterator[object]:
    """The documents of a text, including null ones. Raises TextError if the text cannot be read."""
    try:
        yield from _Reader(text).documents()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # libyaml marks a text that ends too early after its end.
        line = min(mark.line, text.rstrip().count("\n")) if mark else 0
        raise _explained(text, TextError(line, _message(error))) from None
    except TextError as error:
        raise _explained(text, error) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) if isinstance(error.position, int) else 0
        raise TextError(line, " ".join(str(error).split())) from None


class _Reader:
    """Builds values from the events of libyaml's parser.

    libyaml's own composer and the usual constructors have no bounds and raise exceptions of many types.
    """

    def __init__(self, text: str) -> None:
        self._next: Callable[[], Any] = yaml.CSafeLoader(text).get_event
        self._most = _EXPANDED + _EXPANDED_PER_CHARACTER * len(text)
        self._depth = 0
        # The number of values so far, if each alias were written out.
        self._count = 0
        # The value of an anchor and how many values it counts as. None inside of the anchored value itself.
        self._anchors: dict[str, tuple[object, int] | None] = {}

    def documents(self) -> Iterator[object]:
        while not isinstance(event := self._next(), StreamEndEvent):
            if isinstance(event, DocumentStartEvent):
                self._anchors.clear()
                yield self._value(self._next())

    def _value(self, event: Any) -> object:
        if isinstance(event, AliasEvent):
            return self._alias(event)
        before, anchor = self._count, event.anchor
        self._count += 1
        if anchor is not None:
            self._anchors[anchor] = None
        value = self._scalar(event) if isinstance(event, ScalarEvent) else self._collection(event)
        if anchor is not None:
            self._anchors[anchor] = value, self._count - before
        return value

    def _alias(self, event: AliasEvent) -> object:
        if event.anchor not in self._anchors:
            raise _at(event, f"found undefined alias {event.anchor}")
        anchored = self._anchors[event.anchor]
        if anchored is None:
            raise _at(event, f"contains itself by the alias {event.anchor}")
        value, size = anchored
        self._count += size
        if self._count > self._most:
            raise _at(event, "its aliases expand to too much")
        return value

    def _scalar(self, event: ScalarEvent) -> object:
        as_plain, as_quoted = event.implicit
        if as_quoted:
            return event.value
        try:
            return scalars.plain(event.value) if as_plain else scalars.tagged(event.tag or "", event.value)
        except ValueError as error:
            raise _at(event, str(error)) from None

    def _collection(self, event: Any) -> object:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _at(event, f"is nested deeper than {_MAX_DEPTH} levels")
        is_list = isinstance(event, SequenceStartEvent)
        if not scalars.is_tag(event.tag, "seq" if is_list else "map"):
            raise _at(event, f"has the tag {scalars.written(event.tag)}, which manifests do not support")
        value = self._list() if is_list else self._mapping()
        self._depth -= 1
        return value

    def _list(self) -> list[object]:
        found: list[object] = []
        while not isinstance(event := self._next(), SequenceEndEvent):
            with_step = len(found)
            try:
                found.append(self._value(event))
            except TextError as error:
                raise error.within(with_step) from None
        return found

    def _mapping(self) -> dict[object, object]:
        found: dict[object, object] = {}
        merged: list[dict[object, object]] = []
        while not isinstance(event := self._next(), MappingEndEvent):
            if _is_merge(event):
                merged = self._merged(self._next()) + merged
                continue
            key = self._key(event)
            if key in found:
                raise _at(event, "appears twice").within(key)
            try:
                found[key] = self._value(self._next())
            except TextError as error:
                raise error.within(key) from None
        for each in merged:
            found = {**each, **found}
        return found

    def _key(self, event: Event) -> object:
        key = self._value(event)
        if isinstance(key, dict | list):
            raise _at(event, f"has {'a mapping' if isinstance(key, dict) else 'a list'} as a key")
        return key

    def _merged(self, event: Event) -> list[dict[object, object]]:
        """The mappings that `<<` merges: one, or a list. The first one takes precedence."""
        value = self._value(event)
        found = value if isinstance(value, list) else [value]
        mappings = [each for each in found if isinstance(each, dict)]
        if len(mappings) < len(found):
            raise _at(event, "merges what is not a mapping")
        return mappings


def _is_merge(event: Event) -> bool:
    return isinstance(event, ScalarEvent) and event.value == "<<" and bool(event.implicit[0])


def _at(event: Any, message: str) -> TextError:
    return TextError(event.start_mark.line, message)


def _explained(text: str, error: TextError) -> TextError:
    """The error with a better message, if it is one of the most common mistakes."""
    line = text.split("\n")[error.line]
    if _INDENTED_BY_TAB.match(line) and _TAB_IS_TO_BLAME.search(error.message):
        return TextError(error.line, "is indented by a tab; YAML takes only spaces", error.path)
    if "{{" in line:
        return TextError(error.line, error.message + TEMPLATE_HINT, error.path)
    return error


def _message(error: yaml.MarkedYAMLError) -> str:
    parts = (str(part) for part in (error.problem, error.context) if part)
    return ", ".join(parts) or "cannot be read"
