"""Every rule of the language, on types made for it: what it lets pass, what not, what it cannot judge."""

from __future__ import annotations

import math
from itertools import count
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.descriptor_pb2 import FieldDescriptorProto
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import StringValue, UInt32Value

from pilothouse._pb.validate import validate_pb2
from pilothouse.encoding import rules

PACKAGE = "pilothouse.tests"
KNOWN = [known.DESCRIPTOR.file.name for known in (Packed, Duration, Timestamp, UInt32Value)]
Value = descriptor_pb2.EnumValueDescriptorProto
COLOUR = descriptor_pb2.EnumDescriptorProto(
    name="Colour", value=[Value(name="RED", number=0), Value(name="BLUE", number=2)]
)
NUMBERS = count()


def field(kind: str, rule: str = "", name: str = "value", number: int = 1) -> FieldDescriptorProto:
    """A field with rules in text format; the kind is such as `repeated uint32`, `Duration` or `Colour`."""
    label, _, kind = kind.rpartition(" ")
    result = FieldDescriptorProto(name=name, number=number)
    result.label = result.LABEL_REPEATED if label else result.LABEL_OPTIONAL
    if kind[0].isupper():
        result.type_name = kind if kind == "Colour" else f".google.protobuf.{kind}"
    else:
        result.type = result.Type.Value(f"TYPE_{kind.upper()}")
    rules: Any = validate_pb2.rules  # which the .pyi types as those of proto3
    text_format.Parse(rule, result.options.Extensions[rules])
    return result


def define(*fields: FieldDescriptorProto, disabled: bool = False) -> type[Message]:
    name = f"Message{next(NUMBERS)}"
    message = descriptor_pb2.DescriptorProto(name=name, field=fields, enum_type=[COLOUR])
    switch: Any = validate_pb2.disabled
    message.options.Extensions[switch] = disabled
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", package=PACKAGE, syntax="proto3")
    file.dependency.extend(KNOWN)
    file.message_type.append(message)
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))


def seconds(number: float) -> Duration:
    whole, part = divmod(number, 1)
    return Duration(seconds=int(whole), nanos=round(part * 1e9))


def url(type_url: str) -> Packed:
    return Packed(type_url=type_url)


LONGEST = Duration(seconds=9223372035, nanos=999_999_999)

# kind, rules, what passes, what does not
SINGLE: list[tuple[str, str, list[Any], list[Any]]] = [
    ("double", "double { gte: 0 lte: 1 }", [0, 1, math.nan], [-0.001, 1.001, math.inf]),
    ("float", "float { gt: 0 lt: 1 }", [0.5], [0, 1]),
    ("int32", "int32 { gt: 0 }", [1], [0, -1]),
    ("int64", "int64 { const: 7 }", [7], [0, 8]),
    ("uint32", "uint32 { gte: 200 lt: 600 }", [200, 599], [199, 600]),
    ("uint32", "uint32 { lte: 0 gte: 10 }", [0, 10], [1, 9]),
    ("uint32", "uint32 { gte: 5 ignore_empty: true }", [0, 5], [4]),
    ("uint64", "uint64 { in: [1, 2] }", [1, 2], [0, 3]),
    ("sint32", "sint32 { not_in: [-1] }", [0], [-1]),
    ("sint64", "sint64 { lt: 0 }", [-1], [0]),
    ("fixed32", "fixed32 { lte: 1 }", [0, 1], [2]),
    ("fixed64", "fixed64 { lte: 1 }", [0, 1], [2]),
    ("sfixed32", "sfixed32 { lte: 1 }", [-1], [2]),
    ("sfixed64", "sfixed64 { lte: 1 }", [-1], [2]),
    ("bool", "bool { const: true }", [True], [False]),
    ("bool", "bool { const: false }", [False], [True]),
    ("string", 'string { const: "a" }', ["a"], ["", "b"]),
    ("string", 'string { in: ["a", ""] }', ["a", ""], ["b"]),
    ("string", 'string { not_in: ["a"] }', ["", "b"], ["a"]),
    ("string", "string { len: 2 }", ["éé"], ["é", "ééé"]),
    ("string", "string { min_len: 2 max_len: 3 }", ["éé", "ééé"], ["é", "éééé"]),
    ("string", "string { len_bytes: 2 }", ["é", "ab"], ["a", "éé"]),
    ("string", "string { min_bytes: 2 max_bytes: 3 }", ["é", "éa"], ["a", "éé"]),
    ("string", "string { min_len: 2 ignore_empty: true }", ["", "ab"], ["a"]),
    ("string", 'string { prefix: "%" suffix: "%" }', ["%a%", "%"], ["a%", "%a", ""]),
    ("string", 'string { contains: "b" not_contains: "c" }', ["abd"], ["ad", "abc"]),
    ("string", 'string { pattern: "^a$" }', ["a"], ["", "a\n", "ba"]),
    ("string", 'string { pattern: "[0-9]\\\\d" }', ["10"], ["1٣", "100"]),
    ("string", "string { well_known_regex: HTTP_HEADER_NAME }", ["x-a", ":path"], ["", "a b", "é", "a:"]),
    ("string", "string { well_known_regex: HTTP_HEADER_VALUE }", ["", "\té"], ["\0", "\x1f", "\x7f", "a\n"]),
    ("string", "string { well_known_regex: HTTP_HEADER_NAME strict: false }", ["", "a b"], ["\0", "a\n"]),
    ("string", "string { well_known_regex: HTTP_HEADER_VALUE strict: false }", ["", "\x7f"], ["\0", "a\n"]),
    ("bytes", "bytes { min_len: 1 max_len: 2 }", [b"\xff", b"ab"], [b"", b"abc"]),
    ("bytes", 'bytes { len: 2 prefix: "a" suffix: "b" contains: "ab" }', [b"ab"], [b"a", b"cb", b"ac"]),
    ("bytes", 'bytes { in: ["a"] }', [b"a"], [b"", b"b"]),
    ("Colour", "enum { defined_only: true }", [0, 2], [1, 99]),
    ("Colour", "enum { in: [2] }", [2], [0]),
    ("Colour", "enum { not_in: [0] }", [2], [0]),
    ("Colour", "enum { const: 2 }", [2], [0]),
    ("Duration", "duration { gt {} lt { seconds: 2 } }", [seconds(0.001)], [seconds(0), seconds(2)]),
    ("Duration", "duration { lte {} gte { seconds: 1 } }", [seconds(0), seconds(1)], [seconds(0.5)]),
    ("Duration", "duration { in { seconds: 1 } }", [seconds(1)], [seconds(2)]),
    ("Duration", "", [seconds(0), LONGEST], [seconds(9223372036), seconds(-1), Duration(nanos=10**9)]),
    ("Any", 'any { in: ["a/b"] }', [url("a/b")], [url(""), url("b")]),
    ("Any", 'any { not_in: ["a/b"] }', [url("")], [url("a/b")]),
    ("UInt32Value", "uint32 { gte: 1 }", [UInt32Value(value=1)], [UInt32Value()]),
    ("StringValue", "string { min_len: 1 }", [StringValue(value="a")], [StringValue()]),
]  # fmt: skip
MANY: list[tuple[str, str, list[Any], list[Any]]] = [
    ("repeated uint32", "repeated { min_items: 1 max_items: 2 }", [[1], [1, 1]], [[], [1, 1, 1]]),
    ("repeated uint32", "repeated { min_items: 2 ignore_empty: true }", [[], [1, 1]], [[1]]),
    ("repeated string", "repeated { unique: true }", [[], ["a", "b"]], [["a", "b", "a"]]),
    ("repeated string", "repeated { items { string { min_len: 1 } } }", [[], ["a"]], [["a", ""]]),
    ("repeated UInt32Value", "repeated { items { uint32 { lte: 1 } } }", [[]], [[UInt32Value(value=2)]]),
    ("repeated Duration", "", [[seconds(1)]], [[seconds(1), seconds(-1)]]),
]  # fmt: skip


UNSUPPORTED = [
    ("string", "string { email: true }"),
    ("string", "string { uuid: true }"),
    ("string", "string { well_known_regex: UNKNOWN }"),
    ("bytes", "bytes { ip: true }"),
    ("repeated string", "repeated { items { string { uri: true } } }"),
    ("Timestamp", "timestamp { gt_now: true }"),
    ("uint32", "string { min_len: 1 }"),
    ("uint32", "any { required: true }"),
    ("Timestamp", 'any { in: ["a"] }'),
    ("Colour", "repeated { min_items: 1 }"),
    ("repeated uint32", "uint32 { gte: 1 }"),
]


def fault(message: Message) -> str:
    try:
        rules.check(message)
    except rules.RuleViolation as violation:
        return f"{violation.path} {violation.rule}"
    return ""


@pytest.mark.parametrize(("kind", "rule", "good", "bad"), SINGLE, ids=str)
def test_a_value_is_judged_by_its_rule(kind: str, rule: str, good: list[Any], bad: list[Any]) -> None:
    of = define(field(kind, rule))
    assert [value for value in good if fault(of(value=value))] == []
    assert [value for value in bad if not fault(of(value=value)).startswith("value ")] == []


@pytest.mark.parametrize(("kind", "rule", "good", "bad"), MANY, ids=str)
def test_a_list_is_judged_by_its_size_and_items(
    kind: str, rule: str, good: list[Any], bad: list[Any]
) -> None:
    of = define(field(kind, rule))
    assert [values for values in good if fault(of(value=values))] == []
    assert [values for values in bad if not fault(of(value=values)).startswith("value")] == []


@pytest.mark.parametrize("kind", ["Any", "Duration", "Timestamp"])
def test_a_required_message_must_be_set(kind: str) -> None:
    of = define(field(kind, f"{kind.lower()} {{ required: true }}"))
    filled: Any = of()
    filled.value.SetInParent()
    assert fault(of()) == "value required"
    assert fault(filled) == ""


def test_an_unset_number_is_judged_as_zero_and_an_unset_wrapper_is_not() -> None:
    assert fault(define(field("uint32", "uint32 { gte: 1 }"))()) == "value uint32.gte"
    assert fault(define(field("UInt32Value", "uint32 { gte: 1 }"))()) == ""
    assert fault(define(field("UInt32Value", "message { required: true }"))()) == "value required"


def test_a_rule_that_is_switched_off_asks_for_nothing() -> None:
    assert fault(define(field("repeated uint32", "repeated { unique: false }"))(value=[1, 1])) == ""
    assert fault(define(field("Colour", "enum { defined_only: false }"))(value=99)) == ""
    assert fault(define(field("Any", "any { required: false }"))()) == ""


def test_the_rules_of_a_disabled_type_are_not_judged() -> None:
    assert fault(define(field("uint32", "uint32 { gte: 1 }"), disabled=True)()) == ""


@pytest.mark.parametrize(("kind", "rule"), UNSUPPORTED)
def test_a_rule_that_cannot_be_judged_is_not_passed_over(kind: str, rule: str) -> None:
    message = define(field("uint32", name="first", number=2), field(kind, rule))()
    for _ in range(2):
        with pytest.raises(rules.UnsupportedRule):
            rules.check(message)
