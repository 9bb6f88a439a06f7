"""Translates services to Envoy's messages. Pure functions, one module for each kind of resource.

The result of a function depends on its parameters only. Only `pool` and `load_assignment` know endpoints.
Everything else depends on specs, so that churn of endpoints cannot rebuild a cluster, a listener or a route.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pilothouse._pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from pilothouse._pb.envoy.config.listener.v3.listener_pb2 import Listener
from pilothouse.encoding.resources import Resource, Selection, checked
from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.audience import Address, Dialect, EndpointFacet
from pilothouse.mesh.claims import Resolved
from pilothouse.mesh.visibility import Referrer, passed_on
from pilothouse.model.policy import HashOn
from pilothouse.model.services import Family, Namespaces, Port, Service, ServiceName, ServiceSpec
from pilothouse.translate.clusters import cluster, grpc_cluster, is_plain, plain_cluster
from pilothouse.translate.dns import dns_cluster
from pilothouse.translate.endpoints.assignments import load_assignment
from pilothouse.translate.endpoints.pools import Pool, pool
from pilothouse.translate.listeners import egress_listener, vip_listener
from pilothouse.translate.names import EGRESS, cluster_name, host_ports, is_of, mesh_ports
from pilothouse.translate.passthrough import Chains, chains, tls_inspector
from pilothouse.translate.redirect import redirect, unbound
from pilothouse.translate.routes.traffic import viewers
from pilothouse.translate.routes.virtual_hosts import Hosts, egress_routes, vip_routes, virtual_hosts


@dataclass(frozen=True, slots=True)
class Translated:
    """The resources of one service by name. Every piece is checked and encoded.

    `listeners`: the listeners at virtual IPs that every client needs, for ports without a Host header. See
    Captured. `grpc_clusters`: the clusters that have another encoding for gRPC clients.
    """

    service: Service
    resolved: Resolved
    clusters: Mapping[str, Resource]
    grpc_clusters: Mapping[str, Resource]
    pools: Mapping[str, Pool]
    listeners: Mapping[str, Resource]
    hosts: Hosts
    chains: Chains
    #: The other services that it leads to. Each has the namespaces that the routes pass it on to although it
    #: is not exported to them.
    leads_to: Mapping[ServiceName, Namespaces]
    _hosts_of: dict[frozenset[Family], Hosts] = field(default_factory=dict, compare=False, repr=False)

    def clusters_in(self, dialect: Dialect) -> Mapping[str, Resource]:
        """Its clusters for clients of a dialect."""
        if dialect is Dialect.ENVOY or not self.grpc_clusters:
            return self.clusters
        return {**self.clusters, **self.grpc_clusters}

    def hosts_of(self, families: frozenset[Family]) -> Hosts:
        """Its virtual hosts for clients of these address families.

        They have only virtual IPs of these families.
        """
        spec = self.resolved.spec
        vips = tuple(vip for vip in spec.vips if is_of(vip, families)) if families else spec.vips
        if vips == spec.vips:
            return self.hosts
        if families not in self._hosts_of:
            self._hosts_of[families] = virtual_hosts(replace(self.resolved, spec=replace(spec, vips=vips)))
        return self._hosts_of[families]

    def is_called(self, host: str, own_namespace: bool, families: frozenset[Family]) -> bool:
        """Whether its virtual hosts have this domain, for such clients in its namespace or in others."""
        if not self.hosts.own:
            return False
        names, has_address = self.resolved.names, host in self.resolved.spec.vips and is_of(host, families)
        return names.has(host, own_namespace) or names.has_endpoint(host, own_namespace) or has_address

    def referrer(self, name: ServiceName) -> Referrer:
        """This service as the referrer of another service that it leads to."""
        return Referrer(self.resolved.called, self.resolved.answers, self.leads_to[name])

    @property
    def hash_on(self) -> HashOn | None:
        """What routes to its clusters hash. None if they do not hash."""
        return self.resolved.spec.policy.hash_on

    @property
    def all_listeners(self) -> Mapping[str, object]:
        """What this service contributes to listeners, by the name of the listener."""
        return {EGRESS: self.chains, **self.listeners} if self.chains.own else self.listeners

    @property
    def routes(self) -> Mapping[str, object]:
        """What this service contributes to route configurations, by the name of the route configuration."""
        return {EGRESS: self.hosts} if self.hosts.own else {}


class Captured(NamedTuple):
    """What a service contributes in addition for clients that capture HTTP at virtual IPs (Capture.VIP).

    The routes have the names of the listeners. `viewers_routes` has the routes for namespaces whose clients
    get different ones, by namespace.
    """

    listeners: Mapping[str, Resource]
    routes: Mapping[str, Resource]
    viewers_routes: Mapping[str, Mapping[str, Resource]]

    @property
    def size(self) -> int:
        """The approximate size in bytes."""
        parts = (self.listeners, self.routes, *self.viewers_routes.values())
        return sum(Selection(resources).size for resources in parts)


NOT_CAPTURED = Captured({}, {}, {})


def captured(resolved: Resolved) -> Captured:
    """Translate for clients that capture.

    Raises rules.RuleViolation if any piece breaks a validation rule.
    """
    return Captured(
        _listeners(resolved, by_host=True),
        _vip_routes(resolved),
        {each: _vip_routes(resolved, each) for each in viewers(resolved)},
    )


def redirected(each: Translated, captured: Captured) -> Captured:
    """The same for a client whose connections are redirected (Capture.REDIRECT): all listeners, unbound."""
    listeners = {**each.listeners, **captured.listeners}
    return captured._replace(listeners={name: unbound(one) for name, one in listeners.items()})


def translate(service: Service, resolved: Resolved, before: Translated | None) -> Translated:
    """Translate a service. What depends on the spec alone is taken from `before` if the spec has not changed.

    Raises rules.RuleViolation if any piece breaks a validation rule of its descriptor.
    """
    spec = resolved.spec
    ports = [*mesh_ports(spec)] if resolved.own else []
    found = {cluster_name(spec, port): pool(service, port) for port in ports if spec.hosts is None}
    if before is not None and before.resolved == resolved:
        return replace(before, service=service, pools=found)
    clusters, grpc_clusters = _clusters(spec, ports)
    return Translated(
        service=service,
        resolved=resolved,
        clusters=clusters,
        grpc_clusters=grpc_clusters,
        pools=found,
        listeners=_listeners(resolved, by_host=False),
        hosts=virtual_hosts(resolved),
        chains=chains(resolved),
        leads_to=_leads_to(service.name, resolved),
    )


def _leads_to(name: ServiceName, resolved: Resolved) -> Mapping[ServiceName, Namespaces]:
    answering = resolved.answering
    if answering is None or (answering.name == name and not resolved.backends):
        return {}
    passed = passed_on(answering)
    found = {each.name: passed[each.name] for each in resolved.backends}
    return {to: found.get(to, frozenset()) for to in {answering.name, *found} - {name}}


def _clusters(
    spec: ServiceSpec, ports: Iterable[Port]
) -> tuple[Mapping[str, Resource], Mapping[str, Resource]]:
    """The clusters of a service, and the other encodings that some of them have for gRPC clients."""
    if is_plain(spec):
        plain = {cluster_name(spec, port): plain_cluster(spec, port) for port in ports}
        return {name: Resource(ResourceType.CLUSTER, name, data) for name, data in plain.items()}, {}
    by_name = spec.hosts is not None
    messages = [(dns_cluster if by_name else cluster)(spec, port) for port in ports]
    others = (grpc_cluster(message, spec.policy.balance) for message in messages)
    for_grpc = [other for other in others if other is not None]

    def resources(messages: Iterable[Cluster]) -> Mapping[str, Resource]:
        return {
            m.name: Resource(ResourceType.CLUSTER, m.name, checked(m), complete=by_name) for m in messages
        }

    return resources(messages), resources(for_grpc)


def _listeners(resolved: Resolved, by_host: bool) -> Mapping[str, Resource]:
    spec = resolved.spec
    messages = [
        vip_listener(resolved, port, vip)
        for vip in spec.vips
        for port in mesh_ports(spec)
        if port.protocol.by_host is by_host
    ]
    return {m.name: Resource(ResourceType.LISTENER, m.name, checked(m)) for m in messages}


def _vip_routes(resolved: Resolved, viewer: str = "") -> Mapping[str, Resource]:
    spec = resolved.spec
    messages = [vip_routes(resolved, port, vip, viewer) for vip in spec.vips for port in host_ports(spec)]
    return {m.name: Resource(ResourceType.ROUTES, m.name, checked(m)) for m in messages}


def assignment(name: str, pool: Pool, client: EndpointFacet) -> Resource:
    """The load assignment of a cluster for a client. An empty pool has no endpoints."""
    return Resource(ResourceType.ENDPOINTS, name, load_assignment(name, pool, client))


def egress(address: Address, chains: bytes = b"") -> Resource:
    """The egress listener: for HTTP by Host header, and with filter chains also for TLS by server name."""
    return Resource(ResourceType.LISTENER, EGRESS, checked(_egress(address, bool(chains))) + chains)


def redirected_egress(at: tuple[Address, ...], chains: bytes, passes_on: bool) -> Resource:
    """The same, at each of these addresses, for what the kernel redirects there, too."""
    listener = _egress(at[0], bool(chains))
    listener.MergeFromString(chains)
    redirect(listener, at, passes_on)
    return Resource(ResourceType.LISTENER, EGRESS, checked(listener))


def _egress(address: Address, inspects: bool) -> Listener:
    listener = egress_listener(address)
    if inspects:
        # The listener's own filter chain, for HTTP, matches if no other does.
        listener.listener_filters.append(tls_inspector())
        # A connection on which the client has sent nothing yet may be HTTP.
        listener.continue_on_listener_filters_timeout = True
    return listener


def route_configuration(hosts: Iterable[bytes], unknown_host_status: int) -> Resource:
    """The route configuration of the egress listener, from the virtual hosts of each service."""
    return Resource(ResourceType.ROUTES, EGRESS, egress_routes(hosts, unknown_host_status))
