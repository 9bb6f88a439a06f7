"""compose.yaml for real: needs an engine, compose and the base images, which it pulls if they are missing."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]

WEB, REPORTS = 8081, 8082
PROJECT = "pilothouse-test"
# What is mounted, and what the image is built from.
FILES = (
    *("compose.yaml", "Dockerfile", ".dockerignore", "hatch_build.py", "LICENSE", "NOTICE", "README.md"),
    *("requirements.lock", "requirements-build.lock"),
)
FOLDERS = ("compose", "envoy-configs", "protos", "xds")


def run(*command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=800)


@dataclass(frozen=True)
class Mesh:
    """The containers of a copy of the project, whose manifests may be edited."""

    command: tuple[str, ...]
    folder: Path

    def compose(self, *arguments: str) -> str:
        done = run(*self.command, "-p", PROJECT, *arguments, cwd=self.folder)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def edit(self, change: Callable[[str], str]) -> None:
        """Save the manifest with this change to the original, in place as some editors do."""
        name = "compose/manifests/payments.yaml"
        original = (self.folder / "original.yaml").read_text()
        (self.folder / name).write_text(change(original))


@pytest.fixture(scope="module")
def command(services) -> tuple[str, ...]:
    """How compose is called here, once it is known that it has an engine and the images."""
    found = next(
        (one for one in (("docker", "compose"), ("docker-compose",)) if _works(*one, "version")), None
    )
    if not found:
        pytest.skip("there is neither `docker compose` nor `docker-compose`")
    if not _works("docker", "info"):
        pytest.skip("no container engine answers")
    for image in {service["image"] for service in services.values() if "build" not in service}:
        if not (_works("docker", "image", "inspect", image) or _works("docker", "pull", image)):
            pytest.skip(f"the image {image} is not here and cannot be pulled")
    return found


def _works(*command: str) -> bool:
    return shutil.which(command[0]) is not None and run(*command).returncode == 0


@pytest.fixture(scope="module")
def containers(command, project, tmp_path_factory) -> Iterator[Mesh]:
    folder = tmp_path_factory.mktemp("mesh")
    for name in (*FILES, "pyproject.toml"):
        shutil.copy(project / name, folder)
    for name in FOLDERS:
        shutil.copytree(
            project / name, folder / name, ignore=shutil.ignore_patterns("_pb*", "__pycache__", ".*")
        )
    shutil.copy(folder / "compose/manifests/payments.yaml", folder / "original.yaml")
    mesh = Mesh(command, folder)
    try:
        mesh.compose("up", "-d", "--build")
        yield mesh
    finally:
        mesh.compose("down", "-v")
    left = run("docker", "ps", "-aq", "--filter", f"label=com.docker.compose.project={PROJECT}")
    assert left.stdout == ""


def shares(port: int) -> dict[str, int]:
    """Who answered how many of a hundred requests through the sidecar of the client at this port."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/shares")
        return json.loads(connection.getresponse().read())
    except (OSError, HTTPException):
        return {}  # the client is still starting
    finally:
        connection.close()


def about(seen: dict[str, int], **wanted: int) -> bool:
    """Whether just these backends answered, each as often as wanted but for a few."""
    expected = {name.replace("_", "-"): count for name, count in wanted.items()}
    return seen.keys() == expected.keys() and all(abs(seen[name] - expected[name]) <= 3 for name in seen)


async def test_both_clients_get_the_nearest_backends_by_weight(containers, eventually) -> None:
    containers.edit(lambda text: text)
    await eventually(lambda: about(shares(WEB), payments_1=25, payments_2=75), within=60)
    await eventually(lambda: about(shares(REPORTS), payments_1=20, payments_2=60, payments_3=20), within=60)


async def test_an_edited_weight_changes_the_shares(containers, eventually) -> None:
    containers.edit(lambda text: text.replace('"10.201.0.11": 1', '"10.201.0.11": 12'))
    await eventually(lambda: about(shares(WEB), payments_1=80, payments_2=20))
    await eventually(lambda: about(shares(REPORTS), payments_1=75, payments_2=19, payments_3=6))


async def test_a_zone_without_a_ready_backend_is_stood_in_for_by_the_next(containers, eventually) -> None:
    containers.edit(lambda text: re.sub(r"(zone: eu-a\n +conditions: \{ready: )true", r"\1false", text))
    await eventually(lambda: about(shares(WEB), payments_3=100))


async def test_no_request_fails_while_the_control_plane_restarts(containers, eventually) -> None:
    containers.edit(lambda text: text)
    await eventually(lambda: about(shares(WEB), payments_1=25, payments_2=75))
    restart = asyncio.create_task(asyncio.to_thread(containers.compose, "restart", "pilothouse"))
    answers: Counter[str] = Counter()
    while not restart.done():
        answers.update(await asyncio.to_thread(shares, WEB))
    await restart
    assert answers.keys() == {"payments-1", "payments-2"}
    containers.edit(lambda text: text.replace('"10.201.0.11": 1', '"10.201.0.11": 0'))
    await eventually(lambda: about(shares(WEB), payments_2=100), within=30)


async def test_the_image_says_that_it_is_healthy(containers, eventually) -> None:
    (container,) = containers.compose("ps", "-q", "pilothouse").split()
    inspect = ("docker", "inspect", "-f", "{{.State.Health.Status}}", container)
    await eventually(lambda: run(*inspect).stdout.strip() == "healthy", within=60)
