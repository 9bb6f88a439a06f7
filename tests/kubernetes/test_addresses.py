"""Which addresses of endpoints a sidecar may call, and on which virtual IPs it may listen."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from pilothouse.kubernetes.join import Cluster
from pilothouse.kubernetes.served import ServedCluster
from pilothouse.model.addresses import objection
from pilothouse.model.reasons import Reason

from .test_join import PAYMENTS, at, piece, service


@pytest.fixture
def cluster():
    return Cluster()


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "::", "127.0.0.1", "127.255.255.254", "::1"),
        *("169.254.0.1", "fe80::1", "febf::1", "224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"),
        *("255.255.255.255", "::ffff:10.0.0.1", "::ffff:a00:1", "fd00::1%1", "010.0.0.1", "10.0.0.01"),
    ],
)
def test_an_address_that_is_special_or_read_in_two_ways_is_no_endpoint(address):
    assert objection(address)
    assert bool(objection(address, loopback=True)) is not (address.startswith("127.") or address == "::1")


@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.1", "192.168.0.1", "126.0.0.1", "128.0.0.1", "169.253.0.1", "223.255.255.255", "1.0.0.0"),
        *("fd00::1", "2001:db8::1", "fec0::1", "10.0.0.256", "payments.example.com", "a", ""),
    ],
)
def test_nothing_is_said_against_ordinary_addresses_and_what_is_none(address):
    assert objection(address) == ""


def test_a_virtual_ip_that_no_sidecar_may_listen_on_is_left_out_and_the_rest_goes_on(cluster):
    vips = ("10.0.0.1", "0.0.0.0", "127.0.0.1", "fe80::1", "::ffff:10.0.0.2")
    cluster.apply([service(vips=vips), piece(at("10.1.0.1"))])
    found = cluster.service(PAYMENTS)
    assert found.spec.vips == ("10.0.0.1",)
    assert [endpoint.address for endpoint in found.endpoints] == ["10.1.0.1"]
    assert [(each.reason, each.what) for each in found.left_out] == [
        (Reason.INVALID_ADDRESS, vip) for vip in vips[1:]
    ]
    cluster.apply([service(vips=("10.0.0.1",))])
    assert cluster.service(PAYMENTS).left_out == ()


@pytest.mark.parametrize(
    ("served", "inside"),
    [
        (ServedCluster(), {"10.0.0.1", "10.9.0.1", "fd00::1"}),
        (ServedCluster(service_networks=(ip_network("10.0.0.0/16"),)), {"10.0.0.1"}),
        (
            ServedCluster(service_networks=(ip_network("10.9.0.0/16"), ip_network("fd00::/108"))),
            {"10.9.0.1", "fd00::1"},
        ),
    ],
)
def test_virtual_ips_are_in_the_networks_that_the_operator_names(served, inside):
    cluster, vips = Cluster(served), ("10.0.0.1", "10.9.0.1", "fd00::1")
    cluster.apply([service(vips=vips)])
    found = cluster.service(PAYMENTS)
    assert set(found.spec.vips) == inside
    assert {each.what for each in found.left_out} == set(vips) - inside
    assert all(each.why == "is in no network of --service-cidr" for each in found.left_out)


@pytest.mark.parametrize("allowed", [False, True])
def test_loopback_is_for_demos_and_never_for_what_listens_at_the_machines_own_address(allowed):
    cluster = Cluster(ServedCluster(allow_loopback=allowed))
    local = ["127.0.0.1", "127.0.0.11", "::1"]
    cluster.apply([service(vips=("127.0.0.1", "127.16.0.1", "::1")), piece(*map(at, [*local, "10.1.0.1"]))])
    found = cluster.service(PAYMENTS)
    assert found.spec.vips == (("127.16.0.1",) if allowed else ())
    assert {each.address for each in found.endpoints} == {"10.1.0.1", *(local if allowed else [])}
    refused = {each.what for each in found.left_out}
    assert refused == {"127.0.0.1", "::1"} | (set() if allowed else {"127.0.0.11", "127.16.0.1"})


def test_of_the_addresses_of_an_entry_only_those_that_cannot_be_called_are_left_out(cluster):
    cluster.apply([service(), piece(at("10.1.0.1"), at("0.0.0.0"), at("169.254.1.1"))])
    found = cluster.service(PAYMENTS)
    assert [endpoint.address for endpoint in found.endpoints] == ["10.1.0.1"]
    assert {each.what for each in found.left_out} == {"0.0.0.0", "169.254.1.1"}
