"""The least that still fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from .mutation import Document, at, places, without

T = TypeVar("T")

#: What makes a document one.
_NEEDED = {("apiVersion",), ("kind",), ("metadata",), ("metadata", "name"), ("metadata", "namespace")}


async def fewer(found: Sequence[T], fails: Callable[[Sequence[T]], Awaitable[bool]]) -> Sequence[T]:
    """Without what failing does not need; large parts are tried first."""
    size = (len(found) + 1) // 2
    while size:
        start = 0
        while start < len(found):
            rest = [*found[:start], *found[start + size :]]
            if rest and await fails(rest):
                found = rest
            else:
                start += size
        size //= 2
    return found


async def smaller(document: Document, fails: Callable[[Document], Awaitable[bool]]) -> Document:
    """Without the fields that failing does not need; what holds others is tried before these."""
    tried = set()
    while True:
        untried = [
            path
            for path in places(document)
            if path not in _NEEDED and (path, repr(at(document, path))) not in tried
        ]
        if not untried:
            return document
        path = min(untried, key=len)
        tried.add((path, repr(at(document, path))))
        less = without(document, path)
        if await fails(less):
            document = less
