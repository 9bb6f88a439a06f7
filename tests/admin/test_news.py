"""What a line of the log says of a change that was accepted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pilothouse.model.services import Endpoint, Port, Service, ServiceName, ServiceSpec, State
from pilothouse.registry.news import News

NAME = ServiceName("shop", "payments")
SPEC = ServiceSpec(NAME, (Port("http", 80),))


def endpoint(number: int, **fields: object) -> Endpoint:
    return Endpoint(f"10.0.0.{number}", (("http", 8080),), **fields)  # type: ignore[arg-type]


ONE, TWO, THREE = (endpoint(number) for number in (1, 2, 3))
BEFORE = Service(SPEC, (ONE, TWO))
OUT = endpoint(2, weight=0, drained="alice, until 1970-01-01 00:01:40 UTC")
BACK = "2 endpoints (1 not ready) -> 2 endpoints; 10.0.0.2 ready now"


def elsewhere(one: Endpoint) -> Endpoint:
    return one._replace(ports=(("http", 9090),))


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        (None, BEFORE, "added, 1 port, 2 endpoints"),
        (BEFORE, None, "removed"),
        (BEFORE, Service(SPEC, (ONE, TWO, THREE)), "2 endpoints -> 3 endpoints; 10.0.0.3 added"),
        (BEFORE, Service(SPEC), "2 endpoints -> 0 endpoints; 10.0.0.1 and 1 more removed"),
        (
            BEFORE,
            Service(SPEC, (ONE, endpoint(2, state=State.NOT_READY))),
            "2 endpoints -> 2 endpoints (1 not ready); 10.0.0.2 not ready now",
        ),
        (Service(SPEC, (ONE, endpoint(2, state=State.NOT_READY))), BEFORE, BACK),
        (BEFORE, Service(SPEC, (ONE, endpoint(2, weight=5))), "10.0.0.2: weight 1 -> 5"),
        (BEFORE, Service(SPEC, (ONE, OUT)), "10.0.0.2 drained"),
        (Service(SPEC, (ONE, OUT)), BEFORE, "10.0.0.2 no longer drained"),
        (
            Service(SPEC, (ONE, OUT)),
            Service(SPEC, (elsewhere(ONE), elsewhere(OUT))),
            "10.0.0.1 and 1 more: ports http:8080 -> http:9090",
        ),
        (
            Service(SPEC, tuple(map(endpoint, range(201)))),
            Service(SPEC, (elsewhere(endpoint(0)), *map(endpoint, range(1, 201)))),
            "endpoints changed",
        ),
        (
            BEFORE,
            replace(BEFORE, spec=replace(SPEC, vips=("10.1.1.1",), headless=True)),
            "vips, headless changed",
        ),
        (
            BEFORE,
            Service(replace(SPEC, exported_to=frozenset({"shop"})), (ONE,)),
            "exported to changed; 2 endpoints -> 1 endpoint; 10.0.0.2 removed",
        ),
    ],
)
def test_a_change_is_told_in_words(before, after, what) -> None:
    news = News()
    news.learn({NAME: before} if before else {})
    (item,) = news.follow([NAME], {NAME: after} if after else {})
    assert (item.service, item.what) == (NAME, what)
    assert list(news.follow([NAME], {NAME: after} if after else {})) == []


def test_what_is_refused_stays_as_it_was_known() -> None:
    news, worse = News(), {NAME: Service(SPEC)}
    news.learn({NAME: BEFORE})
    assert list(news.follow([NAME], worse, refused={NAME})) == []
    assert list(news.follow([NAME], {NAME: BEFORE})) == []
    assert [item.what for item in news.follow([NAME], {NAME: Service(SPEC, (ONE,))})] == [
        "2 endpoints -> 1 endpoint; 10.0.0.2 removed"
    ]
