"""What a source owes its sink whose backend holds documents: one can be broken and not the others."""

from __future__ import annotations

from pilothouse.model.services import ServiceName


async def test_what_means_the_same_is_not_reported(documents, running, synced, eventually):
    documents.declare("a", "10.0.0.1")
    async with running(documents.source()) as sink:
        await synced(sink)
        documents.say_again("a")
        # A report of the one would come before that of the other.
        documents.declare("b", "10.0.1.1")
        await eventually(lambda: sink.addresses("b"))
        assert ("put", ServiceName("shop", "a")) not in sink.reports


async def test_an_error_is_named_and_takes_nothing_away(documents, running, synced, eventually):
    documents.declare("a", "10.0.0.1")
    documents.declare("b", "10.0.1.1")
    source = documents.source()
    async with running(source) as sink:
        await synced(sink)
        documents.break_("a")
        (fault,) = await eventually(lambda: source.faults)
        assert "a" in fault.place
        assert fault.message
        documents.declare("b", "10.0.1.2")
        await eventually(lambda: sink.addresses("b") == ["10.0.1.2"])
        assert sink.addresses("a") == ["10.0.0.1"]
        assert set(sink.reports[1:]) == {("put", ServiceName("shop", "b"))}


async def test_when_an_error_is_mended_changes_flow_again(documents, running, synced, eventually):
    documents.declare("a", "10.0.0.1")
    source = documents.source()
    async with running(source) as sink:
        await synced(sink)
        documents.break_("a")
        assert await eventually(lambda: source.faults)
        documents.declare("a", "10.0.0.2")
        await eventually(lambda: sink.addresses("a") == ["10.0.0.2"])
        assert list(source.faults) == []


async def test_a_source_that_runs_again_beside_an_error_still_knows_what_was_there(
    documents, running, synced
):
    documents.declare("a", "10.0.0.1")
    source = documents.source()
    async with running(source) as sink:
        await synced(sink)
    documents.break_("a")
    async with running(source) as sink:
        await synced(sink)
        assert sink.addresses("a") == ["10.0.0.1"]
