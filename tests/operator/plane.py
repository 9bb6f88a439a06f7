"""What an operator is asked about at night: `pilothouse serve` as a process, and its API and commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from pilothouse.encoding.types import ResourceType

#: The cluster of `shop/cart`.
CART = "outbound|80||cart.shop.svc.cluster.local"
PROGRAM = Path(sys.executable).with_name("pilothouse")
START_S = 60


class Plane:
    """A control plane over a folder of manifests, on free ports, that keeps nothing, or a `state` folder.

    If it does not `allow_empty`, it holds the loss of many files at once. `within` are the first words of its
    command, which lead to where it runs.
    """

    def __init__(
        self,
        folder: Path,
        *flags: str,
        allow_empty: bool = True,
        state: Path | None = None,
        within: Sequence[str] = (),
    ) -> None:
        self.manifests = folder / "manifests"
        self.manifests.mkdir()
        self._log = folder / "log"
        self._flags = (*flags, *(["--allow-empty"] if allow_empty else []))
        self.keeping = ["--state", str(state)] if state else ["--no-state"]
        self._within = within
        self._process: subprocess.Popen[bytes] | None = None

    def write(self, file: str, text: str) -> None:
        """Put a manifest in place at once, as editors do."""
        beside = self.manifests / f".{file}"
        beside.write_text(text)
        beside.rename(self.manifests / file)

    def start(self) -> None:
        command: list[str | Path] = [*self._within, PROGRAM, "serve", "--manifests", self.manifests]
        command += ["--xds", "127.0.0.1:0", "--admin", "127.0.0.1:0", *self.keeping, "--log-format", "json"]
        with self._log.open("w") as log:
            self._process = subprocess.Popen([*command, *self._flags], stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while not (serving := [each for each in self._events() if each["event"] == "serving"]):
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.02)
        self.xds, self.admin = serving[0]["xds"], serving[0]["admin"]

    def terminate(self) -> None:
        """Ask it to end, and wait until it has."""
        assert self._process is not None
        self._process.terminate()
        assert self._process.wait(20) == 0

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def command_line(self) -> str:
        return Path(f"/proc/{self.pid}/cmdline").read_text()

    def log(self) -> str:
        return self._log.read_text()

    def get(self, page: str, status: int = 200, **query: str) -> Any:
        """The answer of a page of the API."""
        address = f"http://{self.admin}/api/v1/{page}" + (f"?{urlencode(query)}" if query else "")
        answer = httpx.get(address, trust_env=False, timeout=20)
        assert answer.status_code == status, answer.text
        return answer.json()

    @contextmanager
    def events(self, **query: str) -> Iterator[Callable[[], tuple[str, dict[str, Any]]]]:
        """A stream of events: each call waits for the next one, and returns its kind and its data."""
        address = f"http://{self.admin}/api/v1/events" + (f"?{urlencode(query)}" if query else "")
        with httpx.stream("GET", address, trust_env=False, timeout=20) as answer:
            assert answer.status_code == 200
            lines = answer.iter_lines()

            def following() -> tuple[str, dict[str, Any]]:
                kind = next(line for line in lines if line.startswith("event: "))
                return kind.removeprefix("event: "), json.loads(next(lines).removeprefix("data: "))

            next(lines)  # from now on nothing is missed
            yield following

    def set_context(self, name: str, token: Path) -> None:
        """Keep it by a name, under $XDG_CONFIG_HOME."""
        command = [PROGRAM, "context", "set", name, "--admin", self.admin, "--token-file", token]
        subprocess.run(command, check=True, timeout=60)

    def run(self, *arguments: str, status: int = 0) -> str:
        """What a command prints that asks this control plane."""
        return _run(*arguments, "--admin", self.admin, status=status)

    def run_in(self, context: str, *arguments: str, status: int = 0) -> str:
        """What a command prints that asks the control plane of a context."""
        return _run(*arguments, "--context", context, status=status)

    def _events(self) -> list[dict[str, Any]]:
        lines = self._log.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]


def _run(*arguments: str, status: int) -> str:
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def service(name: str, *addresses: str, namespace: str = "shop", port: str = "http", **more: Any) -> str:
    """A manifest of a Service and its slice. `not_ready` has the addresses that are not ready.

    `port` is the name of the port in the slice, `annotations` are those of the Service.
    """
    not_ready = more.pop("not_ready", ())
    metadata = {"name": name, "namespace": namespace, "annotations": more.pop("annotations", {})}
    labels = {"kubernetes.io/service-name": name}
    endpoints = [
        {"addresses": [address], "conditions": {"ready": address not in not_ready}, **more.get(address, {})}
        for address in addresses
    ]
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "List",
            "items": [
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "metadata": metadata,
                    "spec": {"ports": [{"name": "http", "port": 80}]},
                },
                {
                    "apiVersion": "discovery.k8s.io/v1",
                    "kind": "EndpointSlice",
                    "metadata": {"name": f"{name}-1", "namespace": namespace, "labels": labels},
                    "addressType": "IPv4",
                    "ports": [{"name": port, "port": 8080}],
                    "endpoints": endpoints,
                },
            ],
        },
        indent=1,
    )


async def synced(client: Any, node: str, **said: Any) -> Any:
    """A client that has the endpoints of cart, and has acknowledged them."""
    stream = await client(node, **said)
    await stream.ask(ResourceType.ENDPOINTS, CART)
    assert await stream.names() == [CART]
    return stream
