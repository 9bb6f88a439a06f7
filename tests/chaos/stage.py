"""A mesh to be disturbed: the control plane, Envoys of both variants, backends, and requests all the time."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from benchmarks.fleet.requests import Requests
from benchmarks.fleet.world import PODS

from pilothouse.demo.backends import serving
from pilothouse.demo.ports import Ports
from pilothouse.demo.processes import Processes, Unavailable, find_envoy
from pilothouse.demo.traffic import Connection, drive
from pilothouse.demo.traffic import outcome as became
from pilothouse.demo.waiting import until
from pilothouse.mesh.audience import Node
from pilothouse.model.services import Locality
from pilothouse.sidecar.bootstrap import Sidecar, bootstrap
from pilothouse.structures.hostport import HostPort

from ..envoy.dns_server import resolver
from ..envoy.manifests import NAMESPACE, Document, Manifests, endpoint_slice, service
from ..envoy.sidecar import Envoy
from ..envoy.tap import Tap
from .client import Client
from .injection import Injection, Outcome
from .pki import Pki
from .plane import Plane
from .program import Program

STEADY = tuple(f"steady-{number}" for number in range(5))
"""Services that are called all the time, each from a file of its own."""
ATTACKS = "tests.chaos.attacks"
"""The program of clients that misbehave."""
_OTHERS = tuple(f"other-{number}" for number in range(14))
"""Services that nobody calls: what is lost has to be many to be massive."""
CANARY = "canary"
"""A service whose endpoint moves, to see whether changes are still served."""

PORTS = Ports()
"""Those of all stages: several may run at a time."""

_EACH_PER_S = 15.0
_ARRIVES_S = 10.0


class Stage:
    """What an injection is given: parts to disturb, and questions to ask of them."""

    def __init__(self, folder: Path, processes: Processes, cleanup: AsyncExitStack, outcome: Outcome) -> None:
        self.folder, self.outcome = folder, outcome
        self.manifests = Manifests(folder / "manifests")
        self.state = folder / "state"
        self.ports = PORTS
        self.plane = Plane(processes, self.manifests.folder, self.ports)
        self.clients: list[Client] = []
        self.requests: Any = Requests()  # in place of the sightings of the demo
        self.backend = self.ports.free([pod.address for pod in PODS])
        self.pki: Pki | None = None
        self.resolver = 0
        self._programs = cleanup.enter_context(Processes(folder))
        self._cleanup = cleanup
        self._envoy = find_envoy(os.environ)
        self._flags: tuple[str, ...] = ()
        self._callers: dict[str, list[asyncio.Task[None]]] = {}
        self._turn = 0

    # Parts

    def save(self, name: str, turn: int = 0, *more: Document, namespace: str = NAMESPACE) -> None:
        """Write a service with one endpoint, which is that of the turn."""
        pod = PODS[turn % len(PODS)].address
        endpoint = endpoint_slice(name, pod, self.backend, namespace)
        self.manifests.save(name, service(name, namespace), endpoint, *more)

    def file(self, name: str) -> Path:
        return self.manifests.folder / f"{name}.yaml"

    def launch(self, *flags: str) -> None:
        """Start the control plane, with these flags in place of those of the injection."""
        given = flags or self._flags
        state = () if "--no-state" in given else ("--state", str(self.state))
        self.plane.launch(*state, *given)

    async def restart(self, *flags: str) -> None:
        """Start it after a crash, and wait until every Envoy is connected to it."""
        self.launch(*flags)
        await self.plane.up()
        await self.connected()

    async def connected(self, within_s: float = 15.0) -> None:
        for client in self.clients:
            if not await until(client.envoy.connected, within_s):
                self.complain(f"{client.variant} did not come back to the control plane")

    async def client(self, delta: bool, tapped: bool = True, **said: Any) -> Client:
        """One more Envoy, once it is live. Nobody can listen in on TLS."""
        tap = await self._tap(delta) if tapped and self.pki is None else None
        client = Client(Envoy(self.ports.free()), tap, delta)
        egress = client.envoy.egress
        metadata = {"namespace": NAMESPACE, "egress": "{}:{}".format(*egress), **said}
        who = Node(client.name, Locality("eu", "eu-a"), {"pilothouse": metadata})
        place = HostPort("127.0.0.1", tap.port if tap else self.plane.xds)
        text = bootstrap(Sidecar(who, "web", place, not delta, 0, self.pki.sidecar if self.pki else None))
        if self.resolver:
            text = json.dumps({**json.loads(text), "typed_dns_resolver_config": resolver(self.resolver)})
        client.envoy.launch(self._envoy, text, self.folder / client.name)
        self._cleanup.push_async_callback(client.envoy.close)
        if not await until(lambda: _live(client.envoy), 20.0):
            raise Unavailable(f"{client.name} does not become live")
        self.clients.append(client)
        return client

    async def _tap(self, delta: bool) -> Tap:
        tap = Tap(self.plane.xds, delta)
        await tap.start()
        self._cleanup.push_async_callback(tap.stop)
        return tap

    def program(self, name: str, *words: object) -> Program:
        """Start another program of the tests, such as a client that misbehaves."""
        return Program(self._programs, name, *words)

    # Questions

    def complain(self, text: str) -> None:
        if text not in self.outcome.complaints:
            self.outcome.complaints.append(text)

    async def follows(self, within_s: float = _ARRIVES_S, name: str = CANARY) -> None:
        """Move an endpoint; complain unless every Envoy calls it at its new place in time."""
        self._turn += 1
        self.save(name, self._turn)
        await self.arrives(name, self._turn, within_s)

    async def arrives(self, name: str, turn: int, within_s: float = _ARRIVES_S) -> None:
        """Complain unless every Envoy calls a service at the endpoint of this turn in time."""
        begun = time.monotonic()
        pod = PODS[turn % len(PODS)].name
        ports = [client.envoy.egress[1] for client in self.clients]
        served = await asyncio.gather(
            *(until(lambda port=port: _answers(port, name, pod), within_s) for port in ports)
        )
        self.outcome.change_s = max(self.outcome.change_s or 0.0, time.monotonic() - begun)
        if not all(served):
            self.complain(
                f"a change of {name} did not reach {served.count(False)} Envoys in {within_s:.0f} s"
            )

    async def connections(self) -> list[int]:
        """How many each Envoy has opened to the control plane."""
        return [await client.connections() for client in self.clients]

    async def readyz(self) -> tuple[int, str]:
        """Status and text; 0 if it does not answer."""
        try:
            answer = await self.plane.says("/readyz")
        except (OSError, EOFError, ValueError, LookupError) as error:
            return 0, repr(error)
        return answer.status, answer.body.decode()

    async def shows(self, *words: str, status: Sequence[int] = (200, 503), within_s: float = 15.0) -> None:
        """Complain unless /readyz comes to say one of these words, with one of these statuses."""
        said = (0, "")

        async def so() -> bool:
            nonlocal said
            said = await self.readyz()
            return said[0] in status and (not words or any(word in said[1].lower() for word in words))

        if not await until(so, within_s):
            wanted = f"{' or '.join(map(repr, words))} with {' or '.join(map(str, status))}"
            self.complain(f"/readyz does not say {wanted} but {said[0]}: {_plain(said[1])}")

    def logged(self, text: str) -> None:
        """Complain unless the log has this text."""
        if text not in self.plane.log:
            self.complain(f"the log does not name {text}")

    async def watch(self, seconds: float) -> None:
        """Let requests go on: what must not happen is given time to happen."""
        await asyncio.sleep(seconds)
        self.plane.require()

    def forget(self, *names: str) -> None:
        """Call a service no more: it is about to go, by right."""
        for name in names:
            for caller in self._callers.pop(name):
                caller.cancel()

    # The run

    async def begin(self, injection: Injection) -> None:
        """All parts, in order, until every Envoy serves every service."""
        self._flags = injection.flags
        if injection.tls:
            self.pki = Pki(self.folder / "pki")
            self._flags += self.pki.flags
        await self._cleanup.enter_async_context(serving(PODS, self.backend))
        for number, name in enumerate((*STEADY, CANARY, *_OTHERS)):
            self.save(name, number)
        self._turn = len(STEADY)
        self._cleanup.callback(self.plane.close)
        self.launch()
        await self.plane.up()
        await asyncio.gather(*(self.client(delta=number % 2 == 0) for number in range(injection.sidecars)))

    async def call(self) -> None:
        """Begin to send requests, and to count."""
        await asyncio.gather(*(self.arrives(name, number) for number, name in enumerate((*STEADY, CANARY))))
        self.outcome.change_s = None
        for client in self.clients:
            await client.begin()
        self.outcome.before_mb = self.plane.memory_mb
        ports = [client.envoy.egress[1] for client in self.clients]
        for name in STEADY:
            self._callers[name] = [
                asyncio.create_task(drive(name, port, _EACH_PER_S, self.requests)) for port in ports
            ]
        self._cleanup.push_async_callback(self._hang_up)

    async def count(self) -> None:
        """Fill in the outcome. Memory is waited for: it comes back some time after what took it."""
        outcome = self.outcome
        told = [await client.told() for client in self.clients]
        outcome.again, outcome.absences, outcome.rejected = map(sum, zip(*told, strict=True))
        outcome.traceback = "Traceback" in self.plane.log
        outcome.sent, outcome.lost = self.requests.sent, dict(self.requests.failed)
        with suppress(KeyError, OSError):  # it was ended
            await until(lambda: self.plane.memory_mb <= outcome.room_mb, 15.0)
            outcome.after_mb = self.plane.memory_mb

    async def _hang_up(self) -> None:
        tasks = [task for tasks in self._callers.values() for task in tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def staged(injection: Injection, outcome: Outcome) -> AsyncIterator[Stage]:
    """A stage that serves, in a folder of its own; nothing of it is left behind."""
    with TemporaryDirectory(prefix="chaos-") as name, Processes(Path(name)) as processes:
        async with AsyncExitStack() as cleanup:
            stage = Stage(Path(name), processes, cleanup, outcome)
            await stage.begin(injection)
            yield stage


async def _live(envoy: Envoy) -> bool:
    with suppress(httpx.HTTPError):
        return await envoy.live()
    return False


async def _answers(port: int, host: str, pod: str) -> bool:
    connection = Connection("127.0.0.1", port)
    try:
        return await became(connection, host) == pod
    finally:
        connection.close()


def _plain(text: str) -> str:
    """What /readyz says is the matter, or the beginning of its text, in one line."""
    try:
        said = json.loads(text)
        text = "; ".join([*said["reasons"], *said["warnings"]]) or "nothing is the matter"
    except (ValueError, LookupError, TypeError):
        pass
    return " ".join(text.split())[:250]
