"""The virtual IPs of services that have none of their own, as they are in force.

`allocation` decides which address each service is given, and somebody keeps that on a disk. Here an address
comes into force only afterwards. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import NamedTuple

from pilothouse.kubernetes.served import Network
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import Service, ServiceName, ServiceSpec
from pilothouse.registry.allocation import Wish, usable
from pilothouse.structures.dirty import DirtySet


class Given(NamedTuple):
    """The addresses of a service, and why there are no more of them. Empty if there are as many as can be."""

    addresses: tuple[str, ...] = ()
    why: str = ""


class _Addressed(NamedTuple):
    """A spec as it was reported, and as it is with its addresses. Equal reports give the same object."""

    reported: ServiceSpec
    addresses: tuple[str, ...]
    spec: ServiceSpec


class VirtualIps:
    """The addresses in force, one of each of the networks. `wants` says which services need them."""

    def __init__(self, networks: Sequence[Network], wants: Callable[[ServiceSpec], bool]) -> None:
        self.networks, self._wants = networks, wants
        self._given: dict[ServiceName, Given] = {}
        self._lacking: set[ServiceName] = set()
        self._holders: dict[str, ServiceName] = {}
        # The services that are reported and need addresses.
        self._present: dict[ServiceName, _Addressed] = {}
        # The addresses of the networks that services state themselves.
        self._stated: dict[ServiceName, tuple[str, ...]] = {}
        self._stating: dict[str, set[ServiceName]] = {}
        self._displaced: list[ServiceName] = []
        #: The first address of each network that a service had otherwise, with this service.
        self.overlaps: dict[Network, tuple[str, ServiceName]] = {}
        #: Services that may need addresses, or need them no more.
        self.unsettled: DirtySet[ServiceName] = DirtySet()

    @property
    def stated(self) -> Mapping[str, Collection[ServiceName]]:
        """The addresses of the networks that services state themselves, with these services."""
        return self._stating

    def applied(self, name: ServiceName, service: Service | None) -> Service | None:
        """The service with the addresses that it was given; the same object if there are none."""
        if service is not None:
            # One endpoint is enough to notice that the network is that of Pods.
            self._compare(name, (*service.spec.vips, *(each.address for each in service.endpoints[:1])))
        if service is None or not self._wants(service.spec):
            self._state(name, service.spec.vips if service is not None else ())
            if name in self._present:
                del self._present[name]
                self.unsettled.mark([name])
            return service
        self._state(name, ())
        given = self.given(name)
        addresses = tuple(each for each in given.addresses if each not in self._stating)
        before = self._present.get(name)
        is_new = before is None and len(addresses) < len(self.networks)
        if is_new or len(addresses) < len(given.addresses):
            self.unsettled.mark([name])
        if before is None or before.reported is not service.spec or before.addresses != addresses:
            spec = replace(service.spec, vips=addresses) if addresses else service.spec
            before = self._present[name] = _Addressed(service.spec, addresses, spec)
        return _with(service, before.spec, given.why)

    def displaced(self) -> list[ServiceName]:
        """The services whose addresses others have come to state since the last call."""
        found, self._displaced = self._displaced, []
        return found

    def given(self, name: ServiceName) -> Given:
        """What a service was given."""
        return self._given.get(name, Given())

    def without(self, names: Iterable[ServiceName], why: str) -> dict[ServiceName, Given]:
        """What these services have if nothing can be given now."""
        given = {name: self.given(name).addresses for name in names}
        complete = len(self.networks)
        return {name: Given(own, "" if len(own) == complete else why) for name, own in given.items()}

    def wish(self, names: Iterable[ServiceName]) -> Wish:
        """What these services need now."""
        wanted = sorted(name for name in names if name in self._present)
        gone = sorted(name for name in names if name not in self._present)
        return Wish(wanted, gone, frozenset(self._stating))

    def lacking(self) -> list[ServiceName]:
        """The services that need more addresses than they have."""
        return [name for name in self._lacking if name in self._present]

    def absent(self) -> list[ServiceName]:
        """The services that have addresses and are not reported, or need none."""
        return [name for name in self._given if name not in self._present]

    def restore(self, holders: Mapping[ServiceName, tuple[str, ...]]) -> None:
        """What services were given in earlier processes. To be called before anything is reported."""
        for name, addresses in holders.items():
            self._give(name, Given(), Given(addresses))

    def settle(self, given: Mapping[ServiceName, Given]) -> list[ServiceName]:
        """What these services have from now on. Returns those for which that is new.

        If a service has come back meanwhile, or gone, it is unsettled again.
        """
        changed = []
        for name, new in given.items():
            old = self.given(name)
            if (name in self._present) is (new == Given()):
                self.unsettled.mark([name])
                if new == Given():
                    continue  # nobody else can have got its address, so it stays in force
            if new != old:
                changed += [name, *self._ousted(name, new.addresses)]
                self._give(name, old, new)
        return changed

    def supposed(self, services: Iterable[Service | None]) -> list[Service | None]:
        """What `applied` would give. Nothing is noted, and a new service gets an address that is free now."""
        taken, found = {*self._holders, *self._stating}, list[Service | None]()
        for service in services:
            if service is None or not self._wants(service.spec):
                found.append(service)
                continue
            addresses = self.given(service.name).addresses or tuple(self._free(taken))
            taken.update(addresses)
            found.append(_with(service, replace(service.spec, vips=addresses), ""))
        return found

    def _free(self, taken: Collection[str]) -> Iterable[str]:
        for network in self.networks:
            yield from next(([each] for each in usable(network) if each not in taken), [])

    def _ousted(self, name: ServiceName, addresses: Collection[str]) -> Iterator[ServiceName]:
        """Take addresses from the services that have them, because what is kept says that they are another's.

        This happens only if what is kept was damaged.
        """
        for other in {self._holders.get(each, name) for each in addresses} - {name}:
            had = self._given[other]
            left = tuple(each for each in had.addresses if each not in addresses)
            self._give(other, had, had._replace(addresses=left))
            self.unsettled.mark([other])
            yield other

    def _give(self, name: ServiceName, old: Given, new: Given) -> None:
        for address in old.addresses:
            if self._holders.get(address) == name:
                del self._holders[address]
        self._holders.update(dict.fromkeys(new.addresses, name))
        self._given[name] = new
        if new.why:
            self._lacking.add(name)
        else:
            self._lacking.discard(name)
        if new == Given():
            del self._given[name]

    def _state(self, name: ServiceName, vips: tuple[str, ...]) -> None:
        """Take note of the addresses that a service states itself."""
        inside = tuple(filter(self._inside, vips))
        before = self._stated.get(name, ())
        if inside == before:
            return
        for address in before:
            self._stating[address].discard(name)
            if not self._stating[address]:
                del self._stating[address]
        for address in inside:
            self._stating.setdefault(address, set()).add(name)
            holder = self._holders.get(address, name)
            if holder != name:
                self._displaced.append(holder)
        if inside:
            self._stated[name] = inside
        else:
            self._stated.pop(name, None)

    def _compare(self, name: ServiceName, addresses: Iterable[str]) -> None:
        """Take note of addresses that are none of ours."""
        for address in addresses:
            network = self._network(address)
            if network is not None:
                self.overlaps.setdefault(network, (address, name))

    def _inside(self, vip: str) -> bool:
        return self._network(vip) is not None

    def _network(self, text: str) -> Network | None:
        """The network that has an address. None also for what is a host name."""
        try:
            found = ip_address(text)
        except ValueError:
            return None
        return next((network for network in self.networks if found in network), None)


def _with(service: Service, spec: ServiceSpec, why: str) -> Service:
    left_out = service.left_out
    if why:
        left_out = (*left_out, Omission(Reason.VIP_NOT_GIVEN, str(service.name), why))
    if spec is service.spec and left_out is service.left_out:
        return service
    return replace(service, spec=spec, left_out=left_out)
