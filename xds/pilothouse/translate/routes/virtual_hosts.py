"""RouteConfiguration: which service a host name leads to.

It is joined from encoded virtual hosts. So adding a service encodes only the hosts of that service.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from pilothouse._pb.envoy.config.route.v3.route_components_pb2 import Route, VirtualHost
from pilothouse._pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from pilothouse.encoding import wire
from pilothouse.encoding.resources import checked
from pilothouse.mesh.claims import Resolved
from pilothouse.mesh.names import HostName, Names
from pilothouse.model.services import Port
from pilothouse.translate.connection_manager import encoded_to_cluster, to_cluster
from pilothouse.translate.hashing import hash_by
from pilothouse.translate.names import EGRESS, cluster_name, host_ports, listener_name
from pilothouse.translate.routes.answers import request_routes
from pilothouse.translate.routes.traffic import viewers

# Field numbers: RouteConfiguration.virtual_hosts; VirtualHost.name, .domains, .routes.
_VIRTUAL_HOSTS, _NAME, _DOMAINS, _ROUTES = 2, 1, 2, 3
_UNKNOWN = "pilothouse: no service that this sidecar may call has the host name %REQ(:AUTHORITY)%\n"
_UNKNOWN_POD = "pilothouse: no endpoint of this service has the host name %REQ(:AUTHORITY)%\n"


class Hosts(NamedTuple):
    """The encoded virtual hosts of a service: for clients in its own namespace, and for those in others."""

    own: bytes
    other: bytes
    #: For the namespaces whose clients get different routes, by namespace.
    viewers: Mapping[str, bytes] = MappingProxyType({})

    def seen_from(self, namespace: str, inside: bool) -> bytes:
        if namespace in self.viewers:
            return self.viewers[namespace]
        return self.own if inside else self.other


NO_HOSTS = Hosts(b"", b"")


def virtual_hosts(resolved: Resolved) -> Hosts:
    """One virtual host for each port that is found by Host header.

    The names of an alias (ExternalName of a known service) lead to every port of its target. For a headless
    service, each endpoint with a host name has its own virtual hosts, and names of unknown endpoints get an
    error. Raises rules.RuleViolation.
    """
    target = resolved.answering
    ports = host_ports(target) if target is not None else []
    if target is None or not ports:
        return NO_HOSTS
    inside = resolved.spec.name.namespace
    seen = {each: _joined(resolved, ports, each)[each != inside] for each in viewers(resolved)}
    return Hosts(*_joined(resolved, ports), seen)


def _joined(resolved: Resolved, ports: Sequence[Port], viewer: str = "") -> tuple[bytes, bytes]:
    names, full = resolved.names, resolved.spec.hostname
    collected, hosts = _Collected(), names.authorities()
    for index, port in enumerate(ports):
        routes = _routes(resolved, port, viewer)
        collected.add(f"{full}:{port.number}", hosts, _Port(port, index == 0), routes)
    if resolved.spec.headless and resolved.own:
        _add_pods(collected, names, ports)
    own_pieces, other_pieces = collected.encoded
    return b"".join(own_pieces), b"".join(other_pieces)


def _routes(resolved: Resolved, port: Port, viewer: str) -> bytes:
    """The encoded routes of a port: to its own endpoints, or as the routes in force say."""
    found, target = request_routes(resolved, port, viewer), resolved.answering
    if found is not None:
        return b"".join(
            [wire.delimited(_ROUTES, route.SerializeToString(deterministic=True)) for route in found]
        )
    if target is None:
        return b""
    cluster, hash_on = cluster_name(target, port), target.policy.hash_on
    return wire.delimited(_ROUTES, encoded_to_cluster(cluster, target.external_name, hash_on=hash_on))


class _Port(NamedTuple):
    """A port, and whether it serves requests whose host has no port."""

    port: Port
    default: bool


class _Collected:
    """Collects encoded virtual hosts: for clients in the service's namespace, and for those in others."""

    def __init__(self) -> None:
        self.encoded: tuple[list[bytes], list[bytes]] = [], []

    def add(self, name: str, hosts: Iterable[HostName], port: _Port, routes: bytes) -> None:
        """Add a virtual host. Clients get only those of these hosts that they understand."""
        domains = [(host.everywhere, domain) for host in hosts for domain in _domains(host.text, port)]
        checked(VirtualHost(name=name, domains=[domain for _, domain in domains]))
        head = wire.text(_NAME, name)
        for pieces, own in zip(self.encoded, (True, False), strict=True):
            chosen = [wire.text(_DOMAINS, domain) for everywhere, domain in domains if own or everywhere]
            if chosen:
                pieces.append(wire.delimited(_VIRTUAL_HOSTS, b"".join((head, *chosen, routes))))


def _add_pods(collected: _Collected, names: Names, ports: Sequence[Port]) -> None:
    """Add virtual hosts for endpoints by host name (DNS-based service discovery, 2.4.1).

    Names of unknown endpoints get an error instead of another endpoint.
    """
    named, full = [*names.of_endpoints()], names.spec.hostname
    unknown = [host.below("*") for host in names.of_service()]
    for index, port in enumerate(ports):
        numbered, cluster = _Port(port, index == 0), cluster_name(names.spec, port)
        for pod, hosts in named:
            route = wire.delimited(_ROUTES, encoded_to_cluster(cluster, hostname=pod))
            collected.add(f"{pod}.{full}:{port.number}", hosts, numbered, route)
        collected.add(f"*.{full}:{port.number}", unknown, numbered, _NO_POD)


def encoded_host(host: VirtualHost) -> bytes:
    """Encode a virtual host as a field of the route configuration. Raises rules.RuleViolation."""
    return wire.delimited(_VIRTUAL_HOSTS, checked(host))


def egress_routes(encoded: Iterable[bytes], unknown_host_status: int) -> bytes:
    """The encoded route configuration of the egress listener. Unknown hosts get an answer that says why."""
    return b"".join([_HEADER, *encoded, _unknown_host(unknown_host_status)])


def vip_routes(resolved: Resolved, port: Port, vip: str, viewer: str = "") -> RouteConfiguration:
    """The routes of the HTTP listener of a virtual IP. Requests with any Host go to this service."""
    message = RouteConfiguration(name=listener_name(vip, port))
    host = message.virtual_hosts.add(name=resolved.spec.hostname, domains=["*"])
    own = to_cluster(cluster_name(resolved.spec, port))
    hash_by(own, resolved.spec.policy.hash_on)
    host.routes.extend(request_routes(resolved, port, viewer) or [own])
    return message


def _domains(host: str, port: _Port) -> tuple[str, ...]:
    with_port = f"{host}:{port.port.number}"
    return (host, with_port) if port.default else (with_port,)


def _refusal(status: int, text: str) -> Route:
    """A direct answer that says why."""
    route = Route()
    route.match.prefix = "/"
    route.direct_response.status = status
    route.direct_response.body_format.text_format_source.inline_string = text
    return route


@lru_cache
def _unknown_host(status: int) -> bytes:
    return encoded_host(VirtualHost(name="unknown", domains=["*"], routes=[_refusal(status, _UNKNOWN)]))


_HEADER = checked(RouteConfiguration(name=EGRESS))
_NO_POD = wire.delimited(_ROUTES, checked(_refusal(503, _UNKNOWN_POD)))
