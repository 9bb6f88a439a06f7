"""Which share of its requests a caller should see at each pod: what Envoy makes of health, weight and zone.

Modelled after Envoy's own rules (load balancing: priority levels, locality weighted, overprovisioning
factor 140 %), not derived from what the control plane sends: this is what that is checked against.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from pilothouse.demo.mesh import Flow, Mesh, Pod

Shares = Mapping[str, Fraction]
"""The share of each outcome, above 0, adding up to 1: the name of a pod, or the status of a refusal."""

REFUSED = "503"
"""The outcome of a request to a service that has no pods to serve it."""

_OVERPROVISIONING = Fraction(140, 100)


def wanted(mesh: Mesh, flow: Flow) -> Shares:
    """What one caller should see of one service."""
    return shares(mesh.behind(flow.host), flow.caller.zone)


def shares(pods: Iterable[Pod], zone: str) -> Shares:
    """How requests from a zone spread over pods: its own zone first, the rest of the region after it."""
    listed = [pod for pod in pods if pod.weight]
    near = [pod for pod in listed if pod.zone == zone]
    far = [pod for pod in listed if pod.zone != zone]
    spread: dict[str, Fraction] = {}
    for level, load in _loads([level for level in (near, far) if level]):
        spread.update({name: load * share for name, share in _by_zone(level).items()})
    return spread or {REFUSED: Fraction(1)}


def _loads(levels: Sequence[Sequence[Pod]]) -> list[tuple[Sequence[Pod], Fraction]]:
    """Each level with the share that it gets: as much as its health allows, the next one takes the rest."""
    health = [_health(level) for level in levels]
    total = min(Fraction(1), sum(health, Fraction()))
    loads, rest = [], Fraction(1)
    for level, healthy in zip(levels, health, strict=True):
        load = min(rest, healthy / total) if total else Fraction()
        rest -= load
        if load:
            loads.append((level, load))
    return loads


def _by_zone(level: Iterable[Pod]) -> Shares:
    """Within one level: by the weights of the zones, as far as they are healthy, then of the pods."""
    zones: defaultdict[str, list[Pod]] = defaultdict(list)
    for pod in level:
        zones[pod.zone].append(pod)
    weights = {zone: _health(pods) * sum(pod.weight for pod in pods) for zone, pods in zones.items()}
    all_zones = sum(weights.values(), Fraction())
    return {
        pod.name: weights[zone] / all_zones * Fraction(pod.weight, _ready_weight(pods))
        for zone, pods in zones.items()
        for pod in pods
        if pod.ready
    }


def _health(pods: Sequence[Pod]) -> Fraction:
    """By number, not by weight. A little may fail before anything is sent elsewhere."""
    ready = sum(pod.ready for pod in pods)
    return min(Fraction(1), _OVERPROVISIONING * Fraction(ready, len(pods)))


def _ready_weight(pods: Iterable[Pod]) -> int:
    return sum(pod.weight for pod in pods if pod.ready)
