"""The values of YAML's words: strings, numbers, true, false and null, as kubectl reads them."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from datetime import datetime

_TAG = "tag:yaml.org,2002:"
_WORDS: dict[str, object] = {
    **dict.fromkeys(("yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_NUMERIC = frozenset("0123456789+-.")
_INTEGER = re.compile(r"[-+]?(?:0[bB][01]+|0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[0-7]*|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BASES = {"b": 2, "B": 2, "x": 16, "X": 16, "o": 8, "O": 8}


def plain(text: str) -> object:
    """The value of an unquoted word. Raises ValueError for a number with too many digits."""
    if text in _WORDS:
        return _WORDS[text]
    return _number(text) if text[0] in _NUMERIC else text


def tagged(tag: str, text: str) -> object:
    """The value of a word with a tag such as `!!int`. Raises ValueError if the word does not fit its tag."""
    read = _READERS.get(tag)
    if read is None:
        raise ValueError(f"has the tag {written(tag)}, which manifests do not support")
    try:
        return read(text)
    except (ValueError, binascii.Error):
        raise ValueError(f'"{text[:40]}" does not match its tag {written(tag)}') from None


def written(tag: str) -> str:
    """A tag in its short form, such as `!!int`."""
    return tag.replace(_TAG, "!!", 1)


def is_tag(tag: str | None, name: str) -> bool:
    """Whether a collection has no tag, or has this one."""
    return tag in (None, "!", _TAG + name)


def _number(text: str) -> object:
    # kubectl reads no times and no sexagesimal numbers, and a float that is too large is a string.
    digits = text.replace("_", "") if text[0] != "." else text
    if _INTEGER.fullmatch(digits):
        return _integer(digits)
    if _FLOAT.fullmatch(digits):
        number = float(digits)
        return number if math.isfinite(number) else text
    return text


def _integer(digits: str) -> int:
    bare = digits.lstrip("+-")
    base = _BASES.get(bare[1:2]) or (8 if bare[0] == "0" else 10)
    if base == 10 and len(bare) > 1000:
        raise ValueError(f"has a number of {len(bare)} digits")
    return int(digits, base)


def _of(*types: type) -> Callable[[str], object]:
    def read(text: str) -> object:
        value = plain(text)
        if type(value) not in types:
            raise ValueError(text)
        return value

    return read


def _float(text: str) -> float:
    value = plain(text)
    if type(value) not in (int, float):
        raise ValueError(text)
    return float(text.replace("_", "")) if isinstance(value, float) else _finite(value)


def _finite(value: object) -> float:
    assert isinstance(value, int)
    try:
        return float(value)
    except OverflowError:
        raise ValueError(value) from None


def _time(text: str) -> str:
    datetime.fromisoformat(text)
    return text


def _binary(text: str) -> bytes:
    return base64.b64decode("".join(text.split()), validate=True)


_READERS: dict[str, Callable[[str], object]] = {
    f"{_TAG}str": str,
    f"{_TAG}int": _of(int),
    f"{_TAG}float": _float,
    f"{_TAG}bool": _of(bool),
    f"{_TAG}null": _of(type(None)),
    f"{_TAG}timestamp": _time,
    f"{_TAG}binary": _binary,
}
