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

    @property
    def view(self) -> views.AskedBy:
        client = self.audience
        return views.AskedBy(
            client.namespace,
            place(client.locality),
            self.node or None,
            client.node or None,
            worst(self.sessions, time.monotonic()),
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
    world = sessions[0].world
    return Asking(world.audience, world, domain, proxy, sessions)


def _locality(text: str) -> Locality:
    parts = text.split("/") if text else []
    if len(parts) > 3:
        raise Mistaken(f"locality: must be REGION, REGION/ZONE or REGION/ZONE/SUBZONE, not {quoted(text)}")
    return Locality(*parts)
