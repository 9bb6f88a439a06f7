"""Events about routes and Services: one when a condition turns bad, and one when it is mended.

Conditions of routes in the API say what was before, so neither a restart nor another replica tells it again.
Of a Service, a replica that begins to write tells again what is bad then. What cannot be written is dropped.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from pilothouse.apiserver.answers import Unreadable
from pilothouse.apiserver.client import Client
from pilothouse.kubernetes.objects.types import Key
from pilothouse.status.conditions import CONTROLLER, Condition

_LONGEST_NOTE = 1000  # the API server takes 1024 bytes
_MOST_WAITING = 100
_A_SECOND, _BURST = 5.0, 25.0
#: Conditions that are set only if something is wrong.
_BAD_IF_TRUE = ("PartiallyInvalid",)


def event(
    key: Key, api_version: str, condition: Condition, before: Condition | None, now: str
) -> Mapping[str, Any] | None:
    """The Event for a condition whose status is another than before. None if it was not bad, and is not."""
    bad, was_bad = _is_bad(condition), before is not None and _is_bad(before)
    if bad == was_bad:
        return None
    note = f"{condition.type}: {condition.message or 'mended'}".encode()[:_LONGEST_NOTE]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{key.name[:200].rstrip('-.')}.{uuid4().hex[:16]}", "namespace": key.namespace},
        "eventTime": f"{now[:-1]}.000000Z",
        "type": "Warning" if bad else "Normal",
        "reason": condition.reason,
        "note": note.decode(errors="ignore"),
        "action": "Translate",
        "reportingController": CONTROLLER,
        "regarding": {
            "apiVersion": api_version,
            "kind": key.kind,
            "namespace": key.namespace,
            "name": key.name,
        },
    }


def _is_bad(condition: Condition) -> bool:
    return condition.status == ("True" if condition.type in _BAD_IF_TRUE else "False")


class Bucket:
    """How many may pass: some at once, and then so many a second. Pure."""

    def __init__(self, a_second: float = _A_SECOND, burst: float = _BURST) -> None:
        self._a_second, self._burst = a_second, burst
        self._left, self._at = burst, 0.0

    def wait(self, now: float) -> float:
        """Take one. For how many seconds to wait before."""
        self._left = min(self._burst, self._left + (now - self._at) * self._a_second)
        self._at = now
        self._left -= 1.0
        return max(0.0, -self._left / self._a_second)


class Events:
    """Writes Events in their order. If too many wait, the oldest are dropped."""

    def __init__(self, client: Client, instance: str, bucket: Bucket | None = None) -> None:
        self._client, self._instance, self._bucket = client, instance[:128], bucket or Bucket()
        self._waiting: deque[Mapping[str, Any]] = deque(maxlen=_MOST_WAITING)
        self._news = asyncio.Event()

    def tell(
        self, key: Key, api_version: str, condition: Condition, before: Condition | None, now: str
    ) -> None:
        """Write an Event, if there is one for this condition of an object."""
        found = event(key, api_version, condition, before, now)
        if found is not None:
            self._waiting.append({**found, "reportingInstance": self._instance})
            self._news.set()

    async def run(self, leads: Callable[[], bool], told: Callable[[str], None]) -> None:
        """Write until cancelled. `told` is given the text of a failure, or an empty one."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting and leads():
                found = self._waiting.popleft()
                await asyncio.sleep(self._bucket.wait(time.monotonic()))
                namespace = found["metadata"]["namespace"]
                try:
                    await self._client.create(f"/apis/events.k8s.io/v1/namespaces/{namespace}/events", found)
                except (OSError, Unreadable) as error:
                    told(str(error))
                else:
                    told("")
            self._waiting.clear()  # the one who writes now sees what is mended
