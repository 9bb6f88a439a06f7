"""The Envoys: as small as they get, half of them Delta and half State of the World."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pilothouse.demo.ports import Ports
from pilothouse.demo.processes import Processes, sidecar
from pilothouse.mesh.audience import Node
from pilothouse.model.services import Locality
from pilothouse.sidecar.bootstrap import Sidecar, bootstrap
from pilothouse.structures.hostport import HostPort

# Watchdogs that wake every thread of a thousand processes several times a second cost more than the mesh.
_WATCHDOG = {"miss_timeout": "60s", "megamiss_timeout": "120s", "kill_timeout": "0s"}
_LEAN = {
    "watchdogs": {"main_thread_watchdog": _WATCHDOG, "worker_watchdog": _WATCHDOG},
    "stats_flush_interval": "60s",
}


class Envoys:
    """Processes that are called envoy-0, envoy-1, ...; `egress` is where each takes HTTP, in this order."""

    def __init__(self, binary: Path, processes: Processes, xds: int, ports: Ports) -> None:
        self.egress: list[int] = []
        self._binary, self._processes, self._xds, self._ports = binary, processes, xds, ports

    def start(self) -> None:
        """Start one more."""
        name, egress = f"envoy-{len(self.egress)}", self._ports.free()
        described = Sidecar(
            node=Node(
                name,
                Locality("region-1", "zone-a"),
                {"pilothouse": {"namespace": "default", "egress": f"127.0.0.1:{egress}"}},
            ),
            cluster="fleet",
            control_plane=HostPort("127.0.0.1", self._xds),
            sotw=len(self.egress) % 2 == 1,
            admin_port=0,
        )
        file = self._processes.folder / f"{name}.json"
        file.write_text(json.dumps({**json.loads(bootstrap(described)), **_LEAN}))
        self._processes.start(name, sidecar(self._binary, file))
        self.egress.append(egress)

    def memory_mb(self) -> float:
        """What one of them has for itself alone, on average."""
        pids = [self._processes.pid(f"envoy-{number}") for number in range(len(self.egress))]
        return sum(map(_private_mb, pids)) / len(pids)


def _private_mb(pid: int) -> float:
    return _megabytes(Path(f"/proc/{pid}/smaps_rollup"), ("Private_Clean", "Private_Dirty"))


def resident_mb(pid: int) -> float:
    """All memory of a process, what it shares with others included."""
    return _megabytes(Path(f"/proc/{pid}/status"), ("VmRSS",))


def _megabytes(file: Path, keys: Sequence[str]) -> float:
    lines = (line.split() for line in file.read_text().splitlines())
    return sum(int(words[1]) for words in lines if words and words[0].rstrip(":") in keys) / 1024
