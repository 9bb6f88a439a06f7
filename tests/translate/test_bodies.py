"""What a client reads that a route answers itself: why, and no name that it may not know."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pilothouse.model.routing import (
    Backend,
    Filters,
    Route,
    RouteKind,
    Rule,
)
from pilothouse.model.services import ServiceName, ServiceSpec
from pilothouse.translate.routes.answers import request_routes

from .test_traffic import BLUE, HTTP, resolved, weighed


def bodies(*rules: Rule, kind: RouteKind = RouteKind.HTTP, viewer: str = "", **more: Any) -> list[str]:
    """What the routes of these rules say that answer by themselves."""
    attached = Route(kind, "shop", "web", rules)
    found = request_routes(replace(resolved(attached), **more), HTTP, viewer)
    assert found is not None
    return [one.direct_response.body.inline_string for one in found if one.direct_response.status]


UNMATCHED = "pilothouse: no rule of the routes of shop/web matches this request\n"
NO_BACKEND = "pilothouse: HTTPRoute shop/web has no backend that can be called"
NOBODY = Backend("shop", "nobody", 80)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            Rule(unsupported="the filter X"),
            "pilothouse: HTTPRoute shop/web asks for something that is not to be had: the filter X\n",
        ),
        (Rule(), f"{NO_BACKEND}\n"),
        (Rule(backends=(weighed(NOBODY, 0),)), f"{NO_BACKEND}\n"),
        (
            Rule(backends=(NOBODY, NOBODY, Backend("shop", "blue", 81))),
            f"{NO_BACKEND}: shop/nobody:80, shop/blue:81: the Service has no TCP port 81\n",
        ),
        (
            Rule(backends=(BLUE,), subset=(("version", "v2"),)),
            f"{NO_BACKEND}: shop/blue:80: it has no subsets by version\n",
        ),
        (
            Rule(backends=(BLUE, NOBODY)),
            f"{NO_BACKEND} for this share of its requests: shop/nobody:80\n",
        ),
        (
            Rule(backends=(Backend("shop", "b", 0, unsupported="a backend cannot be a Bucket"),)),
            f"{NO_BACKEND}: a backend cannot be a Bucket\n",
        ),
    ],
)
def test_what_fails_says_why_and_so_does_what_no_rule_matches(rule: Rule, said: str) -> None:
    assert bodies(rule) == [said, UNMATCHED]


def test_a_call_that_fails_says_the_kind_of_its_route() -> None:
    said = bodies(Rule(backends=(NOBODY,)), kind=RouteKind.GRPC)
    assert said[0] == "pilothouse: GRPCRoute shop/web has no backend that can be called: shop/nobody:80\n"


def test_the_rule_of_envoy_that_a_route_breaks_is_told_to_whoever_calls() -> None:
    said = bodies(Rule(backends=(BLUE,), filters=Filters(host="a\nb")))[0]
    assert said.startswith("pilothouse: HTTPRoute shop/web asks for something that is not to be had: ")
    assert "host_rewrite_literal" in said


@pytest.mark.parametrize("odd", ["\n", "\x00", "\u2028", "\ud800", "\U000e0001"])
def test_a_reason_is_one_printable_line_of_which_envoy_takes_every_character_as_it_is(odd: str) -> None:
    said = bodies(Rule(unsupported=f"100% of %REQ(:PATH)% {odd} é"))[0]
    assert said.endswith(f"100% of %REQ(:PATH)% {odd.encode('unicode_escape').decode()} é\n")
    assert said[:-1].isprintable()


@pytest.mark.parametrize("much", ["x", "\n", "\U0001f6a2", "\ud800"])
def test_a_reason_of_any_length_is_cut_to_two_hundred_characters(much: str) -> None:
    said = bodies(Rule(unsupported=much * 100_000))[0]
    assert said.endswith("...\n")
    assert len(said) == len("pilothouse: ") + 200 + len("\n")


@pytest.mark.parametrize(
    ("backend", "viewer", "named"),
    [
        (Backend("bank", "vault", 80), "", False),  # is there, and hidden
        (Backend("bank", "vault", 80, unsupported="why"), "", False),
        (Backend("bank", "vault", 81), "bank", True),
        (Backend("bank", "gone", 80), "", False),  # would perhaps be hidden, were it there
        (Backend("bank", "gone", 80, granted=True), "", True),
        (Backend("shop", "gone", 80), "", True),
    ],
)
def test_a_client_is_told_no_name_of_a_backend_that_it_may_not_know(
    backend: Backend, viewer: str, named: bool
) -> None:
    vault = ServiceSpec(ServiceName("bank", "vault"), (HTTP,), exported_to=frozenset({"bank"}))
    said = bodies(Rule(backends=(backend,)), viewer=viewer, backends=(vault,))[0]
    assert said.startswith(NO_BACKEND)
    assert (backend.name in said) is named
