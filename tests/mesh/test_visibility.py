"""Who may know of a service, of what answers for it, and of what its names lead to."""

import pytest

from pilothouse.mesh.dependencies import Dependencies
from pilothouse.mesh.visibility import (
    Referrer,
    Scope,
    Visibility,
    includes,
    known_to,
    passed_on,
    told_apart,
    union,
)
from pilothouse.model.routing import Backend, Route, RouteKind, Rule
from pilothouse.model.services import ServiceName, ServiceSpec

SHOP, DATA = frozenset({"shop"}), frozenset({"data"})
WEB, LEDGER = ServiceName("shop", "web"), ServiceName("data", "ledger")
ONLY_WEB = Dependencies(frozenset({WEB}))


def test_what_is_exported_to_some_is_for_their_namespaces() -> None:
    assert includes(None, "")
    assert includes(None, "shop")
    assert includes(SHOP, "shop")
    assert not includes(SHOP, "data")
    assert not includes(SHOP, "")
    assert not includes(frozenset(), "shop")


def test_what_any_shows_to_all_is_shown_to_all() -> None:
    assert union() == frozenset()
    assert union(SHOP, DATA) == SHOP | DATA
    assert union(SHOP, None, DATA) is None


@pytest.mark.parametrize(
    ("exported_to", "namespace", "dependencies", "seen"),
    [
        (None, "", Dependencies(), True),
        (None, "data", Dependencies(), True),
        (SHOP, "shop", Dependencies(), True),
        (SHOP, "data", Dependencies(), False),
        (SHOP, "", Dependencies(), False),
        (None, "data", ONLY_WEB, True),
        (None, "data", Dependencies(frozenset({LEDGER})), False),
        (DATA, "shop", ONLY_WEB, False),
    ],
)
def test_a_service_is_seen_if_it_is_exported_and_wanted(
    exported_to: frozenset[str] | None, namespace: str, dependencies: Dependencies, seen: bool
) -> None:
    assert Scope(dependencies, namespace).sees(Visibility(WEB, exported_to)) is seen


def test_a_scope_without_a_namespace_is_shared() -> None:
    assert Scope(ONLY_WEB, "shop").outside is Scope(ONLY_WEB, "data").outside
    assert Scope().outside == Scope()


@pytest.mark.parametrize(
    ("exported_to", "referrer", "reached"),
    [
        # A route of a service that is wanted leads to one that is exported, and not wanted.
        (None, Referrer(Visibility(WEB), Visibility(WEB)), True),
        # It is not exported, and nothing passes it on; or something does, to other namespaces or to this.
        (DATA, Referrer(Visibility(WEB), Visibility(WEB)), False),
        (DATA, Referrer(Visibility(WEB), Visibility(WEB), DATA), False),
        (DATA, Referrer(Visibility(WEB), Visibility(WEB), SHOP), True),
        (DATA, Referrer(Visibility(WEB), Visibility(WEB), None), True),
        # It answers for an alias of its own namespace, or of another.
        (DATA, Referrer(Visibility(WEB), Visibility(LEDGER, DATA)), False),
        # What leads there is not seen itself.
        (None, Referrer(Visibility(WEB, DATA), Visibility(WEB, DATA)), False),
        (None, Referrer(Visibility(LEDGER), Visibility(LEDGER)), False),
    ],
)
def test_a_service_is_reached_through_one_that_is_seen_and_may_lead_there(
    exported_to: frozenset[str] | None, referrer: Referrer, reached: bool
) -> None:
    scope, target = Scope(ONLY_WEB, "shop"), Visibility(ServiceName("data", "ledger"), exported_to)
    assert scope.reaches(target, [referrer]) is reached
    assert not scope.reaches(target, [])


def test_what_answers_for_an_alias_of_its_own_namespace_may_be_kept_to_that() -> None:
    alias, target = Visibility(ServiceName("data", "alias")), Visibility(LEDGER, DATA)
    scope = Scope(Dependencies(frozenset({alias.name})), "shop")
    assert scope.answered(alias, target)
    assert scope.reaches(target, [Referrer(alias, target)])
    assert not scope.answered(Visibility(WEB), target)


def test_names_without_a_namespace_are_for_clients_in_that_of_the_service() -> None:
    assert Scope(namespace="shop").inside(WEB)
    assert not Scope(namespace="data").inside(WEB)
    assert not Scope().inside(WEB)


def spec(*routes: Route) -> ServiceSpec:
    return ServiceSpec(WEB, routes=routes)


def route(backend: Backend, namespace: str = "shop") -> Route:
    return Route(RouteKind.HTTP, namespace, "r", (Rule(backends=(backend,)),))


@pytest.mark.parametrize(
    ("routes", "passed"),
    [
        ([route(Backend("shop", "blue", 80))], None),  # of its own, to all who may call it
        ([route(Backend("data", "blue", 80))], frozenset()),
        ([route(Backend("data", "blue", 80, granted=True))], None),
        ([route(Backend("data", "blue", 80, granted=True), "front")], frozenset({"front"})),
        ([route(Backend("front", "blue", 80), "front")], frozenset()),
        ([route(Backend("data", "blue", 80, granted=True), each) for each in ("a", "b")], frozenset("ab")),
        (
            [route(Backend("data", "blue", 80, granted=True), "a"), route(Backend("data", "blue", 80))],
            frozenset("a"),
        ),
    ],
)
def test_routes_pass_on_what_their_namespace_keeps_to_itself_and_what_is_granted(
    routes: list[Route], passed: frozenset[str] | None
) -> None:
    assert [*passed_on(spec(*routes)).values()] == [passed]


@pytest.mark.parametrize(
    ("backend", "passed", "called", "known"),
    [
        (None, False, None, None),
        (DATA, False, None, DATA),
        (DATA, True, None, None),
        (DATA | SHOP, False, SHOP, None),  # whoever may call the service may call this
        (DATA, False, SHOP, DATA),
    ],
)
def test_clients_are_led_to_what_they_could_call_or_what_is_passed_on(
    backend: frozenset[str] | None,
    passed: bool,
    called: frozenset[str] | None,
    known: frozenset[str] | None,
) -> None:
    web = Visibility(WEB, called)
    assert known_to(Visibility(LEDGER, backend), passed, web, web) == known
    assert known_to(Visibility(LEDGER, backend), passed, web, Visibility(LEDGER, backend)) is None


def test_namespaces_are_told_apart_by_what_is_exported_and_passed_on_to_them() -> None:
    assert told_apart(Visibility(WEB), [None, frozenset()]) == frozenset()
    assert told_apart(Visibility(WEB, SHOP), [DATA, None]) == SHOP | DATA
