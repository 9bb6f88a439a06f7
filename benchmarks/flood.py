"""What floods of questions cost those who wait for changes: the DNS port is in the process that pushes.

    python -m benchmarks.flood [--rate 20] [--seconds 10] [--turns 3]

A control plane has 500 services. A sidecar waits for the endpoints of one, which changes at a steady rate:
its manifest is written anew. Prints how long that took, from the writing to the sidecar, without questions
and with as many as `dnsperf` can ask (Debian has a package of this name).
"""

from __future__ import annotations

import argparse
import queue
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from threading import Thread

import grpc
from rich.console import Console
from rich.table import Table
from tests.operator.plane import CART, Plane, service
from tests.ports import free_port

from pilothouse._pb.envoy.config.core.v3.base_pb2 import Node
from pilothouse._pb.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from pilothouse._pb.envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest, DiscoveryResponse

_METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
_TYPE = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
_SERVICES, _WIDE = 500, 1000
_PATIENCE_S = 30.0
_ZONE = "shop.svc.cluster.local"

#: What the machine is busy with then, and not the process that pushes.
_ELSEWHERE = "UDP, at another process"
#: The questions of each flood, and how they are asked.
FLOODS = {
    "none": ("", ()),
    _ELSEWHERE: ("known", ()),
    "UDP, names that exist": ("known", ()),
    "UDP, names that do not": ("absent", ()),
    "UDP, 1,000 endpoints": ("wide", ()),
    "TCP, 20 connections": ("known", ("-m", "tcp", "-c", "20")),
    "TCP, a connection each": ("known", ("-m", "tcp", "-c", "20", "-O", "num-queries-per-conn=1")),
}


class Sidecar:
    """Waits for the endpoints of one cluster, and acknowledges each of them."""

    def __init__(self, address: str) -> None:
        self.seen = queue.Queue[tuple[float, str]]()
        self._requests = queue.Queue[DiscoveryRequest | None]()
        self._channel = grpc.insecure_channel(address)
        self._request()
        Thread(target=self._read, daemon=True).start()

    def _request(self, version: str = "", nonce: str = "") -> None:
        node = Node(id="sidecar~10.0.0.1~waits.shop~shop.svc.cluster.local", cluster="waits")
        names = {"node": node, "type_url": _TYPE, "resource_names": [CART]}
        self._requests.put(DiscoveryRequest(version_info=version, response_nonce=nonce, **names))

    def _read(self) -> None:
        call = self._channel.stream_stream(
            _METHOD, DiscoveryRequest.SerializeToString, DiscoveryResponse.FromString
        )
        try:
            for response in call(iter(self._requests.get, None)):
                now = time.perf_counter()
                self._request(response.version_info, response.nonce)
                for packed in response.resources:
                    self.seen.put((now, _address(ClusterLoadAssignment.FromString(packed.value))))
        except grpc.RpcError:
            pass  # closed

    def wait(self, address: str) -> float:
        """When it had this address. Raises queue.Empty."""
        while True:
            at, seen = self.seen.get(timeout=_PATIENCE_S)
            if seen == address:
                return at

    def close(self) -> None:
        self._requests.put(None)
        self._channel.close()


def _address(assignment: ClusterLoadAssignment) -> str:
    """That of the only endpoint."""
    for locality in assignment.endpoints:
        for endpoint in locality.lb_endpoints:
            return endpoint.endpoint.address.socket_address.address
    return ""


def headless(name: str, *addresses: str) -> str:
    return service(name, *addresses).replace('"spec": {', '"spec": {"clusterIP": "None", ')


def write_questions(folder: Path) -> None:
    rng = random.Random(13)
    known = [f"s{rng.randrange(_SERVICES)}.{_ZONE} {rng.choice(('A', 'AAAA', 'SRV'))}" for _ in range(50_000)]
    absent = [f"x{rng.randrange(10**9)}.{_ZONE} A" for _ in range(200_000)]
    wide = [f"{_any_case(rng, 'wide.' + _ZONE)} {rng.choice(('A', 'SRV'))}" for _ in range(50_000)]
    for name, questions in (("known", known), ("absent", absent), ("wide", wide)):
        (folder / name).write_text("\n".join(questions) + "\n")


def _any_case(rng: random.Random, name: str) -> str:
    return "".join(rng.choice((each, each.upper())) for each in name)


@contextmanager
def flooded(folder: Path, port: int, flood: str) -> Iterator[subprocess.Popen[str] | None]:
    """Ask all the time while the block runs."""
    questions, options = FLOODS[flood]
    if not questions:
        yield None
        return
    command = ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", str(folder / questions), "-l", "3600"]
    running = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(0.5)  # until it asks as fast as it can
        yield running
    finally:
        running.terminate()
        running.wait()


def changes_ms(plane: Plane, sidecar: Sidecar, rate: float, seconds: float, first: int) -> list[float]:
    """How long each change took to the sidecar."""
    found = []
    begun = time.perf_counter()
    for number in range(int(rate * seconds)):
        time.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        change = first + number
        address = f"10.200.{change >> 8 & 255}.{change & 255}"
        text = headless("cart", address)
        written = time.perf_counter()
        plane.write("cart.json", text)
        found.append(1e3 * (sidecar.wait(address) - written))
    return found


def turn(said: argparse.Namespace, found: dict[str, list[Sequence[float]]]) -> None:
    with TemporaryDirectory(prefix="bench-") as temporary:
        folder = Path(temporary)
        write_questions(folder)
        port, other_port = free_port(), free_port()
        plane = Plane(folder, "--dns", f"127.0.0.1:{port}")
        (folder / "other").mkdir()
        other = Plane(folder / "other", "--dns", f"127.0.0.1:{other_port}")
        plane.write("cart.json", headless("cart", "10.1.0.1"))
        plane.write("wide.json", headless("wide", *(f"10.2.{n >> 8}.{n & 255}" for n in range(_WIDE))))
        each = [headless(f"s{number}", "10.1.0.2", "10.1.0.3") for number in range(_SERVICES)]
        for one in (plane, other):
            one.write("others.yaml", "\n---\n".join(each))
        try:
            plane.start()
            other.start()
            sidecar = Sidecar(plane.xds)
            first = len(changes_ms(plane, sidecar, said.rate, 1, 0))  # to warm up
            for flood in FLOODS:
                at = other_port if flood == _ELSEWHERE else port
                with flooded(folder, at, flood) as load:
                    took = changes_ms(plane, sidecar, said.rate, said.seconds, first)
                    answered = _rate(load)
                first += len(took)
                found.setdefault(flood, []).append((*_figures(took), answered))
            sidecar.close()
        finally:
            plane.stop()
            other.stop()


def _rate(load: subprocess.Popen[str] | None) -> float:
    """Answers a second, as `dnsperf` says when it ends."""
    if load is None:
        return 0.0
    load.send_signal(2)
    said, _ = load.communicate()
    return float(said.partition("Queries per second:")[2].split()[0])


def _figures(took: Sequence[float]) -> tuple[float, float, float]:
    return median(took), quantiles(took, n=100)[98], max(took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rate", type=float, default=20, help="changes in a second")
    parser.add_argument("--seconds", type=float, default=10, help="of each flood")
    parser.add_argument("--turns", type=int, default=3)
    said = parser.parse_args()
    if not shutil.which("dnsperf"):
        sys.exit("flood: needs dnsperf, which Debian has in a package of this name")
    found: dict[str, list[Sequence[float]]] = {}
    for _ in range(said.turns):
        turn(said, found)
    table = Table("flood", "median ms", "p99 ms", "max ms", "answers/s")
    for flood, turns in found.items():
        table.add_row(flood, *(f"{median(column):,.1f}" for column in zip(*turns, strict=True)))
    Console(width=None if sys.stdout.isatty() else 120).print(table)


if __name__ == "__main__":
    main()
