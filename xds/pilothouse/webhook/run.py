"""The process of the webhook, from its settings to its end."""

from __future__ import annotations

import asyncio
import resource
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from pilothouse.admin.probes import probes
from pilothouse.admin.serve import Terms, serving
from pilothouse.apiserver.client import Client
from pilothouse.apiserver.credentials import Credentials, load_chain
from pilothouse.apiserver.kubeconfig import Access
from pilothouse.sidecar.wishes import Template
from pilothouse.structures.hostport import HostPort
from pilothouse.structures.memory import give_back
from pilothouse.structures.signals import heed
from pilothouse.webhook.certificates import Keys
from pilothouse.webhook.keeping import Keeper, Place
from pilothouse.webhook.reviewing import reviews

log = structlog.get_logger(__name__)

# A burst of new pods is as many connections; those of strangers are limited with them.
_CONNECTIONS, _DESCRIPTORS = 1_024, 4_096
# An API server lets a connection rest for 90 s. One that ended just then would cost a review.
_IDLE_S = 120
_PROBES = 16
_QUIET_S = 30.0


@dataclass(frozen=True, slots=True)
class Webhook:
    """What the process is to do: listen for reviews and for probes, and inject by the template."""

    listen: HostPort
    probes: HostPort
    place: Place
    template: Template
    access: Access


class Shown:
    """The certificate that new connections are shown: none before there is one."""

    def __init__(self) -> None:
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._until: datetime | None = None

    def use(self, keys: Keys) -> None:
        load_chain(self.tls, *keys.chain_and_key)
        self._until = keys.until

    @property
    def trouble(self) -> str:
        if self._until is None:
            return "there is no certificate yet"
        return f"the certificate has expired at {self._until}" if self._until <= datetime.now(UTC) else ""


async def run(webhook: Webhook, opened: Callable[[int, int], None] = lambda reviews, probes: None) -> None:
    """Answer reviews until SIGTERM or SIGINT; SIGHUP looks after the certificates at once.

    `opened` is called with the two ports. Raises OSError with one line of text if an address cannot be
    listened on.
    """
    stopping, again = asyncio.Event(), asyncio.Event()
    heed(stopping.set, again.set)
    _limit_descriptors()
    shown = Shown()
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        terms = Terms("the webhook", _CONNECTIONS, _IDLE_S, shown.tls)
        listen = webhook.listen
        port = await enter(serving(reviews(webhook.template), listen.host, listen.port, terms))
        answers = probes(lambda: shown.trouble)
        terms = Terms("the port for probes (--probes)", _PROBES)
        probe_port = await enter(serving(answers, webhook.probes.host, webhook.probes.port, terms))
        client = await enter(Client(webhook.access, Credentials(webhook.access), _QUIET_S))
        keeping = asyncio.create_task(Keeper(client, webhook.place, shown.use).keep(again))
        stack.callback(keeping.cancel)
        stack.callback(asyncio.create_task(give_back()).cancel)
        log.info("answering reviews", port=port, probes=probe_port, name=webhook.place.server_name)
        opened(port, probe_port)
        stopped = asyncio.create_task(stopping.wait())
        stack.callback(stopped.cancel)
        # What keeps the certificates ends only by a mistake of ours, which is not to go unseen.
        await asyncio.wait((stopped, keeping), return_when=asyncio.FIRST_COMPLETED)
        if keeping.done():
            keeping.result()
        log.info("stopping")


def _limit_descriptors() -> None:
    """What has not shaken hands yet is no connection that the server counts: the system is to limit these."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
