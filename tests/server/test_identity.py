"""Certificates in connections: they say who a client is, and are renewed while the server runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog

from pilothouse.encoding.types import ResourceType
from pilothouse.feeds.pem import Files
from pilothouse.mesh.audience import Admission
from pilothouse.mesh.identity import Identity
from pilothouse.server.certificates import Certificates

from ..authority import Authority, Issued, replace
from .conftest import ADS, Server, Stream, cluster, service

CLUSTER = ResourceType.CLUSTER
BOTH = [cluster("orders"), cluster("payments")]
METHODS = [
    f"{ADS}StreamAggregatedResources",
    f"{ADS}DeltaAggregatedResources",
    "/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters",
    "/envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters",
]


def spiffe(namespace: str) -> str:
    return f"spiffe://mesh.test/ns/{namespace}/sa/web"


class Secured:
    """A server with certificates in files, and clients with certificates of their own."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.authority = server, Authority()
        self.ca, self._folder = folder / "ca.crt", folder
        self.renew(self.authority)
        self.trust(self.authority)
        self.certificates = Certificates(Files(folder / "tls.crt", folder / "tls.key", self.ca))

    def renew(self, authority: Authority) -> None:
        authority.issue("127.0.0.1").write(self._folder, "tls")

    def trust(self, *authorities: Authority) -> None:
        replace(self.ca, b"".join(each.pem for each in authorities))

    async def start(self, cleanup: AsyncExitStack) -> None:
        await self.server.start(cleanup, self.certificates)
        self._cleanup = cleanup

    async def dial(
        self, mine: Issued, method: str = METHODS[1], server: Authority | None = None, **node: Any
    ) -> Stream:
        """A stream on a connection of its own, to a server of an authority, by one that has a certificate."""
        return Stream(await self.connect(mine, server), method, {"id": "web-0", **node})

    async def connect(self, mine: Issued, server: Authority | None = None) -> grpc.aio.Channel:
        """A connection of its own, to a server of an authority, by one that has a certificate."""
        credentials = grpc.ssl_channel_credentials((server or self.authority).pem, mine.key, mine.cert)
        options = [("grpc.use_local_subchannel_pool", 1)]
        channel = grpc.aio.secure_channel(f"127.0.0.1:{self.server.port}", credentials, options)
        return await self._cleanup.enter_async_context(channel)

    async def refused(self, mine: Issued, server: Authority | None = None) -> bool:
        """Whether no connection comes about."""
        stream = await self.dial(mine, server=server)
        code, _ = await stream.ended()
        return code is grpc.StatusCode.UNAVAILABLE


@pytest.fixture
async def secured(tmp_path: Path) -> AsyncIterator[Secured]:
    found = Secured(Server(Admission(wildcards=frozenset({"shop"})), Identity.spiffe()), tmp_path)
    found.server.put(service("payments"), service("orders"))
    async with AsyncExitStack() as cleanup:
        await found.start(cleanup)
        yield found


def known_as(namespace: str, *dependencies: str) -> dict[str, Any]:
    said = {"namespace": namespace, **({"dependencies": list(dependencies)} if dependencies else {})}
    return {"metadata": {"pilothouse": said}}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("agent", ["envoy", "gRPC C-core"])
async def test_a_client_is_in_the_namespace_of_its_certificate(secured, method, agent) -> None:
    mine = secured.authority.issue(spiffe("shop"))
    for node in ({}, known_as("shop")):
        stream = await secured.dial(mine, method, user_agent_name=agent, **node)
        await stream.ask(CLUSTER, *BOTH)
        assert await stream.names() == BOTH
    namespaces = {session.world.audience.namespace for session in secured.server.discovery.sessions}
    assert namespaces == {"shop"}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("agent", ["envoy", "gRPC C-core"])
async def test_a_client_that_says_another_namespace_than_its_certificate_is_refused(
    secured, method, agent
) -> None:
    stream = await secured.dial(
        secured.authority.issue(spiffe("data")), method, user_agent_name=agent, **known_as("shop")
    )
    with structlog.testing.capture_logs() as logs:
        await stream.ask(CLUSTER)
        code, details = await stream.ended()
    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert details == "the node says it is in the namespace shop, its certificate is of data"
    assert [line["node"] for line in logs if line["event"] == "stream refused"] == ["web-0"]


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["web.shop.svc.cluster.local"],
        ["spiffe://mesh.test/web"],
        [spiffe("shop"), spiffe("data")],
    ],
)
@pytest.mark.parametrize("method", METHODS)
async def test_a_certificate_that_names_no_namespace_is_refused(secured, method, names) -> None:
    stream = await secured.dial(secured.authority.issue(*names), method, **known_as("shop"))
    await stream.ask(CLUSTER)
    code, details = await stream.ended()
    assert code is grpc.StatusCode.UNAUTHENTICATED
    assert details.startswith("the client's certificate ")


async def test_who_may_depend_on_everything_is_asked_of_the_certificate(secured) -> None:
    stream = await secured.dial(secured.authority.issue(spiffe("data")))
    await stream.ask(CLUSTER)
    code, details = await stream.ended()
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "a client in the namespace data may not depend on everything" in details


async def test_renewed_certificates_are_for_new_connections_and_drop_no_stream(secured, eventually) -> None:
    old, new = secured.authority, Authority()
    before = await secured.dial(old.issue(spiffe("shop")))
    await before.ask(CLUSTER)
    assert await before.names() == BOTH

    secured.renew(new)
    secured.trust(new)
    secured.certificates.look()
    await eventually(lambda: secured.certificates.tls.client_ca == new.pem)
    after = await secured.dial(new.issue(spiffe("shop")), server=new)
    await after.ask(CLUSTER)
    assert await after.names() == BOTH
    assert await secured.refused(old.issue(spiffe("shop")), server=new)
    assert await secured.refused(new.issue(spiffe("shop")), server=old)

    secured.server.put(service("carts"))
    assert await before.names() == [cluster("carts")]
    assert await after.names() == [cluster("carts")]


async def test_files_that_do_not_fit_change_nothing_and_are_found_without_a_signal(
    secured, eventually
) -> None:
    mine, other = secured.authority.issue(spiffe("shop")), Authority()
    replace(secured.ca.with_name("tls.crt"), other.issue("127.0.0.1").cert)
    await eventually(lambda: "is not the key of" in secured.certificates.error)
    stream = await secured.dial(mine)
    await stream.ask(CLUSTER)
    assert await stream.names() == BOTH
