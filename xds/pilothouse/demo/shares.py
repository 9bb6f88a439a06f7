"""The share of requests that each pod should get from a caller, computed from health, weights and zones.

The computation follows Envoy's own rules (priority levels, locality weights, overprovisioning factor 140 %).
It does not use what the control plane sends, because it is there to check that.
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
    """The shares that one caller should see at one service."""
    return shares(mesh.behind(flow.host), flow.caller.zone)


def shares(pods: Iterable[Pod], zone: str) -> Shares:
    """How requests from a zone spread over pods: first its own zone, then the rest of the region."""
    listed = [pod for pod in pods if pod.weight]
    near = [pod for pod in listed if pod.zone == zone]
    far = [pod for pod in listed if pod.zone != zone]
    spread: dict[str, Fraction] = {}
    for level, load in _loads([level for level in (near, far) if level]):
        spread.update({name: load * share for name, share in _by_zone(level).items()})
    return spread or {REFUSED: Fraction(1)}


def _loads(levels: Sequence[Sequence[Pod]]) -> list[tuple[Sequence[Pod], Fraction]]:
    """Each level with its share: as much as its health allows. The next level gets the rest."""
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
    """The shares within one level: by weight and health of the zones, then by weight of the pods."""
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
    """The health of a level, by the number of its pods, not by weight. A few may fail without effect."""
    ready = sum(pod.ready for pod in pods)
    return min(Fraction(1), _OVERPROVISIONING * Fraction(ready, len(pods)))


def _ready_weight(pods: Iterable[Pod]) -> int:
    return sum(pod.weight for pod in pods if pod.ready)
