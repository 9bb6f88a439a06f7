"""What follows the API server and is asked by sidecars: Pilothouse as its users run it, and istiod."""

from __future__ import annotations

import http.client
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import httpx
from benchmarks.servers import BUILT, Failed
from tests.ports import free_port
from tests.real.cluster import Cluster
from tests.real.plane import Plane
from tests.real.process import Process, wait_until

PILOTHOUSE = "pilothouse"
ISTIOD, ISTIOD_AT_ONCE = "istiod", "istiod at once"
ALL = (PILOTHOUSE, ISTIOD, ISTIOD_AT_ONCE)
_ISTIOD = BUILT / "istiod"
_START_S = 300.0
_TICKS = os.sysconf("SC_CLK_TCK")
_ASK_S = 0.002


class Follower(Protocol):
    """One that is started, and then asked at a port of loopback."""

    process: Process
    xds: int

    def start(self) -> None:
        """Start it, and wait until it has everything and takes sidecars."""


class Istiod:
    """istiod with nothing but discovery: no certificates, no injection. `settings` are of its environment."""

    def __init__(self, folder: Path, cluster: Cluster, settings: Mapping[str, str]) -> None:
        self.xds, self._http = free_port(), free_port()
        ports = {
            "grpcAddr": self.xds,
            "httpAddr": self._http,
            "monitoringAddr": free_port(),
        }
        flags = [f"--{name}=127.0.0.1:{port}" for name, port in ports.items()]
        flags += ["--secureGRPCAddr=", "--httpsAddr=", "--ctrlz_port=0", "--registries=Kubernetes"]
        # A herd may keep a small machine busy for longer than istiod waits for a sign of life.
        flags += [f"--kubeconfig={cluster.kubeconfig}", "--keepaliveTimeout=600s"]
        environment = {
            "POD_NAMESPACE": "istio-system",
            "POD_NAME": "istiod",
            "ENABLE_CA_SERVER": "false",
            "PILOT_CERT_PROVIDER": "none",
            "INJECT_ENABLED": "false",
            "ENABLE_LEADER_ELECTION": "false",
            # Else it refuses most of a herd. Envoys would try again, and those of the benchmark do not.
            "PILOT_MAX_REQUESTS_PER_SECOND": "1000000",
            **settings,
        }
        self.process = Process("istiod", [_ISTIOD, "discovery", *flags], folder, environment)

    def start(self) -> None:
        self.process.start()
        wait_until(self._ready, "istiod is ready", _START_S)

    def _ready(self) -> bool:
        self.process.require()
        try:
            return httpx.get(f"http://127.0.0.1:{self._http}/ready", trust_env=False, timeout=5).is_success
        except httpx.TransportError:
            return False


def build(name: str) -> None:
    """Compile istiod, if that is asked for: 7 CPU minutes the first time. Raises Failed."""
    if name == PILOTHOUSE:
        return
    folder = Path(__file__).parent / "istiod"
    command = ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", str(_ISTIOD), "."]
    try:
        subprocess.run(command, cwd=folder, check=True, env=os.environ | {"CGO_ENABLED": "0"})
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failed(f"istiod is not built: {error}") from None


@contextmanager
def following(name: str, folder: Path, cluster: Cluster) -> Iterator[tuple[Follower, dict[str, float | int]]]:
    """One that is ready, and what it took until then."""
    follower = _follower(name, folder, cluster)
    try:
        begun = time.perf_counter()
        follower.start()
        pid = follower.process.pid
        spent = {"ready_s": time.perf_counter() - begun, "ready_cpu_s": cpu_s(pid), "pid": pid}
        yield follower, spent | _memory(pid)
    finally:
        follower.process.stop()


def _follower(name: str, folder: Path, cluster: Cluster) -> Follower:
    if name == PILOTHOUSE:
        return Plane(folder, ("--kubeconfig", str(cluster.kubeconfig)), _START_S)
    # By default, istiod waits until nothing has changed for 100 ms, for 10 s at most.
    tuned = {"PILOT_ENABLE_EDS_DEBOUNCE": "false", "PILOT_DEBOUNCE_AFTER": "1ms"}
    return Istiod(folder, cluster, tuned if name == ISTIOD_AT_ONCE else {})


def relist_ms(plane: Plane) -> float:
    """The longest that /healthz had to wait while everything was listed again: a turn of the event loop."""
    longest, over = 0.0, threading.Event()

    def probe() -> None:
        nonlocal longest
        connection = http.client.HTTPConnection("127.0.0.1", plane.admin, timeout=60)
        while not over.wait(_ASK_S):
            begun = time.perf_counter()
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            longest = max(longest, time.perf_counter() - begun)
        connection.close()

    asking = threading.Thread(target=probe)
    asking.start()
    plane.reread()
    _settle(plane.process.pid)
    over.set()
    asking.join()
    return 1e3 * longest


def _settle(pid: int) -> None:
    """Return when a process has had little to do for 2 s, not counting what probes cost it."""
    quiet, deadline = 0, time.monotonic() + _START_S
    while quiet < 4 and time.monotonic() < deadline:
        before = cpu_s(pid)
        time.sleep(0.5)
        quiet = quiet + 1 if cpu_s(pid) - before < 0.25 else 0


def cpu_s(pid: int) -> float:
    """What a process has used, all its threads together."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / _TICKS


def _memory(pid: int) -> dict[str, float]:
    return {"ready_mb": resident_mb(pid), "ready_peak_mb": resident_mb(pid, "VmHWM")}


def resident_mb(pid: int, which: str = "VmRSS") -> float:
    """What a process has resident now; with VmHWM: the most that it had."""
    lines = (line.split(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    kilobytes = {name: value.split()[0] for name, value in lines if value.endswith("kB")}
    return int(kilobytes[which]) / 1024
