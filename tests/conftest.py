"""What tests of every area share."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import hypothesis
import pytest

from pilothouse.model.services import Endpoint, Port, Service, ServiceName, ServiceSpec

T = TypeVar("T")

# A deadline is an assertion about time, which a busy machine fails for no reason of ours.
hypothesis.settings.register_profile("whenever", deadline=None)
hypothesis.settings.load_profile("whenever")

# What starts processes, opens sockets or waits for the disk: folders, and modules of other folders.
_SLOW = (
    "admin/test_serve.py",
    "admin/test_streaming.py",
    "apiserver/test_client.py",
    "apiserver/test_credentials.py",
    "apiserver/test_lease.py",
    "cli/test_garbage.py",
    "cli/test_hanging.py",
    "cli/test_printing.py",
    "cli/test_health.py",
    "cli/test_serve.py",
    "cli/test_validate.py",
    "cli/test_version.py",
    "cli/test_workers.py",
    "compose/test_mesh.py",
    "console/test_pages.py",
    "demo/test_command.py",
    "demo/test_processes.py",
    "demo/test_traffic.py",
    "envoy",
    "examples/test_examples.py",
    "journal",
    "monitoring/test_rules.py",
    "operator",
    "packaging",
    "proxyless",
    "real",
    "redirect",
    "server",
    "sources/kubernetes/test_faults.py",
    "sources/kubernetes/test_kept.py",
    "sources/kubernetes/test_source.py",
    "sources/test_contract.py",
    "status/test_writer.py",
    "sources/test_disk.py",
    "sources/test_files.py",
    "sources/test_lookout.py",
    "sources/test_watch.py",
    "test_architecture.py",
    "tracing/test_otlp.py",
    "webhook/test_keeping.py",
    "webhook/test_serving.py",
    "wire",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make quick` runs. A new folder is quick unless it is named above."""
    here = Path(__file__).parent
    slow = [here / each for each in _SLOW]
    for item in items:
        runs = item.get_closest_marker("envoy") or "process" in getattr(item, "fixturenames", ())
        if not runs and not any(item.path.is_relative_to(each) for each in slow):
            item.add_marker("quick")


class Eventually(Protocol):
    async def __call__(self, check: Callable[[], T | Awaitable[T]], within: float = 30.0) -> T:
        """The first true value of `check`, asked again and again; fails after `within` seconds."""


@pytest.fixture(scope="session")
def project() -> Path:
    """The root of the checkout."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where processes of the tests keep their state, unless told otherwise: not where the user's own are."""
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        patch.delenv("STATE_DIRECTORY", raising=False)
        yield folder


@pytest.fixture
def make_service() -> Callable[..., Service]:
    """A service such as a source would report: `make_service("shop/payments", "10.0.0.1", ...)`."""

    def make(name: str, *addresses: str, **spec: Any) -> Service:
        namespace, _, plain = name.partition("/")
        fields = {"ports": (Port("http", 8080),)} | spec
        endpoints = tuple(Endpoint(address, (("http", 8080),)) for address in addresses)
        return Service(ServiceSpec(ServiceName(namespace, plain), **fields), endpoints)

    return make


@pytest.fixture(scope="session")
def eventually() -> Eventually:
    """Waits for a condition, in place of a sleep: `value = await eventually(lambda: registry.services)`."""

    async def wait(check: Callable[[], T | Awaitable[T]], within: float = 30.0) -> T:
        deadline = asyncio.get_running_loop().time() + within
        while True:
            found = check()
            value = await found if inspect.isawaitable(found) else found
            if value:
                return value
            if asyncio.get_running_loop().time() > deadline:
                pytest.fail(f"still not so after {within} s: {inspect.getsource(check).strip()}")
            await asyncio.sleep(0.01)

    return wait
