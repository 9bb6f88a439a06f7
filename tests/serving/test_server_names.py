"""TLS by server name: which of a client's names lead where, through the one egress listener."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from google.protobuf.any_pb2 import Any as Packed

from pilothouse._pb.envoy.config.listener.v3.listener_components_pb2 import FilterChain
from pilothouse._pb.envoy.config.listener.v3.listener_pb2 import Listener
from pilothouse._pb.envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from pilothouse.encoding.resources import Resource
from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.audience import EGRESS, Capture, Dialect
from pilothouse.mesh.visibility import Scope
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import Port, Protocol, Service, ServiceName, ServiceSpec
from pilothouse.serving.changes import affected

HTTPS = Port("https", 443, Protocol.TLS)


def service(name: str, *ports: Port, target: str = "") -> Service:
    spec = ServiceSpec(ServiceName("shop", name), ports, external_name=target)
    return Service(spec)


def listener(town: Any, namespace: str) -> Listener:
    resource = town.catalogue.listeners(Scope(namespace=namespace), EGRESS, Capture.PROXY).resources["egress"]
    message = Listener()
    assert Packed.FromString(resource.any).Unpack(message)
    return message


def server_names(town: Any, namespace: str) -> dict[str, str]:
    """The name of the filter chain of each server name. Fails if one comes twice."""
    resource = town.catalogue.listeners(Scope(namespace=namespace), EGRESS, Capture.PROXY).resources["egress"]
    return {name: chain.name for name, chain in opened_chains(resource).items()}


def opened_chains(resource: Resource) -> dict[str, FilterChain]:
    """The filter chain of each server name. Fails if one comes twice."""
    message = Listener()
    assert Packed.FromString(resource.any).Unpack(message)
    found = [(name, c) for c in message.filter_chains for name in c.filter_chain_match.server_names]
    assert len(dict(found)) == len(found), "Envoy refuses equal matches"
    return dict(found)


def test_all_names_of_a_service_are_server_names(town: Any) -> None:
    town.put(service("payments", Port("http", 80), HTTPS))
    chain = "payments.shop.svc.cluster.local:443"
    longer = {"payments.shop.svc.cluster.local", "payments.shop.svc", "payments.shop"}
    assert server_names(town, "data") == dict.fromkeys(longer, chain)
    assert server_names(town, "shop") == dict.fromkeys({*longer, "payments"}, chain)
    first = listener(town, "shop").filter_chains[0]
    assert not first.HasField("filter_chain_match")
    assert first.filters[0].name.endswith("http_connection_manager")


def test_a_listener_without_such_services_looks_for_no_server_name(town: Any) -> None:
    town.put(service("payments", Port("http", 80)))
    message = listener(town, "shop")
    assert not message.listener_filters
    assert len(message.filter_chains) == 1
    shared = [town.catalogue.listeners(Scope(namespace=ns), EGRESS, Capture.PROXY) for ns in ("shop", "data")]
    assert shared[0] is shared[1]


def test_of_several_tls_ports_443_has_the_names(town: Any) -> None:
    several = service("payments", Port("tls-a", 8443, Protocol.TLS), HTTPS)
    town.put(several)
    assert set(server_names(town, "shop").values()) == {"payments.shop.svc.cluster.local:443"}
    omission = Omission(Reason.SERVER_NAME_TAKEN, "port tls-a", "by port 443")
    assert omission in town.catalogue.omissions(several)


def test_the_names_of_an_alias_lead_to_its_target(town: Any) -> None:
    town.put(service("payments", HTTPS), service("web", target="payments.shop.svc.cluster.local"))
    chains = {chain.name: chain for chain in listener(town, "shop").filter_chains}
    chain = chains["web.shop.svc.cluster.local:443"]
    assert b"outbound|443||payments.shop.svc.cluster.local" in chain.filters[0].typed_config.value


def test_an_endpoint_of_a_headless_service_has_server_names_of_its_own(town: Any) -> None:
    spec = replace(service("db", HTTPS).spec, headless=True, hostnames=("db-0",))
    namesake = ServiceSpec(ServiceName("db", "db-0"), (HTTPS,))
    town.put(Service(spec))
    full = "db-0.db.shop.svc.cluster.local"
    of_pod = {f"db-0.{form}": f"{full}:443" for form in ("db", "db.shop", "db.shop.svc")}
    assert of_pod.items() <= server_names(town, "shop").items()
    assert of_pod.keys() & server_names(town, "data").keys() == of_pod.keys() - {"db-0.db"}
    chain = next(chain for chain in listener(town, "shop").filter_chains if chain.name == f"{full}:443")
    proxy = TcpProxy()
    assert chain.filters[0].typed_config.Unpack(proxy)
    assert proxy.metadata_match.filter_metadata["envoy.lb"]["hostname"] == "db-0"
    town.put(Service(namesake))
    assert server_names(town, "shop")["db-0.db"] == "db-0.db.svc.cluster.local:443"


def test_a_client_is_told_when_server_names_come_and_go(town: Any) -> None:
    scope = Scope(namespace="shop")
    came = town.put(service("payments", HTTPS))
    assert "egress" in affected(came, scope, Dialect.ENVOY)[ResourceType.LISTENER]
    went = town.put(service("payments", Port("http", 443)))
    assert "egress" in affected(went, scope, Dialect.ENVOY)[ResourceType.LISTENER]
    assert not listener(town, "shop").listener_filters
