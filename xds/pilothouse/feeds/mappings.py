"""Reads mappings from YAML or JSON. Each mistake names its line and its field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from pilothouse.feeds.feed import Mistake, content
from pilothouse.structures.written import is_content


@dataclass(frozen=True, slots=True)
class At:
    """A part of a file: its place and its value."""

    file: str
    field: str
    node: yaml.Node

    def mistake(self, message: str) -> Mistake:
        return Mistake(self.file, message, self.node.start_mark.line + 1, self.field)

    def entries(self) -> Iterator[tuple[str, At]]:
        """The entries of a mapping. Raises Mistake, also for a key that appears twice."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.mistake("is not a mapping")
        seen: set[str] = set()
        for key, value in self.node.value:
            at = At(self.file, self.field, key)
            if not isinstance(key, yaml.ScalarNode) or not key.value or key.tag != _TEXT:
                raise at.mistake("has a key that is not a string")
            inside = At(self.file, f"{self.field}.{key.value}" if self.field else key.value, value)
            if key.value in seen:
                raise At(self.file, inside.field, key).mistake("appears twice")
            seen.add(key.value)
            yield key.value, inside

    def items(self) -> list[At]:
        """The items of a list. Raises Mistake."""
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.mistake("is not a list")
        return [At(self.file, f"{self.field}[{index}]", node) for index, node in enumerate(self.node.value)]

    def scalar(self) -> object:
        """A string, a number, true, false or None. Raises Mistake."""
        if not isinstance(self.node, yaml.ScalarNode):
            raise self.mistake("is a list or a mapping, not a single value")
        try:
            return yaml.SafeLoader("").construct_object(self.node)
        except (yaml.YAMLError, ValueError, LookupError, AttributeError, OverflowError):
            # PyYAML's constructors raise different exceptions for different tags.
            raise self.mistake("cannot be read") from None

    def text(self) -> str:
        """A string. Raises Mistake."""
        value = self.scalar()
        if not isinstance(value, str) or not value:
            raise self.mistake("is not a string")
        return value

    def file_name(self) -> str:
        """A string that may be a file name. Any other text may be a key, so it is not quoted.

        Raises Mistake.
        """
        value = self.text()
        if is_content(value) or not value.isprintable():
            raise self.mistake("must be a file name, not the content of a file")
        return value


_TEXT = "tag:yaml.org,2002:str"


def document(path: Path) -> At:
    """The only document of a file. Raises Mistake."""
    file = str(path)
    try:
        loader = yaml.SafeLoader(content(path))
        root = loader.get_single_node()
    except Mistake:
        raise
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise Mistake(file, f"not YAML: {error.problem}", line) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Mistake(file, f"not YAML: {type(error).__name__}") from None
    if root is None:
        raise Mistake(file, "is empty")
    return At(file, "", root)
