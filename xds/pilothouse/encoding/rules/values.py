"""Checks of one value: a scalar, a duration, or the size of a list or map.

A rule that these tables lack raises UnsupportedRule when it is compiled. Ignoring it would pass as "valid".
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from pilothouse._pb.validate import validate_pb2

Check = Callable[[Any], None]
Broken = Callable[[Any, Any], bool]
Table = Mapping[str, tuple[str, Broken]]


class RuleViolation(ValueError):
    """A message breaks a rule.

    `path` leads from the checked message to the fault, such as
    `endpoints[0].lb_endpoints[2].load_balancing_weight`.
    `rule` is the name of the rule, such as `uint32.gte`.
    `reason` says what the rule asks for. It never quotes text or bytes of the message, which may be secret.
    """

    def __init__(self, rule: str, reason: str, path: str = "") -> None:
        super().__init__(rule, reason, path)
        self.rule = rule
        self.reason = reason
        self.path = path

    def within(self, step: str) -> None:
        """Put the name of the field that holds the fault in front of the path, on the way out of it."""
        joint = "." if self.path and not self.path.startswith("[") else ""
        self.path = f"{step}{joint}{self.path}"

    def __str__(self) -> str:
        return f"{self.path}: {self.reason} ({self.rule})"


class UnsupportedRule(NotImplementedError):
    """A descriptor has a rule that this package cannot check."""


class Clause(NamedTuple):
    """One rule and its limit. `broken(value, limit)` is true if the value breaks the rule."""

    broken: Broken
    limit: Any
    rule: str
    reason: str


def _shorter(value: Any, least: int) -> bool:
    return len(value) < least


def _longer(value: Any, most: int) -> bool:
    return len(value) > most


_EQUAL: Final[Table] = {
    "const": ("must be {}", operator.ne),
    "in": ("must be one of {}", lambda value, allowed: value not in allowed),
    "not_in": ("must be none of {}", lambda value, refused: value in refused),
}
# Each compares with what is refused, not with what is allowed, because NaN must pass as it does in Envoy.
_ORDERED: Final[Table] = {
    **_EQUAL,
    "lt": ("must be less than {}", operator.ge),
    "lte": ("must be at most {}", operator.gt),
    "gt": ("must be greater than {}", operator.le),
    "gte": ("must be at least {}", operator.lt),
}
_BYTES: Final[Table] = {
    **_EQUAL,
    "len": ("must have {} bytes", lambda value, size: len(value) != size),
    "min_len": ("must have at least {} bytes", _shorter),
    "max_len": ("must have at most {} bytes", _longer),
    "prefix": ("must start with {}", lambda value, prefix: not value.startswith(prefix)),
    "suffix": ("must end with {}", lambda value, suffix: not value.endswith(suffix)),
    "contains": ("must contain {}", lambda value, part: part not in value),
}
_STRING: Final[Table] = {
    **_BYTES,
    "len": ("must have {} characters", lambda value, size: len(value) != size),
    "min_len": ("must have at least {} characters", _shorter),
    "max_len": ("must have at most {} characters", _longer),
    "len_bytes": ("must have {} bytes", lambda value, size: len(value.encode()) != size),
    "min_bytes": ("must have at least {} bytes", lambda value, least: len(value.encode()) < least),
    "max_bytes": ("must have at most {} bytes", lambda value, most: len(value.encode()) > most),
    "not_contains": ("must not contain {}", lambda value, part: part in value),
    "pattern": ("must match {}", lambda value, pattern: pattern.fullmatch(value) is None),
    "well_known_regex": ("must match {}", lambda value, pattern: pattern.fullmatch(value) is None),
}
_ENUM: Final[Table] = {
    **_EQUAL,
    "defined_only": ("must be a defined value", lambda value, defined: value not in defined),
}
_REPEATED: Final[Table] = {
    "min_items": ("must have at least {} items", _shorter),
    "max_items": ("must have at most {} items", _longer),
    "unique": ("must not repeat an item", lambda items, _: len(set(items)) < len(items)),
}
_MAP: Final[Table] = {
    "min_pairs": ("must have at least {} entries", _shorter),
    "max_pairs": ("must have at most {} entries", _longer),
}
_TABLES: Final[Mapping[str, Table]] = {
    **dict.fromkeys(("float", "double", "int32", "int64", "uint32", "uint64", "sint32", "sint64"), _ORDERED),
    **dict.fromkeys(("fixed32", "fixed64", "sfixed32", "sfixed64"), _ORDERED),
    "bool": _EQUAL,
    "string": _STRING,
    "bytes": _BYTES,
    "enum": _ENUM,
    "repeated": _REPEATED,
    "map": _MAP,
    "any": {name: _EQUAL[name] for name in ("in", "not_in")},
    "duration": _ORDERED,
    "timestamp": {},
}
SCALARS: Final = _TABLES.keys() - {"repeated", "map", "any", "duration", "timestamp"}
# Rules about presence or about the inside of a value. The check of the enclosing message applies them.
_NOT_OF_THE_VALUE: Final = frozenset({"required", "ignore_empty", "items", "keys", "values", "strict"})

_HEADER_UNLESS_STRICT: Final = r"[^\x00\n\r]*"
_HEADER: Final[Mapping[int, str]] = {
    validate_pb2.HTTP_HEADER_NAME: r":?[0-9a-zA-Z!#$%&'*+,\-.^_|~`]+",
    validate_pb2.HTTP_HEADER_VALUE: r"[^\x00-\x08\n-\x1f\x7f]*",
}


def value_check(kind: str, rules: Message, defined: frozenset[int] = frozenset()) -> Check | None:
    """A check of one value by rules of one kind (`uint32`, `string`, ...). None if these rules ask for
    nothing.

    A duration is given in nanoseconds, an Any as its type URL. `defined` holds the numbers of an enum.
    """
    clauses = _outside_if_crossed(list(_clauses(kind, rules, defined)))
    check = _each([_clause_check(kind, clause) for clause in clauses])
    if check is None or not getattr(rules, "ignore_empty", False):
        return check
    return lambda value: check(value) if value else None


def nanoseconds(duration: Duration) -> int:
    return duration.seconds * 1_000_000_000 + duration.nanos


def _clauses(kind: str, rules: Message, defined: frozenset[int]) -> Iterator[Clause]:
    for field, limit in rules.ListFields():
        name, rule = field.name, f"{kind}.{field.name}"
        off = limit is False and name != "const"
        if off or name in _NOT_OF_THE_VALUE:
            continue
        if name not in _TABLES[kind]:
            raise UnsupportedRule(rule)
        reason, broken = _TABLES[kind][name]
        limit = defined if name == "defined_only" else _limit(name, limit, rules)
        yield Clause(broken, limit, rule, reason.format(_shown(kind, limit)))


def _clause_check(kind: str, clause: Clause) -> Check:
    broken, limit, rule, reason = clause

    def check(value: Any) -> None:
        if broken(value, limit):
            raise RuleViolation(rule, reason + _seen(kind, value))

    return check


def _each(checks: Sequence[Check]) -> Check | None:
    if len(checks) < 2:
        return checks[0] if checks else None

    def check(value: Any) -> None:
        for find_fault in checks:
            find_fault(value)

    return check


def _limit(name: str, limit: Any, rules: Any) -> Any:
    if name in ("in", "not_in"):
        return frozenset(_limit("", each, rules) for each in limit)
    if name == "well_known_regex":
        if limit not in _HEADER:
            raise UnsupportedRule(f"string.well_known_regex {limit}")
        return re.compile(_HEADER[limit] if rules.strict else _HEADER_UNLESS_STRICT)
    if name == "pattern":
        # In RE2, \d and \w are ASCII only.
        return re.compile(limit, re.ASCII)
    return nanoseconds(limit) if isinstance(limit, Duration) else limit


def _outside_if_crossed(clauses: Sequence[Clause]) -> Sequence[Clause]:
    """Join bounds that exclude each other, as in "0 or at least 1 ms". A faulty value breaks both."""
    lower = next((clause for clause in clauses if clause.broken in (operator.le, operator.lt)), None)
    upper = next((clause for clause in clauses if clause.broken in (operator.ge, operator.gt)), None)
    if lower is None or upper is None or lower.limit < upper.limit:
        return clauses

    def between(value: Any, _: object) -> bool:
        return lower.broken(value, lower.limit) and upper.broken(value, upper.limit)

    reason = f"{upper.reason} or {lower.reason.removeprefix('must be ')}"
    others = [clause for clause in clauses if clause not in (lower, upper)]
    return [*others, Clause(between, None, lower.rule, reason)]


def _shown(kind: str, limit: Any) -> str:
    if isinstance(limit, re.Pattern):
        return repr(limit.pattern)
    if isinstance(limit, frozenset):
        return ", ".join(_shown(kind, each) for each in sorted(limit))
    return f"{limit / 1e9:g}s" if kind == "duration" else repr(limit)


def _seen(kind: str, value: Any) -> str:
    return f", is {_shown(kind, value)}" if isinstance(value, int | float) else ""
