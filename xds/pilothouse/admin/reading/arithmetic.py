"""How Envoy divides the requests to a cluster: the numbers, and the same in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pilothouse.admin.api import views
from pilothouse.admin.reading.proxies import place
from pilothouse.admin.reading.shares import percent
from pilothouse.model.services import Locality
from pilothouse.translate.endpoints.targets import Health, Place, Shared


def priorities(found: Shared) -> tuple[views.PriorityView, ...]:
    """The priorities, each with its localities."""
    return tuple(
        views.PriorityView(
            number,
            *_health(level.health),
            share=percent(level.load),
            localities=tuple(_locality(each) for each in found.places if each.priority == number),
        )
        for number, level in found.priorities.items()
    )


def _locality(one: Place) -> views.LocalityView:
    return views.LocalityView(place(one.locality), one.weight, *_health(one.health), share=percent(one.share))


def _health(health: Health) -> tuple[int, int, float]:
    return health.healthy, health.counted, percent(health.trusted)


def in_words(found: Shared) -> Iterator[str]:
    """How the shares come about, line by line."""
    if not found.targets:
        yield "no endpoint is in the load assignment"
    factor, before = found.overprovisioning / 100, 0.0
    together = sum(level.health.trusted for level in found.priorities.values())
    for number, level in found.priorities.items():
        rest = "the rest, " if before and level.load and before + level.load > 1 - 1e-9 else ""
        yield f"priority {number}: {_healthy(level.health, factor)}; gets {rest}{percent(level.load):g} %"
        yield from _between([each for each in found.places if each.priority == number], factor)
        before += level.load
    if 0 < together < 1 - 1e-9:
        yield f"{percent(together):g} % in all is less than 100 %: each priority gets its part of that"


def _healthy(health: Health, factor: float) -> str:
    """How much of its load it is trusted to take, if that is less than all."""
    said = f"{health.healthy} of {health.counted} healthy"
    if health.healthy in (0, health.counted):
        return said
    part = health.healthy / health.counted
    most = ", at most 100 %" if part * factor > 1 else ""
    return f"{said}, {percent(part):g} % x {factor:g} = {percent(part * factor):g} %{most}"


def _between(places: Sequence[Place], factor: float) -> Iterator[str]:
    """How the localities of a priority divide what it gets. Nothing if there is one."""
    whole = sum(each.effective for each in places)
    if len(places) < 2 or not whole:
        return
    for each in places:
        of = f"{_number(each.effective)} of {_number(whole)}"
        weight = f"weight {each.weight}"
        if each.health.trusted != 1:
            weight += f" x {percent(each.health.trusted):g} % = {of}"
        else:
            weight = f"weight {of}"
        yield f"{_name(each.locality)}: {_healthy(each.health, factor)}"
        yield f"  {weight}; gets {percent(each.share):g} %"


def _number(weight: float) -> str:
    return f"{round(weight, 2):g}"


def _name(locality: Locality) -> str:
    return "/".join(filter(None, locality)) or "no locality"
