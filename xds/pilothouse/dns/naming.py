"""The parts that answer names, as the settings ask for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

import structlog

from pilothouse.dns.forwarding import Forwarding
from pilothouse.dns.known import InForce
from pilothouse.dns.names import Names
from pilothouse.dns.responder import Responder
from pilothouse.dns.serving import Port, serving
from pilothouse.dns.settings import DnsSettings, by_zone
from pilothouse.dns.zone import Zone
from pilothouse.mesh.visibility import Scope
from pilothouse.model.services import ServiceName
from pilothouse.serving.naming import Names as Told
from pilothouse.structures.hostport import HostPort

log = structlog.get_logger(__name__)


class Naming:
    """Answers names on a port, if there is to be one. Resolvers elsewhere are told from the `shelf`.

    Who asks at the port is not known, so it is answered what everybody may know of.
    """

    def __init__(self, settings: DnsSettings, known: InForce, shelf: Told) -> None:
        self._address, self._known, self.shelf = settings.dns, known, shelf
        servers = by_zone(settings.dns_forward)
        self._forwarding = Forwarding(servers) if servers else None
        domain = shelf.zone.name
        zones = [Zone.of_cluster(domain, known, settings.dns_pods), Zone.of_cluster_set(known)]
        names = Names(zones, known, Scope())
        self._responder = Responder(names, forwards=self._forwarding is not None)

    @property
    def answered(self) -> Mapping[tuple[str, str], int]:
        """How many answers were given, by type and code."""
        return self._responder.answered

    @property
    def forwarded(self) -> Mapping[str, int]:
        """How many names were looked up elsewhere, by what came of it."""
        return self._forwarding.counts if self._forwarding is not None else {}

    def follow(self, names: Iterable[ServiceName]) -> None:
        """Take note of services that have changed."""
        if self._address is not None:
            self._known.follow(names)

    @asynccontextmanager
    async def serving(self, shared: bool) -> AsyncIterator[None]:
        """Listen. `shared`: with other processes. Raises OSError with one line of text."""
        if self._address is None:
            yield
            return
        forward = self._forwarding.forward if self._forwarding is not None else None
        async with serving(Port(self._responder, forward), self._address, shared) as number:
            log.info("answering names", dns=str(HostPort(self._address.host, number)))
            yield
