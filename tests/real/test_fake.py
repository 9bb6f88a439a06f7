"""The fake API server of tests/apiserver answers as a real one does, as far as the source asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import pytest

from pilothouse.apiserver import client as module
from pilothouse.apiserver.answers import Event, bookmark
from pilothouse.apiserver.client import Client, Refused
from pilothouse.apiserver.credentials import Credentials
from pilothouse.apiserver.kubeconfig import Access, kubeconfig
from pilothouse.sources.kubernetes.decoding import Decoder
from pilothouse.sources.kubernetes.resources import BUILT_IN, INSTALLED, NODES, Resource

from ..apiserver.fake import FakeApi
from ..sources.kubernetes.backend import PORTS
from .cluster import NOBODY, Cluster
from .namespace import Namespace

SERVICES = BUILT_IN[0]
STAMP = "2026-01-01T00:00:00Z"
BEGINNING = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}


class Server(Protocol):
    """An API server, and one namespace of it in which a test may do what it likes."""

    namespace: str

    def access(self, token: str = "") -> Access: ...
    def put(self, name: str, affinity: str = "None", **labels: str) -> None: ...
    def delete(self, name: str) -> None: ...


class Fake:
    namespace = "shop"

    def __init__(self) -> None:
        self.api = FakeApi()
        self.api.token = "good"

    def access(self, token: str = "good") -> Access:
        if token == NOBODY:
            self.api.token, self.api.forbidden = token, {"Service"}
        return Access(self.api.url, token=token)

    def put(self, name: str, affinity: str = "None", **labels: str) -> None:
        spec = {"ports": PORTS, "sessionAffinity": affinity}
        self.api.put("Service", name, spec=spec, metadata={"labels": labels})

    def delete(self, name: str) -> None:
        self.api.delete("Service", name)


class Real:
    def __init__(self, cluster: Cluster, namespace: Namespace) -> None:
        self._namespace, self.namespace = namespace, namespace.name
        self._access = kubeconfig(cluster.kubeconfig)

    def access(self, token: str = "") -> Access:
        own = self._access
        return Access(own.server, own.authority, token=token or own.token)

    def put(self, name: str, affinity: str = "None", **labels: str) -> None:
        spec = {"ports": [{"name": "http", "port": 80}], "sessionAffinity": affinity}
        self._namespace.api.apply(self._namespace.object("Service", name, labels=labels, spec=spec))

    def delete(self, name: str) -> None:
        self._namespace.api.delete("Service", name, self.namespace)


@pytest.fixture
def fake() -> Iterator[Server]:
    made = Fake()
    yield made
    made.api.close()


@pytest.fixture
def real(cluster: Cluster, namespace: Namespace) -> Server:
    return Real(cluster, namespace)


@asynccontextmanager
async def asking(access: Access) -> AsyncIterator[Client]:
    async with Client(access, Credentials(access), quiet_s=30.0) as client:
        yield client


async def listed(client: Client, path: str, metadata: bool = False) -> tuple[list[list[str]], str]:
    """The names on each page, and the version of the last one."""
    decoder, pages, version = Decoder(SERVICES), [], ""
    async for page in client.list(path, {}, metadata):
        pages.append([decoder.key(item)[0].name for item in page.items])
        version = page.version
    return pages, version


async def some(events: AsyncIterator[Event], number: int) -> list[Event]:
    """The next events that are no bookmark of the moment."""
    found: list[Event] = []
    while len(found) < number:
        event = await anext(events)
        if event.type != "BOOKMARK" or bookmark(event.object).ends_beginning:
            found.append(event)
    return found


async def follows_a_list(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAGE", 2)
    path = SERVICES.path(server.namespace)
    for name in ("a", "b", "c"):
        server.put(name)
    async with asking(server.access()) as client:
        pages, version = await listed(client, path)
        assert pages == [["a", "b"], ["c"]]
        server.put("d")
        server.put("d", "ClientIP")
        server.delete("d")
        async with client.watch(path, {"resourceVersion": version}) as events:
            found = await some(events, 3)
    assert [event.type for event in found] == ["ADDED", "MODIFIED", "DELETED"]
    versions = [int(Decoder(SERVICES).key(event.object)[1]) for event in found]
    assert versions == sorted(set(versions))
    assert versions[0] > int(version)


async def tells_a_watch_with_a_selector_what_it_selects(server: Server) -> None:
    path = SERVICES.path(server.namespace)
    server.put("a", team="shop")
    server.put("b", team="office")
    asked = {**BEGINNING, "labelSelector": "team in (shop, lab)"}
    async with asking(server.access()) as client, client.watch(path, asked) as events:
        first, _ = await some(events, 2)
        assert Decoder(SERVICES).key(first.object)[0].name == "a"
        server.put("b", team="lab")
        server.put("b", "ClientIP", team="lab")
        server.put("b", team="office")
        found = await some(events, 3)
    assert [event.type for event in found] == ["ADDED", "MODIFIED", "DELETED"]
    versions = [int(Decoder(SERVICES).key(event.object)[1]) for event in found]
    assert versions == sorted(set(versions))


async def streams_a_list(server: Server) -> None:
    server.put("a")
    server.put("b")
    path = SERVICES.path(server.namespace)
    async with asking(server.access()) as client, client.watch(path, BEGINNING) as events:
        first, second, end = await some(events, 3)
        assert [Decoder(SERVICES).key(each.object)[0].name for each in (first, second)] == ["a", "b"]
        assert (end.type, int(bookmark(end.object).version) > 0) == ("BOOKMARK", True)
        server.put("c")
        (third,) = await some(events, 1)
        assert third.type == "ADDED"


async def tells_metadata_alone(server: Server) -> None:
    server.put("a")
    path = SERVICES.path(server.namespace)
    async with asking(server.access()) as client:
        async for page in client.list(path, {}, metadata=True):
            assert b'"spec"' not in bytes(page.items[0])
        async with client.watch(path, BEGINNING, metadata=True) as events:
            (event,) = await some(events, 1)
            assert b'"spec"' not in bytes(event.object)
            assert Decoder(SERVICES).key(event.object)[0].name == "a"


async def tells_one_object(server: Server) -> None:
    server.put("a")
    server.put("b")
    asked = {"fieldSelector": "metadata.name=b"}
    async with asking(server.access()) as client:
        path = SERVICES.path(server.namespace)
        found = [item async for page in client.list(path, asked) for item in page.items]
    assert [Decoder(SERVICES).key(item)[0].name for item in found] == ["b"]


async def refuses(server: Server) -> None:
    path = SERVICES.path(server.namespace)
    with pytest.raises(Refused, match="401: Unauthorized"):
        await ask(server.access("of nobody"), path)
    unknown = Resource("Nothing", "nothings", "nothing.test/v1")
    with pytest.raises(Refused, match="404: ") as raised:
        await ask(server.access(), unknown.path())
    assert raised.value.status == 404
    with pytest.raises(Refused, match=r"403: services is forbidden: User .* cannot list resource"):
        await ask(server.access(NOBODY), path)


async def ask(access: Access, path: str) -> None:
    async with asking(access) as client:
        await listed(client, path)


async def knows_no_kinds_of_a_group_that_is_not_there(server: Server) -> None:
    async with asking(server.access()) as client:
        assert await client.kinds("nothing.test") == {}


async def lists_what_is_in_no_namespace(server: Server) -> None:
    async with asking(server.access()) as client:
        pages, version = await listed(client, NODES.path(), metadata=True)
    assert len(pages) == 1
    assert int(version) > 0


async def takes_the_first_write_and_tells_the_others(server: Server) -> None:
    path = f"/api/v1/namespaces/{server.namespace}/secrets"
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "data": {"a": "eA=="}}
    async with asking(server.access()) as client:
        made = await client.create(path, secret)
        with pytest.raises(Refused) as raised:
            await client.create(path, secret)
        assert raised.value.status == 409
        changed = await client.replace(f"{path}/keys", {**made, "data": {"a": "eQ=="}})
        with pytest.raises(Refused) as raised:
            await client.replace(f"{path}/keys", {**made, "data": {"a": "eg=="}})
        assert raised.value.status == 409
        found = await client.get(f"{path}/keys")
    assert found["data"] == {"a": "eQ=="}
    assert found["metadata"]["resourceVersion"] == changed["metadata"]["resourceVersion"]


async def joins_webhooks_by_their_names(server: Server) -> None:
    path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
    head: dict[str, Any] = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
    }
    head |= {"metadata": {"name": server.namespace}}
    # Without rules nobody is asked.
    webhooks = [
        {
            "name": f"{name}.webhook.test",
            "clientConfig": {"url": "https://nobody.test/"},
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
        for name in ("a", "b")
    ]
    said = [{"name": each["name"], "clientConfig": {"caBundle": "eA=="}} for each in webhooks[:1]]
    async with asking(server.access()) as client:
        await client.create(path, {**head, "webhooks": webhooks})
        found = await client.apply(f"{path}/{server.namespace}", {**head, "webhooks": said}, "test")
    configs = {each["name"]: each["clientConfig"] for each in found["webhooks"]}
    assert configs["a.webhook.test"] == {"url": "https://nobody.test/", "caBundle": "eA=="}
    assert configs["b.webhook.test"] == {"url": "https://nobody.test/"}


async def applies_a_status_at_the_version_that_was_shown(server: Server) -> None:
    server.put("a")
    path = f"{SERVICES.path(server.namespace)}/a/status"

    def body(version: str) -> dict[str, Any]:
        meta = {"name": "a", "namespace": server.namespace, "resourceVersion": version}
        told = {"type": "x", "status": "True", "reason": "Y", "message": "", "lastTransitionTime": STAMP}
        return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "status": {"conditions": [told]}}

    async with asking(server.access()) as client:
        (_, shown) = await listed(client, SERVICES.path(server.namespace))
        first = await client.apply(path, body(""), "test")
        version = first["metadata"]["resourceVersion"]
        with pytest.raises(Refused) as raised:
            await client.apply(path, body(shown), "test")
        assert raised.value.status == 409
        again = await client.apply(path, body(version), "test")
        assert again["metadata"]["resourceVersion"] == version  # nothing has changed


CONTRACT = [
    applies_a_status_at_the_version_that_was_shown,
    streams_a_list,
    tells_a_watch_with_a_selector_what_it_selects,
    tells_metadata_alone,
    tells_one_object,
    refuses,
    knows_no_kinds_of_a_group_that_is_not_there,
    lists_what_is_in_no_namespace,
    takes_the_first_write_and_tells_the_others,
    joins_webhooks_by_their_names,
]
IDS = [each.__name__.replace("_", " ") for each in CONTRACT]


@pytest.mark.parametrize("behaves", CONTRACT, ids=IDS)
async def test_the_real_one(real: Server, behaves) -> None:
    await behaves(real)


@pytest.mark.parametrize("behaves", CONTRACT, ids=IDS)
async def test_the_fake(fake: Server, behaves) -> None:
    await behaves(fake)


async def test_the_real_one_goes_on_from_the_version_of_a_list(
    real: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    await follows_a_list(real, monkeypatch)


async def test_the_fake_goes_on_from_the_version_of_a_list(
    fake: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    await follows_a_list(fake, monkeypatch)


def test_the_groups_of_what_may_be_installed_are_those_of_its_definitions() -> None:
    assert [*INSTALLED] == ["gateway.networking.k8s.io", "multicluster.x-k8s.io"]
