"""The table of host names: by which a service and its endpoints are called, and from where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.mesh.names import (
    HostName,
    Names,
    contested,
    endpoint_owners,
    in_cluster,
    in_dns,
    owners,
    searched,
    shortest,
)
from pilothouse.model.addresses import CLUSTER_SET
from pilothouse.model.services import ServiceName, ServiceSpec

FULL = "payments.shop.svc.cluster.local"
LABELS = st.sampled_from(["a", "b", "svc", "local", "web"])
NAMES = st.builds(ServiceName, LABELS, LABELS, st.booleans())
SUFFIXES = st.sampled_from([(), (".web",), (".a.b", ".b"), (".svc",), (".a.web", ".web")])


def named(name: str, namespace: str = "shop", suffixes: tuple[str, ...] = (), domain: str = "cluster.local"):
    return ServiceSpec(ServiceName(namespace, name), suffixes=suffixes, cluster_domain=domain)


def spec_of(name: ServiceName, suffixes: tuple[str, ...]) -> ServiceSpec:
    """As a cluster of the domain `local` would have it."""
    if name.imported:
        return ServiceSpec(name, cluster_domain=CLUSTER_SET)
    return ServiceSpec(name, suffixes=suffixes, cluster_domain="local")


def texts(hosts: list[HostName]) -> list[str]:
    return [host.text for host in hosts]


def test_a_service_is_called_by_its_full_name_and_by_what_a_resolver_would_complete() -> None:
    names = Names(named("payments"))
    everywhere = [FULL, f"{FULL}.", "payments.shop.svc", "payments.shop"]
    assert texts(names.of_service(own_namespace=False)) == everywhere
    assert texts(names.of_service()) == [*everywhere, "payments"]


def test_a_domain_of_a_cluster_s_own_is_that_of_its_names() -> None:
    assert named("payments", domain="corp.k8s").hostname == "payments.shop.svc.corp.k8s"
    names = Names(named("payments", domain="corp.k8s"))
    assert names.has("payments.shop.svc.corp.k8s", own_namespace=False)
    assert not names.has(FULL, own_namespace=True)


def test_a_suffix_ends_the_short_names_as_well() -> None:
    names = Names(named("payments", suffixes=(".mesh",)))
    assert texts(names.of_service())[5:] == ["payments.shop.mesh", "payments.mesh"]
    assert texts(names.of_service(own_namespace=False))[4:] == ["payments.shop.mesh"]


def test_a_short_name_that_is_also_one_with_a_namespace_is_understood_everywhere() -> None:
    names = Names(named("payments", "mesh", suffixes=(".mesh",)))
    assert texts(names.of_service()).count("payments.mesh") == 1
    assert HostName("payments.mesh", everywhere=True) in names.of_service()


def test_names_are_in_lower_case() -> None:
    assert texts(Names(named("Payments", "Shop")).of_service()) == texts(
        Names(named("payments")).of_service()
    )


def test_what_is_the_name_of_another_service_is_none() -> None:
    names = Names(named("payments", suffixes=(".mesh",)), taken=frozenset({"payments.mesh"}))
    assert "payments.mesh" not in texts(names.of_service())
    assert not names.has("payments.mesh", own_namespace=True)
    assert names.has("payments.shop.mesh", own_namespace=True)


def test_a_host_header_may_say_a_virtual_ip_as_well() -> None:
    spec = ServiceSpec(ServiceName("shop", "payments"), vips=("10.96.0.1", "FD00::1"))
    found = Names(spec).authorities()
    assert found[:-2] == Names(spec).of_service()
    assert found[-2:] == [HostName("10.96.0.1", everywhere=True), HostName("[fd00::1]", everywhere=True)]


def test_an_endpoint_has_a_label_before_the_names_of_its_service() -> None:
    names = Names(named("db"), endpoints=("db-0", "db-1"))
    found = dict(names.of_endpoints())
    assert texts(found["db-1"]) == [f"db-1.{text}" for text in texts(names.of_service())]
    assert names.has_endpoint("db-0.db.shop", own_namespace=False)
    assert names.has_endpoint("db-0.db", own_namespace=True)
    assert not names.has_endpoint("db-0.db", own_namespace=False)
    assert not names.has_endpoint("db-2.db.shop", own_namespace=True)
    assert not names.has("db-0.db.shop", own_namespace=True)


def test_a_name_of_the_service_itself_is_none_of_its_endpoint() -> None:
    found = dict(Names(named("db", "db"), endpoints=("db",)).of_endpoints())
    assert "db.db" not in texts(found["db"])
    assert "db.db.db" in texts(found["db"])


@pytest.mark.parametrize(
    ("host", "found"),
    [
        (
            "payments.shop.svc.cluster.local.",
            [ServiceName("shop", "payments"), ServiceName("data", "payments")],
        ),
        ("payments.mesh", [ServiceName("mesh", "payments"), ServiceName("data", "payments")]),
        ("payments.data", [ServiceName("data", "payments")]),
        ("payments", [ServiceName("", "payments"), ServiceName("data", "payments")]),
        ("payments.shop.svc.clusterset.local.", [ServiceName("shop", "payments", imported=True)]),
    ],
)
def test_a_name_with_a_namespace_in_it_comes_before_one_without(host: str, found: list[object]) -> None:
    assert [*owners(host, "data")] == found


@given(NAMES, SUFFIXES, LABELS, LABELS)
def test_who_has_a_name_is_found_by_it(
    name: ServiceName, suffixes: tuple[str, ...], label: str, client: str
) -> None:
    spec, own = spec_of(name, suffixes), client == name.namespace
    names = Names(spec, endpoints=(label,))
    for host in names.of_service(own):
        assert name in owners(host.text, client)
        assert names.has(host.text, own)
    for _, hosts in names.of_endpoints(own):
        for host in hosts:
            assert name in endpoint_owners(host.text, client)
            assert names.has_endpoint(host.text, own)
    for host in names.of_service():
        assert names.has(host.text, own) is (own or host.everywhere)


@given(NAMES, NAMES, SUFFIXES)
def test_of_two_services_that_would_have_one_name_one_is_contested(
    one: ServiceName, other: ServiceName, suffixes: tuple[str, ...]
) -> None:
    if one == other:
        return
    specs = [spec_of(name, suffixes) for name in (one, other)]
    tables = [
        Names(spec, frozenset(host for host, owner in contested(spec) if owner in (one, other)))
        for spec in specs
    ]
    for client in (one.namespace, other.namespace):
        seen = [texts(table.of_service(table.spec.name.namespace == client)) for table in tables]
        assert not set(seen[0]) & set(seen[1])


@pytest.mark.parametrize(
    "host", ["a.shop.svc", "kube-dns.cluster.local", FULL, "a.shop.svc.clusterset.local"]
)
def test_what_ends_as_names_of_the_cluster_do_is_one_of_them(host: str) -> None:
    assert in_cluster(host, "cluster.local")


@pytest.mark.parametrize(
    "host", ["api.example.com", "svc.example", "cluster.local.example", "a.aclusterset.local"]
)
def test_what_ends_otherwise_is_none(host: str) -> None:
    assert not in_cluster(host, "cluster.local")


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("cart", ["cart.shop.svc.k8s.", "cart.svc.k8s.", "cart.k8s.", "cart."]),
        ("cart.front", ["cart.front.shop.svc.k8s.", "cart.front.svc.k8s.", "cart.front.k8s.", "cart.front."]),
        (
            "a.b.c.d.e.f",
            ["a.b.c.d.e.f.", "a.b.c.d.e.f.shop.svc.k8s.", "a.b.c.d.e.f.svc.k8s.", "a.b.c.d.e.f.k8s."],
        ),
        ("cart.front.svc.k8s.", ["cart.front.svc.k8s."]),
    ],
)
def test_a_resolver_of_a_pod_asks_in_its_search_domains_first_unless_there_are_five_dots(host, asked) -> None:
    assert searched(host, "shop", "k8s") == asked


@given(LABELS, LABELS, st.sampled_from(["local", "corp.k8s", "a.b.c"]))
def test_the_shortest_name_is_asked_for_first_and_a_shorter_one_is_not(name, namespace, domain) -> None:
    absolute = f"{name}.{namespace}.svc.{domain}."
    found = shortest(absolute, "shop", domain)
    assert searched(found, "shop", domain)[0] == absolute
    shorter = [absolute[:length] for length in range(1, len(found))]
    assert not any(searched(each, "shop", domain)[0] == absolute for each in shorter)


def test_the_dns_of_a_cluster_has_whole_names_and_those_of_a_headless_service_s_endpoints() -> None:
    spec = ServiceSpec(ServiceName("shop", "db"), hostnames=("db-0",), headless=True)
    assert in_dns("db.shop.svc.cluster.local.", spec)
    assert in_dns("db-0.db.shop.svc.cluster.local.", spec)
    assert not in_dns("db-1.db.shop.svc.cluster.local.", spec)
    assert not in_dns("db.shop.svc.", spec)
    assert not in_dns("db-0.db.shop.svc.cluster.local.", ServiceSpec(spec.name, hostnames=("db-0",)))
