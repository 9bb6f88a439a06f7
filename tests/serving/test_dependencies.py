"""What a sidecar depends on, and what it says about that which makes no sense."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.mesh.dependencies import Dependencies, Domain, Preference, dependencies
from pilothouse.mesh.visibility import Scope
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import SYSTEM_CA, Port, Service, ServiceName, ServiceSpec


class Refused(Exception):
    pass


def read(*items: object) -> Dependencies:
    return dependencies(items, lambda place, mistake: Refused(f"{place}: {mistake}"))


def named(text: str) -> ServiceName:
    namespace, _, name = text.partition("/")
    return ServiceName(namespace, name)


def wanted(found: Dependencies) -> set[str]:
    names = ("shop/payments", "shop/carts", "data/ledger", "data/legacy-1", "data/legacy")
    return {name for name in names if found.want(named(name))}


@pytest.mark.parametrize(
    ("items", "names"),
    [
        (["shop/payments"], {"shop/payments"}),
        ([{"service": "shop/payments"}], {"shop/payments"}),
        (["shop/*"], {"shop/payments", "shop/carts"}),
        (["*"], {"shop/payments", "shop/carts", "data/ledger", "data/legacy-1", "data/legacy"}),
        (["*", "!data/*"], {"shop/payments", "shop/carts"}),
        (["data/*", "!data/legacy*"], {"data/ledger"}),
        (["data/*", "!data/legacy-*"], {"data/ledger", "data/legacy"}),
        (["data/*", "!data/legacy"], {"data/ledger", "data/legacy-1"}),
        (["data/*", "!data/*", "data/ledger"], {"data/ledger"}),
        (["*", "!data/*", "data/ledger"], {"shop/payments", "shop/carts", "data/ledger"}),
        ([], set()),
    ],
)
def test_a_sidecar_depends_on_what_it_says(items: list[object], names: set[str]) -> None:
    assert wanted(read(*items)) == names


def test_what_nobody_excludes_is_named_or_all() -> None:
    assert wanted(Dependencies()) == wanted(read("*"))


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("https://api.example.com", Domain("api.example.com", 443, SYSTEM_CA)),
        ("http://API.example.com/", Domain("api.example.com", 80)),
        ("https://api.example.com:8443", Domain("api.example.com", 8443, SYSTEM_CA)),
    ],
)
def test_a_domain_outside_of_the_mesh(text: str, domain: Domain) -> None:
    assert read(text).domains == read({"domain": text}).domains == {domain}
    assert read(text).services == frozenset()


@pytest.mark.parametrize(
    ("item", "place"),
    [
        ("payments", "[0]"),
        ("shop/payments*", "[0]"),
        ("!shop", "[0]"),
        ("*/payments", "[0]"),
        (7, "[0]"),
        ({}, "[0]"),
        ({"service": "shop/a", "domain": "https://a.example"}, "[0]"),
        ({"service": 7}, "[0]"),
        ({"name": "shop/a"}, "[0]"),
        ({"service": "https://a.example"}, "[0].service"),
        ({"domain": "shop/a"}, "[0].domain"),
        ({"domain": "https://a.example", "ca": "ca.pem"}, "[0].ca"),
        ({"domain": "https://a.example", "ca": None}, "[0].ca"),
        ({"domain": "http://a.example", "ca": "/ca.pem"}, "[0].domain"),
        ({"service": "shop/a", "ca": "/ca.pem"}, "[0]"),
        ({"ca": "/ca.pem"}, "[0]"),
        ({"service": "shop/a", "subset": "v1"}, "[0].subset"),
        ({"service": "shop/a", "subset": {}}, "[0].subset"),
        ({"service": "shop/a", "subset": {"a": "1"}}, "[0].subset"),
        ({"service": "shop/a", "subset": {"a": "1", "b": "2"}}, "[0].subset"),
        ({"service": "shop/a", "subset": {"a": [1]}}, "[0].subset"),
        ({"service": "shop/a", "subset": {"a": []}}, "[0].subset"),
        ({"service": "shop/a", "subset": {"a": ["1"]}, "fallback": "any"}, "[0].fallback"),
        ({"service": "shop/a", "fallback": True}, "[0].fallback"),
        ({"service": "shop/*", "subset": {"a": ["1"]}}, "[0].subset"),
        ({"service": "*", "subset": {"a": ["1"]}}, "[0].subset"),
        ({"service": "!shop/a", "subset": {"a": ["1"]}}, "[0].subset"),
        ("http://payments.shop.svc.cluster.local", "[0]"),
        ("https://payments.shop.svc:8443", "[0]"),
        ({"domain": "http://kube-dns.cluster.local"}, "[0].domain"),
        ({"domain": "https://a.example", "subset": {"a": ["1"]}}, "[0]"),
        ("https://", "[0]"),
        ("ftp://a.example", "[0]"),
        ("https://a..example", "[0]"),
        ("https://a.example/path", "[0]"),
        ("https://a.example:0", "[0]"),
        ("https://a.example:65536", "[0]"),
        ("https://127.0.0.1", "[0]"),
        ("http://localhost:15000", "[0]"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_place(item: object, place: str) -> None:
    with pytest.raises(Refused, match=f"^{re.escape(place)}: "):
        read(item)


def test_a_domain_may_have_a_ca_of_its_own_and_no_two() -> None:
    partner = {"domain": "https://a.example", "ca": "/ca.pem"}
    assert read(partner, dict(partner)).domains == {Domain("a.example", 443, "/ca.pem")}
    for other in ("https://a.example", "http://a.example:443"):
        with pytest.raises(Refused, match=r"^\[1\]: a\.example:443 "):
            read(partner, other)


def test_of_a_service_some_endpoints_may_be_wanted_and_not_others_beside() -> None:
    payments = {"service": "shop/payments", "subset": {"version": ["v2", "v1"]}, "fallback": True}
    found = read(payments, dict(payments), {"service": "shop/carts", "subset": {"version": ["v1"]}})
    assert found.preference(ServiceName("shop", "payments")) == Preference("version", ("v2", "v1"), True)
    assert found.preference(ServiceName("shop", "carts")) == Preference("version", ("v1",))
    assert found.preference(ServiceName("data", "carts")) is None
    assert found.want(ServiceName("shop", "payments"))
    with pytest.raises(Refused, match=r"^\[1\]\.service: shop/payments "):
        read(payments, {"service": "shop/payments", "subset": {"version": ["v1"]}})


def test_a_service_that_is_declared_and_not_there_is_told(town: Any) -> None:
    scope = Scope(read("shop/payments", "shop/carts", "data/*"))
    name = ServiceName("shop", "carts")
    town.put(Service(ServiceSpec(name, (Port("http", 80),))))
    missing = Omission(Reason.DECLARED_BUT_UNKNOWN, "shop/payments")
    assert town.catalogue.unknown_dependencies(scope) == (missing,)
    assert town.catalogue.unknown_dependencies(Scope()) == ()
    assert town.catalogue.unknown_dependencies(Scope(read("*", "!shop/*", "shop/payments"))) == (missing,)


def test_excluded_services_are_nowhere(town: Any) -> None:
    for namespace, plain in (("shop", "payments"), ("data", "ledger"), ("data", "legacy-1")):
        town.put(Service(ServiceSpec(ServiceName(namespace, plain), (Port("http", 80),))))
    clusters = town.catalogue.clusters(Scope(read("*", "!data/legacy-*"))).resources.keys()
    assert {name.rpartition("|")[2].partition(".")[0] for name in clusters} == {"payments", "ledger"}


@given(
    excluded=st.lists(st.from_regex(r"[ab-]{1,4}\*?", fullmatch=True), max_size=8),
    name=st.from_regex(r"[ab-]{1,6}", fullmatch=True),
)
def test_of_many_exclusions_any_that_matches_counts(excluded: list[str], name: str) -> None:
    found = Dependencies(None, frozenset(ServiceName("shop", pattern) for pattern in [*excluded, "zz"]))
    matches = any(name == each or (each.endswith("*") and name.startswith(each[:-1])) for each in excluded)
    assert found.want(ServiceName("shop", name)) is not matches
    assert found.want(ServiceName("other", name))
