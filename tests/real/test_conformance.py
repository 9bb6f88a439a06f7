"""The conformance run: what the suite executes in a pod, what answers it, and one test of the suite."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..redirect.namespaces import ROOT, lacking
from .conformance import client
from .conformance.echo import Echo
from .programs import PARTS

_ADDRESS = "10.244.254.1"


@pytest.fixture
def pod(pod_network: None) -> Iterator[None]:
    """The pod `echo-v1-x` at _ADDRESS."""
    echo = Echo("echo-v1-x", _ADDRESS)
    echo.start()
    yield
    echo.stop()


def _called(folder: Path, *words: str) -> list[str]:
    """What the client prints, line by line."""
    hosts = folder / "hosts"
    hosts.write_text(f"10.244.254.9 other\n{_ADDRESS} echo echo.shop\n")
    done = subprocess.run(
        [sys.executable, str(client.__file__), *words],
        env=os.environ | {"MESH_HOSTS": str(hosts)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_http_is_printed_as_the_suite_reads_it(pod: None, tmp_path: Path) -> None:
    url = "http://echo.shop:8080/x?a=b"
    lines = _called(tmp_path, url, "--method=PUT", "-H", "X-Said:yes", "--count=2")
    for number in (0, 1):
        assert f"[{number}] StatusCode=200" in lines
        assert {
            f"[{number} body] {each}"
            for each in ("Hostname=echo-v1-x", "Method=PUT", "URL=/x?a=b", "Host=echo.shop:8080")
        } <= set(lines)
        assert f"[{number} body] RequestHeader=X-Said:yes" in lines
    assert lines.count("") == 2


def test_another_host_may_be_said_than_is_called(pod: None, tmp_path: Path) -> None:
    assert "[0 body] Host=other" in _called(tmp_path, "http://echo:8080", "-H", "Host:other")


def test_grpc_is_printed_as_the_suite_reads_it(pod: None, tmp_path: Path) -> None:
    lines = _called(tmp_path, "grpc://echo:7070", "--count=2")
    assert [line for line in lines if "Hostname" in line] == [
        "[0 body] Hostname=echo-v1-x",
        "[1 body] Hostname=echo-v1-x",
    ]
    assert "[1] StatusCode=200" in lines


@pytest.mark.timeout(300)
def test_the_suite_passes_through_redirection(pod_network: None) -> None:
    if why := lacking():
        pytest.skip(why)
    if absent := [part.product for part in PARTS if part.find() is None]:
        pytest.skip(f"no {absent[0]}: run make kubernetes-build")
    # Its route is for one virtual IP, and the Host header says another name.
    command = [sys.executable, "-m", "tests.real.conformance", "--run-test", "MeshFrontendHostname"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "PASS MeshFrontendHostname\n"), done.stderr + done.stdout
