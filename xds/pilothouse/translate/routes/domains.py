"""Hosts outside of the mesh that a sidecar depends on. Everything known about them is in its metadata."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache

from pilothouse._pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from pilothouse._pb.envoy.config.route.v3.route_components_pb2 import VirtualHost
from pilothouse._pb.envoy.extensions.clusters.common.dns.v3.dns_pb2 import DnsLookupFamily
from pilothouse.encoding.resources import Resource, checked
from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.dependencies import Domain
from pilothouse.model.addresses import is_address
from pilothouse.model.services import Endpoint, Port, ServiceName, ServiceSpec, UpstreamTls
from pilothouse.translate.connection_manager import to_cluster
from pilothouse.translate.dns import dns_cluster
from pilothouse.translate.names import outbound
from pilothouse.translate.routes.virtual_hosts import encoded_host


def domain_clusters(domains: frozenset[Domain]) -> Mapping[str, Resource]:
    """A cluster for each domain, by name.

    The names are like those of services: `outbound|443||api.example.com`.
    """
    clusters = [_cluster(domain) for domain in sorted(domains)]
    resources = [Resource(ResourceType.CLUSTER, c.name, checked(c), complete=True) for c in clusters]
    return {resource.name: resource for resource in resources}


def domain_hosts(domains: Iterable[Domain], taken: Collection[str]) -> Iterator[bytes]:
    """The encoded virtual hosts of domains. Hosts in `taken` get none, because they are names of services.

    If a host has several ports, the port 80, or else the lowest, serves requests without a port.
    """
    default: dict[str, int] = {}
    for domain in sorted(domains, key=lambda one: (one.host, one.port != 80, one.port)):
        default.setdefault(domain.host, domain.port)
        if domain.host not in taken:
            yield _host(domain, domain.port == default[domain.host])


@lru_cache(maxsize=1 << 10)
def _host(domain: Domain, default: bool) -> bytes:
    message = VirtualHost(name=f"{domain.host}:{domain.port}")
    for form in (domain.host,) if is_address(domain.host) else (domain.host, f"{domain.host}."):
        message.domains.extend((form, f"{form}:{domain.port}") if default else (f"{form}:{domain.port}",))
    message.routes.append(to_cluster(outbound(domain.host, domain.port)))
    return encoded_host(message)


def _cluster(domain: Domain) -> Cluster:
    message = dns_cluster(*_spec(domain), DnsLookupFamily.V4_ONLY)
    message.name = message.load_assignment.cluster_name = outbound(domain.host, domain.port)
    message.alt_stat_name = f"{domain.host.replace('.', '_')}.{domain.port}"
    return message


def _spec(domain: Domain) -> tuple[ServiceSpec, Port]:
    """A domain as if it were a service. Only its names are different."""
    port = Port("", domain.port, tls=UpstreamTls(domain.host, domain.ca) if domain.ca else None)
    host = Endpoint(domain.host, (("", domain.port),))
    return ServiceSpec(ServiceName("", domain.host), (port,), hosts=(host,)), port
