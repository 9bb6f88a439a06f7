"""The validation rules in the descriptors of Envoy's messages, interpreted: what breaks one never leaves.

One broken rule makes Envoy refuse the whole response, its good resources too, so each resource is
checked by itself before it is sent. The rules are protoc-gen-validate's; where its languages differ
its C++ is right, for that is what Envoy runs.
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

    The rules of a type are compiled when its first message is checked, and kept. UnsupportedRule
    says that a descriptor holds a rule that cannot be judged here.
    """
    # The stubs say that a message may have another implementation's descriptor; it is this one.
    find_fault = checker(cast("Descriptor", message.DESCRIPTOR))
    if find_fault is not None:
        find_fault(message)
