"""A sink that remembers, and the backends that the contract of sources is tested against."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    nullcontext,
    suppress,
)
from pathlib import Path
from typing import Protocol

import pytest

from pilothouse.model.services import Service, ServiceName
from pilothouse.sources import UNSTATED, Cause, Source, Unknown
from pilothouse.sources.files.source import Absence, FilesSource

from .kubernetes.backend import KubernetesBackend
from .polled import PolledBackend

Running = Callable[[Source], AbstractAsyncContextManager["RecordingSink"]]


class RecordingSink:
    """What a source reported: the services as they are now, and each report in order.

    A report is ("replace", names), ("put", name) or ("remove", name).
    """

    def __init__(self) -> None:
        self.services: dict[ServiceName, Service] = {}
        self.reports: list[tuple[str, object]] = []
        self.causes: list[Cause] = []  # of what was put and removed
        self.suspect = False  # the last report of everything
        self.places: tuple[str, ...] = ()  # that are unknown
        self.partial: frozenset[ServiceName] = frozenset()  # that may have more than is known
        self.staleness: list[str] = []  # what was told to be stale

    def restore(self, services: Iterable[Service]) -> None:
        self.services = {service.name: service for service in services}
        self.reports.append(("restore", sorted(self.services)))

    def together(self) -> AbstractContextManager[None]:
        return nullcontext()

    def unknown(self, unknown: Unknown) -> None:
        self.places, self.partial = unknown

    def stale(self, why: str) -> None:
        self.staleness.append(why)

    def replace(self, services: Iterable[Service], suspect: bool = False, cause: Cause = UNSTATED) -> None:
        self.suspect = suspect
        self.services = {service.name: service for service in services}
        self.reports.append(("replace", sorted(self.services)))

    def put(self, service: Service, cause: Cause = UNSTATED, observed: bool = False) -> None:
        self.causes.append(cause)
        self.services[service.name] = service
        self.reports.append(("put", service.name))

    def remove(self, name: ServiceName, cause: Cause = UNSTATED) -> None:
        self.causes.append(cause)
        self.services.pop(name, None)
        self.reports.append(("remove", name))

    def addresses(self, name: str, namespace: str = "shop") -> list[str] | None:
        """The addresses behind a service; None where there is no such service."""
        service = self.services.get(ServiceName(namespace, name))
        return None if service is None else [endpoint.address for endpoint in service.endpoints]


class Backend(Protocol):
    """A backend that the contract can change. Its services are in the namespace `shop`."""

    def source(self) -> Source:
        """A source that reads this backend."""

    def declare(self, name: str, *addresses: str) -> None:
        """Have a service with these endpoints, whatever it was before."""

    def withdraw(self, name: str) -> None:
        """Have the service no more."""

    def go_away(self) -> None:
        """Answer nothing any more."""


class DocumentBackend(Backend, Protocol):
    """One that holds a document for each service, which can be broken alone."""

    def say_again(self, name: str) -> None:
        """Write what is known of a service once more, without a change of meaning."""

    def break_(self, name: str) -> None:
        """Make what is known of a service impossible to read."""


MANIFEST = """\
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: shop}}
spec:
  ports: [{{name: http, port: 80, targetPort: 8080}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-1, namespace: shop, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: http, port: 8080}}]
endpoints: [{endpoints}]
"""


def manifest(name: str, *addresses: str) -> str:
    """A Service in the namespace `shop` and its EndpointSlice."""
    endpoints = ", ".join(f"{{addresses: [{address}]}}" for address in addresses)
    return MANIFEST.format(name=name, endpoints=endpoints)


class FilesBackend:
    """A folder with one file a service."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def source(self) -> Source:
        return FilesSource([self.folder], absence=Absence(allow_empty=True), first_report_grace_s=0.2)

    def declare(self, name: str, *addresses: str) -> None:
        self._file(name).write_text(manifest(name, *addresses))

    def withdraw(self, name: str) -> None:
        self._file(name).unlink()

    def go_away(self) -> None:
        self.folder.rename(f"{self.folder}.away")

    def say_again(self, name: str) -> None:
        file = self._file(name)
        file.write_text(f"# said again\n{file.read_text()}")

    def break_(self, name: str) -> None:
        file = self._file(name)
        file.write_text(file.read_text()[:-5])

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.yaml"


@pytest.fixture(
    params=[FilesBackend, PolledBackend, KubernetesBackend], ids=["files", "polled", "kubernetes"]
)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """One backend after the other; a new source adds its own to the parameters."""
    made: Backend = request.param(tmp_path)
    yield made
    if isinstance(made, KubernetesBackend):
        made.close()


@pytest.fixture(params=[FilesBackend], ids=["files"])
def documents(request: pytest.FixtureRequest, tmp_path: Path) -> DocumentBackend:
    """Those that hold documents."""
    made: DocumentBackend = request.param(tmp_path)
    return made


@pytest.fixture
def synced(eventually: Callable[..., Awaitable[object]]) -> Callable[[RecordingSink], Awaitable[object]]:
    """Waits for the first report."""
    return lambda sink: eventually(lambda: sink.reports)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for manifests, still empty."""
    folder = tmp_path / "manifests"
    folder.mkdir()
    return folder


@pytest.fixture(name="manifest")
def manifest_() -> Callable[..., str]:
    return manifest


@pytest.fixture
def running() -> Running:
    """`async with running(source) as sink`: the source runs meanwhile, and must not fail."""

    @asynccontextmanager
    async def run(source: Source) -> AsyncIterator[RecordingSink]:
        sink = RecordingSink()
        task = asyncio.create_task(source.run(sink))
        try:
            yield sink
            assert not task.done(), task.result()
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    return run
