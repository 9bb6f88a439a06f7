"""A watch of the small API server."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

from aiohttp import web

Object = dict[str, Any]


class Watch:
    """One that is open, and what it has yet to be told."""

    def __init__(self, kind: str, namespace: str, request: web.Request) -> None:
        self._kind, self._namespace, self._request = kind, namespace, request
        self._selector = request.query.get("labelSelector", "")
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue()

    def tell(self, kind: str, before: Object | None, after: Object | None) -> None:
        """An object that is not selected any more is gone, as this watch sees it."""
        known = before if before and selects(self._selector, before) else None
        shown = after if after and selects(self._selector, after) else None
        found = shown or known
        if (
            found is None
            or kind != self._kind
            or self._namespace not in ("", found["metadata"].get("namespace"))
        ):
            return
        if shown is None and after is not None:  # as it was, at the version of the change
            version = after["metadata"]["resourceVersion"]
            found = {**found, "metadata": {**found["metadata"], "resourceVersion": version}}
        self._say(
            "DELETED" if shown is None else "MODIFIED" if known else "ADDED", shown_to(found, self._request)
        )

    def bookmark(self, version: int, annotations: Object | None = None) -> None:
        meta = {"resourceVersion": str(version), "creationTimestamp": None, "annotations": annotations}
        self._say("BOOKMARK", {"kind": self._kind, "apiVersion": "v1", "metadata": meta})

    def error(self, status: Object) -> None:
        self._say("ERROR", status)

    def end(self) -> None:
        self._lines.put_nowait(None)

    def cut(self) -> None:
        if self._request.transport:
            self._request.transport.abort()
        self.end()

    def _say(self, type: str, found: Object) -> None:
        self._lines.put_nowait(json.dumps({"type": type, "object": found}).encode() + b"\n")

    async def write(self, response: web.StreamResponse) -> None:
        with suppress(ConnectionError):
            while line := await self._lines.get():
                await response.write(line)


def selects(selector: str, found: Object) -> bool:
    """Of the syntax of selectors it knows `key=value` and `key in (one, other)`."""
    if not selector:
        return True
    key, _, values = selector.partition(" in ") if " in " in selector else selector.partition("=")
    value = found["metadata"].get("labels", {}).get(key)
    return value in [each.strip() for each in values.strip("()").split(",")]


def shown_to(found: Object, request: web.Request) -> Object:
    """An object as a request asks for it: whole, or its metadata."""
    if "PartialObjectMetadata" not in request.headers.get("Accept", ""):
        return dict(found)
    meta = found["metadata"]
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta}
