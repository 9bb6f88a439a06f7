"""An application that knows nothing of its sidecar: a plain client, at the addresses that a cluster gives."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from ..envoy.manifests import endpoint_slice, service
from .mesh import DB, GREETER, PAYMENTS, SECURE, SIX, Mesh
from .namespaces import UID, wait_for

pytestmark = [pytest.mark.envoy, pytest.mark.xdist_group("redirect")]

BOTH = ("--family", "ipv4", "--family", "ipv6")
_CALL = """
import grpc, sys
with grpc.insecure_channel(sys.argv[1], options=[("grpc.enable_http_proxy", 0)]) as channel:
    greet = channel.unary_unary("/greeter.Greeter/Greet")
    print({greet(b"", timeout=10).decode() for _ in range(8)})
"""


@pytest.fixture(scope="module")
def captured(ground: Mesh) -> Iterator[Mesh]:
    """With a sidecar that calls both families and passes on what it does not know."""
    sidecar = ground.start_sidecar(*BOTH)
    yield ground
    assert ground.refused() == {}
    ground.stop_sidecar(sidecar)


@pytest.mark.parametrize("url", [f"http://{PAYMENTS}:8080/", "http://payments/", "http://payments:8080/"])
def test_a_plain_request_reaches_ready_endpoints_by_weight_and_zone(captured, url) -> None:
    assert captured.shares(url) == pytest.approx({"a1": 10, "a2": 30}, abs=1)


def test_a_service_of_ipv6_is_called_alike(captured) -> None:
    assert captured.shares(f"http://[{SIX}]:8080/", 3) == {"six": 3}


def test_a_server_that_speaks_first_is_heard_at_once(captured) -> None:
    assert captured.pod.hears("tcp", DB, 5432) == "db"
    assert captured.pod.hears("tcp", SECURE, 443) == "secure"
    waited = captured.stats()["listener.egress.downstream_pre_cx_timeout"]
    assert waited == 0, "nothing may be read of it first, though other connections may speak TLS"


def test_grpc_is_balanced_by_call(captured) -> None:
    said = captured.pod.must(sys.executable, "-c", _CALL, f"{GREETER}:50051")
    assert said.strip() in ("{'one', 'two'}", "{'two', 'one'}"), "on one connection"


def test_what_is_no_service_is_passed_on_as_it_is(captured) -> None:
    pod = captured.pod
    assert pod.hears("tcp", "10.2.0.9", 9999) == "elsewhere"
    assert pod.hears("tcp", "fd00:2::9", 9999) == "elsewhere"
    assert captured.shares("http://10.2.0.9/", 1) == {"website": 1}
    assert captured.shares("http://10.2.0.9:15001/", 1) == {"website": 1}, "its own port, elsewhere"
    assert captured.shares("http://10.2.0.3:8080/", 2) == {"b3": 2}, "a pod by its own address"
    assert pod.hears("tcp", "db-0.db", 5432) == "db", "as of a headless service"
    assert captured.stats()["cluster.passthrough.upstream_cx_total"] >= 6


def test_datagrams_go_their_own_way(captured) -> None:
    assert captured.pod.hears("udp", "10.2.0.9", 9999) == "datagram"


def test_the_egress_address_is_still_a_proxy(captured) -> None:
    pod = captured.pod
    proxied = pod.curl("-x", "http://127.0.0.1:15001", "http://six.shop:8080/")
    assert (proxied.out, proxied.err) == ("six", "")
    assert pod.curl("-x", "http://[::1]:15001", "http://six.shop:8080/").out == "six"
    unknown = pod.curl(
        "-x", "http://127.0.0.1:15001", "-o", "/dev/null", "-w", "%{http_code}", "http://nobody/"
    )
    assert unknown.out == "503"


def test_services_that_come_change_and_go_are_followed(captured) -> None:
    vip, pod = "10.96.0.50", captured.pod
    tcp = [{"name": "tcp", "port": 7000}]
    first, second = (
        endpoint_slice("late", "10.2.0.4", 5432, port_name="tcp"),
        endpoint_slice("late", "10.2.0.6", 8443, port_name="tcp"),
    )
    captured.manifests.save("late", service("late", clusterIP=vip, ports=tcp), first)
    wait_for(lambda: f"{vip}_7000" in captured.listeners())
    assert pod.hears("tcp", vip, 7000) == "db"
    captured.manifests.save("late", service("late", clusterIP=vip, ports=tcp), second)
    wait_for(lambda: pod.hears("tcp", vip, 7000) == "secure")
    captured.manifests.delete("late")
    wait_for(lambda: f"{vip}_7000" not in captured.listeners())
    failed = captured.stats()["cluster.passthrough.upstream_cx_connect_fail"]
    assert pod.hears("tcp", vip, 7000) == "closed", "it goes where it would have gone, and nobody is there"
    assert captured.stats()["cluster.passthrough.upstream_cx_connect_fail"] == failed + 1


def test_none_of_its_listeners_but_one_has_a_socket(captured) -> None:
    sockets = captured.pod.must("ss", "--listening", "--tcp", "--numeric", "--no-header").split("\n")
    places = {line.split()[3] for line in sockets if line}
    assert places == {"127.0.0.1:15001", "[::1]:15001", "127.0.0.1:19000"}


def test_without_the_rules_nothing_is_captured(captured) -> None:
    captured.capture("remove")
    try:
        assert captured.pod.hears("tcp", PAYMENTS, 80) == "refused", "nobody else has it"
        assert captured.pod.hears("tcp", "10.2.0.9", 9999) == "elsewhere"
    finally:
        captured.capture("install", "--uid", str(UID), *BOTH)
    assert captured.shares("http://payments/", 1).total() == 1
