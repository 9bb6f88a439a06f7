"""What every source owes its sink, whatever its backend is."""

from __future__ import annotations

import time

import pytest

from pilothouse.model.services import Protocol, ServiceName


@pytest.fixture
def synced(running, eventually):
    """Runs a source and waits for its first report."""

    async def sync(sink):
        await eventually(lambda: sink.reports)
        return sink

    return sync


async def test_the_first_report_is_everything(backend, running, synced):
    backend.declare("a", "10.0.0.1", "10.0.0.2")
    backend.declare("b")
    async with running(backend.source()) as sink:
        await synced(sink)
        assert sink.reports == [("replace", [("shop", "a"), ("shop", "b")])]
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
        assert set(sink.reports[1:]) == {("put", ("shop", "a"))}


async def test_a_changed_service_is_put_alone(backend, running, synced, eventually):
    backend.declare("a", "10.0.0.1")
    backend.declare("b", "10.0.1.1")
    async with running(backend.source()) as sink:
        await synced(sink)
        backend.declare("a", "10.0.0.2", "10.0.0.3")
        await eventually(lambda: sink.addresses("a") == ["10.0.0.2", "10.0.0.3"])
        assert set(sink.reports[1:]) == {("put", ("shop", "a"))}


async def test_a_service_that_is_scaled_to_zero_stays_a_service(backend, running, synced, eventually):
    backend.declare("a", "10.0.0.1")
    async with running(backend.source()) as sink:
        await synced(sink)
        backend.declare("a")
        await eventually(lambda: sink.addresses("a") == [])
        backend.declare("a", "10.0.0.1")
        await eventually(lambda: sink.addresses("a") == ["10.0.0.1"])
        assert set(sink.reports[1:]) == {("put", ("shop", "a"))}


async def test_a_service_that_is_gone_is_removed_alone(backend, running, synced, eventually):
    backend.declare("a", "10.0.0.1")
    backend.declare("b", "10.0.1.1")
    async with running(backend.source()) as sink:
        await synced(sink)
        backend.withdraw("a")
        await eventually(lambda: sink.addresses("a") is None)
        assert sink.reports[1:] == [("remove", ("shop", "a"))]
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


async def test_what_means_the_same_is_not_reported(backend, running, synced, eventually):
    backend.declare("a", "10.0.0.1")
    async with running(backend.source()) as sink:
        await synced(sink)
        backend.say_again("a")
        # A report of the one would come before that of the other.
        backend.declare("b", "10.0.1.1")
        await eventually(lambda: sink.addresses("b"))
        assert ("put", ("shop", "a")) not in sink.reports


async def test_an_error_is_named_and_takes_nothing_away(backend, running, synced, eventually):
    backend.declare("a", "10.0.0.1")
    backend.declare("b", "10.0.1.1")
    source = backend.source()
    async with running(source) as sink:
        await synced(sink)
        backend.break_("a")
        assert await eventually(lambda: source.faults)
        backend.declare("b", "10.0.1.2")
        await eventually(lambda: sink.addresses("b") == ["10.0.1.2"])
        assert sink.addresses("a") == ["10.0.0.1"]
        assert set(sink.reports[1:]) == {("put", ("shop", "b"))}


async def test_when_an_error_is_mended_changes_flow_again(backend, running, synced, eventually):
    backend.declare("a", "10.0.0.1")
    source = backend.source()
    async with running(source) as sink:
        await synced(sink)
        backend.break_("a")
        assert await eventually(lambda: source.faults)
        backend.declare("a", "10.0.0.2")
        await eventually(lambda: sink.addresses("a") == ["10.0.0.2"])
        assert list(source.faults) == []


async def test_a_source_that_runs_again_reports_everything_again(backend, running, synced):
    backend.declare("a", "10.0.0.1")
    source = backend.source()
    async with running(source) as sink:
        await synced(sink)
    backend.declare("b", "10.0.1.1")
    async with running(source) as sink:
        await synced(sink)
        assert sink.reports == [("replace", [("shop", "a"), ("shop", "b")])]


async def test_a_source_that_runs_again_beside_an_error_still_knows_what_was_there(backend, running, synced):
    backend.declare("a", "10.0.0.1")
    source = backend.source()
    async with running(source) as sink:
        await synced(sink)
    backend.break_("a")
    async with running(source) as sink:
        await synced(sink)
        assert sink.addresses("a") == ["10.0.0.1"]
