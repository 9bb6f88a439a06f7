"""Joins objects into services. The cost of a change is proportional to what depends on the changed object."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from pilothouse.kubernetes.backing import Backing, callable_in, counted, entries
from pilothouse.kubernetes.gateway.attached import Routes
from pilothouse.kubernetes.hosts import are_hosts, by_name
from pilothouse.kubernetes.metadata import is_label
from pilothouse.kubernetes.objects.types import (
    Endpoints,
    EndpointSlice,
    Grant,
    Key,
    Namespace,
    Node,
    Object,
    Pod,
    RouteObject,
    Service,
    declaring,
)
from pilothouse.kubernetes.served import WHOLE, ServedCluster
from pilothouse.kubernetes.unattached import Unattached, services_named
from pilothouse.model import services
from pilothouse.model.addresses import CLUSTER_SET, canonical_address
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.routing import Labels
from pilothouse.model.services import (
    NOWHERE,
    Endpoint,
    Locality,
    Protocol,
    ServiceName,
    ServiceSpec,
)
from pilothouse.structures.index import Index
from pilothouse.structures.turns import Steps, at_once

_UNLABELLED: Labels = ()


class Cluster:
    """The objects of one cluster as they are now, and the services that they make up.

    A service exists when its Service object does; slices that arrive earlier wait for it. A slice alone is
    enough to publish its endpoints. They gain locality and weight when their Node and Pod arrive. Pods are
    found by reference, never by address, because several Pods may share an address.
    """

    def __init__(self, served: ServedCluster = WHOLE) -> None:
        self._served, self._domain = served, served.domain.lower().strip(".")
        self._objects: dict[Key, Object] = {}
        # Each spec is built once, so that it stays the same object while endpoints come and go.
        self._specs: dict[ServiceName, ServiceSpec] = {}
        # Services with virtual IPs that no sidecar may listen on. Few Services have any.
        self._refused_vips: dict[ServiceName, tuple[Omission, ...]] = {}
        self._backings_of = Index[ServiceName, Key]()
        self._backings_naming_pod = Index[str, Key]()
        self._backings_on_node = Index[str, Key]()
        self._pods_on_node = Index[str, str]()
        # What endpoints ask for, each of them once.
        self._pods: dict[str, Pod] = {}
        self._localities: dict[str, Locality] = {}
        self._routes = Routes()
        self._stirred: set[ServiceName] = set()
        #: The slices and routes whose Service does not exist.
        self.unattached = Unattached()

    @property
    def names(self) -> Collection[ServiceName]:
        return self._specs.keys()

    def find(self, key: Key) -> Object | None:
        """An object, if it is there."""
        return self._objects.get(key)

    def object(self, key: Key) -> Object:
        """One that is there, as it was put, but for addresses that no sidecar can call."""
        return self._objects[key]

    def apply(self, put: Iterable[Object], gone: Iterable[Key] = ()) -> frozenset[ServiceName]:
        """Remove and add objects. Returns the services that may have changed or are gone."""
        return at_once(self.applying(put, gone))

    def applying(self, put: Iterable[Object], gone: Iterable[Key] = ()) -> Steps[frozenset[ServiceName]]:
        """Like `apply`, in steps."""
        touched: set[ServiceName] = set()
        for key in gone:
            touched.update(self._change(key, None))
            yield
        for new in put:
            touched.update(self._change(new.key, new))
            yield
        yield from self._settle()
        return frozenset(touched)

    def _settle(self) -> Steps[None]:
        """Update `unattached` for Services that have appeared or disappeared."""
        for name in self._stirred:
            there = name in self._specs
            backings, routes = self._backings_of.at(name), self._routes.naming(name)
            self.unattached.settle(name, () if there else backings, () if there else routes)
            yield
        self._stirred.clear()

    def service(self, name: ServiceName) -> services.Service | None:
        """The service that the objects make up now. None if there is no Service object."""
        declared = self._objects.get(declaring(name))
        if not isinstance(declared, Service):
            return None
        spec = self._specs[name]
        if spec.external_name:
            return services.Service(spec)
        # Sorted, so that endpoints which `ordered` cannot tell apart come in the same order everywhere.
        backings = [self._backing(key) for key in sorted(self._backings_of.at(name))]
        slices, left_out = counted(backings, declared)
        left_out += self._refused_vips.get(name, ())
        routes, unattached = self._routes.attached(name, spec.ports)
        if routes:
            spec = replace(spec, routes=routes)
        found = (endpoint for each in slices for endpoint in self._endpoints(each, declared))
        endpoints = services.ordered(found)
        if spec.headless and not name.imported:
            # Host names change only when a StatefulSet is scaled. That is rare enough for the spec.
            names = sorted({endpoint.hostname for endpoint in endpoints if is_label(endpoint.hostname)})
            spec = replace(spec, hostnames=tuple(names)) if names else spec
        # A slice of host names stays one even if it is empty, so that the cluster does not change its type.
        if any(found.fqdn for found in slices) or are_hosts(endpoints):
            spec, refused = by_name(spec, endpoints)
            return services.Service(spec, (), left_out + unattached + refused)
        return services.Service(spec, endpoints, left_out + unattached)

    def supposing(
        self, put: Sequence[Object], gone: Sequence[Key]
    ) -> Steps[dict[ServiceName, services.Service | None]]:
        """What would become of services if these objects were put, and those were gone. Nothing changes here.

        The services that this may concern are joined anew, from the objects that make them up.
        """
        concerned: dict[ServiceName, None] = {}
        for key in [*gone, *(each.key for each in put)]:
            old = self._objects.get(key)
            concerned.update(dict.fromkeys(self._services_of(old) if old is not None else ()))
            yield
        for new in put:
            concerned.update(dict.fromkeys(self._services_of(new)))
            yield
        beside = Cluster(self._served)
        beside.apply([*self._routes.grants])  # they are few
        beside.apply(self._beneath(each for each in put if isinstance(each, EndpointSlice | Endpoints | Pod)))
        for name in concerned:
            beside.apply(self._made_of(name))
            yield
        yield from beside.applying(put, gone)
        found: dict[ServiceName, services.Service | None] = {}
        for name in concerned:
            found[name] = beside.service(name)
            yield
        return found

    def _made_of(self, name: ServiceName) -> list[Object]:
        """All objects that a service depends on, but for the grants of its routes."""
        backings = [self._backing(key) for key in self._backings_of.at(name)]
        keys = [declaring(name), Key("Namespace", "", name.namespace), *self._routes.naming(name)]
        found = (self._objects[key] for key in keys if key in self._objects)
        return [*backings, *self._beneath(backings), *found]

    def _beneath(self, objects: Iterable[EndpointSlice | Endpoints | Pod]) -> list[Object]:
        """The Pods and Nodes here of which these objects, and their Pods, say that they run there."""
        pods, nodes = dict[str, Pod](), set[str]()
        for each in objects:
            if isinstance(each, Pod):
                nodes.add(each.node)
                continue
            for entry in entries(each):
                nodes.add(entry.node)
                if (pod := self._pods.get(entry.pod)) is not None:
                    pods[entry.pod] = pod
                    nodes.add(pod.node)
        keys = (Key("Node", "", node) for node in sorted(nodes))
        return [*pods.values(), *(self._objects[key] for key in keys if key in self._objects)]

    def _change(self, key: Key, new: Object | None) -> Iterator[ServiceName]:
        if isinstance(new, EndpointSlice | Endpoints):
            new = callable_in(self._served, new)
        old = self._objects.get(key)
        if old == new:
            return
        self._stirred.update(services_named(old))
        self._stirred.update(services_named(new))
        if old is not None:
            yield from self._services_of(old)
            self._unlink(key, old)
            del self._objects[key]
        if new is not None:
            self._objects[key] = new
            self._link(key, new)
            yield from self._services_of(new)
        for found in (old, new):
            if isinstance(found, Namespace):
                self._specify_again(found)

    def _link(self, key: Key, new: Object) -> None:
        match new:
            case Service():
                self._specs[new.service] = self._spec(new)
            case EndpointSlice() | Endpoints():
                self._link_entries(key, new)
            case Pod():
                self._pods[new.place] = new
                if new.node:
                    self._pods_on_node.add(new.node, new.place)
            case Node():
                self._localities[new.name] = new.locality
            case RouteObject() | Grant():
                self._routes.put(key, None, new)
            case Namespace():
                pass

    def _link_entries(self, key: Key, new: Backing) -> None:
        self._backings_of.add(new.service, key)
        found = entries(new)
        self._backings_naming_pod.add_to_each([entry.pod for entry in found if entry.pod], key)
        self._backings_on_node.add_to_each([entry.node for entry in found if entry.node], key)

    def _unlink(self, key: Key, old: Object) -> None:
        match old:
            case Service():
                del self._specs[old.service]
                self._refused_vips.pop(old.service, None)
            case EndpointSlice() | Endpoints():
                self._unlink_entries(key, old)
            case Pod():
                del self._pods[old.place]
                if old.node:
                    self._pods_on_node.discard(old.node, old.place)
            case Node():
                del self._localities[old.name]
            case RouteObject() | Grant():
                self._routes.put(key, old, None)
            case Namespace():
                pass

    def _unlink_entries(self, key: Key, old: Backing) -> None:
        self._backings_of.discard(old.service, key)
        for entry in entries(old):
            if entry.pod:
                self._backings_naming_pod.discard(entry.pod, key)
            if entry.node:
                self._backings_on_node.discard(entry.node, key)

    def _services_of(self, changed: Object) -> Iterator[ServiceName]:
        if isinstance(changed, Service):
            yield changed.service
            return
        if isinstance(changed, RouteObject | Grant):
            yield from (name for name in self._routes.concerned(changed) if name in self._specs)
            return
        if isinstance(changed, Namespace):
            yield from self._in_namespace(changed)
            return
        for found in self._backings_concerned(changed):
            if found.service in self._specs:
                yield found.service

    def _in_namespace(self, found: Namespace) -> list[ServiceName]:
        """The services of a namespace, if the namespace sets defaults for them."""
        silent = found.protocol is Protocol.HTTP and found.exported_to is None
        return [] if silent else [name for name in self._specs if name.namespace == found.name]

    def _backings_concerned(self, changed: Backing | Pod | Node) -> Iterator[Backing]:
        if isinstance(changed, EndpointSlice | Endpoints):
            yield changed
        elif isinstance(changed, Pod):
            yield from map(self._backing, self._backings_naming_pod.at(changed.place))
        else:
            yield from map(self._backing, self._backings_on_node.at(changed.name))
            for pod in self._pods_on_node.at(changed.name):
                yield from map(self._backing, self._backings_naming_pod.at(pod))

    def _backing(self, key: Key) -> Backing:
        found = self._objects[key]
        assert isinstance(found, EndpointSlice | Endpoints), "nothing else is indexed"
        return found

    def _specify_again(self, found: Namespace) -> None:
        for name in self._in_namespace(found):
            declared = self._objects[declaring(name)]
            assert isinstance(declared, Service)
            self._specs[name] = self._spec(declared)

    def _spec(self, declared: Service) -> ServiceSpec:
        """The spec of a Service, with the defaults of its namespace."""
        ports, exported_to = declared.ports, declared.exported_to
        namespace = self._objects.get(Key("Namespace", "", declared.namespace))
        if isinstance(namespace, Namespace):
            ports = tuple(
                replace(port, protocol=namespace.protocol) if index in declared.silent else port
                for index, port in enumerate(ports)
            )
            exported_to = exported_to if declared.exports else namespace.exported_to
        return ServiceSpec(
            name=declared.service,
            ports=ports,
            vips=self._vips(declared),
            headless=declared.headless,
            external_name=declared.external_name,
            created=declared.created,
            exported_to=exported_to,
            suffixes=() if declared.imported else self._served.suffixes,
            cluster_domain=CLUSTER_SET if declared.imported else self._domain,
            placement=declared.placement,
            policy=declared.policy,
            addressable=declared.addressable,
        )

    def _vips(self, declared: Service) -> tuple[str, ...]:
        """The virtual IPs that a sidecar may listen on. The others are left out."""
        objections = {vip: self._served.virtual_ip_objection(vip) for vip in declared.vips}
        refused = [Omission(Reason.INVALID_ADDRESS, vip, why) for vip, why in objections.items() if why]
        if refused:
            self._refused_vips[declared.service] = tuple(refused)
        return tuple([vip for vip, why in objections.items() if not why])

    def _endpoints(self, found: EndpointSlice, declared: Service) -> Iterator[Endpoint]:
        """The endpoints of a slice. The most specific weight wins: address, Pod, slice, Service, 1."""
        weights, dividing, ports = dict(found.weights), declared.policy.subset_labels, found.ports
        common = _first(found.weight, declared.weight, 1)
        pods, localities = self._pods, self._localities
        for entry in found.entries:
            weight, node, zone, labels = common, entry.node, entry.zone, _UNLABELLED
            place = None
            pod = pods.get(entry.pod)
            if pod is not None:
                weight, node, place = _first(pod.weight, common), node or pod.node, pod.locality
                labels = tuple(pair for pair in pod.labels if pair[0] in dividing) if dividing else labels
            if place is None:
                # The zone of the slice. The other parts, and the zone if the slice has none, are the node's.
                place = localities.get(node, NOWHERE)
                if zone and zone != place.zone:
                    place = Locality(place.region, zone, place.sub_zone)
            if weights:
                weight = weights.get(canonical_address(entry.address), weight)
            yield Endpoint(
                entry.address,
                ports,
                entry.state,
                weight,
                place,
                node,
                entry.hostname,
                entry.workload,
                entry.for_zones,
                entry.for_nodes,
                labels,
                cluster=found.cluster,
            )


def _first(*weights: int | None) -> int:
    return next(weight for weight in weights if weight is not None)
