"""The clusters of a route's backends, and the clients that may reach them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from pilothouse.mesh.claims import Resolved
from pilothouse.mesh.visibility import Visibility, includes, known_to, passes
from pilothouse.model.policy import HashOn
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.routing import Backend, Labels, Route, Rule
from pilothouse.model.services import ServiceName, ServiceSpec
from pilothouse.translate.names import cluster_name, mesh_ports


class Shares(NamedTuple):
    """Backends with their clusters.

    `lost` is the weight of backends without a cluster, `omissions` say why.
    """

    found: tuple[tuple[str, Backend], ...]
    lost: int
    omissions: tuple[Omission, ...]


class Mirrored(NamedTuple):
    """The clusters that get copies of requests, with parts per million.

    Mirrors without a cluster get none.
    """

    found: tuple[tuple[str, int], ...]
    omissions: tuple[Omission, ...]


class Clusters:
    """The clusters of backends for clients in a namespace, or the reasons why there are none."""

    def __init__(self, resolved: Resolved, viewer: str) -> None:
        self._resolved, self._viewer = resolved, viewer
        self._specs: Mapping[ServiceName, ServiceSpec] = {spec.name: spec for spec in resolved.backends}

    def of(self, route: Route, backend: Backend, subset: Labels = ()) -> str | Omission:
        """The cluster of a backend, if the route may lead there and the service has subsets by these
        labels.
        """
        if backend.unsupported:
            return Omission(Reason.UNSUPPORTED_RULE, str(backend), backend.unsupported)
        name = ServiceName.behind(backend)
        spec = self._specs.get(name)
        if spec is None:
            why = f"there is no {name.full}"
            return Omission(Reason.NO_SUCH_BACKEND, str(backend), why)
        called, answers = self._resolved.called, self._resolved.answers
        known = known_to(Visibility.of(spec), self._passed(route, backend), called, answers)
        if not includes(known, self._viewer):
            allow = f"its export-to, or a ReferenceGrant in {name.namespace}"
            why = f"{allow}, has to allow it to callers of {self._resolved.spec.name}"
            return Omission(Reason.NOT_EXPORTED, str(backend), why)
        undivided = [key for key, _ in subset if key not in spec.policy.subset_labels]
        if undivided:
            why = f"it has no subsets by {', '.join(undivided)}"
            return Omission(Reason.NO_SUCH_BACKEND, str(backend), why)
        for port in mesh_ports(spec):
            if port.number == backend.port:
                return cluster_name(spec, port)
        why = f"the Service has no TCP port {backend.port}"
        other = any(port.number == backend.port for port in spec.ports)
        return Omission(Reason.UNSUPPORTED_TRANSPORT if other else Reason.NO_SUCH_BACKEND, str(backend), why)

    def shares(self, route: Route, rule: Rule) -> Shares:
        """The clusters that get the requests of a rule, by weight."""
        found: list[tuple[str, Backend]] = []
        omissions: list[Omission] = []
        for backend in rule.backends:
            if not backend.weight:
                continue
            cluster = self.of(route, backend, rule.subset)
            if isinstance(cluster, Omission):
                omissions.append(cluster)
            else:
                found.append((cluster, backend))
        lost = sum(backend.weight for backend in rule.backends) - sum(backend.weight for _, backend in found)
        return Shares(tuple(found), lost, tuple(omissions))

    def faults(self, route: Route, rule: Rule) -> list[str]:
        """The reasons why weighted backends have no cluster, each once, without what clients may not know."""
        return list(dict.fromkeys(self._faults(route, rule)))

    def _faults(self, route: Route, rule: Rule) -> Iterator[str]:
        """The reasons. A backend that clients may not know, or might not once it exists, is not even
        named.
        """
        for backend in rule.backends:
            fault = self.of(route, backend, rule.subset) if backend.weight else None
            if not isinstance(fault, Omission):
                continue
            if fault.reason is Reason.UNSUPPORTED_RULE:
                yield fault.why
            elif fault.reason is not Reason.NOT_EXPORTED and self._may_be_named(route, backend):
                there = ServiceName.behind(backend) in self._specs
                yield f"{backend}: {fault.why}" if there else str(backend)

    def _may_be_named(self, route: Route, backend: Backend) -> bool:
        """Whether clients may learn the name of a backend that is not hidden from them now."""
        there = ServiceName.behind(backend) in self._specs
        return there or self._passed(route, backend) or backend.namespace == self._viewer

    def _passed(self, route: Route, backend: Backend) -> bool:
        target = self._resolved.answering
        return target is not None and passes(target, route, backend)

    def hashed(self, backends: Iterable[Backend]) -> Iterable[HashOn]:
        """What the policies of these backends hash, each once.

        A hash policy does no harm to other clusters.
        """
        specs = (self._specs.get(ServiceName.behind(backend)) for backend in backends)
        found = (spec.policy.hash_on for spec in specs if spec is not None)
        return dict.fromkeys(hash_on for hash_on in found if hash_on is not None)

    def mirrored(self, route: Route, rule: Rule) -> Mirrored:
        """The clusters that get copies of the requests of a rule."""
        sought = [
            (self.of(route, mirror.backend), mirror.parts_per_million) for mirror in rule.filters.mirrors
        ]
        return Mirrored(
            tuple((cluster, parts) for cluster, parts in sought if not isinstance(cluster, Omission)),
            tuple(cluster for cluster, _ in sought if isinstance(cluster, Omission)),
        )

    def hosts(self) -> list[str]:
        """The hosts by which clients ask for the service."""
        return [host.text for host in self._resolved.names.authorities()]
