"""RouteConfiguration: which host name leads to which service.

It is joined from encoded virtual hosts: a service more or less encodes one, not all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pilothouse import wire
from pilothouse._pb.envoy.config.route.v3.route_components_pb2 import VirtualHost
from pilothouse._pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from pilothouse.model import Port, ServiceSpec
from pilothouse.resources import checked
from pilothouse.translate.http import encoded_to_cluster, to_cluster
from pilothouse.translate.names import EGRESS, cluster_name, host_ports, hosts, listener_name

# Field numbers: RouteConfiguration.virtual_hosts; VirtualHost.name, .domains, .routes.
_VIRTUAL_HOSTS, _NAME, _DOMAINS, _ROUTES = 2, 1, 2, 3
_UNKNOWN = "pilothouse: no service that this sidecar may call has the host name %REQ(:AUTHORITY)%\n"


class Hosts(NamedTuple):
    """The encoded virtual hosts of a service for clients in its own namespace, and for those in others."""

    own: bytes
    other: bytes


NO_HOSTS = Hosts(b"", b"")


def virtual_hosts(names: ServiceSpec, target: ServiceSpec) -> Hosts:
    """One virtual host for each port that has a Host header; nothing without such ports.

    `names` says how the service is asked for and `target` what answers: the same, unless `names` is
    an alias (ExternalName of a known service), which answers on every port of its target.
    Raises rules.RuleViolation.
    """
    own, other = hosts(names, own_namespace=True), set(hosts(names, own_namespace=False))
    encoded: tuple[list[bytes], list[bytes]] = [], []
    for index, port in enumerate(host_ports(target)):
        name = f"{names.hostname}:{port.number}"
        domains = [(host, domain) for host in own for domain in _domains(host, port, default=index == 0)]
        checked(VirtualHost(name=name, domains=[domain for _, domain in domains]))
        ends = (
            wire.text(_NAME, name),
            wire.delimited(_ROUTES, encoded_to_cluster(cluster_name(target, port), target.external_name)),
        )
        for pieces, included in zip(encoded, (own, other), strict=True):
            chosen = [wire.text(_DOMAINS, domain) for host, domain in domains if host in included]
            pieces.append(wire.delimited(_VIRTUAL_HOSTS, b"".join((ends[0], *chosen, ends[1]))))
    return Hosts(*(b"".join(pieces) for pieces in encoded))


def egress_routes(encoded: Iterable[bytes]) -> bytes:
    """The encoded route configuration of the egress listener. What no service owns is an explicit 503."""
    return b"".join([_HEADER, *encoded, _REST])


def vip_routes(spec: ServiceSpec, port: Port, vip: str) -> RouteConfiguration:
    """The routes of the HTTP listener of a virtual IP: whatever the Host, this service was called."""
    message = RouteConfiguration(name=listener_name(vip, port))
    host = message.virtual_hosts.add(name=spec.hostname, domains=["*"])
    host.routes.append(to_cluster(cluster_name(spec, port)))
    return message


def _domains(host: str, port: Port, default: bool) -> tuple[str, ...]:
    with_port = f"{host}:{port.number}"
    return (host, with_port) if default else (with_port,)


def _unknown_host() -> VirtualHost:
    host = VirtualHost(name="unknown", domains=["*"])
    route = host.routes.add()
    route.match.prefix = "/"
    route.direct_response.status = 503
    route.direct_response.body_format.text_format_source.inline_string = _UNKNOWN
    return host


_HEADER = checked(RouteConfiguration(name=EGRESS))
_REST = wire.delimited(_VIRTUAL_HOSTS, checked(_unknown_host()))
