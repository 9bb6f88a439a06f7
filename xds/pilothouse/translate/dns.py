"""Clusters whose endpoints are host names. Envoy resolves them itself; no load assignment is sent."""

from __future__ import annotations

from pilothouse._pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from pilothouse._pb.envoy.extensions.clusters.common.dns.v3.dns_pb2 import DnsLookupFamily
from pilothouse._pb.envoy.extensions.clusters.dns.v3.dns_cluster_pb2 import DnsCluster
from pilothouse.model.services import Port, ServiceSpec
from pilothouse.translate.clusters import cluster
from pilothouse.translate.endpoints.members import Members, members
from pilothouse.translate.subsets import by_hostname


def hosts_at(spec: ServiceSpec, port: Port) -> Members:
    """The hosts behind one port of a service whose endpoints are host names."""
    return members(spec.hosts or (), port, str)


def dns_cluster(
    spec: ServiceSpec, port: Port, family: DnsLookupFamily = DnsLookupFamily.V4_PREFERRED
) -> Cluster:
    """A cluster of the hosts of a service. Each address that a name resolves to is an endpoint.

    Envoy itself turns `STRICT_DNS` into this form, but the field for the TTL is deprecated there. If a name
    has both IPv4 and IPv6 addresses, only IPv4 is called: many machines have no IPv6 route, and Envoy would
    spread requests over both.
    """
    message = cluster(spec, port)
    message.ClearField("eds_cluster_config")
    message.cluster_type.name = "envoy.clusters.dns"
    message.cluster_type.typed_config.Pack(DnsCluster(respect_dns_ttl=True, dns_lookup_family=family))
    # Otherwise a name server that does not answer would keep the sidecar, with all clusters, from starting.
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
