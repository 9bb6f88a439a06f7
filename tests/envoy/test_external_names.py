"""Names outside of the mesh, which Envoy resolves: by a name server of the tests' own."""

from __future__ import annotations

import asyncio

import pytest

from .backends import Backend
from .load import Answer, ask
from .manifests import alias, endpoint_slice, service

pytestmark = pytest.mark.envoy

NAME = "api.example.com"


class Mirror(Backend):
    """Answers with the host that it was asked for."""

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            self.name = head.partition("host: ")[2].partition("\r\n")[0]
            await self._http1(writer)


@pytest.fixture
async def mirror():
    backend = Mirror("")
    await backend.start()
    yield backend
    await backend.stop()


def partner(port: int) -> dict:
    return service("partner", type="ExternalName", externalName=NAME, ports=[{"name": "http", "port": port}])


async def test_an_external_name_is_resolved_and_asked_for_by_its_own_name(
    mesh, names, mirror, eventually
) -> None:
    names.addresses[NAME] = ["127.0.0.1"]
    mesh.manifests.save("partner", partner(mirror.port), alias("other", "partner.shop.svc.cluster.local"))
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    for host in ("partner", "partner.shop", "other", f"partner:{mirror.port}"):
        await eventually(lambda host=host: answers(sidecar, host, Answer(200, NAME)))
    assert names.asked


async def test_a_name_that_moves_is_followed_and_one_that_fails_is_kept(
    mesh, names, mirror, eventually
) -> None:
    names.addresses[NAME] = ["127.0.0.1"]
    mesh.manifests.save("partner", partner(mirror.port))
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    await eventually(lambda: answers(sidecar, "partner", Answer(200, NAME)))

    names.failing, asked = True, names.asked
    await eventually(lambda: names.asked > asked + 1)
    assert await ask(sidecar.egress, "partner") == (200, NAME)

    names.failing = False
    names.addresses[NAME] = ["127.0.0.9"]
    await eventually(lambda: is_refused(sidecar, "partner"))


async def test_a_name_is_asked_for_again_when_its_record_has_had_its_time(
    mesh, names, mirror, eventually
) -> None:
    """A second here. Left to itself Envoy asks every five seconds, and three times in fifteen."""
    names.addresses[NAME] = ["127.0.0.1"]
    mesh.manifests.save("partner", partner(mirror.port))
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    await eventually(lambda: answers(sidecar, "partner", Answer(200, NAME)))
    asked = names.asked
    await eventually(lambda: names.asked > asked + 2, within=12)


async def test_a_service_that_becomes_external_and_back_is_called_all_the_time(
    mesh, names, mirror, eventually
) -> None:
    names.addresses[NAME] = ["127.0.0.1"]
    inside = await mesh.backend("inside")
    own = service("partner", ports=[{"name": "http", "port": mirror.port}])
    mesh.manifests.save("partner", own, inside.slice("partner"))
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    for documents, answer in (
        ([partner(mirror.port)], Answer(200, NAME)),
        ([own, inside.slice("partner")], Answer(200, "inside")),
    ):
        mesh.manifests.save("partner", *documents)
        await eventually(lambda answer=answer: answers(sidecar, "partner", answer))


async def test_a_name_server_that_does_not_answer_keeps_nothing_else_waiting(
    mesh, names, mirror, eventually
) -> None:
    names.silent = True
    first, second = await mesh.backend("first"), await mesh.backend("second")
    mesh.manifests.save("first", service("first"), first.slice("first"), partner(mirror.port))
    sidecar = await mesh.sidecar((await mesh.serve()).port)  # live, well within the patience of the resolver
    assert await ask(sidecar.egress, "first") == (200, "first")
    assert (await ask(sidecar.egress, "partner")).status == 503
    other = service("other", type="ExternalName", externalName="other.example.com", ports=[{"port": 80}])
    mesh.manifests.save("second", service("second"), second.slice("second"), other)
    await eventually(lambda: answers(sidecar, "second", Answer(200, "second")))


async def test_slices_of_host_names_are_resolved(mesh, names, mirror, eventually) -> None:
    names.addresses |= {"one.example.com": ["127.0.0.1"], "two.example.com": ["127.0.0.1"]}
    slices = [endpoint_slice("legacy", f"{name}.example.com", mirror.port) for name in ("one", "two")]
    mesh.manifests.save("legacy", service("legacy"), *({**each, "addressType": "FQDN"} for each in slices))
    sidecar = await mesh.sidecar((await mesh.serve()).port)
    await eventually(lambda: answers(sidecar, "legacy", Answer(200, "legacy")))


async def answers(sidecar, host: str, expected: Answer) -> bool:
    return await ask(sidecar.egress, host) == expected


async def is_refused(sidecar, host: str) -> bool:
    """Nobody listens at the new address."""
    return (await ask(sidecar.egress, host)).status == 503
