"""Who owns what only one service may have: a virtual IP, and who answers for an alias.

Two services with one virtual IP would be two listeners on one address and two virtual hosts with one
domain, which Envoy refuses together with everything beside them. The older service has it.
"""

from __future__ import annotations

from collections.abc import Collection
from copy import copy
from dataclasses import dataclass, field, replace

from pilothouse.mesh.external import external
from pilothouse.mesh.names import Names, contested
from pilothouse.mesh.visibility import Scope, Visibility, passed_on
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import ServiceName, ServiceSpec
from pilothouse.structures.index import Index

#: So many aliases may lead from one to the next; resolvers of DNS follow no more either.
LONGEST_CHAIN = 16


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Resolved:
    """A spec with the virtual IPs that are its own, and the spec that answers when it is called.

    `answering` is the service itself, except for an alias (ExternalName of a known service); None if nothing
    may answer. `omissions` say what it was not given.
    """

    spec: ServiceSpec
    answering: ServiceSpec | None
    omissions: tuple[Omission, ...] = field(default=(), compare=False)
    #: Of its host names and those of its endpoints the ones that are the name of another service.
    taken: frozenset[str] = frozenset()
    #: The services that its routes lead to, of those that are known.
    backends: tuple[ServiceSpec, ...] = ()

    @property
    def own(self) -> bool:
        """Whether the service answers itself."""
        return self.answering is not None and self.answering.name == self.spec.name

    @property
    def called(self) -> Visibility:
        """The service as it is called."""
        return Visibility.of(self.spec)

    @property
    def answers(self) -> Visibility:
        """What answers then, if anything may: the service itself, unless it is an alias."""
        return Visibility.of(self.answering or self.spec)

    def may_answer(self, scope: Scope) -> bool:
        """Whether what answers for the service may do so in a scope that sees it."""
        return self.own or scope.answered(self.called, self.answers)

    def can_be_called(self, scope: Scope) -> bool:
        """Whether clients in a scope can call the service by its names."""
        return scope.sees(self.called) and self.may_answer(scope)

    @property
    def names(self) -> Names:
        """By which host names it is called. Its endpoints have some while it answers itself."""
        return Names(self.spec, self.taken, self.spec.hostnames if self.own else ())


class Claims:
    """The claims of all admitted services."""

    def __init__(self, external_names: bool = True) -> None:
        self._external_names = external_names
        self._by_hostname: dict[str, ServiceSpec] = {}
        self._specs: dict[ServiceName, ServiceSpec] = {}
        self._by_vip = Index[str, ServiceName]()
        # Services whose routes lead to these.
        self._referrers = Index[ServiceName, ServiceName]()
        # Services that would have a name of these services, were these not there.
        self._contesting = Index[ServiceName, ServiceName]()
        # By the host name that they point to.
        self._aliases = Index[str, ServiceName]()

    def copy(self) -> Claims:
        """Another one that says the same, to be changed while this one is read."""
        copied = copy(self)
        copied._by_hostname, copied._specs = self._by_hostname.copy(), self._specs.copy()
        copied._by_vip, copied._referrers = self._by_vip.copy(), self._referrers.copy()
        copied._contesting, copied._aliases = self._contesting.copy(), self._aliases.copy()
        return copied

    def resolve(self, spec: ServiceSpec) -> Resolved:
        """What this spec comes to, were it admitted beside the others."""
        taken = frozenset(host for host, owner in contested(spec) if owner in self._specs)
        if spec.external_name:
            found = self._target(spec)
            if isinstance(found, Omission):
                return Resolved(spec, None, (found,))
            return Resolved(
                found if found.name == spec.name else spec,
                found,
                taken=taken,
                backends=self._backends(found, spec),
            )
        owners = {vip: self._owner(vip, spec) for vip in spec.vips}
        vips = tuple(vip for vip in spec.vips if owners[vip] == spec.name)
        backends = self._backends(spec, spec)
        if vips == spec.vips:
            return Resolved(spec, spec, taken=taken, backends=backends)
        lost = (vip for vip in spec.vips if owners[vip] != spec.name)
        omissions = tuple(Omission(Reason.VIP_TAKEN, vip, f"by {owners[vip]}") for vip in lost)
        resolved = replace(spec, vips=vips)
        return Resolved(resolved, resolved, omissions, taken, backends)

    def stake(self, spec: ServiceSpec) -> set[ServiceName]:
        """Enter the claims of a spec; returns the other services to which this makes a difference."""
        for vip in spec.vips:
            self._by_vip.add(vip, spec.name)
        self._by_hostname[spec.hostname] = spec
        for _, owner in contested(spec):
            self._contesting.add(owner, spec.name)
        if spec.external_name:
            self._aliases.add(spec.external_name, spec.name)
        for backend in leads_to(spec):
            self._referrers.add(backend, spec.name)
        self._specs[spec.name] = spec
        return self._touched(spec)

    def release(self, spec: ServiceSpec) -> set[ServiceName]:
        """Withdraw the claims of a spec; returns as `stake` does."""
        touched = self._touched(spec)
        for vip in spec.vips:
            self._by_vip.discard(vip, spec.name)
        self._by_hostname.pop(spec.hostname, None)
        for _, owner in contested(spec):
            self._contesting.discard(owner, spec.name)
        if spec.external_name:
            self._aliases.discard(spec.external_name, spec.name)
        for backend in leads_to(spec):
            self._referrers.discard(backend, spec.name)
        self._specs.pop(spec.name, None)
        return touched

    def claiming(self, vip: str) -> Collection[ServiceName]:
        """The services with this virtual IP, of which one has it."""
        return self._by_vip.at(vip)

    def _owner(self, vip: str, candidate: ServiceSpec) -> ServiceName:
        others = (self._specs[name] for name in self._by_vip.at(vip) if name != candidate.name)
        # A service without a creation time (a hand-written file) gives way to one that has it.
        return min((candidate, *others), key=_age).name

    def _target(self, spec: ServiceSpec) -> ServiceSpec | Omission:
        """The end of a chain of aliases: a service, or hosts outside of the mesh."""
        seen = {spec.name}
        current = spec
        while current.external_name:
            following = self._by_hostname.get(current.external_name)
            if following is None:
                return external(current, self._external_names)
            if following.name in seen:
                return Omission(Reason.ALIAS_LOOP, str(spec.name), f"it leads back to {following.name}")
            if len(seen) > LONGEST_CHAIN:
                why = f"it leads through more than {LONGEST_CHAIN} other aliases"
                return Omission(Reason.ALIAS_LOOP, str(spec.name), why)
            seen.add(following.name)
            current = following
        return current

    def _backends(self, answering: ServiceSpec, candidate: ServiceSpec) -> tuple[ServiceSpec, ...]:
        """What is known of the services that routes lead to. An ExternalName is none: it leads elsewhere.

        The candidate may be one of them, and is not admitted yet as it is now.
        """
        names = leads_to(answering)
        found = (candidate if name == candidate.name else self._specs.get(name) for name in names)
        return tuple(each for each in found if each is not None and not each.external_name)

    def _touched(self, spec: ServiceSpec) -> set[ServiceName]:
        parents = self._referrers.at(spec.name)
        touched = {name for vip in spec.vips for name in self._by_vip.at(vip)}
        touched.update(self._contesting.at(spec.name), parents)
        # Whose alias leads to a service leads to its backends. What is touched already may have aliases, too.
        reached = {spec.hostname, *(self._specs[name].hostname for name in parents if name in self._specs)}
        seen = set(reached)
        for _ in range(LONGEST_CHAIN + 1):
            aliases = [name for hostname in reached for name in self._aliases.at(hostname)]
            touched.update(aliases)
            reached = {self._specs[name].hostname for name in aliases} - seen
            seen |= reached
        return touched - {spec.name}


def _age(spec: ServiceSpec) -> tuple[bool, str, str, str]:
    return not spec.created, spec.created, spec.name.name, spec.name.namespace


def leads_to(spec: ServiceSpec) -> list[ServiceName]:
    """The services that its routes lead to, each once, in order."""
    return sorted(passed_on(spec))
