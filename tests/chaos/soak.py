"""Clients of ever new identities, and services that come and go: does memory end flat? (`make soak`)

Prints the memory of the control plane once a minute. Exits 1 if it grew from the second third to the last.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import grpc
from benchmarks.fleet.envoys import resident_mb

from pilothouse.demo.ports import Ports
from pilothouse.demo.processes import Processes

from ..envoy.manifests import Manifests, endpoint_slice, service
from ..wire.stream import VARIANTS, node, path
from ..wire.topics import CDS, EDS, LDS, RDS
from .interruptible import run
from .plane import Plane

_SERVICES = 500
_CLIENTS = 24  # at a time
_GROWTH = 1.05


async def soak(minutes: float) -> bool:
    """Whether memory ended flat."""
    with TemporaryDirectory(prefix="soak-") as name, Processes(Path(name)) as processes:
        manifests = Manifests(Path(name) / "manifests")
        for number in range(_SERVICES):
            _save(manifests, number, 0)
        plane = Plane(processes, manifests.folder, Ports())
        plane.launch("--no-state")
        await plane.up()
        ends = time.monotonic() + 60 * minutes
        clients = [asyncio.create_task(_client(plane.xds, ends, seed)) for seed in range(_CLIENTS)]
        changes = asyncio.create_task(_change(manifests, ends))
        samples = [sample async for sample in _samples(plane.pid, ends)]
        came = sum(await asyncio.gather(*clients))
        await changes
    third = len(samples) // 3
    before, after = median(samples[third : 2 * third]), median(samples[2 * third :])
    flat = after <= before * _GROWTH
    print(
        f"{came:,} clients came and went; second third {before:.1f} MB, last third {after:.1f} MB:"
        f" {'flat' if flat else 'it grows'}"
    )
    return flat


async def _samples(pid: int, ends: float) -> AsyncIterator[float]:
    minute = 0.0
    while time.monotonic() < ends:
        memory = resident_mb(pid)
        yield memory
        if time.monotonic() >= minute:
            minute = time.monotonic() + 60
            print(
                f"{max(0.0, ends - time.monotonic()) / 60:5.1f} minutes to go, {memory:6.1f} MB", flush=True
            )
        await asyncio.sleep(2)


async def _change(manifests: Manifests, ends: float) -> None:
    """Endpoints move, and services come and go."""
    for step in range(1, 10**9):
        if time.monotonic() >= ends:
            return
        _save(manifests, step % _SERVICES, step)
        if step % 10 == 0:
            _save(manifests, _SERVICES + step, step)
        if step % 10 == 5 and step > 10:
            manifests.delete(f"s{_SERVICES + step - 5}")
        await asyncio.sleep(0.2)


def _save(manifests: Manifests, number: int, step: int) -> None:
    name = f"s{number}"
    address = f"10.{step % 250}.{number // 250}.{number % 250 + 1}"
    manifests.save(name, service(name), endpoint_slice(name, address, 8080))


async def _client(port: int, ends: float, seed: int) -> int:
    """One after the other, nobody twice; returns how many there were."""
    choose, came = random.Random(seed), 0
    while time.monotonic() < ends:
        came += 1
        variant = choose.choice([*VARIANTS])
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) as channel:
            with suppress(grpc.RpcError, asyncio.InvalidStateError, TimeoutError):
                async with asyncio.timeout(choose.uniform(0.1, 4)):
                    await _converse(channel, variant, _identity(choose, f"{seed}-{came}"))
    return came


def _identity(choose: random.Random, name: str) -> Any:
    said: dict[str, Any] = {"namespace": f"team-{name}"}
    if choose.random() < 0.5:
        said["egress"] = f"127.0.0.1:{choose.randrange(1024, 65_000)}"
    if choose.random() < 0.5:
        some = [f"shop/s{choose.randrange(_SERVICES)}" for _ in range(choose.randrange(1, 20))]
        said["dependencies"] = [*some, f"team-{name}/x", f"http://h{name}.test"]
    if choose.random() < 0.1:
        said["capture"] = "vip"
    if choose.random() < 0.3:
        said["families"] = choose.choice([["ipv4"], ["ipv6", "ipv4"]])
    client = node(f"web-{name}", **said)
    client.locality.region, client.locality.zone = f"r{choose.randrange(5)}", f"z{name}"
    return client


async def _converse(channel: grpc.aio.Channel, variant: str, client: Any) -> None:
    """Ask for everything, and accept whatever comes, until the time is over."""
    request: Any
    response: Any
    _, request, response = VARIANTS[variant]
    call = channel.stream_stream(path(variant, None), request.SerializeToString, response.FromString)()
    names = [f"outbound|8080||s{number}.shop.svc.cluster.local" for number in range(0, _SERVICES, 5)]
    for topic, wanted in ((CDS, []), (EDS, names), (LDS, []), (RDS, ["egress"])):
        field = {"resource_names" if variant == "sotw" else "resource_names_subscribe": wanted}
        await call.write(request(type_url=topic.url, node=client, **field))
    while True:
        said: Any = await call.read()
        await call.write(request(type_url=said.type_url, response_nonce=said.nonce))


def _minutes() -> float:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=15)
    minutes: float = parser.parse_args().minutes
    return minutes


if __name__ == "__main__":
    try:
        sys.exit(0 if run(soak(_minutes())) else 1)
    except KeyboardInterrupt:
        sys.exit("soak: interrupted")
