"""What a source makes of a namespace of a cluster."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from pilothouse.apiserver.kubeconfig import kubeconfig
from pilothouse.kubernetes.served import ServedCluster
from pilothouse.model.services import Endpoint, ServiceName, State
from pilothouse.sources.kubernetes.reflector import Pace
from pilothouse.sources.kubernetes.source import KubernetesSource

from ..sources.conftest import RecordingSink
from .namespace import Namespace

PACE = Pace(retry_s=(0.1, 1.0), ask_s=0.5, grace_s=20.0)


class Served:
    """What a source reports of one namespace."""

    def __init__(self, source: KubernetesSource, sink: RecordingSink, namespace: str) -> None:
        self.source, self.sink, self.namespace = source, sink, namespace

    def states(self, name: str) -> dict[str, State]:
        """The endpoints of a service by address."""
        return {each.address: each.state for each in self.endpoints(name)}

    def endpoints(self, name: str) -> tuple[Endpoint, ...]:
        service = self.sink.services.get(ServiceName(self.namespace, name))
        return service.endpoints if service else ()

    def knows(self, name: str) -> bool:
        return ServiceName(self.namespace, name) in self.sink.services

    @property
    def stale(self) -> str:
        return self.sink.staleness[-1] if self.sink.staleness else ""


@asynccontextmanager
async def following(
    file: Path, namespace: Namespace, served: ServedCluster | None = None, selectors: Sequence[str] = ()
) -> AsyncIterator[Served]:
    """A source that has reported, and runs meanwhile."""
    served = served or ServedCluster(included=frozenset({namespace.name}))
    source = KubernetesSource(kubeconfig(file), served, selectors=selectors, pace=PACE)
    sink = RecordingSink()
    task = asyncio.create_task(source.run(sink))
    try:
        deadline = time.monotonic() + 60
        while not sink.reports:
            assert not task.done(), task.result()
            assert time.monotonic() < deadline, "there is no report"
            await asyncio.sleep(0.01)
        yield Served(source, sink, namespace.name)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def put(
    namespace: Namespace,
    service: str,
    *addresses: str,
    name: str = "",
    label: str = "kubernetes.io/service-name",
) -> None:
    """Have one slice of a Service without a selector, or of what the label says."""
    namespace.api.apply(
        namespace.object(
            "EndpointSlice",
            name or f"{service}-1",
            "discovery.k8s.io/v1",
            labels={label: service},
            addressType="IPv4",
            ports=[{"name": "http", "port": 8080}],
            endpoints=[{"addresses": [address]} for address in addresses],
        )
    )
