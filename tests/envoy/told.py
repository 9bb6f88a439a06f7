"""A source that reports what a test tells it to, at once and past the checks of a real one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pilothouse.model.reasons import Reason
from pilothouse.model.services import Endpoint, Port, Service, ServiceName, ServiceSpec, ordered
from pilothouse.sources import Fault, Sink

from .backends import Backend


class Told:
    """Reports `services` first; what follows goes through `sink`."""

    name = "told"
    faults: Sequence[Fault] = ()
    left_out: Mapping[Reason, int] = {}

    def __init__(self, *services: Service) -> None:
        self.services = services

    async def run(self, sink: Sink) -> None:
        sink.replace(self.services)
        self.sink = sink
        await asyncio.Event().wait()

    def reread(self) -> None:
        """Nothing is read."""


def service(name: str, *backends: Backend, **spec: Any) -> Service:
    """A service in the namespace `shop` with the port 8080, unless `spec` says otherwise."""
    told = ServiceSpec(ServiceName("shop", name), (Port("http", 8080),))
    endpoints = [Endpoint("127.0.0.1", (("http", backend.port),)) for backend in backends]
    return Service(replace(told, **spec), ordered(endpoints))
