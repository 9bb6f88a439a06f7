"""Which version of a service was in force before, and which versions clients refuse. Pure.

A version here is a spec: endpoints come and go with any of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pilothouse.model.services import ServiceName, ServiceSpec

# A version that has been in force for longer is not taken back: it has worked, whatever a client says now.
_RECENT_S = 600.0
_MOST = 1000


class Before(NamedTuple):
    """The version that another one replaced, and when (Unix seconds). Without a spec, there was none."""

    spec: ServiceSpec | None
    at_s: float


class Refused(NamedTuple):
    """A version that clients refuse, why, and the version that is served in its place, if there is one."""

    spec: ServiceSpec
    reason: str
    instead: ServiceSpec | None


class Versions:
    """Remembers the last change of each service that has changed lately, and what was refused."""

    def __init__(self) -> None:
        self._before: dict[ServiceName, Before] = {}
        self._refused: dict[ServiceName, Refused] = {}

    def copy(self) -> Versions:
        """An independent copy."""
        copied = Versions()
        copied._before, copied._refused = self._before.copy(), self._refused.copy()
        return copied

    def replaced(self, name: ServiceName, before: ServiceSpec | None, now_s: float) -> None:
        """A new version has come into force."""
        self._before.pop(name, None)
        self._before[name] = Before(before, now_s)
        if len(self._before) > _MOST:
            del self._before[next(iter(self._before))]

    def refuse(self, spec: ServiceSpec, reason: str, now_s: float) -> bool:
        """Clients refuse this version, which is in force. False if none is known to serve in its place."""
        before = self._before.get(spec.name)
        if before is None or now_s - before.at_s > _RECENT_S:
            return False
        del self._before[spec.name]
        self._refused[spec.name] = Refused(spec, reason, before.spec)
        return True

    @property
    def refusals(self) -> Mapping[ServiceName, Refused]:
        """The versions that clients refuse."""
        return self._refused

    def remember(self, refused: Refused) -> None:
        """Clients refused this version when another process served it."""
        self._refused[refused.spec.name] = refused

    def refused(self, spec: ServiceSpec) -> Refused | None:
        """What is known of this version if clients refuse it. Any other version ends the refusal."""
        found = self._refused.get(spec.name)
        if found is None or found.spec == spec:
            return found
        del self._refused[spec.name]
        return None

    def forget(self, name: ServiceName) -> None:
        """The service is gone."""
        self._before.pop(name, None)
        self._refused.pop(name, None)
