"""The runtime layer of `--runtime`: keys of Envoy's runtime, with their values for all sidecars."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import yaml

from pilothouse.feeds.mappings import At, document

#: The value of a key. A mapping is the value of a key up to a dot, as in Envoy's own files.
Value: TypeAlias = "bool | int | float | str | Mapping[str, Value]"
Layer: TypeAlias = Mapping[str, Value]

_FRACTION = {"numerator", "denominator"}
_DENOMINATORS = ("HUNDRED", "TEN_THOUSAND", "MILLION")
_DEEPEST = 20
_MOST = 1 << 12  # the largest number of values
# Envoy stores numbers as doubles. Larger integers would lose precision.
_LARGEST = 1 << 53


def read(path: Path) -> Layer:
    """Read the file. Raises Mistake."""
    root = document(path)
    count = [0]
    return {key: _value(at, 1, count) for key, at in root.entries()}


def _value(at: At, depth: int, count: list[int]) -> Value:
    count[0] += 1
    # Aliases may refer to the same mapping many times.
    if depth > _DEEPEST or count[0] > _MOST:
        raise at.mistake(f"is too large: a layer has at most {_MOST} values, {_DEEPEST} deep")
    if isinstance(at.node, yaml.MappingNode):
        parts = dict(at.entries())
        if _FRACTION & parts.keys():
            return _fraction(at, parts)
        return {key: _value(part, depth + 1, count) for key, part in parts.items()}
    value = at.scalar()
    if not isinstance(value, bool | int | float | str):
        raise at.mistake("is not a string, a number, true, false or a mapping")
    if isinstance(value, str) and not value.isprintable():
        raise at.mistake("has characters that cannot be printed")
    if isinstance(value, int | float) and not abs(value) <= _LARGEST:  # NaN must fail, too
        raise at.mistake("is a number that Envoy cannot hold exactly")
    return value


def _fraction(at: At, parts: Mapping[str, At]) -> Value:
    """A fraction: so many parts of a hundred, ten thousand or a million."""
    for key in parts.keys() - _FRACTION:
        raise parts[key].mistake("is not allowed beside numerator and denominator")
    if "numerator" not in parts:
        raise at.mistake("has a denominator and no numerator")
    numerator = parts["numerator"].scalar()
    if type(numerator) is not int or not 0 <= numerator < 1 << 32:
        raise parts["numerator"].mistake("is not a whole number of 0 or more")
    found: dict[str, Value] = {"numerator": numerator}
    if "denominator" in parts:
        found["denominator"] = parts["denominator"].text()
        if found["denominator"] not in _DENOMINATORS:
            raise parts["denominator"].mistake(f"is not one of {', '.join(_DENOMINATORS)}")
    return found
