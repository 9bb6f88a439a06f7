"""Regular expressions as Envoy reads them (RE2). One that it refuses would cost every route beside it."""

from __future__ import annotations

import re
from warnings import catch_warnings

from pilothouse.kubernetes.fields import Fields

# What Python's expressions can and RE2's cannot: looking around, referring back, atomic groups, conditions,
# comments, possessive repetition, some flags and escapes. An escaped backslash hides what comes after it.
_BEYOND = re.compile(
    r"(?<!\\)(?:\\\\)*(?:\\[1-9gZuUN]|\(\?(?:[=!>(#]|<[=!]|P=|P>|[a-zA-Z-]*[aLux])|[*+?}]\+)"
)
_REPEATED = re.compile(r"\{([0-9]+)(?:,([0-9]*))?\}")
_MOST_REPEATED = 1000
_MOST = 1000  # characters: long ones are slow to match, and Gateway API values are shorter


def is_regex(item: Fields) -> bool:
    """Whether a match is by a regular expression, as its `type` says; Exact is the default."""
    kind = item.text("type", "Exact")
    if kind not in ("Exact", "RegularExpression"):
        raise item.error("type", f'"{kind}" is neither Exact nor RegularExpression')
    return kind == "RegularExpression"


def regex(item: Fields, key: str) -> str:
    """A regular expression that RE2 takes. Raises FieldError for any other."""
    text = item.required(key)
    mistake = _mistake(text)
    if mistake:
        raise item.error(key, f'"{text[:60]}" is not a regular expression of RE2: {mistake}')
    return text


def _mistake(text: str) -> str:
    if len(text) > _MOST:
        return f"it is longer than {_MOST} characters"
    try:
        with catch_warnings(action="ignore"):  # of what means something else in other languages
            re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        return str(error)
    beyond = _BEYOND.search(text)
    if beyond:
        return f"{beyond[0]} is not in it"
    counts = [int(count) for pair in _REPEATED.findall(text) for count in pair if count]
    if any(count > _MOST_REPEATED for count in counts):
        return f"nothing is repeated more than {_MOST_REPEATED} times"
    return ""
