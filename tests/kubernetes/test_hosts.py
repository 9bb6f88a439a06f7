"""Services whose slices hold host names."""

from __future__ import annotations

import pytest

from pilothouse.kubernetes.join import Cluster
from pilothouse.kubernetes.objects.types import Parent, RouteObject
from pilothouse.model import services
from pilothouse.model.reasons import Reason
from pilothouse.model.routing import RouteKind
from pilothouse.model.services import State

from .test_join import PAYMENTS, at, piece, service


@pytest.fixture
def cluster():
    return Cluster()


def test_slices_of_host_names_alone_are_hosts(cluster):
    names = [at("One.example.com."), at("down.example.com", state=State.NOT_READY), at("localhost")]
    cluster.apply([service(), piece(*names, fqdn=True, weight=3)])
    found = cluster.service(PAYMENTS)
    assert [(host.address, host.weight) for host in found.spec.hosts] == [("one.example.com", 3)]
    assert found.endpoints == ()
    assert {(each.what, each.reason) for each in found.left_out} == {
        ("down.example.com", Reason.NOT_READY),
        ("localhost", Reason.REFUSED_NAME),
    }


@pytest.mark.parametrize("wrong", ["bad_name.example.com", "", "10.0.8.256", "127.1", "fd00::1"])
def test_a_host_name_that_is_none_is_left_out_alone(cluster, wrong):
    cluster.apply([service(), piece(at("a.example"), at(wrong), fqdn=True)])
    found = cluster.service(PAYMENTS)
    assert [host.address for host in found.spec.hosts] == ["a.example"]
    assert found.left_out == ((Reason.INVALID_ADDRESS, wrong, "is not a host name"),)


@pytest.mark.parametrize("wrong", ["10.0.8.256", "010.0.0.1", "0x7f000001"])
def test_an_address_with_a_slip_in_it_is_no_host_name(cluster, wrong):
    cluster.apply([service(), piece(at(wrong))])
    assert cluster.service(PAYMENTS).spec.hosts is None


def test_hosts_that_terminate_are_called_while_none_is_ready(cluster):
    ending = at("old.example", state=State.TERMINATING_SERVING)
    gone = at("gone.example", state=State.TERMINATING)
    cluster.apply([service(), piece(ending, gone, at("new.example", state=State.NOT_READY), fqdn=True)])
    assert [host.address for host in cluster.service(PAYMENTS).spec.hosts] == ["old.example"]
    cluster.apply([piece(ending, gone, at("new.example"), fqdn=True)])
    assert [host.address for host in cluster.service(PAYMENTS).spec.hosts] == ["new.example"]


def test_host_names_beside_addresses_are_left_out(cluster):
    cluster.apply([service(), piece(at("a.example"), fqdn=True), piece(at("10.1.0.1"), name="payments-2")])
    found = cluster.service(PAYMENTS)
    assert [endpoint.address for endpoint in found.endpoints] == ["10.1.0.1"]
    assert found.spec.hosts is None
    assert [each.reason for each in found.left_out] == [Reason.UNSUPPORTED_ADDRESSES]


def test_addresses_that_are_all_host_names_are_hosts_whatever_the_slice_says(cluster):
    cluster.apply([service(), piece(at("a.example"), at("b.example"))])
    assert [host.address for host in cluster.service(PAYMENTS).spec.hosts] == ["a.example", "b.example"]
    cluster.apply([piece(at("a.example"), at("10.1.0.1"))])
    assert cluster.service(PAYMENTS).spec.hosts is None


def test_hosts_that_are_all_down_or_gone_are_hosts_still(cluster):
    cluster.apply([service(), piece(at("a.example", state=State.NOT_READY), fqdn=True)])
    assert cluster.service(PAYMENTS).spec.hosts == ()
    cluster.apply([piece(fqdn=True)])
    assert cluster.service(PAYMENTS).spec.hosts == ()


def test_what_else_is_left_out_of_a_service_with_hosts_is_told_as_well(cluster):
    route = RouteObject(RouteKind.HTTP, "shop", "canary", (Parent("shop", "payments", section="none"),), ())
    names = piece(at("b.example"), name="payments-2")
    cluster.apply([service(), piece(at("a.example"), fqdn=True), names, route])
    found = cluster.service(PAYMENTS)
    assert [host.address for host in found.spec.hosts] == ["b.example"]
    assert [each.reason for each in found.left_out] == [Reason.UNSUPPORTED_ADDRESSES, Reason.NO_SUCH_PARENT]


def test_hosts_of_a_headless_service_have_host_names_as_well(cluster):
    cluster.apply([service(headless=True), piece(at("a.example", hostname="db-0"), fqdn=True)])
    spec = cluster.service(PAYMENTS).spec
    assert spec.hostnames == ("db-0",)
    assert [host.hostname for host in spec.hosts] == ["db-0"]


def test_slices_of_an_external_name_mean_nothing(cluster):
    cluster.apply([service(external_name="example.com"), piece(at("a.example"), fqdn=True)])
    assert cluster.service(PAYMENTS) == services.Service(cluster.service(PAYMENTS).spec)
    assert cluster.service(PAYMENTS).spec.hosts is None
