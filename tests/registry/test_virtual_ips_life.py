"""Whatever services do and whenever processes end: what a service has does not move, and is its own."""

from __future__ import annotations

import shutil
import tempfile
from ipaddress import ip_network
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pilothouse.mesh.addressing import wants_virtual_ip
from pilothouse.model.services import Port, Protocol, Service, ServiceName, ServiceSpec
from pilothouse.registry.allocation import usable
from pilothouse.registry.merged import Registry
from pilothouse.registry.virtual_ips import Given, VirtualIps
from pilothouse.server.allocated import Allocations
from pilothouse.sources import Cause

RANGE = ip_network("240.240.0.0/28")
NAMES = [ServiceName("shop", f"s{n}") for n in range(8)]
TCP = (Port("tcp", 5432, Protocol.TCP),)
ADDRESSES = [*usable(RANGE)]


class Process:
    """A registry, what is in force in it, and its view of the file that all processes share."""

    def __init__(self, folder: Path) -> None:
        self.virtual_ips = VirtualIps([RANGE], wants_virtual_ip)
        self.kept = Allocations(folder, [RANGE])
        self.virtual_ips.restore(self.kept.load())
        self.registry = Registry(["files"])
        self.registry.virtual_ips = self.virtual_ips
        self.shard = self.registry.shard("files")

    def settle(self) -> None:
        wish = self.virtual_ips.wish({*self.registry.services, *self.virtual_ips.absent()})
        settled = self.kept.settle(wish)
        changed = self.virtual_ips.settle({name: Given(each) for name, each in settled.addresses.items()})
        self.registry.readdressed(changed, Cause("given"))


class Life(RuleBasedStateMachine):
    """Two processes hear of every change at once, and settle what it needs whenever they like."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.processes = [Process(self.folder), Process(self.folder)]
        self.services: dict[ServiceName, Service] = {}
        # What a service had in force since it was there, and what another one states.
        self.had: dict[ServiceName, str] = {}

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def _put(self, name: ServiceName, **spec) -> None:
        self.services[name] = Service(ServiceSpec(name, TCP, **spec))
        for process in self.processes:
            process.shard.put(self.services[name])

    @rule(name=st.sampled_from(NAMES))
    def put(self, name: ServiceName) -> None:
        self._put(name)

    @rule(name=st.sampled_from(NAMES), address=st.sampled_from(ADDRESSES))
    def state(self, name: ServiceName, address: str) -> None:
        """One states an address, which may be another one's."""
        self._put(name, vips=(address,))
        self.had = {each: had for each, had in self.had.items() if had != address and each != name}

    @rule(name=st.sampled_from(NAMES))
    def remove(self, name: ServiceName) -> None:
        self.services.pop(name, None)
        self.had.pop(name, None)
        for process in self.processes:
            process.shard.remove(name)

    @rule(which=st.integers(0, 1))
    def settle(self, which: int) -> None:
        self.processes[which].settle()

    @rule(which=st.integers(0, 1))
    def restart(self, which: int) -> None:
        """It is killed, and its successor hears of everything before it gives anything."""
        process = self.processes[which] = Process(self.folder)
        process.shard.replace(self.services.values())

    @precondition(lambda self: (self.folder / "allocated").exists())
    @rule()
    def tear(self) -> None:
        """Whoever writes the last line is killed in the middle of one that nobody has in force."""
        with (self.folder / "allocated").open("ab") as file:
            file.write(b'01234567 ["240.240.')

    def _auto(self, process: Process) -> dict[ServiceName, str]:
        return {
            name: found.spec.vips[0]
            for name, found in process.registry.services.items()
            if found.spec.vips and not self.services[name].spec.vips
        }

    @invariant()
    def an_address_does_not_move(self) -> None:
        for process in self.processes:
            for name, address in self._auto(process).items():
                assert self.had.setdefault(name, address) == address

    @invariant()
    def an_address_is_of_one_service(self) -> None:
        stated = {vip for each in self.services.values() for vip in each.spec.vips}
        for process in self.processes:
            auto = [*self._auto(process).values()]
            assert len(auto) == len({*auto})
            assert not stated & {*auto}


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestLife = Life.TestCase
