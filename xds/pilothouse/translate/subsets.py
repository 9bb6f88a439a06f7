"""How one endpoint of many is asked for: by its host name, in metadata that Envoy's subsets match."""

from __future__ import annotations

from functools import lru_cache

from pilothouse._pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from pilothouse._pb.envoy.config.core.v3.base_pb2 import Metadata

_FILTER = "envoy.lb"
_KEY = "hostname"


@lru_cache(maxsize=1 << 16)
def by_hostname(hostname: str) -> Metadata:
    """What an endpoint says of itself, and a route of the endpoint that it wants."""
    message = Metadata()
    message.filter_metadata[_FILTER].update({_KEY: hostname})
    return message


def choose_by_hostname(cluster: Cluster) -> None:
    """Let routes choose an endpoint. One that is not there is no other one; who chooses none gets any."""
    subsets = cluster.lb_subset_config
    subsets.fallback_policy = Cluster.LbSubsetConfig.ANY_ENDPOINT
    selector = subsets.subset_selectors.add(keys=[_KEY])
    selector.fallback_policy = Cluster.LbSubsetConfig.LbSubsetSelector.NO_FALLBACK
    subsets.locality_weight_aware = True
