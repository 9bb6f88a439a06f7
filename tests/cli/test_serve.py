"""The control plane as a process: how it starts, how it ends, and what it says."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from ..ports import free_port

PROGRAM = Path(sys.executable).with_name("pilothouse")


@contextmanager
def served(manifests: str | Path, *flags: str) -> Iterator[subprocess.Popen[str]]:
    """A control plane on free ports that keeps nothing, with JSON logs on a pipe."""
    ports = ["--xds", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    command = [
        PROGRAM,
        "serve",
        "--manifests",
        manifests,
        *ports,
        "--no-state",
        "--log-format",
        "json",
        *flags,
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A control plane over an empty folder."""
    with served(tmp_path, "--allow-empty") as process:
        yield process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop_and_ends_well(serving, number) -> None:
    events = (json.loads(line) for line in serving.stderr)
    ready = next(event for event in events if event["event"] == "serving")
    assert not ready["xds"].endswith(":0")
    assert not ready["admin"].endswith(":0")
    told = next(event for event in events if event["event"] == "ready for sidecars")
    assert told["status"] == f"http://{ready['admin']}/readyz"
    assert f"--control-plane {ready['xds']} --node " in told["bootstrap"]
    serving.send_signal(number)
    assert {"info"} == {event["level"] for event in events}
    assert serving.wait(timeout=20) == 0


@pytest.mark.parametrize("flag", ["--xds", "--admin"])
def test_an_address_that_is_taken_is_one_line_and_exit_2(process, tmp_path: Path, flag: str) -> None:
    places = {"--xds": "127.0.0.1:0", "--admin": "127.0.0.1:0"}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        places[flag] = f"127.0.0.1:{taken.getsockname()[1]}"
        flags = [part for pair in places.items() for part in pair]
        outcome = process("serve", "--manifests", tmp_path, "--allow-empty", *flags)
    complaint = outcome.err.splitlines()[-1]
    assert outcome.status == 2
    assert complaint.startswith("pilothouse: serve: ")
    assert places[flag] in complaint
    assert "Traceback" not in outcome.err


SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: NAME, namespace: shop}
spec: {ports: [{name: http, port: 80}]}
---
"""


def test_each_change_is_one_line_and_of_many_the_first_few(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text(SERVICE.replace("NAME", "first"))
    with served(tmp_path) as process:
        events = (json.loads(line) for line in process.stderr)
        loaded = next(event for event in events if event["event"] == "loaded")
        assert (loaded["services"], loaded["endpoints"], loaded["left_out"], loaded["faults"]) == (1, 0, 0, 0)
        next(event for event in events if event["event"] == "ready for sidecars")
        file.write_text(file.read_text().replace("80", "81"))
        change = next(events)
        assert (change["event"], change["level"]) == ("change accepted", "info")
        assert (change["source"], change["place"]) == ("files", f"{file}:1")
        assert (change["service"], change["what"]) == ("shop/first", "ports changed")
        (tmp_path / "g.yaml").write_text("".join(SERVICE.replace("NAME", f"s{n}") for n in range(25)))
        many = [next(events) for _ in range(6)]
    assert {(change["place"].partition(":")[0], change["what"]) for change in many[:5]} == {
        (str(tmp_path / "g.yaml"), "added, 1 port, 0 endpoints")
    }
    assert many[5]["event"] == "and 20 more changes accepted"


LEFT_OUT = """\
apiVersion: v1
kind: Service
metadata: {name: payments}
spec: {clusterIp: 10.96.0.1, ports: [{name: http, port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec:
  parentRefs: [{group: "", kind: Service, name: payments}]
  rules: [{backendRefs: [{name: gone, port: 80}]}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
---
apiVersion: v1
kind: Servce
metadata: {name: b}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: c, labels: {kubernetes.io/service-name: c}}
addressType: IPv4
endpoints: []
"""


def test_the_level_of_the_log_is_that_of_log_level(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(LEFT_OUT)
    with served(f"{tmp_path}=shop", "--log-level", "warning") as process:
        first = json.loads(process.stderr.readline())
    assert (first["event"], first["level"]) == ("warning in a manifest", "warning")


async def test_what_is_left_out_is_in_its_log_its_metrics_and_its_readiness(
    tmp_path: Path, eventually
) -> None:
    file = tmp_path / "f.yaml"
    file.write_text(LEFT_OUT)
    with served(f"{tmp_path}=shop") as process:
        events = []
        while not events or events[-1]["event"] != "serving":
            events.append(json.loads(process.stderr.readline()))
        assert {(event["event"], event["line"]) for event in events if "line" in event} == {
            ("warning in a manifest", 4),
            ("left out", 13),
            ("warning in a manifest", 18),
        }
        async with httpx.AsyncClient(base_url=f"http://{events[-1]['admin']}", verify=False) as admin:
            expected: dict[str, float] = {"no-such-backend": 1, "unsupported-kind": 2, "no-owner": 1}
            assert await eventually(lambda: _counts(admin, expected))
            ready = (await admin.get("/readyz")).json()
            assert ready["left_out"] == expected
            (source,) = ready["sources"]
            assert [warning["line"] for warning in source["warnings"]] == [4, 18]
            assert source["faults"] == []
            file.write_text(LEFT_OUT.replace("name: gone", "name: payments"))
            assert await eventually(lambda: _counts(admin, {"unsupported-kind": 2, "no-owner": 1}))


async def _counts(admin: httpx.AsyncClient, expected: dict[str, float]) -> bool:
    """Whether the metrics say that so much is left out."""
    text = (await admin.get("/metrics")).text
    found = re.findall(r'^pilothouse_left_out{reason="([a-z-]+)"} (\S+)', text, re.MULTILINE)
    return {reason: float(number) for reason, number in found} == expected


NUMBERED = """\
apiVersion: v1
kind: Service
metadata: {{name: s{number}, namespace: shop}}
spec: {{clusterIP: 10.96.{high}.{low}, ports: [{{name: http, port: 80}}]}}
---
"""


async def test_who_is_ready_can_be_called(tmp_path: Path, eventually) -> None:
    services = (
        NUMBERED.format(number=number, high=number // 250, low=number % 250 + 1) for number in range(3000)
    )
    (tmp_path / "f.yaml").write_text("".join(services))
    xds = free_port()
    with served(tmp_path, "--xds", f"127.0.0.1:{xds}") as process:
        events = (json.loads(line) for line in process.stderr)
        begun = next(event for event in events if event["event"] == "starting")
        async with httpx.AsyncClient(base_url=f"http://{begun['admin']}", verify=False) as admin:

            async def ready() -> bool:
                return (await admin.get("/readyz")).is_success

            await eventually(ready)
        socket.create_connection(("127.0.0.1", xds), timeout=5).close()
