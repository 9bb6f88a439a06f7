"""The client for which something is answered: a proxy that is connected, or one that nobody has seen."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from pilothouse.admin.api import views
from pilothouse.admin.api.inquiry import Mistaken
from pilothouse.admin.reading.proxies import missing, place, worst
from pilothouse.admin.reading.services import Parts
from pilothouse.mesh.audience import Audience
from pilothouse.model.services import Locality
from pilothouse.server.discovery import Discovery
from pilothouse.server.session import Session
from pilothouse.serving.world import World
from pilothouse.structures.written import quoted


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks: a client, its world, the DNS domain of its cluster, and its streams if it is a proxy that is
    connected.
    """

    audience: Audience
    world: World
    domain: str
    node: str = ""
    sessions: Sequence[Session] = ()
    streams: int = 1  # ADS streams that have stated the node id

    @property
    def view(self) -> views.AskedBy:
        client = self.audience
        return views.AskedBy(
            client.namespace,
            place(client.locality),
            self.node or None,
            client.node or None,
            worst(self.sessions, time.monotonic()),
            *((self.sessions[0].peer, self.streams) if self.streams > 1 else ()),
        )


async def asking(parts: Parts, discovery: Discovery, proxy: str, namespace: str, locality: str) -> Asking:
    """The proxy, or a client that nobody has seen. Raises Missing and Mistaken."""
    domain = discovery.admission.cluster_domain.lower().strip(".")
    if not proxy:
        client = Audience(namespace=namespace, locality=_locality(locality))
        return Asking(client, World(parts.catalogue, client, discovery.shelves), domain)
    if namespace or locality:
        raise Mistaken("proxy: says where it is itself, so namespace and locality cannot be given with it")
    sessions = discovery.roster.of(proxy)
    if not sessions or sessions[0].world is None:
        raise await missing(discovery.roster, proxy)
    aggregated = [each for each in sessions if each.is_aggregated and each.world is not None]
    if len(aggregated) > 1:  # several clients, so the answer is about one of them: the newest
        sessions = aggregated[-1:]
    world = sessions[0].world
    assert world is not None
    return Asking(world.audience, world, domain, proxy, sessions, max(1, len(aggregated)))


def _locality(text: str) -> Locality:
    parts = text.split("/") if text else []
    if len(parts) > 3:
        raise Mistaken(f"locality: must be REGION, REGION/ZONE or REGION/ZONE/SUBZONE, not {quoted(text)}")
    return Locality(*parts)
