"""Several label selectors: what lists that overlap show together."""

from __future__ import annotations

import pytest

from pilothouse.kubernetes.objects.types import Key
from pilothouse.kubernetes.parse import Parsed
from pilothouse.model.services import ServiceName
from pilothouse.sources.kubernetes.decoding import Found
from pilothouse.sources.kubernetes.overlap import Overlap
from pilothouse.sources.kubernetes.resources import Scope
from pilothouse.sources.kubernetes.statements import Deleted, Listed, Put

from .backend import service, slice_of

SHOP, OFFICE = "team=shop", "team in (office, lab)"


def found(name: str, version: str) -> Found:
    return Found(Key("Service", "shop", name), version, Parsed())


def scope(selector: str) -> Scope:
    return Scope("Service", "", selector)


def listed(selector: str, *each: Found) -> Listed:
    return Listed(scope(selector), each, "a list")


def put(selector: str, one: Found) -> Put:
    return Put(scope(selector), one, 0.0)


def deleted(selector: str, one: Found) -> Deleted:
    return Deleted(scope(selector), one.key, one.version, 0.0)


@pytest.fixture
def overlap() -> Overlap:
    """`both` is in two lists, `shop` and `office` each in one."""
    made = Overlap([SHOP, OFFICE])
    made.joined(listed(SHOP, found("both", "5"), found("shop", "5")))
    made.joined(listed(OFFICE, found("both", "5"), found("office", "5")))
    return made


def test_nothing_is_gone_before_every_list_is_there() -> None:
    overlap = Overlap([SHOP, OFFICE])
    first = overlap.joined(listed(SHOP, found("a", "1")))
    assert isinstance(first, Listed)
    assert (first.found, first.beside) == ((found("a", "1"),), None)
    second = overlap.joined(listed(OFFICE))
    assert isinstance(second, Listed)
    assert second.beside == {found("a", "1").key}


def test_an_object_is_gone_when_no_list_shows_it(overlap: Overlap) -> None:
    both, later = found("both", "6"), found("both", "7")
    assert overlap.joined(deleted(SHOP, both)) is None
    assert overlap.joined(deleted(OFFICE, later)) == deleted(OFFICE, later)


def test_a_list_that_lacks_what_another_shows_takes_nothing_away(overlap: Overlap) -> None:
    again = overlap.joined(listed(SHOP, found("shop", "6")))
    assert isinstance(again, Listed)
    assert again.beside == {found("both", "5").key, found("office", "5").key}
    gone = deleted(OFFICE, found("both", "8"))
    assert overlap.joined(gone) == gone


def test_a_watch_that_lags_behind_another_brings_nothing_old_back(overlap: Overlap) -> None:
    newest = put(SHOP, found("both", "12"))
    assert overlap.joined(newest) == newest
    assert overlap.joined(put(OFFICE, found("both", "9"))) is None
    again = overlap.joined(listed(OFFICE, found("both", "10"), found("office", "5")))
    assert isinstance(again, Listed)
    assert again.found == (found("office", "5"),)
    same = put(OFFICE, found("both", "12"))
    assert overlap.joined(same) == same


def test_versions_that_are_no_numbers_are_not_compared(overlap: Overlap) -> None:
    overlap.joined(put(SHOP, found("both", "b")))
    other = put(OFFICE, found("both", "a"))
    assert overlap.joined(other) == other


def declare(api, name: str, address: str, **labels: str) -> None:
    api.put("Service", name, **service(), metadata={"labels": labels})
    of_slice = {**labels, "kubernetes.io/service-name": name}
    api.put("EndpointSlice", f"{name}-1", **slice_of(name, address) | {"metadata": {"labels": of_slice}})


def names(sink) -> list[str]:
    return sorted(name.name for name in sink.services)


async def test_several_selectors_serve_what_any_of_them_selects(api, source, running, eventually):
    declare(api, "payments", "10.1.0.1", team="shop")
    declare(api, "desks", "10.1.0.2", team="lab")
    declare(api, "other", "10.1.0.3")
    declare(api, "lamps", "10.1.0.4", team="office", floor="1")
    async with running(source(selectors=(SHOP, OFFICE, "floor=1"))) as sink:
        await eventually(lambda: sink.reports)
        assert names(sink) == ["desks", "lamps", "payments"]
        assert sink.addresses("lamps") == ["10.1.0.4"]
        declare(api, "lamps", "10.1.0.4", floor="1")
        declare(api, "desks", "10.1.0.5", team="lab")
        await eventually(lambda: sink.addresses("desks") == ["10.1.0.5"])
        assert names(sink) == ["desks", "lamps", "payments"]
        declare(api, "lamps", "10.1.0.4")
        await eventually(lambda: names(sink) == ["desks", "payments"])
        assert ("remove", ServiceName("shop", "payments")) not in sink.reports


async def test_a_list_made_anew_takes_away_what_no_selector_selects_any_more(
    api, source, running, eventually
):
    declare(api, "payments", "10.1.0.1", team="shop")
    declare(api, "lamps", "10.1.0.4", team="office")
    async with running(source(selectors=(SHOP, OFFICE))) as sink:
        await eventually(lambda: names(sink) == ["lamps", "payments"] and api.watches == 7)
        api.silence()
        api.delete("Service", "payments")
        api.compact()
        api.stop()
        api.start()
        await eventually(lambda: names(sink) == ["lamps"])
        assert sink.addresses("lamps") == ["10.1.0.4"]
