"""Gives virtual IPs to services that need them: on the disk first, then in force."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import structlog

from pilothouse.kubernetes.served import Network
from pilothouse.mesh.addressing import wants_virtual_ip
from pilothouse.model.services import ServiceName
from pilothouse.registry.merged import Registry
from pilothouse.registry.settings import VirtualIpSettings
from pilothouse.registry.virtual_ips import Given, VirtualIps
from pilothouse.server.allocated import Allocations
from pilothouse.sources import Cause
from pilothouse.structures.backoff import pause_s
from pilothouse.structures.threads import on_a_thread

log = structlog.get_logger(__name__)

# How long a disk may take to answer until that is said, in seconds.
_PATIENCE_S = 5.0
# How long to wait after a failure, and how often services are looked at that lack addresses, in seconds.
_FIRST_PAUSE_S, _AGAIN_S = 0.5, 60.0

T = TypeVar("T")


class Allocator:
    """Settles what services need. All work on the disk is done by one thread at a time."""

    def __init__(self, registry: Registry, virtual_ips: VirtualIps, kept: Allocations) -> None:
        self._registry, self._virtual_ips, self._kept = registry, virtual_ips, kept
        self._reported, self._settled = asyncio.Event(), asyncio.Event()
        self._swept = self._exhausted = False
        self._again = 0.0
        self._overlaps: set[Network] = set()
        self._working: asyncio.Future[Any] | None = None

    async def begin(self) -> None:
        """Put into force what was given before. To be awaited before sources report."""
        with suppress(OSError):  # which is logged, and the file is read again when a service needs something
            self._virtual_ips.restore(await self._asked(self._kept.load))

    async def first(self) -> None:
        """Give addresses to what was reported by now. Waits until that is done, but not for long.

        Nothing is given before: an address may be one that a service states which is not reported yet.
        """
        self._reported.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                await self._settled.wait()

    async def run(self) -> None:
        """Give addresses and take them back for ever."""
        await self._reported.wait()
        self._virtual_ips.unsettled.touch()
        failures = 0
        while True:
            names = await self._next()
            failures = 0 if await self._settle(names) else failures + 1
            self._settled.set()
            self._tell_of_overlaps()
            if failures:
                await asyncio.sleep(pause_s(failures - 1, _FIRST_PAUSE_S, _AGAIN_S))
                self._virtual_ips.unsettled.touch()

    async def _next(self) -> Collection[ServiceName]:
        """The services that need something, once there is one; now and then those that lack something."""
        names: set[ServiceName] = set()
        with suppress(TimeoutError):
            async with asyncio.timeout(_AGAIN_S):
                names.update(await self._virtual_ips.unsettled.take())
        now = asyncio.get_running_loop().time()
        if not names or now >= self._again:
            self._again = now + _AGAIN_S
            names.update(self._virtual_ips.lacking())
        # What was given in an earlier process ends only when it is sure that its service does not exist.
        if self._registry.complete and not self._swept:
            self._swept = True
            names.update(self._virtual_ips.absent())
        return names

    async def _settle(self, names: Iterable[ServiceName]) -> bool:
        """Returns whether it is done."""
        wish = self._virtual_ips.wish(names)
        if not wish.wanted and not wish.gone:
            return True
        try:
            settled = await self._asked(partial(self._kept.settle, wish))
        except OSError as why:
            self._virtual_ips.unsettled.mark(wish.gone)
            self._enforce(self._virtual_ips.without(wish.wanted, f"it cannot be kept: {_reason(why)}"))
            return False
        self._enforce(
            {
                name: Given(addresses, _lacks(settled.exhausted.get(name, ())))
                for name, addresses in settled.addresses.items()
            }
        )
        self._tell_of([name for name in wish.wanted if settled.exhausted[name]])
        return True

    def _enforce(self, given: dict[ServiceName, Given]) -> None:
        before = {name: self._virtual_ips.given(name).addresses for name in given}
        changed = self._virtual_ips.settle(given)
        for name in changed:
            if name not in given:
                log.error("a virtual IP is taken away: it is kept for another service", service=str(name))
            elif before[name] and given[name].addresses and before[name] != given[name].addresses:
                log.warning(
                    "a virtual IP has changed, because another service states it",
                    service=str(name),
                    before=list(before[name]),
                    after=list(given[name].addresses),
                )
        self._registry.readdressed(changed, Cause("virtual IPs that were given"))

    def _tell_of(self, lacking: Collection[ServiceName]) -> None:
        """Log once that there are not enough addresses."""
        if lacking and not self._exhausted:
            networks = list(map(str, self._virtual_ips.networks))
            log.error("virtual IPs are exhausted", networks=networks, services=len(lacking))
        self._exhausted = bool(self._virtual_ips.lacking())

    def _tell_of_overlaps(self) -> None:
        """Log once for each network that addresses of services are in it."""
        for network, (address, name) in self._virtual_ips.overlaps.items():
            if network not in self._overlaps:
                self._overlaps.add(network)
                log.warning(
                    "a network of --virtual-ips has addresses of services",
                    network=str(network),
                    service=str(name),
                    address=address,
                )

    async def _asked(self, work: Callable[[], T]) -> T:
        """What the disk answers. Raises OSError, which is logged, also if it does not answer in time."""
        try:
            await _in_time(self._working)
            self._working = working = on_a_thread(work, "virtual-ips")
            await _in_time(working)
            return working.result()
        except OSError as why:
            log.error("virtual IPs cannot be kept", file=str(self._kept.file), reason=_reason(why))
            raise


async def allocating(
    registry: Registry, settings: VirtualIpSettings, folder: Path | None, external_names: bool
) -> Allocator | None:
    """Who gives addresses to the services of a registry, if that is asked for, and keeps them in a folder.

    What was given before is in force.
    """
    if not settings.virtual_ips or folder is None:
        return None
    wants = partial(wants_virtual_ip, external_names=external_names)
    found = registry.virtual_ips = VirtualIps(settings.virtual_ips, wants)
    allocator = Allocator(registry, found, Allocations(folder, settings.virtual_ips))
    await allocator.begin()
    return allocator


async def _in_time(working: asyncio.Future[Any] | None) -> None:
    """Wait until work is done. Raises TimeoutError. The work goes on, and nothing else may begin before."""
    if working is not None and not (await asyncio.wait([working], timeout=_PATIENCE_S))[0]:
        raise TimeoutError(f"no answer within {_PATIENCE_S:g} s")


def _lacks(networks: Iterable[Network]) -> str:
    """Why a service has no address in these networks."""
    names = " and ".join(map(str, networks))
    return f"no address of {names} is free" if names else ""


def _reason(why: OSError) -> str:
    return why.strerror or str(why)
