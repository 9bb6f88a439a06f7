"""Decides which service gets a virtual IP that several claim, and which service answers for an alias.

Two services with the same virtual IP would become two listeners on one address and two virtual hosts with one
domain. Envoy would refuse the whole update. So the oldest service gets the virtual IP.
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

#: The greatest number of aliases in a chain. DNS resolvers have a similar limit.
LONGEST_CHAIN = 16


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Resolved:
    """A spec with only those virtual IPs that it was given, and the spec that answers when it is called.

    `answering` is the service itself, except for an alias (ExternalName of a known service). It is None if
    nothing may answer. `omissions` say what the service was not given.
    """

    spec: ServiceSpec
    answering: ServiceSpec | None
    omissions: tuple[Omission, ...] = field(default=(), compare=False)
    #: Host names of the service or its endpoints that another service has instead.
    taken: frozenset[str] = frozenset()
    #: The known services that its routes lead to.
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
        """The service that answers: the service itself, unless it is an alias."""
        return Visibility.of(self.answering or self.spec)

    def may_answer(self, scope: Scope) -> bool:
        """Whether the answering service may answer clients of a scope that sees this service."""
        return self.own or scope.answered(self.called, self.answers)

    def can_be_called(self, scope: Scope) -> bool:
        """Whether clients in a scope can call the service by its names."""
        return scope.sees(self.called) and self.may_answer(scope)

    @property
    def names(self) -> Names:
        """The host names by which it is called. Its endpoints have names only if it answers itself."""
        return Names(self.spec, self.taken, self.spec.hostnames if self.own else ())


class Claims:
    """The claims of all services that are in force."""

    def __init__(self, external_names: bool = True) -> None:
        self._external_names = external_names
        self._by_hostname: dict[str, ServiceSpec] = {}
        self._specs: dict[ServiceName, ServiceSpec] = {}
        self._by_vip = Index[str, ServiceName]()
        # By service, the services whose routes lead to it.
        self._referrers = Index[ServiceName, ServiceName]()
        # By service, the other services that would have one of its names if it did not exist.
        self._contesting = Index[ServiceName, ServiceName]()
        # By host name, the aliases that point to it.
        self._aliases = Index[str, ServiceName]()

    def copy(self) -> Claims:
        """A copy that can be changed while this one is read."""
        copied = copy(self)
        copied._by_hostname, copied._specs = self._by_hostname.copy(), self._specs.copy()
        copied._by_vip, copied._referrers = self._by_vip.copy(), self._referrers.copy()
        copied._contesting, copied._aliases = self._contesting.copy(), self._aliases.copy()
        return copied

    def resolve(self, spec: ServiceSpec) -> Resolved:
        """What this spec would be given beside the services in force."""
        taken = frozenset(host for host, owner in contested(spec) if owner in self._specs)
        owners = {vip: self._owner(vip, spec) for vip in spec.vips}
        lost = tuple(
            Omission(Reason.VIP_TAKEN, vip, f"by {owner}")
            for vip, owner in owners.items()
            if owner != spec.name
        )
        if lost:
            spec = replace(spec, vips=tuple(vip for vip in spec.vips if owners[vip] == spec.name))
        if spec.external_name:
            found = self._target(spec)
            if isinstance(found, Omission):
                return Resolved(spec, None, (*lost, found))
            return Resolved(
                found if found.name == spec.name else spec,
                found,
                lost,
                taken=taken,
                backends=self._backends(found, spec),
            )
        return Resolved(spec, spec, lost, taken, self._backends(spec, spec))

    def stake(self, spec: ServiceSpec) -> set[ServiceName]:
        """Enter the claims of a spec. Returns the other services that this affects."""
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
        """Withdraw the claims of a spec. Returns the other services that this affects."""
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
        """The services that claim this virtual IP. One of them gets it."""
        return self._by_vip.at(vip)

    def _owner(self, vip: str, candidate: ServiceSpec) -> ServiceName:
        others = (self._specs[name] for name in self._by_vip.at(vip) if name != candidate.name)
        # A service without a creation time, as in a hand-written file, yields to one that has one.
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
        """The known services that the routes of `answering` lead to. ExternalName services are no backends.

        The candidate may be one of them. Its new version is not in force yet, so it is passed.
        """
        names = leads_to(answering)
        found = (candidate if name == candidate.name else self._specs.get(name) for name in names)
        return tuple(each for each in found if each is not None and not each.external_name)

    def _touched(self, spec: ServiceSpec) -> set[ServiceName]:
        parents = self._referrers.at(spec.name)
        touched = {name for vip in spec.vips for name in self._by_vip.at(vip)}
        touched.update(self._contesting.at(spec.name), parents)
        # An alias of a service leads to the service's backends, too. The parents may have aliases as well.
        reached = {spec.hostname, *(self._specs[name].hostname for name in parents if name in self._specs)}
        seen = set(reached)
        for _ in range(LONGEST_CHAIN + 1):
            aliases = [name for hostname in reached for name in self._aliases.at(hostname)]
            touched.update(aliases)
            reached = {self._specs[name].hostname for name in aliases} - seen
            seen |= reached
        return touched - {spec.name}


def _age(spec: ServiceSpec) -> tuple[bool, str, bool, str, str]:
    # What a cluster set's address is made of may be a Service of the cluster that has it as well.
    return not spec.created, spec.created, not spec.name.imported, spec.name.name, spec.name.namespace


def leads_to(spec: ServiceSpec) -> list[ServiceName]:
    """The services that a service's routes lead to, each once, sorted."""
    return sorted(passed_on(spec))
