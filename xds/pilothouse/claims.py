"""Who owns what only one service may have: a virtual IP, and who answers for an alias.

Two services with one virtual IP would be two listeners on one address and two virtual hosts with one
domain, which Envoy refuses together with everything beside them. The older service has it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from pilothouse.external import external
from pilothouse.model import ServiceName, ServiceSpec
from pilothouse.reasons import Omission, Reason


@dataclass(frozen=True, slots=True)
class Resolved:
    """A spec with the virtual IPs that are its own, and the spec that answers when it is called.

    `target` is the service itself, except for an alias (ExternalName of a known service); None if nothing
    may answer. `omissions` say what it was not given.
    """

    spec: ServiceSpec
    target: ServiceSpec | None
    omissions: tuple[Omission, ...] = field(default=(), compare=False)
    #: Of its host names those that with its own name make the name of another service: `db-0` of `db`, if
    #: there is a service `db-0` in the namespace `db`.
    ambiguous: frozenset[str] = frozenset()

    @property
    def own(self) -> bool:
        """Whether the service answers itself."""
        return self.target is not None and self.target.name == self.spec.name


class Claims:
    """The claims of all admitted services."""

    def __init__(self) -> None:
        self._by_vip: defaultdict[str, dict[ServiceName, ServiceSpec]] = defaultdict(dict)
        self._by_hostname: dict[str, ServiceSpec] = {}
        self._names: set[ServiceName] = set()
        # Headless services with endpoints whose short names would be the names of these services.
        self._by_pod: defaultdict[ServiceName, set[ServiceName]] = defaultdict(set)
        # By the host name that they point to.
        self._aliases: defaultdict[str, dict[ServiceName, ServiceSpec]] = defaultdict(dict)

    def resolve(self, spec: ServiceSpec) -> Resolved:
        """What this spec comes to, were it admitted beside the others."""
        if spec.external_name:
            found = self._target(spec)
            if isinstance(found, Omission):
                return Resolved(spec, None, (found,))
            return Resolved(found if found.name == spec.name else spec, found)
        ambiguous = self._ambiguous(spec) if spec.hostnames else frozenset()
        owners = {vip: self._owner(vip, spec) for vip in spec.vips}
        vips = tuple(vip for vip in spec.vips if owners[vip] == spec.name)
        if vips == spec.vips:
            return Resolved(spec, spec, ambiguous=ambiguous)
        taken = (vip for vip in spec.vips if owners[vip] != spec.name)
        omissions = tuple(Omission(Reason.VIP_TAKEN, vip, f"by {owners[vip]}") for vip in taken)
        resolved = replace(spec, vips=vips)
        return Resolved(resolved, resolved, omissions, ambiguous)

    def stake(self, spec: ServiceSpec) -> set[ServiceName]:
        """Enter the claims of a spec; returns the other services to which this makes a difference."""
        for vip in spec.vips:
            self._by_vip[vip][spec.name] = spec
        self._by_hostname[spec.hostname] = spec
        self._names.add(spec.name)
        for pod in _pods(spec):
            self._by_pod[pod].add(spec.name)
        if spec.external_name:
            self._aliases[spec.external_name][spec.name] = spec
        return self._touched(spec)

    def release(self, spec: ServiceSpec) -> set[ServiceName]:
        """Withdraw the claims of a spec; returns as `stake` does."""
        touched = self._touched(spec)
        for vip in spec.vips:
            self._by_vip[vip].pop(spec.name, None)
        self._by_hostname.pop(spec.hostname, None)
        self._names.discard(spec.name)
        for pod in _pods(spec):
            self._by_pod[pod].discard(spec.name)
            if not self._by_pod[pod]:
                del self._by_pod[pod]
        if spec.external_name:
            self._aliases[spec.external_name].pop(spec.name, None)
        return touched

    def _owner(self, vip: str, candidate: ServiceSpec) -> ServiceName:
        claimants: Iterable[ServiceSpec] = (self._by_vip.get(vip, {}) | {candidate.name: candidate}).values()
        # A service without a creation time (a hand-written file) gives way to one that has it.
        return min(claimants, key=lambda spec: (not spec.created, spec.created, spec.name)).name

    def _target(self, spec: ServiceSpec) -> ServiceSpec | Omission:
        """The end of a chain of aliases: a service, or hosts outside of the mesh."""
        seen = {spec.name}
        current = spec
        while current.external_name:
            following = self._by_hostname.get(current.external_name)
            if following is None:
                return external(current)
            if following.name in seen:
                return Omission(Reason.ALIAS_LOOP, str(spec.name), f"it leads back to {following.name}")
            seen.add(following.name)
            current = following
        return current

    def _ambiguous(self, spec: ServiceSpec) -> frozenset[str]:
        return frozenset(pod.name for pod in _pods(spec) if pod in self._names)

    def _touched(self, spec: ServiceSpec) -> set[ServiceName]:
        touched = {name for vip in spec.vips for name in self._by_vip.get(vip, ())}
        touched |= self._by_pod.get(spec.name, set())
        pending = [spec.hostname]
        while pending:
            for name, alias in self._aliases.get(pending.pop(), {}).items():
                if name not in touched:
                    touched.add(name)
                    pending.append(alias.hostname)
        return touched - {spec.name}


def _pods(spec: ServiceSpec) -> Iterable[ServiceName]:
    """The services of which the short names of its endpoints would be the names."""
    return (ServiceName(spec.name.name, hostname) for hostname in spec.hostnames)
