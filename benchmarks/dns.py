"""Names over DNS beside CoreDNS: the same Services in one real API server, the same questions to both.

    python -m benchmarks.dns [--services 10000] [--turns 3] [--rate 2000] [--seconds 8]

Needs `dnsperf` (Debian has a package of this name), and the programs of `make kubernetes-build`. All servers
run all the time, and are asked in turns. Prints the medians of the turns, and ratios of the same turn.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import dns.message
import dns.rdatatype
from benchmarks.kubernetes.followers import cpu_s, resident_mb
from benchmarks.kubernetes.world import World
from benchmarks.servers import Failed
from rich.console import Console
from rich.table import Table
from tests.ports import free_port
from tests.real.cluster import Cluster
from tests.real.plane import Plane
from tests.real.process import Process, wait_until
from tests.real.programs import COREDNS, KUBE, Missing

_ENDPOINTS, _HEADLESS = 10, 10  # endpoints of each service; every 10th service is headless
_ZONE = "default.svc.cluster.local."
_PAUSE_S, _PATIENCE_S = 0.002, 30.0
_START_S = 300.0
_CHANGES = 8

PILOTHOUSE, BARE, CACHED = "pilothouse", "coredns", "coredns, cache"
_CACHE = {BARE: "", CACHED: "cache 30"}
_COREFILE = """
.:{port} {{
    bind 127.0.0.1
    {cache}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Server:
    """One that answers names on a port of loopback."""

    name: str
    port: int
    process: Process


@dataclass(slots=True)
class Measured:
    """The figures of one server in one turn, by name."""

    server: str
    turn: int
    figures: dict[str, float] = field(default_factory=dict)


def name(number: int) -> str:
    return f"cluster-{number:05}.{_ZONE}"


def questions(services: int, count: int, rng: random.Random) -> list[str]:
    """As `dnsperf` reads them: mostly for addresses, also of headless services; some for nothing."""
    found = []
    for number in (rng.randrange(services) for _ in range(count)):
        asked = rng.choices(("A", "AAAA", "SRV", "absent"), (70, 15, 10, 5))[0]
        if asked == "SRV":
            found.append(f"_http._tcp.{name(number)} SRV")
        elif asked == "absent":
            found.append(f"gone-{number}.{_ZONE} A")
        else:
            found.append(f"{name(number)} {asked}")
    return found


def ask(sock: socket.socket, port: int, wire: bytes) -> bytes:
    """An answer, waited for at most a second. Raises OSError."""
    sock.sendto(wire, ("127.0.0.1", port))
    while True:
        found = sock.recv(4096)
        if found[:2] == wire[:2]:
            return found


@contextmanager
def waits(port: int) -> Iterator[list[float]]:
    """How long, in ms, a client waits that asks one question after the other while the block runs.

    The first name is asked again and again: it shows the port, and not what a name costs.
    """
    found, over = list[float](), threading.Event()
    wire = dns.message.make_query(name(1), "A", id=1).to_wire()

    def client() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(1)
            while not over.wait(_PAUSE_S):
                begun = time.perf_counter()
                with suppress(OSError):  # a lost datagram has waited that long
                    ask(sock, port, wire)
                found.append(1e3 * (time.perf_counter() - begun))

    asking = threading.Thread(target=client)
    asking.start()
    try:
        yield found
    finally:
        over.set()
        asking.join()


def loaded(server: Server, file: Path, seconds: int, *more: str) -> dict[str, float]:
    """What comes of asking the questions of a file as fast as `more` says."""
    command = ["dnsperf", "-s", "127.0.0.1", "-p", str(server.port), "-d", str(file), "-l", str(seconds)]
    before = cpu_s(server.process.pid)
    with waits(server.port) as waited:
        said = subprocess.run([*command, *more], capture_output=True, text=True, check=True).stdout
    spent_s = cpu_s(server.process.pid) - before
    answered = _number(said, r"Queries completed:\s+(\d+)")
    cuts = quantiles(waited, n=100)
    return {
        "rate": answered / _number(said, r"Run time \(s\):\s+([\d.]+)"),
        "per_core": answered / spent_s,
        "lost": _number(said, r"Queries lost:\s+(\d+)"),
        "p50_ms": cuts[49],
        "p99_ms": cuts[98],
    }


def _number(text: str, pattern: str) -> float:
    found = re.search(pattern, text)
    if found is None:
        raise Failed(f"dnsperf says nothing of {pattern!r}:\n{text[-500:]}")
    return float(found[1])


async def change_ms(server: Server, world: World, services: int, first: int) -> list[float]:
    """ms from when an endpoint of a headless service was written to the API server to the new answer.

    The question is asked without pause meanwhile.
    """
    found = []
    for sequence in range(first, first + _CHANGES):
        number = sequence * _HEADLESS % services
        address = socket.inet_aton(".".join(map(str, (11, *_digits(sequence)))))
        begun = time.perf_counter()
        seen = asyncio.create_task(asyncio.to_thread(_seen, server.port, name(number), address))
        await world.change(number, sequence)
        found.append(1e3 * (await seen - begun))
    return found


def _digits(sequence: int) -> tuple[int, int, int]:
    return 100 + sequence // 10_000 % 100, 100 + sequence // 100 % 100, 100 + sequence % 100


def _seen(port: int, of: str, packed: bytes) -> float:
    """When an answer had this address. Raises Failed."""
    wire = dns.message.make_query(of, "A", id=2, use_edns=0, payload=1232).to_wire()
    deadline = time.perf_counter() + _PATIENCE_S
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(1)
        while (now := time.perf_counter()) < deadline:
            if packed in ask(sock, port, wire):
                return time.perf_counter()
            time.sleep(max(0.0, 0.001 - (time.perf_counter() - now)))
    raise Failed(f"{of} has no new answer within {_PATIENCE_S} s")


@dataclass(frozen=True, slots=True)
class Load:
    """A file of questions, and how fast they are asked."""

    title: str
    file: Path
    options: tuple[str, ...]


async def turns(
    servers: Sequence[Server], world: World, said: argparse.Namespace, loads: Sequence[Load]
) -> list[Measured]:
    found = []
    for turn in range(said.turns):
        for place, server in enumerate(servers):
            measured = Measured(server.name, turn)
            for load in loads:
                figures = await asyncio.to_thread(loaded, server, load.file, said.seconds, *load.options)
                measured.figures |= {f"{load.title} {key}": value for key, value in figures.items()}
            first = 1 + (turn * len(servers) + place) * _CHANGES
            changes = await change_ms(server, world, said.services, first)
            measured.figures |= {"change ms": median(changes), "change max ms": max(changes)}
            measured.figures["memory MB"] = resident_mb(server.process.pid)
            print(json.dumps(asdict(measured)), file=sys.stderr)
            found.append(measured)
    return found


def show(found: Sequence[Measured], names: Sequence[str]) -> None:
    table = Table("", *names, *(f"{each} / {names[0]}" for each in names[1:]))
    for figure in found[0].figures:
        by = {each: [m.figures[figure] for m in found if m.server == each] for each in names}
        values = [f"{median(by[each]):,.4g}" for each in names]
        ratios = []
        for each in names[1:]:
            pairs = [theirs / ours for theirs, ours in zip(by[each], by[names[0]], strict=True) if ours]
            ratios.append(f"{median(pairs):.2f}" if pairs else "")
        table.add_row(figure, *values, *ratios)
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def started(cluster: Cluster, program: Path, folder: Path, cleanup: ExitStack) -> list[Server]:
    """All of them, each when it answers for the last service."""
    found = []
    port = free_port()
    flags = ["--kubeconfig", str(cluster.kubeconfig), "--dns", f"127.0.0.1:{port}"]
    plane = Plane(folder, flags, _START_S)
    cleanup.callback(plane.process.stop)
    plane.start()
    found.append(Server(PILOTHOUSE, port, plane.process))
    for title, cache in _CACHE.items():
        port = free_port()
        corefile = folder / f"{title}.Corefile"
        corefile.write_text(_COREFILE.format(port=port, cache=cache, kubeconfig=cluster.kubeconfig))
        process = Process(title, [program, "-conf", corefile], folder)
        cleanup.callback(process.stop)
        process.start()
        found.append(Server(title, port, process))
    return found


def _answers(server: Server, last: str) -> Callable[[], bool]:
    wire = dns.message.make_query(last, "A", id=3).to_wire()

    def answers() -> bool:
        server.process.require()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(1)
            try:
                return bool(dns.message.from_wire(ask(sock, server.port, wire)).answer)
            except OSError:
                return False

    return answers


async def run(said: argparse.Namespace, kube: Path, coredns: Path) -> list[Measured]:
    with TemporaryDirectory(prefix="bench-") as temporary, ExitStack() as cleanup:
        folder = Path(temporary)
        cluster = Cluster(kube, folder)
        cleanup.callback(cluster.stop)
        cluster.etcd.start()
        await asyncio.to_thread(cluster.start_api_server)
        async with World(cluster, said.services, _ENDPOINTS, _HEADLESS) as world:
            await world.fill()
            servers = await asyncio.to_thread(started, cluster, coredns, folder, cleanup)
            for server in servers:
                last = _answers(server, name(said.services - 1))
                await asyncio.to_thread(wait_until, last, f"{server.name} knows all", _START_S)
            return await turns(servers, world, said, _loads(said, folder))


def _loads(said: argparse.Namespace, folder: Path) -> list[Load]:
    rng = random.Random(13)
    loads = []
    for title, services in (("few", min(200, said.services)), ("all", said.services)):
        file = folder / f"{title}.questions"
        file.write_text("\n".join(questions(services, 100_000, rng)) + "\n")
        loads.append(Load(f"{title}, {said.rate}/s:", file, ("-Q", str(said.rate))))
        loads.append(Load(f"{title}, full:", file, ()))
    loads.append(Load("few, full, TCP:", folder / "few.questions", ("-m", "tcp", "-c", "20")))
    return loads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--services", type=int, default=10_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--rate", type=int, default=2_000, help="questions a second, at first")
    parser.add_argument("--seconds", type=int, default=8, help="of each load")
    said = parser.parse_args()
    if not shutil.which("dnsperf"):
        sys.exit("dns: needs dnsperf, which Debian has in a package of this name")
    try:
        found = asyncio.run(run(said, KUBE.build(), COREDNS.build()))
    except (Failed, Missing) as failed:
        sys.exit(f"dns: {failed}")
    show(found, list(dict.fromkeys(each.server for each in found)))


if __name__ == "__main__":
    main()
