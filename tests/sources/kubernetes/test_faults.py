"""An API server that forgets, refuses, hangs or is gone takes nothing away."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest

from pilothouse.model.services import ServiceName, State
from pilothouse.registry.merged import Registry
from pilothouse.sources import NOTHING

from ..conftest import RecordingSink
from .backend import HURRIED, service, slice_of

PAYMENTS = ServiceName("shop", "payments")


def declare(api, name="payments", *addresses, namespace="shop", **fields):
    api.put("Service", name, namespace, **service())
    return api.put("EndpointSlice", f"{name}-1", namespace, **slice_of(name, *addresses, **fields))


def names(sink):
    return sorted(name.name for name in sink.services)


@pytest.mark.parametrize("streams", [True, False], ids=["streamed lists", "plain lists"])
async def test_what_was_missed_between_two_lists_is_one_report_of_everything(
    api, source, running, eventually, streams
):
    api.streams_lists = streams
    declare(api, "gone", "10.1.0.1")
    declare(api, "stays", "10.1.0.2")
    async with running(source()) as sink:
        await eventually(lambda: sink.reports)
        await eventually(lambda: api.watches == 5)
        api.silence()
        api.delete("Service", "gone")
        declare(api, "new", "10.1.0.3")
        api.compact()
        api.cut()
        api.stop()
        api.start()
        await eventually(lambda: names(sink) == ["new", "stays"])
        assert {report[0] for report in sink.reports} == {"replace"}
        assert sink.addresses("stays") == ["10.1.0.2"]


async def test_a_watch_that_is_told_410_begins_anew(api, source, running, eventually):
    declare(api, "payments", "10.1.0.1")
    async with running(source()) as sink:
        await eventually(lambda: api.watches == 5 and sink.reports)
        before = len(api.requests)
        api.fail(410, "too old resource version: 1 (2)")
        await eventually(lambda: sum("sendInitialEvents" in each for each in api.requests[before:]) >= 5)
        declare(api, "payments", "10.1.0.9")
        await eventually(lambda: sink.addresses("payments") == ["10.1.0.9"])
        assert not any(sink.staleness)


async def test_a_watch_goes_on_from_where_it_was_cut(api, source, running, eventually):
    declare(api, "payments", "10.1.0.1")
    async with running(source()) as sink:
        await eventually(lambda: api.watches == 5 and sink.reports)
        before = len(api.requests)
        api.cut()
        declare(api, "payments", "10.1.0.2")
        await eventually(lambda: sink.addresses("payments") == ["10.1.0.2"])
        api.end()
        declare(api, "payments", "10.1.0.3")
        await eventually(lambda: sink.addresses("payments") == ["10.1.0.3"])
        assert not any("sendInitialEvents" in each for each in api.requests[before:])


async def test_a_bookmark_says_from_where_to_go_on(api, source, running, eventually):
    async with running(source()) as sink:
        await eventually(lambda: api.watches == 5 and sink.reports)
        api.compact()
        api.bookmark()
        before = len(api.requests)
        await eventually(lambda: api.end() or len(api.requests) > before + 4)
        declare(api, "payments", "10.1.0.3")
        await eventually(lambda: names(sink) == ["payments"])
        assert not any("sendInitialEvents" in each for each in api.requests[before:])


@pytest.mark.parametrize("ignores", [False, True], ids=["refused", "ignored"])
async def test_a_server_that_cannot_stream_lists_is_asked_for_pages(
    api, source, running, eventually, ignores
):
    api.streams_lists, api.ignores_streaming = False, ignores
    for number in range(600):
        api.put("Service", f"s-{number}", **service())
    async with running(source()) as sink:
        await eventually(lambda: len(sink.services) == 600)
        assert [report[0] for report in sink.reports] == ["replace"]
        assert any("continue=500" in each for each in api.requests)


async def test_a_list_that_expires_between_two_pages_is_asked_for_in_one_piece(
    api, source, running, eventually
):
    api.streams_lists, api.expires_pages = False, True
    for number in range(600):
        api.put("Service", f"s-{number}", **service())
    async with running(source()) as sink:
        await eventually(lambda: len(sink.services) == 600)
        assert [report[0] for report in sink.reports] == ["replace"]


async def test_a_list_of_which_a_part_is_missing_takes_nothing_away(api, source, running, eventually):
    api.streams_lists = False
    for number in range(600):
        api.put("Service", f"s-{number}", **service())
    async with running(source()) as sink:
        await eventually(lambda: len(sink.services) == 600)
        api.fails_pages = True
        api.compact()
        api.cut()
        await eventually(lambda: sum("continue=500" in each for each in api.requests) > 2)
        await eventually(lambda: any("services" in each for each in sink.staleness))
        assert [report[0] for report in sink.reports] == ["replace"]
        assert len(sink.services) == 600
        api.fails_pages = False
        await eventually(lambda: sink.staleness[-1] == "")


async def test_what_may_not_be_read_any_more_stays_and_the_rest_goes_on(api, source, running, eventually):
    declare(api, "payments", "10.1.0.1")
    async with running(source()) as sink:
        await eventually(lambda: api.watches == 5 and sink.reports)
        api.forbidden.add("EndpointSlice")
        api.cut()
        await eventually(lambda: any("403" in each for each in sink.staleness))
        assert "endpointslices.discovery.k8s.io since " in sink.staleness[-1]
        assert "403: endpointslices is forbidden" in sink.staleness[-1]
        declare(api, "orders", "10.1.0.2")
        await eventually(lambda: names(sink) == ["orders", "payments"])
        assert sink.addresses("payments") == ["10.1.0.1"]
        api.forbidden.clear()
        await eventually(lambda: sink.addresses("orders") == ["10.1.0.2"])
        await eventually(lambda: sink.staleness[-1] == "")


async def test_a_server_that_is_gone_leaves_all_as_it_was_and_is_found_again(
    api, source, running, eventually
):
    declare(api, "payments", "10.1.0.1")
    async with running(source()) as sink:
        await eventually(lambda: api.watches == 5 and sink.reports)
        api.stop()
        await eventually(lambda: any("cannot be reached" in each for each in sink.staleness))
        assert sink.addresses("payments") == ["10.1.0.1"]
        declare(api, "payments", "10.1.0.2")
        api.start()
        await eventually(lambda: sink.addresses("payments") == ["10.1.0.2"])
        await eventually(lambda: sink.staleness[-1] == "")
        assert [report[0] for report in sink.reports] == ["replace", "put"]


async def test_a_server_that_hangs_is_found_out_by_asking_it(api, source, running, eventually, monkeypatch):
    monkeypatch.setattr("pilothouse.apiserver.client._ASK_S", 0.2)
    declare(api, "payments", "10.1.0.1")
    async with running(source()) as sink:
        await eventually(lambda: api.watches == 5 and sink.reports)
        with api.frozen():
            await eventually(lambda: any("does not answer" in each for each in sink.staleness))
            assert sink.addresses("payments") == ["10.1.0.1"]
        declare(api, "payments", "10.1.0.2")
        await eventually(lambda: sink.addresses("payments") == ["10.1.0.2"])
        await eventually(lambda: sink.staleness[-1] == "")


async def test_a_watch_that_says_nothing_is_opened_again(api, source, running, eventually):
    declare(api, "payments", "10.1.0.1")
    async with running(source(pace=replace(HURRIED, quiet_s=0.5))) as sink:
        await eventually(lambda: api.watches == 5 and sink.reports)
        api.silence()
        declare(api, "payments", "10.1.0.2")
        await eventually(lambda: sink.addresses("payments") == ["10.1.0.2"])


async def test_a_token_that_has_expired_is_read_again_from_its_file(
    api, source, running, eventually, tmp_path
):
    (tmp_path / "token").write_text("first\n")
    api.token = "first"
    declare(api, "payments", "10.1.0.1")
    async with running(source(token_file=tmp_path / "token")) as sink:
        await eventually(lambda: api.watches == 5 and sink.reports)
        api.token = "second"
        api.cut()
        await eventually(lambda: any("401" in each for each in sink.staleness))
        assert sink.addresses("payments") == ["10.1.0.1"]
        (tmp_path / "token").write_text("second\n")
        await eventually(lambda: sink.staleness[-1] == "")


@pytest.mark.parametrize(("asked_s", "waits_s"), [(3, 3.0), (3000, 5.0)])
async def test_a_server_is_left_alone_for_as_long_as_it_asks_to_be_within_bounds(
    api, source, running, eventually, monkeypatch, asked_s, waits_s
):
    waits: list[float] = []
    sleep = asyncio.sleep

    async def recorded(seconds):
        waits.append(seconds)
        await sleep(min(seconds, 0.01))

    async with running(source(pace=replace(HURRIED, retry_s=(0.001, 5.0)))) as sink:
        await eventually(lambda: api.watches == 5 and sink.reports)
        monkeypatch.setattr(asyncio, "sleep", recorded)
        api.broken, api.retry_after_s = 429, asked_s
        api.cut()
        await eventually(lambda: waits_s in waits)
        await eventually(lambda: any("429" in each for each in sink.staleness))
        api.broken = 0
        await eventually(lambda: sink.staleness[-1] == "")


async def test_without_services_there_is_nothing_to_report(api, source):
    api.forbidden.add("Service")
    sink = RecordingSink()
    with pytest.raises(OSError, match="403: services is forbidden"):
        await asyncio.wait_for(source().run(sink), 20)
    assert sink.reports == []


async def test_without_routes_that_there_may_be_no_absence_is_stated(api, source, running, eventually):
    declare(api, "payments", "10.1.0.1")
    api.installed = {"HTTPRoute"}
    api.forbidden.add("HTTPRoute")
    async with running(source()) as sink:
        await eventually(lambda: sink.reports)
        assert sink.places == ("httproutes.gateway.networking.k8s.io",)
        assert names(sink) == ["payments"]
        api.forbidden.clear()
        await eventually(lambda: sink.places == ())
        assert sink.staleness[-1] == ""


async def test_without_nodes_and_pods_a_warning_says_what_is_missing(api, source, running, eventually):
    declare(api, "payments", "10.1.0.1")
    api.forbidden |= {"Node", "Pod"}
    made = source()
    async with running(made) as sink:
        await eventually(lambda: sink.reports)
        assert (sink.places, sink.staleness) == NOTHING.places or not any(sink.staleness)
        assert {fault.place for fault in made.faults} == {"nodes", "pods"}
        assert all(fault.warning for fault in made.faults)
        api.forbidden.clear()
        await eventually(lambda: not made.faults)


async def test_a_run_that_is_cancelled_leaves_no_task_behind(api, source, eventually):
    task = asyncio.create_task(source().run(sink := RecordingSink()))
    await eventually(lambda: sink.reports)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await eventually(lambda: api.watches == 0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_when_all_nodes_are_silent_at_once_endpoints_are_called_on(api, source, eventually):
    registry = Registry(["kubernetes"])
    for number in range(10):
        declare(api, f"s-{number}", f"10.1.0.{number}", f"10.1.1.{number}")
    task = asyncio.create_task(source().run(registry.shard("kubernetes")))
    await eventually(lambda: len(registry.services) == 10)
    for number in range(10):
        declare(api, f"s-{number}", f"10.1.0.{number}", f"10.1.1.{number}", ready=False)
    await eventually(lambda: registry.held("kubernetes") and len(registry.held("kubernetes").names) == 10)
    assert all(each.state is State.READY for one in registry.services.values() for each in one.endpoints)
    for number in range(10):
        api.delete("Service", f"s-{number}")
    await eventually(lambda: not registry.services)
    await ended(task)


async def test_a_list_that_comes_back_empty_is_doubted(api, source, eventually):
    registry = Registry(["kubernetes"])
    for number in range(20):
        declare(api, f"s-{number}", f"10.1.0.{number}")
    task = asyncio.create_task(source().run(registry.shard("kubernetes")))
    await eventually(lambda: len(registry.services) == 20 and api.watches == 5)
    api.silence()
    for number in range(20):
        api.delete("Service", f"s-{number}")
    api.compact()
    api.cut()
    api.stop()
    api.start()
    await eventually(lambda: registry.held("kubernetes"))
    assert len(registry.services) == 20
    await ended(task)


async def ended(task):
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
