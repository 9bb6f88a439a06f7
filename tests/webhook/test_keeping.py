"""Replicas that keep their certificates in one Secret, and the API server told whom to trust."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from pilothouse.apiserver.answers import Unreadable
from pilothouse.apiserver.client import Client, Refused
from pilothouse.apiserver.credentials import Credentials
from pilothouse.apiserver.kubeconfig import Access
from pilothouse.webhook.certificates import Keys, made, read
from pilothouse.webhook.keeping import Keeper, Place

from ..apiserver.fake import FakeApi

PLACE = Place("pilothouse", "pilothouse-webhook", "pilothouse-webhook", "pilothouse")
SECRETS = "/api/v1/namespaces/pilothouse/secrets"
SECRET = f"{SECRETS}/pilothouse-webhook"
CONFIGURATION = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/pilothouse"
SERVICE = {"namespace": "pilothouse", "name": "pilothouse-webhook"}
DAY = timedelta(days=1)


class Replica:
    """One of several, with a clock of its own."""

    def __init__(self, client: Client) -> None:
        self.now = datetime(2030, 1, 1, tzinfo=UTC)
        self.used: list[Keys] = []
        self.keeper = Keeper(client, PLACE, self.used.append, lambda: self.now)

    async def check(self) -> None:
        await self.keeper.check()

    @property
    def served(self) -> bytes:
        return self.used[-1].data()["tls.crt"]


@pytest.fixture
def api() -> Iterator[FakeApi]:
    fake = FakeApi()
    fake.written[CONFIGURATION] = {
        "metadata": {"name": "pilothouse", "resourceVersion": "1"},
        "webhooks": [{"name": name, "clientConfig": {"service": dict(SERVICE)}} for name in ("a", "b")],
    }
    yield fake
    fake.close()


@asynccontextmanager
async def asking(api: FakeApi) -> AsyncIterator[Client]:
    access = Access(api.url)
    async with Client(access, Credentials(access), quiet_s=30.0) as client:
        yield client


@pytest.fixture
async def client(api: FakeApi) -> AsyncIterator[Client]:
    async with asking(api) as client:
        yield client


@pytest.fixture
def replica(client: Client) -> Replica:
    return Replica(client)


def kept(api: FakeApi) -> Keys:
    """What is in the Secret."""
    data = api.written[SECRET]["data"]
    return read({name: b64decode(value) for name, value in data.items()})


def trusted(api: FakeApi) -> list[bytes]:
    """The CAs of each webhook."""
    webhooks = api.written[CONFIGURATION]["webhooks"]
    return [b64decode(each["clientConfig"].get("caBundle", "")) for each in webhooks]


async def test_the_first_replica_makes_them_and_tells_the_api_server(api, replica) -> None:
    await replica.check()
    assert kept(api).data() == replica.used[-1].data()
    assert trusted(api) == [kept(api).bundle] * 2
    assert api.written[CONFIGURATION]["webhooks"][0]["clientConfig"]["service"] == SERVICE


async def test_what_is_as_it_should_be_is_not_written(api, replica) -> None:
    await replica.check()
    api.writes.clear()
    await replica.check()
    assert api.writes == []
    assert len(replica.used) == 1


async def test_replicas_that_start_together_serve_the_same(api, client) -> None:
    replicas = [Replica(client) for _ in range(8)]
    await asyncio.gather(*(each.check() for each in replicas))
    assert {each.served for each in replicas} == {kept(api).data()["tls.crt"]}
    assert [path for method, path in api.writes if method == "POST"] == [SECRET]


async def test_replicas_that_renew_together_serve_the_same(api, client) -> None:
    replicas = [Replica(client) for _ in range(8)]
    for days in range(0, 800, 61):
        for each in replicas:
            each.now = datetime(2030, 1, 1, tzinfo=UTC) + days * DAY
        # What is due is seen, waits for trust that has settled, is renewed by one, and adopted by all.
        for _ in range(4):
            await asyncio.gather(*(each.check() for each in replicas))
        assert {each.served for each in replicas} == {kept(api).data()["tls.crt"]}
        assert trusted(api) == [kept(api).bundle] * 2


async def test_a_new_ca_signs_only_when_the_api_server_trusts_it(api, replica) -> None:
    await replica.check()
    for _ in range(7):
        replica.now += 61 * DAY
        await replica.check()
    replica.now += 61 * DAY
    api.denied = {("PATCH", CONFIGURATION)}
    before = replica.served
    for _ in range(3):
        with pytest.raises(Refused):
            await replica.check()
    assert len(kept(api).authorities) == 2
    api.denied = set()
    for _ in range(2):
        await replica.check()
        assert replica.served == before
    await replica.check()
    assert replica.served != before
    assert trusted(api) == [kept(api).bundle] * 2


@pytest.mark.parametrize("data", [{"tls.crt": b64encode(b"garbage").decode()}, {"ca.crt": "%%%"}, None])
async def test_a_broken_secret_is_replaced_by_what_a_replica_still_has(api, replica, data) -> None:
    await replica.check()
    before = replica.served
    api.written[SECRET]["data"] = data
    with capture_logs() as logs:
        await replica.check()
    assert kept(api).data()["tls.crt"] == before
    assert trusted(api) == [kept(api).bundle] * 2
    assert "the Secret of the webhook is broken" in [line["event"] for line in logs]


async def test_a_secret_that_is_installed_empty_is_filled_without_a_warning(api, replica) -> None:
    api.written[SECRET] = {"metadata": {"name": "pilothouse-webhook", "resourceVersion": "7"}}
    with capture_logs() as logs:
        await replica.check()
    assert kept(api).data()["tls.crt"] == replica.served
    assert {line["log_level"] for line in logs} == {"info"}


async def test_a_broken_secret_is_replaced_by_a_replica_that_has_just_started(api, replica) -> None:
    api.written[SECRET] = {
        "metadata": {"name": "pilothouse-webhook", "resourceVersion": "7", "labels": {"team": "mesh"}},
        "data": {"tls.crt": "", "more": "eA=="},
    }
    await replica.check()
    assert kept(api).data()["tls.crt"] == replica.served
    assert api.written[SECRET]["metadata"]["labels"] == {"team": "mesh"}


async def test_a_secret_that_is_deleted_is_made_again_with_the_same_keys(api, replica) -> None:
    await replica.check()
    before = replica.served
    del api.written[SECRET]
    await replica.check()
    assert kept(api).data()["tls.crt"] == before


async def test_cas_that_somebody_overwrote_are_restored(api, replica) -> None:
    await replica.check()
    api.written[CONFIGURATION]["webhooks"][1]["clientConfig"]["caBundle"] = ""
    await replica.check()
    assert trusted(api) == [kept(api).bundle] * 2


async def test_the_ca_of_a_webhook_that_leads_elsewhere_is_left_as_it_is(api, replica) -> None:
    elsewhere = {"service": {**SERVICE, "name": "policies"}, "caBundle": "c29tZWJvZHk="}
    by_url = {"url": "https://policies.example.com/", "caBundle": "c29tZWJvZHk="}
    webhooks = api.written[CONFIGURATION]["webhooks"]
    webhooks += [{"name": "c", "clientConfig": elsewhere}, {"name": "d", "clientConfig": by_url}]
    await replica.check()
    assert trusted(api) == [kept(api).bundle] * 2 + [b"somebody"] * 2
    api.writes.clear()
    await replica.check()
    assert api.writes == []


@pytest.mark.parametrize("webhooks", [None, [], [{"name": "a", "clientConfig": {"url": "https://w/"}}]])
async def test_that_no_webhook_leads_here_is_told(api, replica, webhooks) -> None:
    api.written[CONFIGURATION]["webhooks"] = webhooks
    with pytest.raises(
        Unreadable, match="no webhook of it leads to the Service pilothouse/pilothouse-webhook"
    ):
        await replica.check()
    assert kept(api).data()["tls.crt"] == replica.served


async def test_keys_that_another_put_there_are_used(api, replica) -> None:
    await replica.check()
    other = made(PLACE.server_name, replica.now)
    encoded = {name: b64encode(value).decode() for name, value in other.data().items()}
    api.written[SECRET]["data"] = encoded
    await replica.check()
    assert replica.served == other.data()["tls.crt"]
    assert trusted(api) == [other.bundle] * 2


async def test_without_a_configuration_the_certificate_is_made_and_the_lack_is_told(api, replica) -> None:
    del api.written[CONFIGURATION]
    with pytest.raises(Refused, match="404"):
        await replica.check()
    assert kept(api).data()["tls.crt"] == replica.served


async def test_a_certificate_does_not_expire_because_the_configuration_may_not_be_read(api, replica) -> None:
    api.denied = {("GET", CONFIGURATION)}
    for days in (0, 100):
        replica.now += days * DAY
        with pytest.raises(Refused, match="403"):
            await replica.check()
    assert replica.used[-1].until > replica.now


@pytest.mark.parametrize("denied", [("GET", SECRET), ("POST", SECRETS), ("PATCH", CONFIGURATION)])
async def test_a_missing_permission_is_logged_once_by_its_name(api, client, eventually, denied) -> None:
    api.denied = {denied}
    again, replica = asyncio.Event(), Replica(client)
    with capture_logs() as logs:
        keeping = asyncio.create_task(replica.keeper.keep(again))
        await eventually(lambda: logs)
        asked = len(api.requests)
        again.set()
        await eventually(lambda: len(api.requests) > asked and not again.is_set())
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    problems = [line for line in logs if line["log_level"] == "error"]
    assert len(problems) == 1
    assert f"cannot {denied[0]} {denied[1]}" in problems[0]["reason"]


async def test_an_api_server_that_comes_late_is_waited_for(api, client, eventually) -> None:
    api.stop()
    replica = Replica(client)
    with capture_logs() as logs:
        keeping = asyncio.create_task(replica.keeper.keep(asyncio.Event()))
        await eventually(lambda: logs)
        api.start()
        await eventually(lambda: replica.used)
        await eventually(lambda: "the certificates of the webhook are kept again" in events(logs))
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    assert "the certificates of the webhook cannot be kept" in events(logs)


async def test_no_line_of_the_log_has_a_key(api, replica) -> None:
    with capture_logs() as logs:
        await replica.check()
        replica.now += 800 * DAY
        await replica.check()
        api.written[SECRET]["data"] = {"tls.key": "eA=="}
        await replica.check()
    written = str(logs)
    assert "PRIVATE" not in written
    assert all(value not in written for value in api.written[SECRET]["data"].values())


def events(logs: list[Any]) -> list[str]:
    return [line["event"] for line in logs]
