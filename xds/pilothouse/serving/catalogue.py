"""All translated services. Sidecars share their resources, which are cached by the facet they depend on.

`acceptance` decides which version of a service is in force.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from copy import copy
from typing import Any
from weakref import WeakValueDictionary

from pilothouse.encoding.resources import Resource, Selection
from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.audience import ANYBODY, Address, Audience, Capture, Dialect, EndpointFacet
from pilothouse.mesh.claims import Claims, Resolved
from pilothouse.mesh.names import endpoint_owners, owners
from pilothouse.mesh.visibility import Scope, Visibility
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import Family, Service, ServiceName, ServiceSpec
from pilothouse.serving.acceptance import Accepted, Quarantined
from pilothouse.serving.assignments import Assignments
from pilothouse.serving.capturing import Capturing, ListenerFacet, behind_egress
from pilothouse.serving.changes import Change, change, concerns
from pilothouse.serving.directory import Counts, Directory
from pilothouse.serving.knowledge import Knowledge
from pilothouse.serving.versions import Refused
from pilothouse.structures.cache import Cache, interned
from pilothouse.structures.turns import Steps, at_once
from pilothouse.translate import Translated, route_configuration
from pilothouse.translate.names import (
    EGRESS,
    PASSTHROUGH,
    can_listen,
    cluster_name,
)
from pilothouse.translate.naming import names, resource_name
from pilothouse.translate.omissions import omissions_of
from pilothouse.translate.proxyless import api_listener, cluster_routes, dialled
from pilothouse.translate.redirect import passthrough
from pilothouse.translate.routes.domains import domain_clusters, domain_hosts

_MEBIBYTE = 1 << 20
# In bytes, for all clients together. With 2,000 services, a namespace takes 0.7 MB. Selections that do not
# fit are computed again.
_SELECTIONS = 256 * _MEBIBYTE
_CHOICES = 64 * _MEBIBYTE  # enough for a herd that reconnects and asks for the same
_DOMAINS = 16 * _MEBIBYTE
# Up to this many changes are applied in place. More are prepared in a draft.
_FEW = 64


class Catalogue:
    """The translated services. Pure: time, tasks and logs are the caller's.

    Without `external_names`, no ExternalName leads out of the mesh. `unknown_host_status` is the HTTP status
    for requests to an unknown host.
    """

    def __init__(self, external_names: bool = True, unknown_host_status: int = 503) -> None:
        self._accepted = Accepted(Claims(external_names))
        self._unknown_host_status = unknown_host_status
        #: The number of the last revision that is in force, as the publisher says; 0 before the first one.
        self.revision = 0
        self._begin_caches()

    @property
    def directory(self) -> Directory:
        """The services in force."""
        return self._accepted.directory

    @property
    def claims(self) -> Claims:
        """Who claims what."""
        return self._accepted.claims

    @property
    def quarantined(self) -> Mapping[ServiceName, Quarantined]:
        """Services whose newest version was not accepted, with the reason."""
        return self._accepted.quarantined

    @property
    def knowledge(self) -> Knowledge:
        """Which resources are known to be absent."""
        return self._accepted.knowledge

    @property
    def capturing(self) -> Capturing:
        """What clients need that capture connections at virtual IPs."""
        return self._accepted.capturing

    def _begin_caches(self) -> None:
        self._assignments = Assignments()
        self._selections = Cache[Selection](_SELECTIONS, _size)
        self._choices = Cache[Selection](_CHOICES, _size)
        self._named = WeakValueDictionary[str, Resource]()
        self._domains = Cache[Mapping[str, Resource]](_DOMAINS, lambda clusters: Selection(clusters).size)

    def beside(self) -> Catalogue:
        """An independent catalogue of the same services, to try something in. Nothing is cached in it yet."""
        found = copy(self)
        found._accepted = self._accepted.beside()
        found._begin_caches()
        return found

    def serves(self, name: ServiceName) -> bool:
        """Whether a version of a service is in force."""
        return self.directory.get(name) is not None

    @property
    def kept(self) -> tuple[int, int]:
        """How many entries and how many bytes are cached because clients asked for them."""
        caches: list[Cache[Any]] = [self._selections, self._choices, self._domains, *self.capturing.kept()]
        assigned = [*self._assignments]
        size = sum(len(resource.any) for resource in assigned)
        return sum(map(len, caches)) + len(assigned), sum(cache.size for cache in caches) + size

    def counts(self) -> Counts:
        """The numbers of resources for a client that may see all. The cost does not depend on the numbers."""
        return self.directory.counts

    def resolve(self, spec: ServiceSpec) -> Resolved:
        """What a spec would be given beside the services in force."""
        return self.claims.resolve(spec)

    def refuse(self, name: ServiceName, reason: str) -> bool:
        """Clients refuse the version in force: the next time that it is applied, the one before is served.

        Returns False if the version is not a recent one, so that nothing is served in its place.
        """
        return self._accepted.refuse(name, reason)

    @property
    def refused(self) -> Mapping[ServiceName, Refused]:
        """The versions that clients refuse, and what is served in their place."""
        return self._accepted.refused

    def remember(self, refused: Refused) -> None:
        """Clients refused this version in an earlier process: it is not served, if it comes again."""
        self._accepted.remember(refused)

    def begin(self) -> None:
        """Note that clients connect from now on."""
        never_served = [name for name, refused in self.refused.items() if refused.instead is None]
        self.knowledge.begin(never_served)

    def apply(self, names: Iterable[ServiceName], services: Mapping[ServiceName, Service]) -> list[Change]:
        """Apply the present state of these services. The cost is proportional to what changed."""
        return at_once(self.applying(names, services))

    def applying(
        self, names: Iterable[ServiceName], services: Mapping[ServiceName, Service | None]
    ) -> Steps[list[Change]]:
        """As `apply`, in steps. If they are many, all of them come into force together in the end."""
        pending = deque(dict.fromkeys(names))
        now = self._accepted
        draft, started = (now if len(pending) <= _FEW else now.draft()), {*now.quarantined}
        before: dict[ServiceName, Translated | None] = {}
        waiting = set(pending)
        while pending:
            name = pending.popleft()
            waiting.remove(name)
            before.setdefault(name, draft.directory.get(name))
            # A service may take a virtual IP or a name from others. Then these change as well.
            touched = draft.accept(name, services.get(name)) - waiting
            pending.extend(touched)
            waiting |= touched
            if draft is not now:
                yield
        changes: list[Change] = []
        for name in before:
            one = change(name, before, draft.directory, self.capturing.followed)
            if one.names:
                changes.append(one)
            if draft is not now:
                yield
        if draft is not now:
            now.take_over(draft, started)
        self._forget_all(changes)
        while len(before) > _FEW:  # freeing thousands of versions at once takes long, too
            before.popitem()
            yield
        return changes

    def cluster(self, scope: Scope, name: str, dialect: Dialect = Dialect.ENVOY) -> Resource | None:
        owner = self.directory.owner(scope, name)
        if owner is None:
            return self._domain_clusters(scope).get(name)
        return owner.clusters_in(dialect)[name]

    def known(self, scope: Scope) -> Set[str]:
        """The names of all services' clusters, in scope or not, and of the scope's domains."""
        domains = self._domain_clusters(scope)
        return self.directory.clusters | domains.keys() if domains else self.directory.clusters

    def load_assignment(self, scope: Scope, client: EndpointFacet, name: str) -> Resource | None:
        """The load assignment of a cluster for a client, or None if the scope does not reach the cluster."""
        owner = self.directory.owner(scope, name)
        if owner is None or name not in owner.pools:
            return None
        pool = owner.pools[name]
        if scope.dependencies.preferences:
            client = client.of(owner.service.name, scope)
        return self._assignments.of(name, pool, pool.outlook.facet(client))

    def by_node(self, names: frozenset[str]) -> bool:
        """Whether any of these load assignments depends on the node that a client runs on."""
        return not self.directory.by_node.isdisjoint(names)

    def clusters(self, scope: Scope, dialect: Dialect = Dialect.ENVOY, passes_on: bool = False) -> Selection:
        def build() -> Selection:
            found = dict(self._domain_clusters(scope)) | ({PASSTHROUGH: passthrough()} if passes_on else {})
            for translated in self.directory.reachable(scope):
                found |= translated.clusters_in(dialect)
            return Selection(found)

        key = (ResourceType.CLUSTER, dialect, passes_on)
        return self._selections.get(key, build, self.directory.facet(scope))

    def load_assignments(self, scope: Scope, client: EndpointFacet) -> Selection:
        found = ((name, self.load_assignment(scope, client, name)) for name in self.clusters(scope).resources)
        return Selection({name: resource for name, resource in found if resource is not None})

    def listeners(
        self,
        scope: Scope,
        address: Address,
        capture: Capture,
        families: frozenset[Family] = frozenset(),
        passes_on: bool = False,
    ) -> Selection:
        def build() -> Selection:
            seen = self._called(scope)
            chains = b"".join(t.chains[not scope.inside(t.service.name)] for t in seen)
            client = ListenerFacet(address, capture, families, passes_on)
            found = self.capturing.listeners(client, chains, seen)
            return Selection({n: found[n] for n in found if can_listen(n, families)} if families else found)

        # Server names depend on the namespace, as short names do. Few services have any.
        facet = scope if self.directory.by_server_name else self.directory.facet(scope)
        key = (ResourceType.LISTENER, capture, families, passes_on)
        return self._selections.get(key, build, facet, interned(address), *self.capturing.owners(capture))

    def routes(self, scope: Scope, capture: Capture, families: frozenset[Family] = frozenset()) -> Selection:
        def build() -> Selection:
            seen = self._called(scope)
            hosts = [
                t.hosts_of(families).seen_from(scope.namespace, scope.inside(t.service.name)) for t in seen
            ]
            domains = scope.dependencies.domains
            taken = {each.host for each in domains if self._is_called(each.host, scope, families)}
            found = {
                EGRESS: route_configuration(
                    [*hosts, *domain_hosts(domains, taken)], self._unknown_host_status
                )
            }
            for translated in () if capture is Capture.PROXY else seen:
                captured = self.capturing.of(translated)
                found |= captured.routes
                found |= captured.viewers_routes.get(scope.namespace, {})
            return Selection({n: found[n] for n in found if can_listen(n, families)} if families else found)

        key = (ResourceType.ROUTES, capture, families)
        return self._selections.get(key, build, scope, *self.capturing.owners(capture))

    def names(self, scope: Scope, zone: Resource) -> Selection:
        """What resolvers are told of the services in scope, and of the zone."""

        def build() -> Selection:
            told = [zone, *map(self.named, self.directory.visible(scope))]
            return Selection({each.name: each for each in told})

        return self._selections.get((ResourceType.NAMES, zone), build, self.directory.facet(scope))

    def named(self, each: Translated) -> Resource:
        """What resolvers are told of a service. It is kept while a stream has it."""
        name = resource_name(each.service.spec)
        found = self._named.get(name)
        if found is None:
            found = self._named[name] = names(each.service)
        return found

    def chosen(
        self, type: ResourceType, client: Audience, names: frozenset[str], build: Callable[[], Selection]
    ) -> Selection:
        """The selection of these names for such clients, built once until anything changes."""
        return self._choices.get(type, build, client, names)

    def prepare_capture(self, scope: Scope, capture: Capture) -> Iterator[None]:
        """Translate, service by service, what clients need that capture everything at virtual IPs."""
        return self.capturing.prepare(scope, capture, self._called(scope))

    def has_chosen(self, type: ResourceType, client: Audience, names: frozenset[str]) -> bool:
        return self._choices.has(type, client, names)

    def api_listener(self, scope: Scope, target: str) -> Resource | None:
        """The listener for a target that a gRPC client dials, such as `payments.shop:8080`."""
        host, _, number = target.lower().rpartition(":")
        for owner in self.directory.called(host, scope.namespace):
            port = dialled(owner.resolved, number)
            if port and owner.resolved.answering:
                cluster = cluster_name(owner.resolved.answering, port)
                return api_listener(target, cluster) if owner.resolved.can_be_called(scope) else None
        return None

    def cluster_routes(self, scope: Scope, name: str) -> Resource | None:
        """The routes to a cluster for a gRPC client."""
        owner = self.directory.owner(scope, name)
        return cluster_routes(name, owner.hash_on) if owner is not None else None

    def omissions(self, service: Service, client: Audience = ANYBODY) -> tuple[Omission, ...]:
        """The parts of a service in the registry that a client does not receive, with reasons, each once."""
        name, visibility = str(service.name), Visibility.of(service.spec)
        if not self.directory.sees(client.scope, visibility):
            if client.scope.may_see(visibility):
                return (Omission(Reason.OUT_OF_SCOPE, name),)
            return (Omission(Reason.NOT_EXPORTED, name, f"to {client.namespace or 'no namespace'}"),)
        resolved = self.claims.resolve(service.spec)
        if resolved.answering and not resolved.may_answer(client.scope):
            target = resolved.answering.name
            return (Omission(Reason.NOT_EXPORTED, str(target), f"to {client.namespace or 'no namespace'}"),)
        found: dict[Omission, None] = {}
        held = self.quarantined.get(service.name)
        if held is not None:
            found[Omission(Reason.QUARANTINED, name, held.reason)] = None
            good = self.directory.get(service.name)
            if good is None:
                return tuple(found)
            service, resolved = good.service, good.resolved
        endpoint_facet = client.endpoint_facet.of(service.name, client.scope)
        found |= dict.fromkeys(omissions_of(service, resolved, endpoint_facet, client.namespace))
        found |= dict.fromkeys(behind_egress(resolved, client))
        if client.passes_on:  # and its application calls endpoints by their own addresses
            return tuple(each for each in found if each.reason is not Reason.NO_VIRTUAL_IP)
        return tuple(found)

    def unknown_dependencies(self, scope: Scope) -> tuple[Omission, ...]:
        """Dependencies of a sidecar that do not exist. It gets them as soon as they exist."""
        return tuple(
            Omission(Reason.DECLARED_BUT_UNKNOWN, str(name)) for name in self.directory.unknown(scope)
        )

    def _called(self, scope: Scope) -> list[Translated]:
        """The services in scope that a client there can call by name."""
        return [each for each in self.directory.visible(scope) if each.resolved.may_answer(scope)]

    def _is_called(self, host: str, scope: Scope, families: frozenset[Family]) -> bool:
        """Whether a host is the name of a service or an endpoint in scope, or a virtual IP in scope."""
        near = scope.namespace
        for name in {*owners(host, near), *endpoint_owners(host, near), *self.claims.claiming(host)}:
            found = self.directory.get(name)
            if found is None or not found.resolved.can_be_called(scope):
                continue
            if found.is_called(host, scope.inside(name), families):
                return True
        return False

    def _domain_clusters(self, scope: Scope) -> Mapping[str, Resource]:
        domains = scope.dependencies.domains
        if not domains:
            return _NOTHING
        return self._domains.get("domains", lambda: domain_clusters(domains), scope.outside)

    def _forget_all(self, changes: Sequence[Change]) -> None:
        if changes:
            self._choices.clear()
        if len(changes) > _FEW:
            self._selections.clear()  # finding out which ones are not concerned would take longer
        for one in changes:
            self._forget(one)

    def _forget(self, change: Change) -> None:
        """Drop what was cached for the changed resources, and nothing else."""
        for name in change.names.get(ResourceType.ENDPOINTS, ()):
            self._assignments.forget(name)
        for name in change.names.get(ResourceType.NAMES, ()):
            self._named.pop(name, None)
        stale = change.names.keys() - {ResourceType.ENDPOINTS}
        if stale:
            self._selections.drop(lambda what, scope: what[0] in stale and concerns(change, scope))


_NOTHING: Mapping[str, Resource] = {}


def _size(selection: Selection) -> int:
    return selection.size
