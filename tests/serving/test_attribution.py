"""The service that a NACK is about, by its text."""

from __future__ import annotations

import pytest

from pilothouse.model.reasons import WORDS, Reason
from pilothouse.model.services import ServiceName
from pilothouse.serving.attribution import Attribution, attributed
from pilothouse.serving.catalogue import Catalogue

PAYMENTS = ServiceName("shop", "payments")
CLUSTER = "outbound|8080||payments.shop.svc.cluster.local"


@pytest.fixture
def catalogue(make_service) -> Catalogue:
    service = make_service("shop/payments", "10.0.0.1", vips=("10.96.0.21",))
    found = Catalogue()
    found.apply([service.name], {service.name: service})
    return found


@pytest.mark.parametrize(
    ("text", "resource", "service"),
    [
        (f"Error adding/updating cluster(s) {CLUSTER}: no such thing", CLUSTER, PAYMENTS),
        (f"{CLUSTER}.", CLUSTER, PAYMENTS),
        ("cluster outbound|1||gone.shop.svc.cluster.local", "outbound|1||gone.shop.svc.cluster.local", None),
        ("Error adding/updating listener(s) 10.96.0.21_8080: bad", "10.96.0.21_8080", PAYMENTS),
        ("listener 10.96.0.99_8080", "10.96.0.99_8080", None),
        ("listener fd00::1_80", "fd00::1_80", None),
        ("virtual host payments.shop.svc.cluster.local:8080 is odd", None, PAYMENTS),
        ("Error adding/updating listener(s) egress: bad", "egress", None),
        (f"10.96.0.1_8080 and x{CLUSTER}", "10.96.0.1_8080", PAYMENTS),
        ("payments.shop.svc.clusterset.local", None, None),
        ("no reason given", None, None),
    ],
)
def test_a_text_is_about_what_it_names(catalogue, text, resource, service) -> None:
    assert attributed(text, catalogue) == Attribution(resource, frozenset((service and [service]) or ()))


def test_a_text_is_about_all_services_that_it_names_unless_they_are_too_many(catalogue, make_service) -> None:
    services = {one.name: one for one in (make_service(f"shop/a{number}", "10.0.0.1") for number in range(6))}
    catalogue.apply([*services], services)
    hosts = [f"outbound|80||{name.name}.shop.svc.cluster.local: bad" for name in services]
    assert attributed(", ".join(hosts[:5]), catalogue).services == set(sorted(services)[:5])
    assert attributed(", ".join(hosts), catalogue).services == frozenset()


def test_every_reason_has_words() -> None:
    assert set(WORDS) == set(Reason)
