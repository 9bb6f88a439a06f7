"""What a resolver beside an application is told of a service, so that it answers names as `dns` does."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse._pb.pilothouse.names.v1 import names_pb2 as pb
from pilothouse.encoding.resources import Resource
from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.names import ClusterZone
from pilothouse.model.addresses import CLUSTER_SET, packed
from pilothouse.model.services import Port, Service, ServiceSpec


def resource_name(spec: ServiceSpec) -> str:
    """The name of the resource: the fully qualified name, for example `payments.shop.svc.cluster.local`."""
    domain = CLUSTER_SET if spec.name.imported else spec.cluster_domain
    return f"{spec.name.name}.{spec.name.namespace}.svc.{domain}".lower()


def names(service: Service) -> Resource:
    """The names of a service."""
    spec = service.spec
    message = pb.Service(
        namespace=spec.name.namespace,
        name=spec.name.name,
        imported=spec.name.imported,
        cluster_domain=spec.cluster_domain,
        addresses=[found for found in map(packed, spec.vips) if found],
        headless=spec.headless,
        external_name=spec.external_name,
        ports=[_port(each) for each in spec.ports],
        endpoints=[*_endpoints(service)] if spec.headless else [],
        suffixes=spec.suffixes,
    )
    return _resource(resource_name(spec), pb.Names(service=message))


def zone(cluster: ClusterZone, complete: bool) -> Resource:
    """The domain of the cluster. `complete`: every service that is served is known."""
    message = pb.Zone(
        domain=cluster.domain,
        complete=complete,
        included=sorted(cluster.included),
        excluded=sorted(cluster.excluded),
        selected=cluster.selected,
    )
    return _resource(cluster.domain, pb.Names(zone=message))


def _resource(name: str, message: pb.Names) -> Resource:
    return Resource(ResourceType.NAMES, name, message.SerializeToString(deterministic=True))


def _port(port: Port) -> pb.Port:
    number, transport = port.number, port.transport.value
    return pb.Port(name=port.name, number=number, transport=transport, target=port.target or 0)


def _endpoints(service: Service) -> Iterator[pb.Endpoint]:
    """Those that have records: they are ready, and have an address."""
    for each in service.endpoints:
        address = packed(each.address)
        if address and each.in_service:
            ports = [pb.EndpointPort(name=name, number=number or 0) for name, number in each.ports]
            hostname, zone, cluster = each.hostname, each.locality.zone, each.cluster
            yield pb.Endpoint(address=address, hostname=hostname, zone=zone, ports=ports, cluster=cluster)
