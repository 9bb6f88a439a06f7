"""A version that clients refuse gives way to the one before, until the service changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pilothouse.mesh.audience import ANYWHERE
from pilothouse.mesh.visibility import Scope
from pilothouse.model.policy import PLAIN, Balance
from pilothouse.model.services import Service
from pilothouse.serving import versions

Make = Callable[..., Service]
PAYMENTS = "outbound|8080||payments.shop.svc.cluster.local"
EVERYTHING = Scope()
RANDOM = replace(PLAIN, balance=Balance.RANDOM)


@pytest.fixture
def served(town: Any, make_service: Make) -> Any:
    """A town whose clients are served: `shop/payments`, first plain and then with another policy."""
    town.put(make_service("shop/payments", "10.0.0.1", vips=("10.96.0.1",)))
    town.catalogue.knowledge.begin()
    town.plain = town.catalogue.cluster(EVERYTHING, PAYMENTS)
    town.random = make_service("shop/payments", "10.0.0.1", vips=("10.96.0.1",), policy=RANDOM)
    town.put(town.random)
    assert town.catalogue.cluster(EVERYTHING, PAYMENTS).version != town.plain.version
    return town


def test_the_version_before_a_refused_one_is_served_again(served: Any) -> None:
    assert served.catalogue.refuse(served.random.name, "rejected by web-1: no")
    served.put(served.random)
    assert served.catalogue.cluster(EVERYTHING, PAYMENTS).version == served.plain.version
    assert served.catalogue.quarantined[served.random.name].reason == "rejected by web-1: no"
    since_s = served.catalogue.quarantined[served.random.name].since_s
    served.put(served.random)
    assert served.catalogue.quarantined[served.random.name].since_s == since_s


def test_endpoints_follow_while_a_version_is_refused(served: Any) -> None:
    served.catalogue.refuse(served.random.name, "no")
    later = served.random.endpoints[0]._replace(address="10.0.0.9")
    served.put(replace(served.random, endpoints=(later,)))
    assert served.catalogue.cluster(EVERYTHING, PAYMENTS).version == served.plain.version
    assert b"10.0.0.9" in served.catalogue.load_assignment(EVERYTHING, ANYWHERE, PAYMENTS).any


def test_a_refused_version_comes_into_force_as_soon_as_it_differs(served: Any, make_service: Make) -> None:
    served.catalogue.refuse(served.random.name, "no")
    served.put(served.random)
    served.put(make_service("shop/payments", "10.0.0.1", vips=("10.96.0.2",), policy=RANDOM))
    assert served.catalogue.quarantined == {}
    assert served.catalogue.cluster(EVERYTHING, PAYMENTS).version != served.plain.version
    served.put(served.random)
    assert served.catalogue.quarantined == {}, "what was refused once may be tried again"


def test_a_refused_service_that_is_removed_leaves_nothing(served: Any) -> None:
    served.catalogue.refuse(served.random.name, "no")
    served.put(served.random)
    served.remove(served.random.name)
    assert served.catalogue.quarantined == {}
    assert served.catalogue.cluster(EVERYTHING, PAYMENTS) is None
    served.put(served.random)
    assert served.catalogue.quarantined == {}


def test_a_new_service_that_is_refused_is_not_served(served: Any, make_service: Make) -> None:
    new = make_service("shop/new", "10.0.0.3", vips=("10.96.0.9",))
    served.put(new)
    assert served.catalogue.refuse(new.name, "no")
    served.put(new)
    assert not served.catalogue.serves(new.name)
    heir = make_service("shop/heir", "10.0.0.4", vips=("10.96.0.9",))
    served.put(heir)
    assert served.catalogue.claims.resolve(heir.spec).spec.vips == ("10.96.0.9",)


def test_what_was_loaded_at_the_start_or_long_ago_is_not_taken_back(
    served: Any, make_service: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not served.catalogue.refuse(make_service("shop/unknown").name, "no")
    monkeypatch.setattr(versions, "_RECENT_S", -1.0)
    assert not served.catalogue.refuse(served.random.name, "no")


def test_of_a_town_that_serves_nobody_nothing_is_remembered(town: Any, make_service: Make) -> None:
    made = make_service("shop/payments", "10.0.0.1")
    town.put(made)
    assert not town.catalogue.refuse(made.name, "no")
