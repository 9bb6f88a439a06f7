"""Compiles the rules of a message type, once, into checks that visit only the fields that are set.

A field that is not set breaks a rule if its default value does. So each type also knows which fields and
oneofs must be set. A type without any rule inside needs no check.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final, NamedTuple

from google.protobuf import any_pb2, descriptor_pool, duration_pb2, message_factory, timestamp_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.message import DecodeError, Message

from pilothouse._pb.validate import validate_pb2
from pilothouse.encoding.rules.values import (
    SCALARS,
    Check,
    RuleViolation,
    UnsupportedRule,
    nanoseconds,
    value_check,
)

_ANY: Final = any_pb2.Any.DESCRIPTOR
_DURATION: Final = duration_pb2.Duration.DESCRIPTOR
_TIMESTAMP: Final = timestamp_pb2.Timestamp.DESCRIPTOR
_KINDS_OF_MESSAGES: Final = {_ANY: "any", _DURATION: "duration", _TIMESTAMP: "timestamp"}
_KINDS_OF_SCALARS: Final = {getattr(FieldDescriptor, f"TYPE_{kind.upper()}"): kind for kind in SCALARS}
# Envoy refuses a negative duration, and one whose nanoseconds exceed an int64, with or without a rule.
_LONGEST_SECONDS: Final = (2**63 - 1) // 1_000_000_000 - 1
_LONGEST_NANOS: Final = 999_999_999


class _Need(NamedTuple):
    """One of `fields` must be set. Otherwise this fault is raised."""

    fields: frozenset[FieldDescriptor]
    path: str
    rule: str
    reason: str


_compiled: dict[Descriptor, Check] = {}


def checker(descriptor: Descriptor) -> Check | None:
    """The check of a message type. None if neither the type nor anything inside it has rules."""
    if not _has_rules_inside(descriptor):
        return None
    if descriptor not in _compiled:
        fresh = _Compiler()
        fresh.message(descriptor)
        # All or nothing: if compilation fails halfway, no half-compiled type must be kept.
        _compiled.update(fresh.checks)
    return _compiled[descriptor]


class _Compiler:
    """Compiles a type and every type that it can hold. Types may contain each other."""

    def __init__(self) -> None:
        self.checks: dict[Descriptor, Check] = {}

    def message(self, descriptor: Descriptor) -> Check | None:
        if not _has_rules_inside(descriptor):
            return None
        known = _compiled.get(descriptor) or self.checks.get(descriptor)
        if known is not None:
            return known
        checks: dict[FieldDescriptor, tuple[Check, bool]] = {}
        needs: list[_Need] = []
        # Register the check before reading the fields, which may lead back here. It is filled in below.
        self.checks[descriptor] = _message_check(checks, needs)
        found = {field: self.field(field) for field in descriptor.fields}
        needs.extend(_needs(descriptor, found))
        settling = frozenset().union(*(need.fields for need in needs))
        for field, check in found.items():
            if check is not None or field in settling:
                checks[field] = (check or _accept, field in settling)
        return self.checks[descriptor]

    def field(self, field: FieldDescriptor) -> Check | None:
        rules = _rules(field)
        if not field.is_repeated:
            return self.value(field, rules)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            _expect("map", rules, field)
            entry = field.message_type.fields_by_name
            size = value_check("map", rules.map)
            key = self.value(entry["key"], rules.map.keys)
            value = self.value(entry["value"], rules.map.values)
            return _map_check(size, key, value) if size or key or value else None
        _expect("repeated", rules, field)
        size = value_check("repeated", rules.repeated)
        item = self.value(field, rules.repeated.items)
        return _list_check(size, item) if size or item else None

    def value(self, field: FieldDescriptor, rules: validate_pb2.FieldRules) -> Check | None:
        """The check of one value of a field: of the field itself, a list item, a map key or a map value."""
        inner = field.message_type
        if inner is None:
            return _scalar_check(field, rules)
        if inner.file.name == "google/protobuf/wrappers.proto":
            wrapped = _scalar_check(inner.fields_by_name["value"], rules)
            return (lambda wrapper: wrapped(wrapper.value)) if wrapped else None
        if inner is not _ANY and rules.HasField("any") and value_check("any", rules.any) is None:
            # ExtensionConfigSource.config_source: Envoy's C++ only asks whether it is there.
            return None
        _expect(_KINDS_OF_MESSAGES.get(inner), rules, field)
        if inner is _ANY:
            return _any_check(rules.any)
        if inner is _DURATION:
            return _duration_check(rules.duration)
        if inner is _TIMESTAMP:
            return value_check("timestamp", rules.timestamp)
        return None if rules.message.skip else self.message(inner)


def _message_check(checks: dict[FieldDescriptor, tuple[Check, bool]], needs: list[_Need]) -> Check:
    """`checks` has each field's check, and whether it meets a need. No two fields meet the same need."""

    def check(message: Message) -> None:
        missing = len(needs)
        try:
            for field, value in message.ListFields():
                known = checks.get(field)
                if known is not None:
                    find_fault, settles = known
                    missing -= settles
                    find_fault(value)
        except RuleViolation as fault:
            fault.within(field.name)
            raise
        if missing:
            raise _unmet(needs, message)

    return check


def _unmet(needs: list[_Need], message: Message) -> RuleViolation:
    present = {field for field, _ in message.ListFields()}
    need = next(need for need in needs if need.fields.isdisjoint(present))
    return RuleViolation(need.rule, need.reason, need.path)


def _list_check(size: Check | None, item: Check | None) -> Check:
    def check(items: Any) -> None:
        if size is not None:
            size(items)
        if item is None:
            return
        for index, value in enumerate(items):
            try:
                item(value)
            except RuleViolation as fault:
                fault.within(f"[{index}]")
                raise

    return check


def _map_check(size: Check | None, key: Check | None, value: Check | None) -> Check:
    key, value = key or _accept, value or _accept

    def check(pairs: Any) -> None:
        if size is not None:
            size(pairs)
        for name, held in pairs.items():
            try:
                key(name)
                value(held)
            except RuleViolation as fault:
                fault.within(f"[{name!r}]")
                raise

    return check


def _any_check(rules: validate_pb2.AnyRules) -> Check:
    """The check of a packed message. Envoy checks it when it opens the Any, and then refuses the holder."""
    type_url = value_check("any", rules)

    def check(packed: any_pb2.Any) -> None:
        if type_url is not None:
            type_url(packed.type_url)
        name = packed.type_url.rpartition("/")[2]
        try:
            descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
        except KeyError:
            return
        find_fault = checker(descriptor)
        if find_fault is None:
            return
        try:
            message = message_factory.GetMessageClass(descriptor).FromString(packed.value)
        except DecodeError as error:
            raise RuleViolation("any", f"must hold a {name}") from error
        find_fault(message)

    return check


def _duration_check(rules: validate_pb2.DurationRules) -> Check:
    asked = value_check("duration", rules)

    def check(duration: duration_pb2.Duration) -> None:
        if not (0 <= duration.seconds <= _LONGEST_SECONDS and 0 <= duration.nanos <= _LONGEST_NANOS):
            raise RuleViolation("duration", f"must be from 0s to {_LONGEST_SECONDS}s")
        if asked is not None:
            asked(nanoseconds(duration))

    return check


def _scalar_check(field: FieldDescriptor, rules: validate_pb2.FieldRules) -> Check | None:
    kind = _KINDS_OF_SCALARS[field.type]
    _expect(kind, rules, field)
    defined = frozenset(field.enum_type.values_by_number) if field.enum_type else frozenset()
    return value_check(kind, getattr(rules, kind), defined)


def _accept(value: object) -> None:
    """The check of a field that must be set but may hold any value."""


def _rules(field: FieldDescriptor) -> validate_pb2.FieldRules:
    rules: validate_pb2.FieldRules = _option(field, validate_pb2.rules)
    return rules


def _option(described: Descriptor | FieldDescriptor | OneofDescriptor, extension: Any) -> Any:
    return described.GetOptions().Extensions[extension]


def _expect(kind: str | None, rules: validate_pb2.FieldRules, field: FieldDescriptor) -> None:
    """Rules of another kind than the field's are a mistake in the descriptor. Nothing would read them."""
    if rules.WhichOneof("type") not in (None, kind):
        raise UnsupportedRule(f"{rules.WhichOneof('type')} rules of {field.full_name}")


def _needs(descriptor: Descriptor, checks: dict[FieldDescriptor, Check | None]) -> Iterator[_Need]:
    for field, check in checks.items():
        if not field.has_presence:
            yield from _need_by_default(field, check)
        elif _is_required(_rules(field)) and field.containing_oneof is None:
            # A required member of a oneof is required only if it is the chosen one.
            yield _Need(frozenset({field}), field.name, "required", "must be set")
    for oneof in descriptor.oneofs:
        if _option(oneof, validate_pb2.required):
            names = ", ".join(field.name for field in oneof.fields)
            yield _Need(frozenset(oneof.fields), oneof.name, "required", f"one of {names} must be set")


def _need_by_default(field: FieldDescriptor, check: Check | None) -> Iterator[_Need]:
    try:
        if check is not None:
            check({} if field.is_repeated else field.default_value)
    except RuleViolation as fault:
        yield _Need(frozenset({field}), field.name, fault.rule, fault.reason)


def _is_required(rules: validate_pb2.FieldRules) -> bool:
    kind = rules.WhichOneof("type")
    return rules.message.required or (kind is not None and getattr(getattr(rules, kind), "required", False))


@cache
def _has_rules_inside(descriptor: Descriptor) -> bool:
    """Whether a message of this type can hold something that has rules, at any depth."""
    seen = {descriptor}
    unread = [descriptor]
    while unread:
        current = unread.pop()
        if _option(current, validate_pb2.disabled) or _option(current, validate_pb2.ignored):
            continue
        if _has_rules(current):
            return True
        held = {field.message_type for field in current.fields if field.message_type is not None} - seen
        seen |= held
        unread.extend(held)
    return False


def _has_rules(descriptor: Descriptor) -> bool:
    return (
        descriptor in (_ANY, _DURATION)
        or any(_rules(field).ListFields() for field in descriptor.fields)
        or any(_option(oneof, validate_pb2.required) for oneof in descriptor.oneofs)
    )
