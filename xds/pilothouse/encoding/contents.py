"""What is inside of an encoded resource, as JSON has it, for people. Keys and passwords are not in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from pilothouse._pb.udpa.annotations.sensitive_pb2 import sensitive
from pilothouse.encoding.resources import Resource
from pilothouse.encoding.types import ResourceType
from pilothouse.structures.turns import Steps

#: In place of what nobody may read, as Envoy's own dump has it.
REDACTED = "[redacted]"
# A message of at most so many bytes is converted in one step.
_SMALL = 4096


def contents(resource: Resource) -> Steps[dict[str, Any]]:
    """The message, with the names of its fields as in the .proto file. In steps, because it may be large."""
    message = GetMessageClass(Default().FindMessageTypeByName(resource.type.message))()
    AnyMessage.FromString(resource.any).Unpack(message)
    if resource.type is ResourceType.SECRET:
        _redact(message)
    found: dict[str, Any] = yield from _converted(message)
    return found


def _converted(message: Message) -> Steps[Any]:
    """The parts of a large message are converted one by one. Some small ones are mere values in JSON."""
    yield
    if message.ByteSize() <= _SMALL or message.DESCRIPTOR.full_name.startswith("google.protobuf."):
        return _plain(message)
    parts = [(field, value) for field, value in message.ListFields() if _has_messages(field)]
    rest = type(message)()
    rest.CopyFrom(message)
    for field, _ in parts:
        rest.ClearField(field.name)
    found = _plain(rest)
    for field, value in parts:
        if isinstance(value, Message):
            found[field.name] = yield from _converted(value)
            continue
        items = found[field.name] = []
        for each in value:
            items.append((yield from _converted(each)))  # noqa: PERF401  (no comprehension can yield)
    return found


def _plain(message: Message) -> Any:
    return MessageToDict(message, preserving_proto_field_name=True)


def _has_messages(field: FieldDescriptor) -> bool:
    """Whether the field is a message or a list of messages. A map is neither."""
    return field.message_type is not None and not field.message_type.GetOptions().map_entry


def _redact(message: Message) -> None:
    """Replace what Envoy's messages mark as sensitive."""
    for field, value in message.ListFields():
        if field.GetOptions().Extensions[sensitive]:  # type: ignore[index]
            message.ClearField(field.name)
            _say_redacted(message, field)
        elif field.message_type is not None:
            for each in _messages(value):
                _redact(each)


def _messages(value: Any) -> Iterator[Message]:
    if isinstance(value, Message):
        yield value
    elif isinstance(value, Mapping):
        yield from (each for each in value.values() if isinstance(each, Message))
    else:
        yield from value


def _say_redacted(message: Message, field: FieldDescriptor) -> None:
    """A source of data says so. What is a list, a text or bytes is left out."""
    value = getattr(message, field.name)
    if isinstance(value, Message) and "inline_string" in value.DESCRIPTOR.fields_by_name:
        setattr(value, "inline_string", REDACTED)  # noqa: B010  (mypy knows no such field)
