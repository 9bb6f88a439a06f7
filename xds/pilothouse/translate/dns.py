"""Clusters whose endpoints are host names: Envoy resolves them itself, and no load assignment is sent."""

from __future__ import annotations

from pilothouse._pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from pilothouse._pb.envoy.extensions.clusters.common.dns.v3.dns_pb2 import DnsLookupFamily
from pilothouse._pb.envoy.extensions.clusters.dns.v3.dns_cluster_pb2 import DnsCluster
from pilothouse.model.services import Port, ServiceSpec
from pilothouse.translate.clusters import cluster
from pilothouse.translate.endpoints.members import Members, members
from pilothouse.translate.subsets import by_hostname


def hosts_at(spec: ServiceSpec, port: Port) -> Members:
    """The hosts that are called at one port of a service that is called by host name."""
    return members(spec.hosts or (), port, str)


def dns_cluster(
    spec: ServiceSpec, port: Port, family: DnsLookupFamily = DnsLookupFamily.V4_PREFERRED
) -> Cluster:
    """A cluster of the hosts of a service; each address that a name has is an endpoint.

    It is what Envoy makes of `STRICT_DNS` by itself, whose own field for the TTL of addresses is deprecated.
    Of names that have both, only IPv4 addresses are called: many hosts have no route for the others, and
    Envoy would spread requests over both kinds.
    """
    message = cluster(spec, port)
    message.ClearField("eds_cluster_config")
    message.cluster_type.name = "envoy.clusters.dns"
    message.cluster_type.typed_config.Pack(DnsCluster(respect_dns_ttl=True, dns_lookup_family=family))
    # A name server that does not answer would keep a sidecar from starting, and from all other clusters.
    message.wait_for_warm_on_init.value = False
    assignment = message.load_assignment
    assignment.cluster_name = message.name
    group = assignment.endpoints.add()
    for name, number, host, _ in hosts_at(spec, port).in_service:
        endpoint = group.lb_endpoints.add()
        endpoint.load_balancing_weight.value = host.weight
        socket = endpoint.endpoint.address.socket_address
        socket.address, socket.port_value = name, number
        if spec.headless and host.hostname:
            endpoint.metadata.CopyFrom(by_hostname(host.hostname))
    group.load_balancing_weight.value = max(1, sum(e.load_balancing_weight.value for e in group.lb_endpoints))
    return message
