"""Flap damping: an endpoint whose readiness keeps changing has to wait before it is called again.

Damping delays only the return of an endpoint. An endpoint that fails or is removed is dropped at once. The
last ready endpoint of a service is never held back, since a doubtful answer is better than none.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import Endpoint, Service, ServiceName, State

WINDOW_S = 60.0
FLIPS = 4  # this many changes of readiness within the window are still normal
HOLD_S = 30.0

# What runs at an address. Several workloads may share an address (hostNetwork), so the ports are part of it.
_Key = tuple[str, tuple[tuple[str, int | None], ...]]


@dataclass(slots=True)
class _Endpoints:
    """What is remembered of a service. Most services have nothing."""

    unready: frozenset[_Key] = frozenset()
    flips: dict[_Key, deque[float]] = field(default_factory=dict)


class Damping:
    """Decides which endpoints to hold back. Pure: the caller gives the time, in monotonic seconds."""

    def __init__(self) -> None:
        self._services: dict[ServiceName, _Endpoints] = {}

    def damped(self, service: Service, now: float) -> tuple[Service, float | None]:
        """The service with flapping endpoints held back, and when to call again if nothing changes before."""
        unready = frozenset(_key(e) for e in service.endpoints if e.state is State.NOT_READY)
        known = self._services.get(service.name)
        if known is None:
            if not unready:
                return service, None
            known = self._services[service.name] = _Endpoints()
        self._note(known, service, unready, now)
        if not known.unready and not known.flips:
            del self._services[service.name]
            return service, None
        return self._held(known, service, now)

    def forget(self, name: ServiceName) -> None:
        """The service is gone."""
        self._services.pop(name, None)

    def _note(self, known: _Endpoints, service: Service, unready: frozenset[_Key], now: float) -> None:
        present = {_key(endpoint) for endpoint in service.endpoints}
        for key in (known.unready ^ unready) & present:
            known.flips.setdefault(key, deque()).append(now)
        known.unready = unready
        for key, flips in [*known.flips.items()]:
            while flips and flips[0] <= now - WINDOW_S:
                flips.popleft()
            if not flips or key not in present:
                del known.flips[key]

    def _held(self, known: _Endpoints, service: Service, now: float) -> tuple[Service, float | None]:
        until = {
            key: flips[-1] + HOLD_S
            for key, flips in known.flips.items()
            if len(flips) > FLIPS and key not in known.unready and flips[-1] + HOLD_S > now
        }
        if not until or not any(_is_called(e) and _key(e) not in until for e in service.endpoints):
            return service, None
        held = [endpoint for endpoint in service.endpoints if _key(endpoint) in until]
        endpoints = tuple(
            endpoint._replace(state=State.NOT_READY) if _key(endpoint) in until else endpoint
            for endpoint in service.endpoints
        )
        why = f"more than {FLIPS} changes of readiness within {WINDOW_S:.0f} s"
        omissions = tuple(Omission(Reason.DAMPED, endpoint.address, why) for endpoint in held)
        left_out = service.left_out + omissions
        return replace(service, endpoints=endpoints, left_out=left_out), min(until.values())


def _is_called(endpoint: Endpoint) -> bool:
    """Whether clients call the endpoint: it is ready and not in maintenance."""
    return endpoint.state is State.READY and endpoint.weight > 0


def _key(endpoint: Endpoint) -> _Key:
    return endpoint.address, endpoint.ports
