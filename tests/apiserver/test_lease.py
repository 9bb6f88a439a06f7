"""A Lease at an API server: taken, renewed, released, and taken over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from pilothouse.apiserver.client import Client
from pilothouse.apiserver.credentials import Credentials
from pilothouse.apiserver.election import Election, Terms
from pilothouse.apiserver.kubeconfig import Access
from pilothouse.apiserver.lease import Lease

from .fake import FakeApi

PATH = "/apis/coordination.k8s.io/v1/namespaces/here/leases/writer"
#: For tests in which somebody dies, and for those in which nobody must, however busy the machine is.
HURRIED, PATIENT = (
    Terms(duration=0.6, renewal=0.4, retry=0.02),
    Terms(duration=60.0, renewal=40.0, retry=0.02),
)


class Replica:
    def __init__(self, client: Client, name: str, terms: Terms) -> None:
        self.elected = 0
        self.failure = ""
        self.lease = Lease(client, "here", "writer", Election(name, terms), self.tell)
        self.task = asyncio.create_task(self.lease.run(self.begin))

    def begin(self) -> None:
        self.elected += 1

    def tell(self, failure: str) -> None:
        self.failure = failure

    async def end(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


@pytest.fixture
async def client(api: FakeApi) -> AsyncIterator[Client]:
    access = Access(api.url)
    async with Client(access, Credentials(access), quiet_s=5.0) as made:
        yield made


@asynccontextmanager
async def replicas(client: Client, *names: str, terms: Terms = HURRIED) -> AsyncIterator[list[Replica]]:
    made = [Replica(client, name, terms) for name in names]
    yield made
    for one in made:
        await one.end()


async def test_one_of_two_leads_and_the_other_one_follows_when_it_ends(api, client, eventually):
    async with replicas(client, "a", "b", terms=PATIENT) as (a, b):
        await eventually(lambda: a.lease.leads or b.lease.leads)
        first, second = (a, b) if a.lease.leads else (b, a)
        renewed = len(api.writes)
        await eventually(lambda: len(api.writes) > renewed + 3)
        assert first.lease.leads
        assert not second.lease.leads
        await first.end()
        await eventually(lambda: second.lease.leads)
        assert (first.elected, second.elected) == (1, 1)
    assert api.written[PATH]["spec"]["holderIdentity"] == ""


async def test_a_lease_is_released_although_its_last_renewal_was_cut_off(api, client, monkeypatch):
    taken, replace, unanswered = asyncio.Event(), client.replace, iter([None])

    async def replaced(path: str, body: Any) -> Any:
        found = await replace(path, body)
        for _ in unanswered:
            taken.set()
            await asyncio.Event().wait()
        return found

    monkeypatch.setattr(client, "replace", replaced)
    async with replicas(client, "a", terms=PATIENT):
        await taken.wait()
        assert api.written[PATH]["spec"]["holderIdentity"] == "a"
    assert api.written[PATH]["spec"]["holderIdentity"] == ""


async def test_who_dies_without_a_word_is_followed_after_its_duration(api, client, eventually):
    spec = {"holderIdentity": "dead", "leaseDurationSeconds": 0, "renewTime": "1", "leaseTransitions": 4}
    api.written[PATH] = {"metadata": {"name": "writer", "resourceVersion": "1"}, "spec": spec}
    async with replicas(client, "a") as (a,):
        await eventually(lambda: a.lease.leads)
        assert api.written[PATH]["spec"]["leaseTransitions"] == 5


async def test_a_leader_that_cannot_renew_stops_and_says_why_and_is_elected_again(api, client, eventually):
    async with replicas(client, "a") as (a,):
        await eventually(lambda: a.lease.leads)
        api.broken = 500
        await eventually(lambda: not a.lease.leads)
        assert "500: the storage is broken" in a.failure
        api.broken = 0
        await eventually(lambda: a.elected >= 2)
        await eventually(lambda: a.failure == "")


async def test_an_api_server_that_hangs_ends_the_lead(api, client, eventually):
    async with replicas(client, "a") as (a,):
        await eventually(lambda: a.lease.leads)
        with api.frozen():
            await eventually(lambda: not a.lease.leads)
        await eventually(lambda: a.lease.leads)
