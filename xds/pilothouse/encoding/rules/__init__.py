"""Interprets the validation rules in the descriptors of Envoy's messages.

Envoy refuses a whole response if one resource in it breaks a rule. So each resource is checked by itself
before it is sent. The rules are those of protoc-gen-validate. Where its languages differ, its C++ counts,
because Envoy runs that.
"""

from __future__ import annotations

from typing import cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from pilothouse.encoding.rules.messages import checker
from pilothouse.encoding.rules.values import RuleViolation, UnsupportedRule

__all__ = ["RuleViolation", "UnsupportedRule", "check"]


def check(message: Message) -> None:
    """Raise RuleViolation for the first rule that the message, or anything inside it, breaks.

    The rules of a type are compiled when its first message is checked, and kept. UnsupportedRule means that a
    descriptor has a rule which this package cannot check.
    """
    # The type stubs allow descriptors of other implementations. This one is protobuf's.
    find_fault = checker(cast("Descriptor", message.DESCRIPTOR))
    if find_fault is not None:
        find_fault(message)
