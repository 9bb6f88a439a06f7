"""Who is sent a secret: clients of which a certificate, or this machine, proves that they may have it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.audience import OPEN
from pilothouse.mesh.identity import Grant, Identity
from pilothouse.server.peer import is_local
from pilothouse.serving.feeding import Fed, Granted
from pilothouse.translate.runtime import runtime
from pilothouse.translate.secrets import certificate, validation

from .conftest import Server, Stream
from .test_identity import METHODS, Secured, known_as, spiffe

RUNTIME, SECRET = ResourceType.RUNTIME, ResourceType.SECRET
SHOP, BATCH = Grant(frozenset({"shop"})), Grant(ids=frozenset({"spiffe://mesh.test/ns/shop/sa/batch"}))


class Shelved:
    """A shelf of secrets, and a server of which a client proves who it is, or one of which it does not."""

    def __init__(self, identity: Identity | None) -> None:
        self.secrets, self.runtime = Granted(SECRET), Fed(RUNTIME)
        self.put(SHOP)
        self.runtime.put([runtime({"a": 1})])
        self.server = Server(OPEN, identity, {SECRET: self.secrets, RUNTIME: self.runtime})

    def put(self, grant: Grant, key: bytes = b"key") -> None:
        found = (certificate("web", b"chain", key), grant), (validation("ca", b"ca"), Grant(anyone=True))
        change = self.secrets.grant([*found, (certificate("batch", b"chain", b"key"), BATCH)])
        if hasattr(self, "server") and change:
            self.server.discovery.publish([change])


@pytest.fixture
async def secured(tmp_path: Path) -> AsyncIterator[tuple[Shelved, Secured]]:
    shelved = Shelved(Identity.spiffe())
    found = Secured(shelved.server, tmp_path)
    async with AsyncExitStack() as cleanup:
        await found.start(cleanup)
        yield shelved, found


@pytest.mark.parametrize("method", METHODS[:2])
async def test_a_client_is_sent_what_its_certificate_entitles_it_to(secured, method) -> None:
    shelved, found = secured
    mine, other = (found.authority.issue(spiffe(namespace)) for namespace in ("shop", "data"))
    streams = [await found.dial(issued, method) for issued in (mine, other)]
    for stream, names in zip(streams, (["ca", "web"], ["ca"]), strict=True):
        await stream.ask(SECRET, "web", "ca", "batch")
        assert await stream.names() == names
    # What changes is sent to the one, and of the other nobody hears before it may have it.
    shelved.put(SHOP, b"renewed")
    renewed = await streams[0].read()
    assert b"renewed" in renewed.SerializeToString()
    await streams[0].accept(renewed)
    shelved.put(Grant(frozenset({"data"})), b"later")
    late = await streams[1].read()
    assert b"later" in late.SerializeToString()
    assert b"renewed" not in late.SerializeToString()


@pytest.mark.parametrize("method", METHODS[:2])
async def test_an_id_is_that_of_one_workload(secured, method) -> None:
    _, found = secured
    stream = await found.dial(found.authority.issue("spiffe://mesh.test/ns/shop/sa/batch"), method)
    await stream.ask(SECRET, "batch")
    assert await stream.names() == ["batch"]


@pytest.mark.parametrize("namespace", ["shop", "data"])
@pytest.mark.parametrize("method", METHODS[:2])
async def test_without_certificates_a_client_on_this_machine_is_believed(method, namespace) -> None:
    shelved = Shelved(None)
    async with AsyncExitStack() as cleanup:
        await shelved.server.start(cleanup)
        stream = Stream(shelved.server.channel, method, {"id": "web-0", **known_as(namespace)})
        await stream.ask(SECRET, "web", "ca", "batch")
        assert await stream.names() == (["ca", "web"] if namespace == "shop" else ["ca"])


@pytest.mark.parametrize(
    ("peer", "local"),
    [
        ("ipv4:127.0.0.1:4711", True),
        ("ipv6:[::1]:4711", True),
        ("ipv6:%5B::1%5D:4711", True),
        ("unix:", True),
        ("ipv4:10.0.0.1:4711", False),
        ("ipv4:12.7.0.1:4711", False),
        ("ipv6:[::11]:4711", False),
        ("ipv6:[fd00::1]:4711", False),
        ("unknown", False),
    ],
)
def test_only_this_machine_is_local(peer: str, local: bool) -> None:
    context: Any = type("Context", (), {"peer": lambda self: peer})()
    assert is_local(context) is local


@pytest.mark.parametrize("variant", ["Stream", "Delta"])
@pytest.mark.parametrize(
    ("service", "methods", "type", "name"),
    [
        ("envoy.service.runtime.v3.RuntimeDiscoveryService", "Runtime", RUNTIME, "pilothouse"),
        ("envoy.service.secret.v3.SecretDiscoveryService", "Secrets", SECRET, "ca"),
    ],
)
async def test_each_has_a_service_of_its_own(variant, service, methods, type, name) -> None:
    shelved = Shelved(None)
    async with AsyncExitStack() as cleanup:
        await shelved.server.start(cleanup)
        for _ in range(2):  # it comes back
            stream = Stream(shelved.server.channel, f"/{service}/{variant}{methods}", {"id": "web-0"})
            await stream.ask("", name)
            assert await stream.names() == [name]
            await stream.call.done_writing()
            assert (await stream.ended())[0] is grpc.StatusCode.OK


def test_what_is_as_it_was_stays_the_same_object() -> None:
    """Streams share its bytes, and files are read every few seconds."""
    shelf = Granted(SECRET)
    for _ in range(2):
        shelf.grant([(validation("ca", b"ca"), Grant(anyone=True))])
        held = shelf._held["ca"]
    assert shelf.grant([(validation("ca", b"ca"), Grant(anyone=True))]) is None
    assert shelf._held["ca"] is held
