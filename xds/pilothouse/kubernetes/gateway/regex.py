"""Regular expressions as Envoy reads them (RE2). Envoy would refuse all routes for one invalid expression."""

from __future__ import annotations

import re2

from pilothouse.kubernetes.fields import Fields
from pilothouse.kubernetes.gateway.limits import unsupported

# By default, Envoy refuses larger programs (re2.max_program_size.error_level). Our bootstrap raises the
# limit. But a sidecar with another bootstrap would lose all routes because of one expression (decision 0017).
_MOST_INSTRUCTIONS = 100

_QUIET = re2.Options()
_QUIET.log_errors = False


def is_regex(item: Fields) -> bool:
    """Whether a match is by regular expression, according to its `type`. The default is Exact."""
    kind = item.text("type", "Exact")
    if kind not in ("Exact", "RegularExpression"):
        raise item.error("type", f'"{kind}" is neither Exact nor RegularExpression')
    return kind == "RegularExpression"


def regex(item: Fields, key: str) -> str:
    """A regular expression that Envoy accepts. Raises Unsupported for any other."""
    return taken(item.required(key), item, key)


def taken(text: str, item: Fields, key: str) -> str:
    """An expression made from the value of a field. Raises Unsupported for the field if Envoy refuses it."""
    mistake = _mistake(text)
    if mistake:
        why = f'"{text[:60]}" is not a regular expression that Envoy takes: {mistake}'
        raise unsupported(item, key, why)
    return text


def _mistake(text: str) -> str:
    try:
        size = re2.compile(text, _QUIET).programsize
    except re2.error as error:
        return str(error.args[0], errors="replace")
    if size > _MOST_INSTRUCTIONS:
        return f"it compiles to {size} instructions, and {_MOST_INSTRUCTIONS} is the most"
    return ""
