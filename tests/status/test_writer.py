"""The writer at an API server that refuses, hangs and forgets; with the source that tells it of routes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from pilothouse.apiserver.kubeconfig import Access
from pilothouse.kubernetes.objects.types import Key
from pilothouse.model.services import ServiceName
from pilothouse.status import writer as module

from ..apiserver.fake import FakeApi
from ..sources.kubernetes.backend import service
from .replica import Replica

R = Key("HTTPRoute", "shop", "r")
LEASE = "/apis/coordination.k8s.io/v1/namespaces/default/leases/pilothouse-status"


@asynccontextmanager
async def replicas(api: FakeApi, number: int = 1) -> AsyncIterator[list[Replica]]:
    made = [Replica(Access(api.url)) for _ in range(number)]
    yield made
    for one in made:
        await one.end()


@pytest.fixture
def api() -> Any:
    made = FakeApi()
    made.installed = {"HTTPRoute"}
    made.put("Service", "web", **service())
    route(made)
    yield made
    made.close()


def route(api: FakeApi, backend: str = "web", name: str = "r", generation: int = 1) -> None:
    parents = [{"group": "", "kind": "Service", "name": "web"}]
    spec = {"parentRefs": parents, "rules": [{"backendRefs": [{"name": backend, "port": 80}]}]}
    api.put("HTTPRoute", name, spec=spec, metadata={"generation": generation})


def reasons(api: FakeApi, name: str = "r") -> list[str]:
    parents = api.shown("HTTPRoute", name).get("status", {}).get("parents", ())
    return [each["reason"] for one in parents for each in one["conditions"]]


GOOD = ["Accepted", "ResolvedRefs", "Programmed"]
LOST = ["Accepted", "BackendNotFound", "Programmed"]


def events(api: FakeApi) -> list[tuple[str, str]]:
    """What they are about, and their types."""
    found = [each for path, each in [*api.written.items()] if "/events/" in path]
    return sorted((each["regarding"]["kind"], each["type"]) for each in found)


def status_writes(api: FakeApi) -> int:
    return sum(path.endswith("/status") for _, path in api.writes)


async def test_a_change_is_written_once(api, eventually):
    async with replicas(api):
        await eventually(lambda: reasons(api) == GOOD)
        route(api, "nobody", generation=2)
        await eventually(lambda: reasons(api) == LOST)
        api.put("Service", "nobody", **service(clusterIP="10.96.0.2"))
        await eventually(lambda: reasons(api) == GOOD)
        assert status_writes(api) == 3


async def test_a_conflict_is_tried_again_with_what_is_shown_then(api, eventually):
    async with replicas(api) as (one,):
        await eventually(lambda: reasons(api) == GOOD)
        stale = await eventually(lambda: (shown := one.shown.get(R)) and shown.parents and shown)
        one.shown.put(R, replace(stale, version="1", generation=0))
        one.writer._ask([R])
        await eventually(lambda: one.writer._queue._past[R].failures)
        route(api, "nobody", generation=2)
        await eventually(lambda: reasons(api) == LOST)
        assert not one.source.faults


async def test_what_is_forbidden_is_a_fault_that_names_the_permission(api, eventually):
    api.denied = {("PATCH", "/status")}
    async with replicas(api) as (one,):
        (fault,) = await eventually(lambda: one.source.faults)
        assert (fault.place, fault.warning) == ("httproutes/status", True)
        assert "cannot PATCH " in fault.message
        api.denied = set()
        one.writer._begin()
        await eventually(lambda: reasons(api) == GOOD)
        await eventually(lambda: not one.source.faults)


def asked_to_write(api: FakeApi) -> int:
    """Whether they were taken or not."""
    return sum("/status" in request for request in api.requests)


async def test_a_server_that_is_in_trouble_is_not_asked_once_for_each_route(api, eventually):
    for number in range(100):
        route(api, name=f"r{number}")
    async with replicas(api) as (one,):
        await eventually(lambda: status_writes(api) == 101)
        await eventually(lambda: all((shown := one.shown.get(key)) and shown.parents for key in [*one.shown]))
        before = asked_to_write(api)
        api.broken, api.retry_after_s = 429, 3600
        one.board.forget()
        for key in [*one.shown]:
            shown = one.shown.get(key)
            assert shown is not None
            one.shown.put(key, replace(shown, parents=()))
        one.writer._queue.clear()
        one.writer._ask(one.shown)
        await eventually(lambda: one.writer._queue._everything.failures)
        await eventually(lambda: len(one.writer._queue) == 101)
        assert asked_to_write(api) - before <= module._AT_ONCE


async def test_what_is_forbidden_is_not_asked_for_once_for_each_route(api, eventually):
    api.denied = {("PATCH", "/status")}
    for number in range(100):
        route(api, name=f"r{number}")
    async with replicas(api) as (one,):
        past = one.writer._queue._past
        await eventually(lambda: len(past) == 101 and all(each.failures for each in past.values()))
        assert asked_to_write(api) <= module._AT_ONCE


async def test_without_the_permission_for_the_lease_nothing_is_written_and_it_is_told(api, eventually):
    api.denied = {("POST", "/leases")}
    async with replicas(api) as (one,):
        (fault,) = await eventually(lambda: one.source.faults)
        assert fault.place == "leases"
        assert "cannot POST " in fault.message
        assert not api.writes
        api.denied = set()
        await eventually(lambda: reasons(api) == GOOD)


async def test_events_that_cannot_be_written_hold_nothing_up(api, eventually):
    api.denied = {("POST", "/events")}
    route(api, "nobody")
    async with replicas(api) as (one,):
        await eventually(lambda: reasons(api) == LOST)
        await eventually(lambda: [fault.place for fault in one.source.faults] == ["events"])


async def test_a_definition_that_is_removed_is_forgotten(api, eventually):
    async with replicas(api) as (one,):
        await eventually(lambda: reasons(api) == GOOD)
        api.installed = set()
        one.board.forget()
        one.writer._ask(one.shown)
        await eventually(lambda: not [*one.shown])
        assert len(one.writer._queue) == 0
        assert not one.source.faults


async def test_an_api_server_that_is_away_is_tried_again(api, eventually):
    async with replicas(api):
        await eventually(lambda: reasons(api) == GOOD)
        api.stop()
        route(api, "nobody", generation=2)
        api.start()
        await eventually(lambda: reasons(api) == LOST)


async def test_one_of_two_writes_and_the_other_one_goes_on_when_it_ends(api, eventually):
    async with replicas(api, 2) as both:
        first = await eventually(lambda: next((each for each in both if each.writer.leads), None))
        (second,) = (each for each in both if each is not first)
        await eventually(lambda: reasons(api) == GOOD)
        assert not second.writer.leads
        await first.end()
        assert api.written[LEASE]["spec"]["holderIdentity"] != first.writer._election.identity
        route(api, "nobody", generation=2)
        await eventually(lambda: reasons(api) == LOST)
        assert status_writes(api) == 2


async def test_a_quarantine_is_told_although_nothing_has_changed(api, eventually, monkeypatch):
    monkeypatch.setattr(module, "_QUARANTINE_S", 0.01)
    async with replicas(api) as (one,):
        await eventually(lambda: reasons(api) == GOOD)
        one.catalogue._accepted._quarantine(ServiceName("shop", "web"), ValueError("a field is too long"))
        await eventually(lambda: reasons(api) == [*GOOD[:2], "Quarantined"])
        about = [("HTTPRoute", "Warning"), ("Service", "Warning")]
        await eventually(lambda: events(api) == about)
        del one.catalogue._accepted.quarantined[ServiceName("shop", "web")]
        await eventually(lambda: reasons(api) == GOOD)
        await eventually(
            lambda: events(api) == sorted([*about, ("HTTPRoute", "Normal"), ("Service", "Normal")])
        )


async def test_an_error_in_the_writer_stops_nothing_else(api, eventually, monkeypatch):
    monkeypatch.setattr(module, "_REFUSED_S", 0.01)
    async with replicas(api) as (one,):
        await eventually(lambda: reasons(api) == GOOD)
        broken = iter([ValueError("broken")])
        real = one.board.due

        def due(key: Any, now: str) -> Any:
            for error in broken:
                raise error
            return real(key, now)

        monkeypatch.setattr(one.board, "due", due)
        route(api, "nobody", generation=2)
        await eventually(lambda: reasons(api) == LOST)
