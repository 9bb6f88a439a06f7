"""Which virtual IP each service is given, and when another one may get it.

An address is never moved. One that was given back rests for an hour, because resolvers and open connections
still know it, and goes to its service again if that returns. Pure: the caller gives the time, in Unix
seconds, and keeps the entries.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from pilothouse.kubernetes.served import Network
from pilothouse.model.services import ServiceName

#: How long an address that was given back is not given to another service, in seconds.
REST_S = 3600.0
#: So many addresses of a network are used. An IPv6 network has more than could be remembered.
MOST = 1 << 17
# In the last byte of an address that no service gets: some programs take it for a network or a broadcast.
_UNUSED = (0, 255)
_NOBODY = ServiceName("", "")


class Entry(NamedTuple):
    """An address was `given` to a service, or given back by it."""

    address: str
    service: ServiceName
    at: float
    given: bool


class Wish(NamedTuple):
    """What services need: an address in each network, or none any more. `stated` has what nobody may get."""

    wanted: Sequence[ServiceName] = ()
    gone: Collection[ServiceName] = ()
    stated: Collection[str] = ()


class Pool:
    """The addresses of one network."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._last: dict[str, Entry] = {}
        # The address of each service, also while it rests.
        self._of: dict[ServiceName, str] = {}
        self._resting: dict[str, None] = {}  # the one that rests longest is first
        self._untried = usable(network)

    @property
    def entries(self) -> Iterable[Entry]:
        """The last entry of each address."""
        return self._last.values()

    def enter(self, entry: Entry) -> None:
        """Take note of an entry. If two of them contradict each other, the older one counts."""
        before, own = self._last.get(entry.address), self.given(entry.service)
        of_another = before is not None and before.given and before.service != entry.service
        if before is not None and of_another and (not entry.given or before.at <= entry.at):
            return
        if entry.given and own is not None and own.address == entry.address:
            return
        if entry.given and own is not None and own.at <= entry.at:
            entry = entry._replace(given=False)
        elif entry.given and own is not None:
            self._set(own._replace(given=False))
        self._set(entry)

    def given(self, service: ServiceName) -> Entry | None:
        """The entry of the address that a service has."""
        found = self._last.get(self._of.get(service, ""))
        return found if found is not None and found.given else None

    def give(self, service: ServiceName, now: float, stated: Collection[str]) -> Iterator[Entry]:
        """Give a service an address, unless it has one: its own of before, a new one, or one that has rested.

        None is left if it has none afterwards.
        """
        own = self.given(service)
        if own is not None and own.address in stated:
            yield self._enter(own.address, service, now, given=False)
            own = None
        address = None if own is not None else self._free(service, now, stated)
        if address is not None:
            yield self._enter(address, service, now, given=True)

    def keep(self, address: str, service: ServiceName, now: float) -> Iterator[Entry]:
        """A service has an address. Take note of it, if nobody knows of the address nor of another one."""
        if address not in self._last and self.given(service) is None:
            yield self._enter(address, service, now, given=True)

    def take_back(self, service: ServiceName, now: float) -> Iterator[Entry]:
        """End what a service has. It rests from now on."""
        own = self.given(service)
        if own is not None:
            yield self._enter(own.address, service, now, given=False)

    def block(self, address: str, now: float) -> None:
        """Somebody may have this address, but nobody knows who. It rests, too."""
        if address not in self._last:
            self._set(Entry(address, _NOBODY, now, given=False))

    def _free(self, service: ServiceName, now: float, stated: Collection[str]) -> str | None:
        before = self._of.get(service)
        if before is not None and before not in stated:
            return before
        for address in self._untried:
            if address not in self._last:
                if address not in stated:
                    return address
                self.block(address, now)
        for address in self._resting:
            if address in stated:
                continue
            # The clock may have been set: what was given back in the future has rested as well.
            rested = abs(now - self._last[address].at) >= REST_S
            return address if rested else None
        return None

    def _enter(self, address: str, service: ServiceName, now: float, *, given: bool) -> Entry:
        entry = Entry(address, service, now, given)
        self._set(entry)
        return entry

    def _set(self, entry: Entry) -> None:
        before = self._last.get(entry.address)
        if before is not None and self._of.get(before.service) == entry.address:
            del self._of[before.service]
        self._resting.pop(entry.address, None)
        self._last[entry.address] = entry
        if not entry.given:
            self._resting[entry.address] = None
        if entry.service != _NOBODY and (entry.given or entry.service not in self._of):
            self._of[entry.service] = entry.address


class Ledger:
    """The addresses of all networks, at most one of each family. A service gets one of each network."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._pools = [Pool(network) for network in networks]
        # Of networks that were used before, and may be again.
        self._elsewhere: dict[str, Entry] = {}

    def enter(self, entry: Entry) -> None:
        """Take note of what was decided before. Raises ValueError if it has no IP address."""
        pool = self._pool(entry.address)
        if pool is None:
            self._elsewhere[entry.address] = entry
        else:
            pool.enter(entry)

    def block(self, addresses: Iterable[str], now: float) -> None:
        """Somebody may have these addresses. Raises ValueError if one is no IP address."""
        for address in addresses:
            pool = self._pool(address)
            if pool is not None:
                pool.block(address, now)

    def settle(self, wish: Wish, now: float) -> list[Entry]:
        """Do what services need, as far as there are addresses. Gives what is new."""
        found: list[Entry] = []
        for pool in self._pools:
            for name in wish.gone:
                found += pool.take_back(name, now)
            for name in wish.wanted:
                found += pool.give(name, now, wish.stated)
        return found

    def keep(self, held: Mapping[ServiceName, Collection[str]], now: float) -> list[Entry]:
        """These addresses are in force. Gives what is new."""
        found: list[Entry] = []
        for name, addresses in held.items():
            for address in addresses:
                pool = self._pool(address)
                found += pool.keep(address, name, now) if pool is not None else ()
        return found

    def addresses(self, service: ServiceName) -> tuple[str, ...]:
        """What a service has."""
        given = (pool.given(service) for pool in self._pools)
        return tuple(entry.address for entry in given if entry is not None)

    def exhausted(self, service: ServiceName) -> list[Network]:
        """The networks of which a service has no address."""
        return [pool.network for pool in self._pools if pool.given(service) is None]

    @property
    def entries(self) -> list[Entry]:
        """All that has to be kept, the oldest first."""
        found = [entry for pool in self._pools for entry in pool.entries]
        return sorted((*found, *self._elsewhere.values()), key=lambda entry: entry.at)

    @property
    def holders(self) -> dict[ServiceName, tuple[str, ...]]:
        """All services that have addresses, with these."""
        names = {entry.service for pool in self._pools for entry in pool.entries if entry.given}
        return {name: self.addresses(name) for name in names}

    def _pool(self, address: str) -> Pool | None:
        found = ip_address(address)
        return next((pool for pool in self._pools if found in pool.network), None)


def usable(network: Network) -> Iterator[str]:
    """The addresses of a network that services get, in order."""
    for number in range(min(network.num_addresses, MOST)):
        found = network[number]
        if found.packed[-1] not in _UNUSED:
            yield str(found)
