"""What every source owes its sink, whatever its backend is.

Beside this, test_contract_of_documents.py is for those whose backend holds documents that can be broken.
"""

from __future__ import annotations

import asyncio
import time

import pytest

from pilothouse.model.services import Protocol, ServiceName

from .conftest import RecordingSink


async def test_the_first_report_is_everything(backend, running, synced):
    backend.declare("a", "10.0.0.1", "10.0.0.2")
    backend.declare("b")
    async with running(backend.source()) as sink:
        await synced(sink)
        assert sink.reports == [("replace", [ServiceName("shop", "a"), ServiceName("shop", "b")])]
        assert sink.addresses("a") == ["10.0.0.1", "10.0.0.2"]
        assert sink.addresses("b") == []


async def test_an_empty_backend_is_reported_too(backend, running, synced):
    async with running(backend.source()) as sink:
        await synced(sink)
        assert sink.reports == [("replace", [])]


async def test_a_service_is_what_the_backend_says(backend, running, synced):
    backend.declare("a", "10.0.0.1")
    async with running(backend.source()) as sink:
        await synced(sink)
        service = sink.services[ServiceName("shop", "a")]
        assert service.spec.hostname == "a.shop.svc.cluster.local"
        (port,) = service.spec.ports
        assert (port.name, port.number, port.protocol) == ("http", 80, Protocol.HTTP)
        assert service.endpoints[0].ports == (("http", 8080),)


async def test_a_new_service_is_put(backend, running, synced, eventually):
    async with running(backend.source()) as sink:
        await synced(sink)
        backend.declare("a", "10.0.0.1")
        assert await eventually(lambda: sink.addresses("a"))
        assert set(sink.reports[1:]) == {("put", ServiceName("shop", "a"))}


async def test_a_changed_service_is_put_alone(backend, running, synced, eventually):
    backend.declare("a", "10.0.0.1")
    backend.declare("b", "10.0.1.1")
    async with running(backend.source()) as sink:
        await synced(sink)
        backend.declare("a", "10.0.0.2", "10.0.0.3")
        await eventually(lambda: sink.addresses("a") == ["10.0.0.2", "10.0.0.3"])
        assert set(sink.reports[1:]) == {("put", ServiceName("shop", "a"))}


async def test_a_service_that_is_scaled_to_zero_stays_a_service(backend, running, synced, eventually):
    backend.declare("a", "10.0.0.1")
    async with running(backend.source()) as sink:
        await synced(sink)
        backend.declare("a")
        await eventually(lambda: sink.addresses("a") == [])
        backend.declare("a", "10.0.0.1")
        await eventually(lambda: sink.addresses("a") == ["10.0.0.1"])
        assert set(sink.reports[1:]) == {("put", ServiceName("shop", "a"))}


async def test_a_service_that_is_gone_is_removed_alone(backend, running, synced, eventually):
    backend.declare("a", "10.0.0.1")
    backend.declare("b", "10.0.1.1")
    async with running(backend.source()) as sink:
        await synced(sink)
        backend.withdraw("a")
        await eventually(lambda: sink.addresses("a") is None)
        assert sink.reports[1:] == [("remove", ServiceName("shop", "a"))]
        assert sink.addresses("b") == ["10.0.1.1"]


async def test_a_change_says_where_it_comes_from_and_when_that_was_heard_of(
    backend, running, synced, eventually
):
    backend.declare("a", "10.0.0.1")
    async with running(backend.source()) as sink:
        await synced(sink)
        backend.declare("a", "10.0.0.2")
        await eventually(lambda: sink.addresses("a") == ["10.0.0.2"])
        backend.withdraw("a")
        await eventually(lambda: sink.addresses("a") is None)
        changed, gone = sink.causes[0], sink.causes[-1]
        assert "a" in changed.place
        assert "a" in gone.place
        now = time.monotonic()
        assert (changed.since or 0.0) <= (now if gone.since is None else gone.since) <= now


async def test_a_source_that_runs_again_reports_everything_again(backend, running, synced):
    backend.declare("a", "10.0.0.1")
    source = backend.source()
    async with running(source) as sink:
        await synced(sink)
    backend.declare("b", "10.0.1.1")
    async with running(source) as sink:
        await synced(sink)
        assert sink.reports == [("replace", [ServiceName("shop", "a"), ServiceName("shop", "b")])]


async def test_a_source_that_has_not_run_has_no_faults_and_leaves_nothing_out(backend):
    backend.declare("a", "10.0.0.1")
    source = backend.source()
    assert source.name
    assert (list(source.faults), dict(source.left_out)) == ([], {})


async def test_without_its_backend_a_source_raises_and_takes_nothing_away(backend, running, synced):
    backend.declare("a", "10.0.0.1")
    source = backend.source()
    async with running(source) as sink:
        await synced(sink)
    backend.go_away()
    sink = RecordingSink()
    with pytest.raises(OSError, match=r"."):
        await asyncio.wait_for(source.run(sink), 10)
    assert sink.reports == []


async def test_reading_everything_anew_reports_only_what_differs(backend, running, synced, eventually):
    backend.declare("a", "10.0.0.1")
    source = backend.source()
    async with running(source) as sink:
        await synced(sink)
        source.reread()
        backend.declare("b", "10.0.1.1")
        await eventually(lambda: sink.addresses("b"))
        assert ("put", ServiceName("shop", "a")) not in sink.reports
