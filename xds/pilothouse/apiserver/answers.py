"""How the API server answers: lists, events of watches, refusals. Pure: bytes in, values out."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct


class Unreadable(ValueError):
    """An answer that is not what the API promises; the text says why."""


class _ListMeta(Struct, gc=False):
    resource_version: str = msgspec.field(name="resourceVersion", default="")
    further: str = msgspec.field(name="continue", default="")


class _Page(Struct):
    metadata: _ListMeta
    items: list[Raw] | None = None


class Page(NamedTuple):
    """A part of a list. `further` is the token to go on with; the last part has none."""

    items: list[Raw]
    version: str
    further: str


class Event(Struct):
    """One line of a watch."""

    type: str
    object: Raw


class _Details(Struct, gc=False):
    retry_after_s: int = msgspec.field(name="retryAfterSeconds", default=0)


class Status(Struct):
    """How the API server tells that it refuses something, as an answer or as an event."""

    code: int = 0
    reason: str = ""
    message: str = ""
    details: _Details | None = None


_READ_PAGE = msgspec.json.Decoder(_Page)
_READ_EVENT = msgspec.json.Decoder(Event)
_READ_STATUS = msgspec.json.Decoder(Status)
_READ_DOCUMENT = msgspec.json.Decoder(dict[str, Any])


def page(data: bytes) -> Page:
    """Read an answer to a list. Raises Unreadable."""
    try:
        found = _READ_PAGE.decode(data)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise Unreadable(f"the list cannot be read: {error}") from None
    return Page(found.items or [], found.metadata.resource_version, found.metadata.further)


def event(line: bytes) -> Event:
    """Read a line of a watch. Raises Unreadable."""
    try:
        return _READ_EVENT.decode(line)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise Unreadable(f"an event cannot be read: {error}") from None


def status(data: bytes | Raw) -> Status:
    """What an answer says that refuses something; nothing, if it is not the API server's."""
    try:
        return _READ_STATUS.decode(data)
    except (msgspec.MsgspecError, UnicodeError):
        return Status()


class Bookmark(NamedTuple):
    """Up to which resourceVersion a watch has told everything; of the first ones, whether that is all."""

    version: str
    ends_beginning: bool


def bookmark(data: Raw) -> Bookmark:
    """Read the object of a BOOKMARK. Raises Unreadable."""
    # It has no name; of its metadata nothing else is set.
    said = document(data).get("metadata")
    meta = said if isinstance(said, dict) else {}
    annotations = meta.get("annotations") or {}
    ends = annotations.get("k8s.io/initial-events-end") == "true"
    return Bookmark(str(meta.get("resourceVersion") or ""), ends)


def document(data: bytes | Raw) -> dict[str, Any]:
    """Read a whole object. Raises Unreadable."""
    try:
        return _READ_DOCUMENT.decode(data)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise Unreadable(f"an object cannot be read: {error}") from None
