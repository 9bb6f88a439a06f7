"""How some endpoints of many are asked for: by what their metadata says, which Envoy's subsets match."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations

from pilothouse._pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from pilothouse._pb.envoy.config.core.v3.base_pb2 import Metadata
from pilothouse.model.routing import Labels
from pilothouse.model.services import ServiceSpec

_FILTER = "envoy.lb"
_HOSTNAME = "hostname"


@lru_cache(maxsize=1 << 16)
def by_hostname(hostname: str) -> Metadata:
    """What an endpoint with a host name says of itself, and a route of the endpoint that it wants."""
    return _saying({_HOSTNAME: hostname})


@lru_cache(maxsize=1 << 10)
def by_labels(labels: Labels) -> Metadata:
    """What a route says of the endpoints that it wants."""
    return _saying(dict(labels))


def described(hostname: str, labels: Labels) -> Metadata:
    """What an endpoint says of itself."""
    return _saying({**dict(labels), **({_HOSTNAME: hostname} if hostname else {})})


def divide(cluster: Cluster, spec: ServiceSpec) -> None:
    """Let routes choose among endpoints: what is not there is nothing else, and who chooses none gets any."""
    labels = spec.policy.subset_labels
    if not spec.headless and not labels:
        return
    subsets = cluster.lb_subset_config
    subsets.fallback_policy = Cluster.LbSubsetConfig.ANY_ENDPOINT
    # A route may ask for any of these together, and Envoy knows only what is listed.
    groups = [group for size in range(1, len(labels) + 1) for group in combinations(labels, size)]
    for keys in ([(_HOSTNAME,)] if spec.headless else []) + groups:
        selector = subsets.subset_selectors.add(keys=keys)
        selector.fallback_policy = Cluster.LbSubsetConfig.LbSubsetSelector.NO_FALLBACK
    subsets.locality_weight_aware = True
    # A locality counts for as much as it has of the subset, and not of all endpoints.
    subsets.scale_locality_weight = bool(labels)


def _saying(values: dict[str, str]) -> Metadata:
    message = Metadata()
    message.filter_metadata[_FILTER].update(values)
    return message
