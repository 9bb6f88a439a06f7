"""Values that Envoy refuses and an API server accepts. Each disables only the part of the route that has it.

For one such value, Envoy would refuse all routes of all services. So each is found when it is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from pilothouse.kubernetes.annotations.overrides import Warn
from pilothouse.kubernetes.fields import FieldError, Fields

_Args = ParamSpec("_Args")
_Found = TypeVar("_Found")
_Instead = TypeVar("_Instead")

_HEADER = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,256}")  # a token (RFC 9110, 5.6.2)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_BLANK = re.compile(r"[\x00-\x20\x7f]")
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}")
_MOST_BYTES = 16_384


class Unsupported(FieldError):
    """A field asks for something that Envoy or Pilothouse does not support."""


class Attempt:
    """Reads the parts of something. Each part that is not supported is a warning; `why` is the first one."""

    def __init__(self, warn: Warn) -> None:
        self._warn = warn
        self.why = ""

    def __call__(
        self, instead: _Instead, read: Callable[_Args, _Found], *args: _Args.args, **kwargs: _Args.kwargs
    ) -> _Found | _Instead:
        """The result of `read`, or `instead` if it raises Unsupported."""
        try:
            return read(*args, **kwargs)
        except Unsupported as unsupported:
            self._warn(unsupported)
            self.why = self.why or str(unsupported)
            return instead


def unsupported(item: Fields, key: str, message: str) -> Unsupported:
    return Unsupported((*item.path, key), message)


def header_name(item: Fields, key: str, name: str) -> str:
    """The name of a header that a route may change, in lower case. Raises Unsupported for any other."""
    name = name.lower()
    if name == "host" or name.startswith(":"):
        raise unsupported(item, key, f"the header {name} cannot be changed")
    return token(item, key, name)


def token(item: Fields, key: str, name: str) -> str:
    """The name of a header, in lower case. Raises Unsupported for anything else."""
    name = name.lower()
    if not _HEADER.fullmatch(name):
        raise unsupported(item, key, f"{_shown(name)} is not the name of a header")
    return name


def header_value(item: Fields, key: str) -> str:
    """The value of a header. Raises Unsupported if no header can have it."""
    value = item.text(key)
    if _CONTROL.search(value):
        # The value may be a secret, and callers of the service see the message, so do not quote the value.
        raise unsupported(item, key, "has a line break or a control character in it")
    # Envoy counts a percent sign as two characters.
    if len(value.encode()) + value.count("%") > _MOST_BYTES:
        raise unsupported(item, key, f"has more than {_MOST_BYTES} bytes")
    return value


def host(item: Fields, key: str) -> str:
    """A host name, or an empty text. Raises Unsupported for anything else."""
    value = item.text(key)
    if value and not _HOST.fullmatch(value):
        raise unsupported(item, key, f"{_shown(value)} is not a host name")
    return value


def path(item: Fields, key: str) -> str:
    """A path that replaces another one, or an empty text. Raises Unsupported for anything else."""
    value = item.text(key)
    if _BLANK.search(value):
        raise unsupported(item, key, f"{_shown(value)} has a blank or a control character in it")
    if value and not value.startswith("/"):
        raise unsupported(item, key, f"{_shown(value)} does not start with /")
    if len(value.encode()) > _MOST_BYTES:
        raise unsupported(item, key, f"has more than {_MOST_BYTES} bytes")
    return value


def _shown(value: str) -> str:
    text = value if len(value) <= 40 else f"{value[:40]}..."
    return f'"{text.encode("unicode_escape").decode()}"'
