"""Which of several rules is tried first, and what becomes of a request that none of them can serve."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.mesh.claims import Claims, Resolved
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.routing import (
    Backend,
    Field,
    Filters,
    HeaderChange,
    Match,
    Mirror,
    Path,
    PathKind,
    Redirect,
    Route,
    RouteKind,
    Rule,
)
from pilothouse.model.services import Port, Protocol, ServiceName, ServiceSpec
from pilothouse.translate.routes.answers import encoded, request_routes
from pilothouse.translate.routes.traffic import (
    NOWHERE,
    Connections,
    Forwarding,
    Redirection,
    Refusal,
    connections_at,
    ranked,
    requests_at,
)

HTTP = Port("http", 80)
EXACT, PREFIX = Path(PathKind.EXACT, "/a"), Path(PathKind.PREFIX, "/a")
LONGER = Path(PathKind.PREFIX, "/a/b")
ONE, OTHER = Field("x", "1"), Field("y", "1")
BLUE, GREEN = Backend("shop", "blue", 80), Backend("shop", "green", 80)


def route(*rules: Rule, name: str = "web", created: str = "", **fields: Any) -> Route:
    return Route(RouteKind.HTTP, "shop", name, rules, created=created, **fields)


def spec(name: str, *ports: Port, **fields: Any) -> ServiceSpec:
    return ServiceSpec(ServiceName("shop", name), ports or (HTTP,), **fields)


def resolved(*routes: Route, ports: tuple[Port, ...] = (HTTP,)) -> Resolved:
    return Resolved(web := spec("web", *ports, routes=routes), web, backends=(spec("blue"), spec("green")))


ORDER = (
    Match(EXACT, "GET"),
    Match(EXACT, headers=(ONE, OTHER)),
    Match(EXACT),
    Match(Path(PathKind.REGEX, "/.*")),
    Match(LONGER),
    Match(PREFIX, "GET"),
    Match(PREFIX, headers=(ONE, OTHER)),
    Match(PREFIX, headers=(ONE,), query=(ONE, OTHER)),
    Match(PREFIX, headers=(ONE,)),
    Match(PREFIX, query=(ONE, OTHER)),
    Match(PREFIX, query=(ONE,)),
    Match(PREFIX),
    Match(),
)


@given(st.permutations(ORDER))
def test_what_is_more_special_is_tried_first(matches: list[Match]) -> None:
    rules = [Rule((match,)) for match in matches]
    assert [one.match for one in ranked([route(*rules)])] == list(ORDER)
    assert [one.match for one in ranked([route(rule) for rule in rules])] == list(ORDER)
    assert [one.match for one in ranked([route(Rule(tuple(matches)))])] == list(ORDER)


def test_of_equal_matches_the_first_route_and_the_first_rule_win() -> None:
    rules = [Rule(backends=(Backend("shop", name, 80),)) for name in "abc"]
    assert [one.rule for one in ranked([route(*rules[:2]), route(rules[2])])] == rules


def test_without_routes_requests_go_to_the_own_endpoints() -> None:
    assert request_routes(resolved(), HTTP) is None
    of_another_port = route(Rule(), port=81)
    assert request_routes(resolved(of_another_port), HTTP) is None


def answers(*rules: Rule) -> list[int | str | list[tuple[str, int]]]:
    """Of each route the status that it answers with, the cluster or the clusters and weights."""
    found = request_routes(resolved(route(*rules)), HTTP)
    assert found is not None

    def short(cluster: str) -> str:
        return cluster.rpartition("|")[2].partition(".")[0]

    return [
        one.direct_response.status
        or [(short(c.name), c.weight.value) for c in one.route.weighted_clusters.clusters]
        or short(one.route.cluster)
        for one in found
    ]


def told(found: Resolved, port: Port = HTTP) -> list[Omission]:
    """What was decided to be left out of the requests of a port."""
    decided = requests_at(found, port)
    return [*decided.in_force.omissions, *(each for answer in decided.answers for each in answer.omissions)]


def weighed(backend: Backend, weight: int) -> Backend:
    return backend._replace(weight=weight)


@pytest.mark.parametrize(
    ("backends", "answer"),
    [
        ((BLUE,), ["blue"]),
        ((weighed(BLUE, 9), weighed(GREEN, 1)), [[("blue", 9), ("green", 1)]]),
        ((BLUE, weighed(GREEN, 0)), ["blue"]),
        ((), [500]),
        ((weighed(BLUE, 0),), [500]),
        ((Backend("shop", "nobody", 80),), [500]),
        ((Backend("shop", "blue", 81),), [500]),
        ((weighed(BLUE, 3), Backend("shop", "nobody", 80)), [500, "blue"]),
    ],
)
def test_a_rule_leads_to_its_backends_and_fails_where_there_are_none(
    backends: tuple[Backend, ...], answer: list[object]
) -> None:
    assert answers(Rule(backends=backends)) == [*answer, 404]


def test_the_share_of_what_is_not_there_fails_and_no_more() -> None:
    found = request_routes(
        resolved(route(Rule(backends=(weighed(BLUE, 3), Backend("shop", "nobody", 80))))), HTTP
    )
    assert found is not None
    assert found[0].match.runtime_fraction.default_value.numerator == 250_000
    assert not found[1].match.HasField("runtime_fraction")


def test_of_calls_the_longer_service_counts_and_then_the_longer_method() -> None:
    calls = [
        Match(Path(PathKind.EXACT, "/a.Long/M"), call=(6, 1)),
        Match(Path(PathKind.PREFIX, "/a.Long/"), headers=(ONE,), call=(6, 0)),
        Match(Path(PathKind.PREFIX, "/a.Long/"), call=(6, 0)),
        Match(Path(PathKind.EXACT, "/a.B/Method"), call=(3, 6)),
        Match(Path(PathKind.REGEX, "/[^/]+/Method"), call=(0, 6)),
        Match(Path(PathKind.REGEX, "/[^/]+/M"), call=(0, 1)),
        Match(),
    ]
    rules = [Rule((match,)) for match in calls]
    found = ranked([Route(RouteKind.GRPC, "shop", "calls", tuple(reversed(rules)))])
    assert [one.match for one in found] == calls


def test_calls_fail_as_unavailable() -> None:
    rules = (Rule(backends=(BLUE, Backend("shop", "nobody", 80))), Rule(unsupported="the filter X"))
    calls = Route(RouteKind.GRPC, "shop", "calls", rules)
    found = request_routes(resolved(calls), HTTP)
    assert [each.direct_response.status for each in found] == [503, 0, 503, 404]


def test_what_is_not_supported_fails_and_is_told() -> None:
    assert answers(Rule(backends=(BLUE,), unsupported="the filter X")) == [500, 404]


def test_what_is_left_out_has_a_reason() -> None:
    rules = (
        Rule(
            backends=(
                Backend("shop", "nobody", 80),
                BLUE._replace(unsupported="a backend cannot be a Bucket"),
            )
        ),
        Rule(unsupported="the filter X"),
    )
    connections = Route(RouteKind.TCP, "shop", "tcp", (Rule(),), port=80)
    assert {omission.reason for omission in told(resolved(route(*rules), connections))} == {
        Reason.NO_SUCH_BACKEND,
        Reason.UNSUPPORTED_RULE,
        Reason.ROUTE_CONFLICT,
    }


def test_a_decision_is_in_plain_values_and_has_the_reason_of_what_it_leaves_out() -> None:
    nobody, never = Backend("shop", "nobody", 80), Backend("shop", "never", 80)
    copies = Filters(mirrors=(Mirror(GREEN), Mirror(never)))
    shared = Rule(backends=(weighed(BLUE, 3), nobody), filters=copies)
    elsewhere = Rule(filters=Filters(redirect=Redirect(host="other.example")))
    web = resolved(route(shared), route(elsewhere, name="later"))
    first, second = requests_at(web, HTTP).answers
    blue, green = (f"outbound|80||{name}.shop.svc.cluster.local" for name in ("blue", "green"))
    refused, forwarded = first.actions
    assert isinstance(refused, Refusal)
    assert (refused.status, refused.share) == (500, (1, 4))
    assert forwarded == Forwarding(((blue, weighed(BLUE, 3)),), ((green, 1_000_000),), ())
    assert first.omissions == (
        Omission(Reason.NO_SUCH_BACKEND, "shop/nobody:80", "there is no Service shop/nobody"),
        Omission(Reason.NO_SUCH_BACKEND, "shop/never:80", "there is no Service shop/never"),
    )
    (redirected,) = second.actions
    assert isinstance(redirected, Redirection)
    assert (redirected.port, redirected.hosts[0]) == (80, "web.shop.svc.cluster.local")
    assert second.omissions == ()


class TestConnections:
    TCP = Port("tcp", 5432, Protocol.TCP)

    def shares(self, *routes: Route) -> list[tuple[str, int]]:
        return [*connections_at(resolved(*routes, ports=(self.TCP,)), self.TCP).shares]

    def test_go_to_the_own_endpoints_without_a_route(self) -> None:
        assert self.shares() == [("outbound|5432||web.shop.svc.cluster.local", 1)]

    def test_go_to_backends_by_weight(self) -> None:
        rule = Rule(backends=(weighed(BLUE, 2), GREEN, Backend("shop", "nobody", 80)))
        assert self.shares(replace(route(rule), kind=RouteKind.TCP)) == [
            ("outbound|80||blue.shop.svc.cluster.local", 2),
            ("outbound|80||green.shop.svc.cluster.local", 1),
            (NOWHERE, 1),
        ]

    @pytest.mark.parametrize(
        "rule", [Rule(), Rule(backends=(weighed(BLUE, 0),)), Rule(unsupported="a backend")]
    )
    def test_are_refused_if_no_backend_is_there(self, rule: Rule) -> None:
        assert self.shares(replace(route(rule), kind=RouteKind.TCP)) == [(NOWHERE, 1)]

    def test_are_not_touched_by_routes_of_requests(self) -> None:
        assert self.shares(route(Rule(backends=(BLUE,)))) == self.shares()


def test_a_backend_that_comes_and_goes_concerns_who_leads_there_by_route_and_by_alias() -> None:
    claims = Claims()
    web, blue = spec("web", routes=(route(Rule(backends=(BLUE,))),)), spec("blue")
    alias = spec("alias", external_name=web.hostname)
    claims.stake(web)
    claims.stake(alias)
    assert claims.resolve(web).backends == ()
    assert claims.stake(blue) == {web.name, alias.name}
    assert claims.resolve(web).backends == claims.resolve(alias).backends == (blue,)
    assert claims.release(blue) == {web.name, alias.name}


def test_precedence_is_total() -> None:
    found = ranked([route(Rule((Match(), Match(EXACT)))), route(Rule((Match(),)))])
    assert all(one.rank < next_one.rank for one, next_one in pairwise(found))


def test_clients_with_routes_of_their_own_follow_these_and_no_others() -> None:
    own = replace(route(Rule(backends=(GREEN,))), namespace="front")
    found = resolved(route(Rule(backends=(BLUE,))), own)

    def leads_to(consumer: str) -> list[str]:
        return [
            one.route.cluster.split("|")[3]
            for one in request_routes(found, HTTP, consumer) or ()
            if one.route.cluster
        ]

    assert leads_to("") == leads_to("data") == ["blue.shop.svc.cluster.local"]
    assert leads_to("front") == ["green.shop.svc.cluster.local"]
    assert request_routes(resolved(own), HTTP, "data") is None


class TestKinds:
    """Of several kinds of routes for one port of a Service one is in force (GEP-1294, route types)."""

    TLS = Port("tls", 443, Protocol.TLS)

    def of(self, kind: RouteKind, backend: Backend, name: str = "", **fields: Any) -> Route:
        return replace(route(Rule(backends=(backend,)), **fields), kind=kind, name=name or kind.value.lower())

    def test_a_grpc_route_comes_before_http_routes_and_these_are_told(self) -> None:
        routes = (self.of(RouteKind.HTTP, BLUE), self.of(RouteKind.GRPC, GREEN), self.of(RouteKind.TCP, BLUE))
        found = request_routes(resolved(*routes), HTTP)
        assert found is not None
        assert [one.route.cluster.partition("||")[2] for one in found if one.route.cluster] == [
            "green.shop.svc.cluster.local"
        ]
        assert told(resolved(*routes)) == [
            Omission(
                Reason.ROUTE_CONFLICT, "HTTPRoute shop/httproute", "GRPCRoute shop/grpcroute has port 80"
            ),
            Omission(Reason.ROUTE_CONFLICT, "TCPRoute shop/tcproute", "port 80 speaks http"),
        ]

    def test_a_tls_route_comes_before_an_older_tcp_route(self) -> None:
        routes = (self.of(RouteKind.TCP, BLUE), self.of(RouteKind.TLS, GREEN))
        why = "TLSRoute shop/tlsroute has port 443"
        assert connections_at(resolved(*routes, ports=(self.TLS,)), self.TLS) == Connections(
            (("outbound|80||green.shop.svc.cluster.local", 1),),
            (Omission(Reason.ROUTE_CONFLICT, "TCPRoute shop/tcproute", why),),
        )

    def test_routes_of_one_port_do_not_disturb_those_of_another(self) -> None:
        other = Port("other", 81)
        routes = (self.of(RouteKind.HTTP, BLUE, port=80), self.of(RouteKind.GRPC, GREEN, port=81))
        both = resolved(*routes, ports=(HTTP, other))
        for port, name in ((HTTP, "blue"), (other, "green")):
            found = request_routes(both, port)
            assert found is not None
            assert found[0].route.cluster == f"outbound|80||{name}.shop.svc.cluster.local"
            assert told(both, port) == []

    def test_a_route_for_all_ports_is_told_where_no_port_is_for_it(self) -> None:
        alone = resolved(self.of(RouteKind.TCP, BLUE))
        assert request_routes(alone, HTTP) is None
        assert [each.reason for each in told(alone)] == [Reason.ROUTE_CONFLICT]
        mixed = resolved(self.of(RouteKind.TCP, BLUE), ports=(HTTP, TestConnections.TCP))
        assert request_routes(mixed, HTTP) is None
        assert told(mixed) == []


def test_a_match_that_cannot_be_compared_gives_way_to_those_that_are_the_same_without_it() -> None:
    vague, plain = Match(PREFIX, "GET", unsupported="why"), Match(PREFIX, "GET")
    found = ranked([route(Rule((vague,)), Rule((Match(PREFIX),))), route(Rule((plain,)))])
    assert [one.match for one in found] == [plain, vague, Match(PREFIX)]
    asked = resolved(route(Rule((vague,), (BLUE,))))
    answered = request_routes(asked, HTTP)
    assert answered is not None
    assert answered[0].direct_response.status == 500
    assert told(asked) == [Omission(Reason.UNSUPPORTED_RULE, "why")]


def test_routes_that_break_a_rule_of_envoy_fail_alone() -> None:
    bad = Rule((Match(EXACT),), (BLUE,), filters=Filters(host="a\nb"))
    never = Rule((Match(query=(Field("q" * 2000, "1"),)),), (BLUE,))
    asked = resolved(route(bad, never, Rule(backends=(GREEN,))))
    found = request_routes(asked, HTTP)
    assert found is not None
    assert [one.direct_response.status for one in found] == [500, 0, 404]
    assert told(asked) == []
    refused = [each for answer in requests_at(asked, HTTP).answers for each in encoded(answer).omissions]
    assert [each.reason for each in refused] == [Reason.UNSUPPORTED_RULE] * 2
    assert "host_rewrite_literal" in refused[0].what


def test_what_is_done_to_headers_twice_is_what_both_do_one_after_the_other() -> None:
    first = HeaderChange((("a", "1"), ("b", "1")), (("c", "1"), ("d", "1")), ("e",))
    later = HeaderChange((("a", "2"), ("d", "2"), ("e", "2")), (("b", "2"),), ("c",))
    assert first.then(later) == HeaderChange(
        (("b", "1"), ("a", "2"), ("d", "2"), ("e", "2")), (("b", "2"),), ("e", "c")
    )
