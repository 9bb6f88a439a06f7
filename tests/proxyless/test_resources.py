"""What a gRPC client is sent in place of a sidecar's listeners and routes (gRFC A27), without I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pilothouse._pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from pilothouse._pb.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from pilothouse._pb.envoy.config.listener.v3.listener_pb2 import Listener
from pilothouse._pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from pilothouse._pb.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm,
)
from pilothouse.encoding.resources import Resource
from pilothouse.encoding.types import TYPES, ResourceType
from pilothouse.mesh.audience import Node, audience
from pilothouse.model.policy import CLIENT, Balance, HashOn, Policy
from pilothouse.model.services import (
    Endpoint,
    Locality,
    Port,
    Protocol,
    Service,
    ServiceName,
    ServiceSpec,
    State,
)
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.changes import affected
from pilothouse.serving.world import World

CDS, EDS, LDS, RDS = TYPES[:4]
MESSAGES: dict[ResourceType, Any] = {
    CDS: Cluster,
    EDS: ClusterLoadAssignment,
    LDS: Listener,
    RDS: RouteConfiguration,
}
CLUSTER = "outbound|8080||payments.shop.svc.cluster.local"


def _endpoint(address: str, zone: str = "", weight: int = 1, state: State = State.READY) -> Endpoint:
    region = zone.partition("-")[0]
    return Endpoint(address, (("grpc", 9000),), state, weight, Locality(region, zone))


def _payments(*endpoints: Endpoint, **spec: Any) -> Service:
    fields = {"ports": (Port("grpc", 8080, Protocol.GRPC), Port("admin", 9090))} | spec
    name = ServiceName("shop", "payments")
    return Service(ServiceSpec(name, **fields), endpoints)


def _catalogue(*services: Service) -> Catalogue:
    catalogue = Catalogue()
    catalogue.apply([service.name for service in services], {service.name: service for service in services})
    return catalogue


def _world(catalogue: Catalogue, zone: str = "", **said: Any) -> World:
    locality = Locality(zone.partition("-")[0], zone)
    return World(catalogue, audience(Node("caller", locality, {"pilothouse": said}, "gRPC C-core")))


def _opened(resource: Resource | None) -> Any:
    """The message in a resource, which has the type and the name that it should have."""
    assert resource is not None
    # google.protobuf.Any: its value comes after its type URL.
    _, _, rest = resource.any.partition(resource.type.url.encode())
    message = MESSAGES[resource.type]()
    at = 1
    while rest[at] & 0x80:
        at += 1
    message.ParseFromString(rest[at + 1 :])
    assert resource.name in (getattr(message, "name", ""), getattr(message, "cluster_name", ""))
    return message


@pytest.mark.parametrize(
    ("target", "cluster"),
    [
        ("payments.shop:8080", CLUSTER),
        ("payments.shop:9090", CLUSTER.replace("8080", "9090")),
        ("payments.shop.svc:8080", CLUSTER),
        ("payments.shop.svc.cluster.local:8080", CLUSTER),
        ("payments.shop.svc.cluster.local.:8080", CLUSTER),
        ("Payments.Shop:8080", CLUSTER),
    ],
)
def test_each_name_of_a_port_leads_to_its_cluster(target: str, cluster: str) -> None:
    world = _world(_catalogue(_payments()))
    listener = _opened(world.get(LDS, target))
    assert listener.name == target
    manager = hcm.HttpConnectionManager()
    assert listener.api_listener.api_listener.Unpack(manager)
    assert [each.name for each in manager.http_filters] == ["router"]
    assert manager.http_filters[0].typed_config.type_url.endswith(
        "envoy.extensions.filters.http.router.v3.Router"
    )
    assert manager.rds.config_source.WhichOneof("config_source_specifier") == "ads"
    routes = _opened(world.get(RDS, manager.rds.route_config_name))
    (host,) = routes.virtual_hosts
    (route,) = host.routes
    assert (list(host.domains), route.match.prefix, route.route.cluster) == (["*"], "", cluster)
    assert _opened(world.get(CDS, cluster)).name == cluster
    assert _opened(world.get(EDS, cluster)).cluster_name == cluster


NO_TARGETS = (
    *("payments.shop", "payments.shop:7", "payments.shop:08080", "payments.shop:8080:8080", "payments:8080"),
    *("refunds.shop:8080", "payments.other:8080", "x.payments.shop:8080", "\u4e16:8080", "egress"),
    *("", ":", ":8080", "*"),
)


@pytest.mark.parametrize("target", NO_TARGETS)
def test_what_is_no_target_has_no_listener(target: str) -> None:
    assert _world(_catalogue(_payments())).get(LDS, target) is None


def test_a_single_label_is_a_target_in_its_own_namespace_only() -> None:
    catalogue = _catalogue(_payments())
    assert _world(catalogue, namespace="shop").get(LDS, "payments:8080") is not None
    assert _world(catalogue, namespace="other").get(LDS, "payments:8080") is None


def test_a_suffix_is_a_target_as_it_is_a_host_name() -> None:
    suffixes = (".mesh",)
    namesake = ServiceSpec(ServiceName("mesh", "payments"), (Port("x", 8080),))
    services = [_payments(suffixes=suffixes), Service(replace(namesake, suffixes=suffixes))]

    def route(catalogue: Catalogue) -> str:
        manager = hcm.HttpConnectionManager()
        listener = _opened(_world(catalogue, namespace="shop").get(LDS, "payments.mesh:8080"))
        assert listener.api_listener.api_listener.Unpack(manager)
        return manager.rds.route_config_name

    assert route(_catalogue(services[0])) == CLUSTER
    assert route(_catalogue(*services)) == CLUSTER.replace("shop", "mesh")
    assert _world(_catalogue(services[0])).get(LDS, "payments.mesh:8080") is None


def test_what_is_exported_to_others_is_no_target() -> None:
    catalogue = _catalogue(_payments(exported_to=frozenset({"data"})))
    for type, name in ((LDS, "payments.shop:8080"), (RDS, CLUSTER), (CDS, CLUSTER), (EDS, CLUSTER)):
        assert _world(catalogue, namespace="data").get(type, name) is not None
        assert _world(catalogue, namespace="shop").get(type, name) is None


def test_what_is_out_of_scope_is_not_there() -> None:
    world = _world(_catalogue(_payments()), dependencies=["other/*"])
    for type, name in ((LDS, "payments.shop:8080"), (RDS, CLUSTER), (CDS, CLUSTER), (EDS, CLUSTER)):
        assert world.get(type, name) is None


def test_there_is_no_end_to_targets_so_a_wildcard_holds_none() -> None:
    world = _world(_catalogue(_payments(vips=("10.96.0.21",), ports=(Port("sql", 8080, Protocol.TCP),))))
    assert dict(world.selection(LDS).resources) == {}
    assert dict(world.selection(RDS).resources) == {}


def test_a_cluster_uses_what_grpc_knows() -> None:
    """Any policy but round robin and ring hash is refused, as is what is not EDS over ADS (gRFC A27, A42)."""
    cluster = _opened(_world(_catalogue(_payments())).get(CDS, CLUSTER))
    assert (cluster.type, cluster.lb_policy) == (Cluster.EDS, Cluster.ROUND_ROBIN)
    assert cluster.eds_cluster_config.eds_config.WhichOneof("config_source_specifier") == "ads"
    assert cluster.eds_cluster_config.service_name in ("", CLUSTER)


def test_every_group_has_a_locality_and_the_sum_of_its_weights() -> None:
    """gRPC ignores a group without either."""
    world = _world(
        _catalogue(
            _payments(_endpoint("10.0.0.1"), _endpoint("10.0.0.2", weight=7), _endpoint("10.0.0.3", "eu-1"))
        )
    )
    groups = _opened(world.get(EDS, CLUSTER)).endpoints
    assert all(group.HasField("locality") for group in groups)
    assert [group.load_balancing_weight.value for group in groups] == [8, 1]
    assert [e.load_balancing_weight.value for group in groups for e in group.lb_endpoints] == [1, 7, 1]


@pytest.mark.parametrize("zone", ["", "eu-1", "eu-2", "us-1", "ap-1"])
@pytest.mark.parametrize(
    "present", [["eu-1"], ["us-1"], ["us-1", "ap-1"], ["eu-1", "ap-1", ""], ["eu-2", "us-1"]]
)
def test_priorities_have_no_gaps(zone: str, present: list[str]) -> None:
    """gRPC refuses a load assignment whose priorities are not 0..n."""
    endpoints = [_endpoint(f"10.0.0.{n}", where) for n, where in enumerate(present, 1)]
    groups = _opened(_world(_catalogue(_payments(*endpoints)), zone).get(EDS, CLUSTER)).endpoints
    assert len(groups) == len(present)
    found = {group.priority for group in groups}
    assert found == set(range(len(found)))


def test_endpoints_that_are_not_ready_do_not_count_as_healthy() -> None:
    endpoints = [_endpoint("10.0.0.1"), _endpoint("10.0.0.2", state=State.NOT_READY)]
    (group,) = _opened(_world(_catalogue(_payments(*endpoints))).get(EDS, CLUSTER)).endpoints
    healthy = [each for each in group.lb_endpoints if each.health_status == 1]
    assert [each.endpoint.address.socket_address.address for each in healthy] == ["10.0.0.1"]


def test_a_service_that_comes_or_goes_is_news_of_its_targets_and_endpoints_are_not() -> None:
    catalogue, service = Catalogue(), _payments()
    scope, dialect = _world(catalogue).audience.scope, _world(catalogue).audience.dialect
    came = affected(catalogue.apply([service.name], {service.name: service}), scope, dialect)
    assert {"payments.shop:8080", "payments:8080", "payments.shop.svc.cluster.local:9090"} <= came[LDS]
    assert came[RDS] == came[CDS] == {CLUSTER, CLUSTER.replace("8080", "9090")}
    more = _payments(_endpoint("10.0.0.1"))
    changed = affected(catalogue.apply([service.name], {service.name: more}), scope, dialect)
    assert changed.keys() == {EDS}
    went = affected(catalogue.apply([service.name], {}), scope, dialect)
    assert went[LDS] == came[LDS]


@pytest.mark.parametrize("user_agent", ["gRPC C-core linux", "grpc-java", "grpc-go", "gRPC Python"])
def test_grpc_is_known_by_what_it_calls_itself(user_agent: str) -> None:
    catalogue = _catalogue(_payments())
    grpc = World(catalogue, audience(Node(user_agent=user_agent)))
    envoy = World(catalogue, audience(Node(user_agent="envoy")))
    assert grpc.get(LDS, "payments.shop:8080") is not None
    assert grpc.get(LDS, "egress") is None
    assert envoy.get(LDS, "payments.shop:8080") is None
    assert envoy.get(LDS, "egress") is not None


@pytest.mark.parametrize(
    ("policy", "balance", "hashed"),
    [
        (Policy(), Cluster.ROUND_ROBIN, None),
        (Policy(Balance.LEAST_REQUEST), Cluster.ROUND_ROBIN, None),
        (Policy(Balance.RANDOM), Cluster.ROUND_ROBIN, None),
        (Policy(Balance.MAGLEV, CLIENT), Cluster.RING_HASH, "filter_state"),
        (Policy(Balance.MAGLEV, HashOn("cookie", "sid")), Cluster.RING_HASH, "filter_state"),
        (Policy(Balance.RING_HASH, HashOn("header", "x-user")), Cluster.RING_HASH, "header"),
    ],
)
def test_a_policy_is_as_near_to_what_was_said_as_grpc_allows(policy, balance, hashed) -> None:
    catalogue = _catalogue(_payments(policy=policy))
    world = _world(catalogue)
    assert _opened(world.get(CDS, CLUSTER)).lb_policy == balance
    assert _opened(world.selection(CDS).resources[CLUSTER]).lb_policy == balance
    (route,) = _opened(world.get(RDS, CLUSTER)).virtual_hosts[0].routes
    assert [each.WhichOneof("policy_specifier") for each in route.route.hash_policy] == [hashed] * bool(
        hashed
    )
    if hashed == "filter_state":
        assert route.route.hash_policy[0].filter_state.key == "io.grpc.channel_id"
    sidecar = World(catalogue, audience(Node("web", user_agent="envoy")))
    said = _opened(sidecar.get(CDS, CLUSTER)).lb_policy
    assert said == Cluster.LbPolicy.Value(policy.balance.name)
    assert _opened(sidecar.selection(CDS).resources[CLUSTER]).lb_policy == said


def test_what_is_hashed_changes_the_routes_of_grpc_clients() -> None:
    before, after = (
        _payments(policy=Policy(Balance.RING_HASH, HashOn("header", name))) for name in ("x-a", "x-b")
    )
    catalogue = _catalogue(before)
    world = _world(catalogue)
    old = world.get(RDS, CLUSTER)
    changes = catalogue.apply([after.name], {after.name: after})
    told = affected(changes, world.audience.scope, world.audience.dialect)
    assert CLUSTER in told[RDS]
    assert _opened(world.get(RDS, CLUSTER)) != _opened(old)
