"""Subsets: how routes choose some endpoints of a cluster, by the metadata of the endpoints."""

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
    """The metadata of an endpoint with a host name. A route states the same to choose that endpoint."""
    return _saying({_HOSTNAME: hostname})


@lru_cache(maxsize=1 << 10)
def by_labels(labels: Labels) -> Metadata:
    """The metadata by which a route chooses endpoints with these labels."""
    return _saying(dict(labels))


def described(hostname: str, labels: Labels) -> Metadata:
    """The metadata of an endpoint."""
    return _saying({**dict(labels), **({_HOSTNAME: hostname} if hostname else {})})


def divide(cluster: Cluster, spec: ServiceSpec) -> None:
    """Let routes choose among endpoints.

    A missing subset matches nothing; without a choice, any endpoint does.
    """
    labels = spec.policy.subset_labels
    if not spec.headless and not labels:
        return
    subsets = cluster.lb_subset_config
    subsets.fallback_policy = Cluster.LbSubsetConfig.ANY_ENDPOINT
    # A route may combine any of these labels, and Envoy supports only listed combinations.
    groups = [group for size in range(1, len(labels) + 1) for group in combinations(labels, size)]
    for keys in ([(_HOSTNAME,)] if spec.headless else []) + groups:
        selector = subsets.subset_selectors.add(keys=keys)
        selector.fallback_policy = Cluster.LbSubsetConfig.LbSubsetSelector.NO_FALLBACK
    subsets.locality_weight_aware = True
    # A locality's weight is scaled by its endpoints in the subset.
    subsets.scale_locality_weight = bool(labels)


def _saying(values: dict[str, str]) -> Metadata:
    message = Metadata()
    message.filter_metadata[_FILTER].update(values)
    return message
