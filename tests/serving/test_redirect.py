"""What a client gets whose connections are redirected: its listeners, and a way on for what is no service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as Packed

from pilothouse._pb.envoy.config.listener.v3.listener_pb2 import Listener
from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.audience import Address, Audience, Capture, Dialect, Outbound
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import Port, Protocol, Service, ServiceName
from pilothouse.serving.world import World
from pilothouse.translate.names import PASSTHROUGH

Make = Callable[..., Service]
CLUSTER, LISTENER, ROUTES = ResourceType.CLUSTER, ResourceType.LISTENER, ResourceType.ROUTES
REDIRECTED = Audience("shop", capture=Capture.REDIRECT)
TCP, TLS = Port("tcp", 5432, Protocol.TCP), Port("tls", 443, Protocol.TLS)


@pytest.fixture
def filled(town: Any, make_service: Make) -> Any:
    """Services of HTTP, TCP and TLS, each with a virtual IP."""
    town.put(
        make_service("shop/web", "10.0.0.1", vips=("10.96.0.1",)),
        make_service("shop/db", "10.0.0.2", vips=("10.96.0.2",), ports=(TCP,)),
        make_service("shop/vault", "10.0.0.3", vips=("10.96.0.3",), ports=(TLS,)),
    )
    return town


def listeners(town: Any, client: Audience) -> dict[str, Listener]:
    found = {}
    for name, resource in World(town.catalogue, client).selection(LISTENER).resources.items():
        found[name] = Listener.FromString(Packed.FromString(resource.any).value)
    return found


def ranges(chain: Any) -> set[tuple[str, int]]:
    found = chain.filter_chain_match.prefix_ranges
    return {(each.address_prefix, each.prefix_len.value) for each in found}


def test_a_listener_at_a_virtual_ip_is_that_of_other_clients_without_a_socket(filled: Any) -> None:
    redirected = listeners(filled, REDIRECTED)
    captured = listeners(filled, Audience("shop", capture=Capture.VIP))
    assert (
        redirected.keys()
        == captured.keys()
        == {"egress", "10.96.0.1_8080", "10.96.0.2_5432", "10.96.0.3_443"}
    )
    for name in redirected.keys() - {"egress"}:
        assert not redirected[name].bind_to_port.value
        assert redirected[name].HasField("bind_to_port")
        redirected[name].ClearField("bind_to_port")
        assert redirected[name] == captured[name]


def test_the_egress_listener_takes_for_itself_what_was_addressed_to_it(filled: Any) -> None:
    egress = listeners(filled, REDIRECTED)["egress"]
    assert egress.use_original_dst.value
    assert [ranges(chain) for chain in egress.filter_chains] == [{("127.0.0.1", 32)}] * 2
    names = [list(chain.filter_chain_match.server_names) for chain in egress.filter_chains]
    assert not names[0]
    assert "vault" in names[1]
    assert not egress.additional_addresses


def test_what_reads_the_first_bytes_comes_after_what_knows_the_address_and_reads_nothing_else(
    filled: Any,
) -> None:
    first, second = listeners(filled, REDIRECTED)["egress"].listener_filters
    assert (first.name, second.name) == (
        "envoy.filters.listener.original_dst",
        "envoy.filters.listener.tls_inspector",
    )
    port = second.filter_disabled.not_match.destination_port_range
    assert (port.start, port.end) == (15001, 15002)
    filled.remove(ServiceName("shop", "vault"))
    assert not listeners(filled, REDIRECTED)["egress"].listener_filters


def test_it_listens_for_ipv6_if_the_client_calls_it(filled: Any) -> None:
    egress = listeners(filled, Audience("shop", capture=Capture.REDIRECT, families=("ipv4", "ipv6")))[
        "egress"
    ]
    (six,) = (each.address.socket_address for each in egress.additional_addresses)
    assert (six.address, six.port_value) == ("::1", 15001)
    assert ranges(egress.filter_chains[0]) == {("127.0.0.1", 32), ("::1", 128)}


@pytest.mark.parametrize(
    ("client", "passes"),
    [
        (REDIRECTED, True),
        (Audience("shop", capture=Capture.REDIRECT, outbound=Outbound.REGISTRY_ONLY), False),
        (Audience("shop", capture=Capture.REDIRECT, dialect=Dialect.GRPC), False),
        (Audience("shop", capture=Capture.VIP), False),
        (Audience("shop"), False),
    ],
)
def test_what_is_no_service_is_passed_on_for_those_who_may(
    filled: Any, client: Audience, passes: bool
) -> None:
    world = World(filled.catalogue, client)
    assert (PASSTHROUGH in world.selection(CLUSTER).resources) is passes
    assert (world.get(CLUSTER, PASSTHROUGH) is not None) is passes
    assert (PASSTHROUGH in world.chosen(CLUSTER, frozenset({PASSTHROUGH})).resources) is passes
    if client.dialect is Dialect.ENVOY:
        assert listeners(filled, client)["egress"].HasField("default_filter_chain") is passes


def test_the_way_on_needs_no_load_assignment_and_is_the_same_for_all(filled: Any) -> None:
    found = [World(filled.catalogue, Audience(ns, capture=Capture.REDIRECT)) for ns in ("shop", "data")]
    one, other = (world.get(CLUSTER, PASSTHROUGH) for world in found)
    assert one is other
    assert one.complete
    assert found[0].get(ResourceType.ENDPOINTS, PASSTHROUGH) is None


def test_no_service_has_a_cluster_of_that_name(town: Any, make_service: Make) -> None:
    town.put(make_service(f"{PASSTHROUGH}/{PASSTHROUGH}", "10.0.0.1"))
    found = World(town.catalogue, REDIRECTED).selection(CLUSTER).resources
    assert sorted(found) == [f"outbound|8080||{PASSTHROUGH}.{PASSTHROUGH}.svc.cluster.local", PASSTHROUGH]


def test_a_change_is_told_and_costs_only_itself(
    filled: Any, make_service: Make, names_by_type: Callable[..., Any]
) -> None:
    world = World(filled.catalogue, REDIRECTED)
    before = {type: world.selection(type).resources for type in (CLUSTER, LISTENER, ROUTES)}
    told = names_by_type(filled.put(make_service("shop/web", "10.0.0.1", vips=("10.96.1.1",))))
    assert told["LDS"] == {"10.96.0.1_8080", "10.96.1.1_8080"}
    after = {type: world.selection(type).resources for type in (CLUSTER, LISTENER, ROUTES)}
    assert before[LISTENER].keys() ^ after[LISTENER].keys() == told["LDS"]
    same = before[LISTENER].keys() & after[LISTENER].keys() - {"egress"}
    assert all(before[LISTENER][name] is after[LISTENER][name] for name in same)
    assert after[ROUTES].keys() == {"egress", "10.96.1.1_8080"}
    assert names_by_type(filled.put(make_service("shop/web", "10.9.9.9", vips=("10.96.1.1",)))).keys() == {
        "EDS"
    }


def test_the_first_is_prepared_service_by_service_and_the_last_leaves_nothing(filled: Any) -> None:
    plain = World(filled.catalogue, Audience("shop"))
    assert [*plain.prepare(LISTENER, frozenset(), True)] == []
    plain.selection(LISTENER)
    before = filled.catalogue.kept
    world = World(filled.catalogue, REDIRECTED)
    assert len([*world.prepare(LISTENER, frozenset(), True)]) == 3
    assert [*world.prepare(LISTENER, frozenset(), True)] == []
    world.selection(LISTENER)
    assert filled.catalogue.kept > before
    del world
    assert filled.catalogue.kept == before


def test_a_virtual_ip_where_ipv6_arrives_has_no_listener(town: Any, make_service: Make) -> None:
    service = make_service("shop/web", "10.0.0.1", vips=("::1",), ports=(Port("http", 15001),))
    town.put(service)
    four, both = (Audience("shop", capture=Capture.REDIRECT, families=f) for f in ((), ("ipv4", "ipv6")))
    assert "::1_15001" in listeners(town, four)
    assert "::1_15001" not in listeners(town, both)
    taken = Omission(Reason.EGRESS_ADDRESS, "::1_15001")
    assert [taken in town.catalogue.omissions(service, client) for client in (four, both)] == [False, True]
    assert both.listens_at == (Address("127.0.0.1", 15001), Address("::1", 15001))


def test_a_service_without_a_virtual_ip_is_called_at_its_endpoints_if_that_is_passed_on(
    town: Any, make_service: Make
) -> None:
    service = make_service("shop/db", "10.0.0.1", ports=(TCP,))
    town.put(service)
    only = Audience("shop", capture=Capture.REDIRECT, outbound=Outbound.REGISTRY_ONLY)
    reasons = [{each.reason for each in town.catalogue.omissions(service, c)} for c in (REDIRECTED, only)]
    assert [Reason.NO_VIRTUAL_IP in each for each in reasons] == [False, True]
