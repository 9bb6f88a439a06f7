"""The process of the resolver, from its settings to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog
from starlette.requests import Request
from starlette.responses import Response

from pilothouse.admin.probes import probes
from pilothouse.admin.serve import Terms, serving
from pilothouse.admin.status import NamesStatus
from pilothouse.agent.following import Following, Tls
from pilothouse.agent.learned import Learned
from pilothouse.agent.metrics import Counts, exposition
from pilothouse.agent.resolv_conf import PATH, ResolvConf
from pilothouse.agent.resolver import Resolver
from pilothouse.agent.subscription import Subscription
from pilothouse.dns.forwarding import Forwarding
from pilothouse.dns.records import Labels
from pilothouse.dns.responder import Responder
from pilothouse.dns.serving import Port
from pilothouse.dns.serving import serving as answering
from pilothouse.dns.settings import Upstream, by_zone, leads_to
from pilothouse.mesh.audience import Node
from pilothouse.structures.hostport import HostPort
from pilothouse.structures.memory import give_back
from pilothouse.structures.signals import heed

log = structlog.get_logger(__name__)

_PROBES = Terms("the port for probes (--probes)", connections=16)
_NO_RESOLV_CONF = ResolvConf()


@dataclass(frozen=True, slots=True)
class Agent:
    """What the process is to do: learn names from the control plane, and answer an application.

    The application is in `namespace`. `listen` are the addresses of the DNS. `upstreams` are asked for other
    names. If none of them is for all names, the name servers of `resolv_conf` are asked.
    """

    node: Node
    namespace: str
    control_plane: HostPort
    listen: Sequence[HostPort]
    probes: HostPort
    upstreams: Sequence[Upstream] = ()
    tls: Tls | None = None
    resolv_conf: ResolvConf = _NO_RESOLV_CONF


async def run(agent: Agent) -> None:
    """Answer until SIGTERM or SIGINT.

    Raises OSError with one line of text if an address cannot be listened on.
    """
    stopping = asyncio.Event()
    heed(stopping.set, lambda: None)
    learned = Learned()
    following = Following(agent.control_plane, Subscription(agent.node, learned), agent.tls)
    elsewhere = _upstreams(agent)
    forwarding = Forwarding(elsewhere) if elsewhere else None
    forward = forwarding.forward if forwarding else None
    if forward is None:
        log.warning(
            "nobody is asked for other names", reason=f"{PATH} names no server, and --dns-forward none"
        )
    resolver = Resolver(learned, agent.namespace, agent.resolv_conf.search, forward)
    responder = Responder(resolver, forwards=forward is not None)
    port = Port(responder, resolver.elsewhere if forward else None)

    def count() -> Counts:
        names = NamesStatus(responder.answered, forwarding.counts if forwarding else {})
        connected, heard_at = following.connected, following.heard_at
        return Counts(names, resolver.saved, len(learned), connected, following.rejected, heard_at)

    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(answering(port, each)) for each in agent.listen]
        answers = probes(lambda: _untold(following), {"/metrics": _metrics(count)})
        probe_port = await stack.enter_async_context(
            serving(answers, agent.probes.host, agent.probes.port, _PROBES)
        )
        addresses = [str(HostPort(at.host, number)) for at, number in zip(agent.listen, ports, strict=True)]
        asked = {
            ".".join(zone) or ".": [str(each) for each in servers] for zone, servers in elsewhere.items()
        }
        probed = str(HostPort(agent.probes.host, probe_port))
        log.info(
            "answering names",
            dns=addresses,
            probes=probed,
            namespace=agent.namespace,
            control_plane=str(agent.control_plane),
            tls=agent.tls is not None,
            forward=asked,
        )
        tasks = [asyncio.create_task(each) for each in (following.run(), give_back(), stopping.wait())]
        for task in tasks:
            stack.callback(task.cancel)
        # The first two end only by a mistake of ours, which is not to go unseen.
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        log.info("stopping")


def _upstreams(agent: Agent) -> dict[Labels, list[HostPort]]:
    """The name servers of each zone, of the root's for all other names."""
    servers = by_zone(agent.upstreams)
    # What leads here is no help.
    here = agent.listen
    found = [each for each in agent.resolv_conf.servers if not any(leads_to(each, own) for own in here)]
    if () not in servers and found:
        servers[()] = found
    return servers


def _untold(following: Following) -> str:
    """Why no names are known. Empty once the control plane was heard."""
    if following.heard_at is not None:
        return ""
    why = following.trouble
    return "the control plane has not told of names yet" + (f": {why}" if why else "")


def _metrics(count: Callable[[], Counts]) -> Callable[[Request], Awaitable[Response]]:
    """The page for Prometheus."""

    async def metrics(_: Request) -> Response:
        return Response(exposition(count()), media_type="text/plain; version=0.0.4")

    return metrics
