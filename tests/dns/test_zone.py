"""The schema of Kubernetes, row by row, as a client reads it."""

from __future__ import annotations

import pytest

from pilothouse.model.services import (
    Endpoint,
    Locality,
    Port,
    Protocol,
    Service,
    ServiceName,
    ServiceSpec,
    State,
    Transport,
)

pytestmark = pytest.mark.quick

HTTP = (("http", 8080),)
PORTS = (Port("http", 8080),)
ZONE = "cluster.local."


def service(name="payments", *endpoints, namespace="shop", imported=False, ports=PORTS, **spec):
    return Service(ServiceSpec(ServiceName(namespace, name, imported), ports, **spec), tuple(endpoints))


def headless(*endpoints, name="cart", **spec):
    return service(name, *endpoints, headless=True, **spec)


def endpoint(address, hostname="", ports=HTTP, zone="", **fields):
    return Endpoint(address, ports, hostname=hostname, locality=Locality(zone=zone), **fields)


@pytest.fixture
def shop(estate, asked):
    """The services of one namespace, and who asks for them."""
    estate.put(
        service(vips=("10.96.0.21",)),
        service("dual", vips=("10.96.0.22", "fd00::22")),
        service("many", ports=(Port("a", 1), Port("b", 2), Port("", 3)), vips=("10.96.0.23",)),
        service("dns", ports=(Port("dns", 53, transport=Transport.UDP),), vips=("10.96.0.24",)),
        headless(
            endpoint("10.1.0.1", "cart-0", zone="a"),
            endpoint("10.1.0.2", zone="b"),
            endpoint("fd00::1", zone="b"),
            endpoint("10.1.0.3", "cart-3", state=State.NOT_READY, zone="c"),
            endpoint("10.1.0.4", "cart-4", weight=0),
        ),
        headless(endpoint("10.1.1.1", "twin"), endpoint("10.1.1.2", "twin"), name="twins"),
        headless(endpoint("10.1.2.1", ports=()), name="portless", ports=()),
        headless(endpoint("10.1.3.1", state=State.NOT_READY), name="starting"),
        service("alias", external_name="payments.shop.svc.cluster.local"),
        service("outside", external_name="api.example.com"),
    )
    return asked()


SHOP = f"shop.svc.{ZONE}"

ROWS = {
    "D1 the version": (f"dns-version.{ZONE}", "TXT", ['"1.1.0"']),
    "D2 a virtual IP": (f"payments.{SHOP}", "A", ["10.96.0.21"]),
    "D2 in another family": (f"dual.{SHOP}", "AAAA", ["fd00::22"]),
    "D3 not in that family": (f"payments.{SHOP}", "AAAA", "NODATA"),
    "D4 a named port": (f"_http._tcp.payments.{SHOP}", "SRV", [f"0 100 8080 payments.{SHOP}"]),
    "D4 two virtual IPs are one record": (f"_http._tcp.dual.{SHOP}", "SRV", [f"0 50 8080 dual.{SHOP}"]),
    "D4 over UDP": (f"_dns._udp.dns.{SHOP}", "SRV", [f"0 100 53 dns.{SHOP}"]),
    "D4 over another transport": (f"_dns._tcp.dns.{SHOP}", "SRV", "NXDOMAIN"),
    "D5 no port of this name": (f"_grpc._tcp.payments.{SHOP}", "SRV", "NXDOMAIN"),
    "D5 a port without a name": (f"_._tcp.many.{SHOP}", "SRV", "NXDOMAIN"),
    "D6 all ports": (f"many.{SHOP}", "SRV", [f"0 33 {port} many.{SHOP}" for port in (1, 2, 3)]),
    "D7 without endpoints": (f"dual.{SHOP}", "A", ["10.96.0.22"]),
    "D8 the ready ones": (f"cart.{SHOP}", "A", ["10.1.0.1", "10.1.0.2"]),
    "D8 in another family": (f"cart.{SHOP}", "AAAA", ["fd00::1"]),
    "D9 none is ready": (f"starting.{SHOP}", "A", "NXDOMAIN"),
    "D10 by host name": (f"cart-0.cart.{SHOP}", "A", ["10.1.0.1"]),
    "D10 two of one host name": (f"twin.twins.{SHOP}", "A", ["10.1.1.1", "10.1.1.2"]),
    "D11 by address": (f"10-1-0-2.cart.{SHOP}", "A", ["10.1.0.2"]),
    "D11 by an IPv6 address": (f"fd00--1.cart.{SHOP}", "AAAA", ["fd00::1"]),
    "D12 ready times ports": (
        f"_http._tcp.cart.{SHOP}",
        "SRV",
        [f"0 33 8080 {label}.cart.{SHOP}" for label in ("10-1-0-2", "cart-0", "fd00--1")],
    ),
    "D12 one of one host name": (f"_http._tcp.twins.{SHOP}", "SRV", [f"0 50 8080 twin.twins.{SHOP}"]),
    "D13 without ports": (f"portless.{SHOP}", "A", ["10.1.2.1"]),
    "D13 and no SRV": (f"portless.{SHOP}", "SRV", "NODATA"),
    "D14 not ready": (f"cart-3.cart.{SHOP}", "A", "NXDOMAIN"),
    "D14 out of service": (f"cart-4.cart.{SHOP}", "A", "NXDOMAIN"),
    "D15 an alias": (f"outside.{SHOP}", "CNAME", ["api.example.com."]),
    "D16 below an alias": (f"x.outside.{SHOP}", "A", "NXDOMAIN"),
    "D17 at a virtual IP": ("21.0.96.10.in-addr.arpa.", "PTR", [f"payments.{SHOP}"]),
    "D18 at an endpoint": ("1.0.1.10.in-addr.arpa.", "PTR", [f"cart-0.cart.{SHOP}"]),
    "D18 that is not ready": ("3.0.1.10.in-addr.arpa.", "PTR", "REFUSED"),
    "D19 between": (SHOP, "A", "NODATA"),
    "D19 further up": (f"svc.{ZONE}", "A", "NODATA"),
    "D19 of Pods": (f"pod.{ZONE}", "A", "NODATA"),
    "D19 before a port": (f"_tcp.payments.{SHOP}", "A", "NODATA"),
    "D20 no such service": (f"gone.{SHOP}", "A", "NXDOMAIN"),
    "D20 no such namespace": (f"payments.gone.svc.{ZONE}", "A", "NXDOMAIN"),
    "D20 nothing of the kind": (f"payments.{ZONE}", "A", "NXDOMAIN"),
    "D20 too long": (f"a.b.c.payments.{SHOP}", "A", "NXDOMAIN"),
    "D21 no such endpoint": (f"cart-9.cart.{SHOP}", "A", "NXDOMAIN"),
    "D22 upper case": ("PAYMENTS.Shop.SVC.Cluster.Local.", "A", ["10.96.0.21"]),
    "D24 Pods by default": (f"10-1-0-1.shop.pod.{ZONE}", "A", "NXDOMAIN"),
    "D29 of one zone": (f"b.pin._zone.cart.{SHOP}", "A", ["10.1.0.2"]),
    "D29 of an empty zone": (f"c.pin._zone.cart.{SHOP}", "A", "NODATA"),
    "D29 rather of one zone": (f"a.prefer._zone.cart.{SHOP}", "A", ["10.1.0.1"]),
    "D29 rather than none": (f"z.prefer._zone.cart.{SHOP}", "A", ["10.1.0.1", "10.1.0.2"]),
    "D29 not with a virtual IP": (f"a.pin._zone.payments.{SHOP}", "A", "NXDOMAIN"),
    "the zone itself": (ZONE, "SOA", [f"ns.dns.{ZONE} hostmaster.{ZONE} 7 7200 1800 86400 5"]),
    "its name server": (ZONE, "NS", [f"ns.dns.{ZONE}"]),
    "another type": (f"payments.{SHOP}", "MX", "NODATA"),
    "elsewhere": ("example.com.", "A", "REFUSED"),
}


@pytest.mark.parametrize(("name", "type", "wanted"), ROWS.values(), ids=ROWS)
def test_the_schema(shop, name, type, wanted):
    records = [wanted] if isinstance(wanted, str) else sorted(f"{name} {each}" for each in wanted)
    assert shop.records(name, type) == records


def test_what_srv_records_lead_to_comes_with_them(shop):
    found = shop.message(f"_http._tcp.cart.{SHOP}", "SRV")
    told = {(str(rrset.name), rdata.to_text()) for rrset in found.additional for rdata in rrset}
    assert told == {
        (f"cart-0.cart.{SHOP}", "10.1.0.1"),
        (f"10-1-0-2.cart.{SHOP}", "10.1.0.2"),
        (f"fd00--1.cart.{SHOP}", "fd00::1"),
    }


def test_an_alias_is_followed_to_a_name_of_the_cluster(shop):
    assert shop.records(f"alias.{SHOP}") == [
        f"alias.{SHOP} payments.{SHOP}",
        f"payments.{SHOP} 10.96.0.21",
    ]


def test_an_alias_whose_target_does_not_exist_says_so(estate, shop):
    estate.remove(ServiceName("shop", "payments"))
    found = shop.message(f"alias.{SHOP}")
    assert found.rcode() == 3
    assert [rrset.rdtype.name for rrset in found.answer] == ["CNAME"]


def test_an_external_name_with_an_address_of_its_own_is_no_alias(estate, asked):
    tcp = (Port("tcp", 5432, Protocol.TCP),)
    vips = ("240.240.0.1", "2001:2::1")
    estate.put(service("db", ports=tcp, external_name="db.example.com", vips=vips))
    client, name = asked(), f"db.{SHOP}"
    assert client.records(name, "A") == [f"{name} 240.240.0.1"]
    assert client.records(name, "AAAA") == [f"{name} 2001:2::1"]
    assert client.records(f"_tcp._tcp.{name}", "SRV") == [f"_tcp._tcp.{name} 0 50 5432 {name}"]
    assert client.records(name, "CNAME") == ["NODATA"]
    assert client.records("1.0.240.240.in-addr.arpa.", "PTR") == [f"1.0.240.240.in-addr.arpa. {name}"]


@pytest.mark.parametrize("length", [1, 2, 9])
def test_aliases_that_lead_to_each_other_end(estate, asked, length):
    for each in range(length):
        target = f"a{(each + 1) % length}.shop.svc.cluster.local"
        estate.put(service(f"a{each}", external_name=target))
    found = asked().message(f"a0.{SHOP}")
    assert len(found.answer) == length


def test_a_long_chain_of_aliases_ends(estate, asked):
    for each in range(30):
        estate.put(service(f"a{each}", external_name=f"a{each + 1}.shop.svc.cluster.local"))
    assert len(asked().message(f"a0.{SHOP}").answer) == 11


def test_before_all_is_known_nothing_is_absent(estate, shop):
    estate.complete = False
    assert shop.records(f"payments.{SHOP}") == [f"payments.{SHOP} 10.96.0.21"]  # D23
    assert shop.records(f"gone.{SHOP}") == ["SERVFAIL"]
    assert shop.records(f"gone.gone.svc.{ZONE}") == ["SERVFAIL"]


@pytest.mark.parametrize(
    ("pods", "label", "wanted"),
    [
        ("insecure", "10-9-9-9", "10.9.9.9"),
        ("insecure", "10-1-0-1", "10.1.0.1"),
        ("insecure", "fd00--9", None),  # it is of the other family
        ("insecure", "cart-0", "NXDOMAIN"),
        ("insecure", "300-1-1-1", "NXDOMAIN"),
        ("verified", "10-1-0-1", "10.1.0.1"),
        ("verified", "10-9-9-9", "NXDOMAIN"),
        ("verified", "10-96-0-21", "NXDOMAIN"),  # a virtual IP
    ],
)
def test_names_of_pods(shop, asked, pods, label, wanted):
    name = f"{label}.shop.pod.{ZONE}"
    records = asked(pods=pods).records(name)
    if wanted is None:
        assert records == ["NODATA"]
    else:
        assert records == [wanted if wanted == "NXDOMAIN" else f"{name} {wanted}"]  # D24


def test_a_cluster_set_has_its_own_names(estate, asked):
    estate.put(service(imported=True, vips=("10.200.0.1",)), service("local"))
    name = "payments.shop.svc.clusterset.local."
    assert asked().records(name) == [f"{name} 10.200.0.1"]  # D26
    assert asked().records(f"_http._tcp.{name}", "SRV") == [f"_http._tcp.{name} 0 100 8080 {name}"]
    assert asked().records(f"payments.{SHOP}") == ["NXDOMAIN"]
    assert asked().records("local.shop.svc.clusterset.local.") == ["NXDOMAIN"]


def test_an_endpoint_of_a_cluster_set_is_named_with_its_cluster(estate, asked):
    """The same host name in two clusters, and an endpoint of which nobody says where it is."""
    ports = (("http", 80),)
    near, far = (Endpoint(f"10.{n}.0.1", ports, hostname="db-0", cluster=f"c{n}") for n in (1, 2))
    lost = Endpoint("10.3.0.1", ports, hostname="db-1")
    estate.put(service("db", near, far, lost, imported=True, headless=True))
    name = "db.shop.svc.clusterset.local."
    assert asked().records(name) == [f"{name} 10.{n}.0.1" for n in (1, 2, 3)]
    assert asked().records(f"db-0.c2.{name}") == [f"db-0.c2.{name} 10.2.0.1"]  # D25
    for absent in ("db-0", "db-1", "db-0.c3", "db-1.c1", "c1.db-0", "x.db-0.c1"):
        assert asked().records(f"{absent}.{name}") == ["NXDOMAIN"], absent
    # There are names below it.
    assert asked().records(f"c1.{name}") == ["NODATA"]
    assert asked().records("1.0.1.10.in-addr.arpa.", "PTR") == ["REFUSED"]
    targets = {record.split()[-1] for record in asked().records(f"_http._tcp.{name}", "SRV")}
    assert targets == {f"db-0.c1.{name}", f"db-0.c2.{name}", name}


def test_what_a_client_may_not_know_of_does_not_exist(estate, asked):
    estate.put(service("secret", vips=("10.96.1.1",), exported_to=frozenset({"shop"})), service())
    name = f"secret.{SHOP}"
    assert asked("shop").records(name) == [f"{name} 10.96.1.1"]  # D27
    assert asked("other").records(name) == ["NXDOMAIN"]
    assert asked("other").records("1.1.96.10.in-addr.arpa.", "PTR") == ["REFUSED"]


def test_an_address_of_several_services_has_all_of_their_names(estate, asked):
    estate.put(headless(endpoint("10.1.0.1"), name="a"), headless(endpoint("10.1.0.1"), name="b"))
    assert asked().records("1.0.1.10.in-addr.arpa.", "PTR") == [
        f"1.0.1.10.in-addr.arpa. 10-1-0-1.{name}.{SHOP}" for name in ("a", "b")
    ]


def test_ipv6_addresses_have_names(estate, asked):
    estate.put(service(vips=("fd00::22",)))
    name = f"{'.'.join(reversed('fd000000000000000000000000000022'))}.ip6.arpa."
    assert asked().records(name, "PTR") == [f"{name} payments.{SHOP}"]


def test_services_of_another_cluster_domain_are_not_of_this_zone(estate, asked):
    estate.put(service(vips=("10.96.0.21",), cluster_domain="other.example"))
    assert asked().records(f"payments.{SHOP}") == ["NXDOMAIN"]
