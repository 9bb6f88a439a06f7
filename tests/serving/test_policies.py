"""Who else is concerned when the policy of a service changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.audience import EGRESS, Capture
from pilothouse.mesh.visibility import Scope
from pilothouse.model.policy import CLIENT, Balance, Policy
from pilothouse.model.routing import Backend, Match, Route, RouteKind, Rule
from pilothouse.model.services import Service

Make = Callable[..., Service]
SHOP = Scope(namespace="shop")
STICKY = Policy(Balance.MAGLEV, CLIENT)
KEY = b"pilothouse.client"


def with_policy(service: Service, policy: Policy) -> Service:
    return replace(service, spec=replace(service.spec, policy=policy))


def test_who_has_an_alias_follows_the_policy_of_its_target(town: Any, make_service: Make) -> None:
    target = make_service("data/payments", "10.0.0.1")
    alias = make_service("shop/payments", ports=(), external_name=target.spec.hostname)
    town.put(target, alias)
    changes = town.put(with_policy(target, STICKY))
    assert ResourceType.ROUTES in {change.service.name: change for change in changes}[alias.name].names
    # Its own names, and those of the alias.
    assert town.catalogue.routes(SHOP, Capture.PROXY).resources["egress"].any.count(KEY) == 4


def test_who_has_a_route_follows_the_policy_of_its_backend(town: Any, make_service: Make) -> None:
    backend = make_service("data/payments", "10.0.0.1")
    rule = Rule(matches=(Match(),), backends=(Backend("data", "payments", 8080),))
    front = make_service("shop/front", routes=(Route(RouteKind.HTTP, "shop", "r", rules=(rule,)),))
    town.put(backend, front)
    assert KEY not in town.catalogue.routes(SHOP, Capture.PROXY).resources["egress"].any
    town.put(with_policy(backend, STICKY))
    assert town.catalogue.routes(SHOP, Capture.PROXY).resources["egress"].any.count(KEY) == 4


def test_the_listener_for_requests_stays_as_it_is(town: Any, make_service: Make) -> None:
    service = make_service("shop/payments", "10.0.0.1")
    town.put(service)
    before = town.catalogue.listeners(SHOP, EGRESS, Capture.PROXY).versions
    changes = town.put(with_policy(service, STICKY))
    assert ResourceType.LISTENER not in changes[0].names
    assert town.catalogue.listeners(SHOP, EGRESS, Capture.PROXY).versions == before
