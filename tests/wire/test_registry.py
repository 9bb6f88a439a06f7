"""What Kubernetes objects become, seen by clients of several kinds on the wire."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from pilothouse._pb.envoy.config.core.v3.health_check_pb2 import HEALTHY

from .plane import ControlPlane
from .scene import dialled
from .sidecar import Sidecar
from .stream import Stream, node
from .topics import CDS, EDS, LDS, RDS

MANIFESTS = Path(__file__).with_name("registry.yaml")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    found = ControlPlane(tmp_path_factory.mktemp("registry"))
    (found.manifests / "registry.yaml").write_text(MANIFESTS.read_text())
    found.start()
    yield found
    found.kill()


class View(NamedTuple):
    """What a client has: clusters and listeners by name, of load assignments and routes what they lead to."""

    clusters: dict[str, Any]
    called: dict[str, dict[str, int]]  # by service and port: priority by address of all that is healthy
    listeners: dict[str, Any]
    hosts: dict[str, Any]  # the route of each domain


@pytest.fixture(params=["sotw", "delta"])
async def see(registry: ControlPlane, request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    sidecars = []
    async with dialled(registry) as channel:

        async def look(locality: str = "", **said: Any) -> View:
            who = node(**{"namespace": "shop", **said})
            names = dict(zip(("region", "zone", "sub_zone"), locality.split("/"), strict=False))
            for field, value in names.items():
                setattr(who.locality, field, value)
            sidecar = Sidecar(who).connect(Stream(channel, request.param, None))
            sidecars.append(sidecar)
            await sidecar.until(lambda: bool(sidecar.has[RDS]) and not sidecar.warming)
            return view(sidecar)

        yield look
        for sidecar in sidecars:
            await sidecar.close()


def view(sidecar: Sidecar) -> View:
    return View(
        {short(name): cluster for name, cluster in sidecar.has[CDS].items()},
        {short(name): called(assignment) for name, assignment in sidecar.has[EDS].items()},
        sidecar.has[LDS],
        {
            domain: host.routes[0]
            for host in sidecar.has[RDS]["egress"].virtual_hosts
            for domain in host.domains
        },
    )


def short(cluster: str) -> str:
    """`payments.shop:80` of `outbound|80||payments.shop.svc.cluster.local`."""
    _, port, _, host = cluster.split("|")
    return f"{host.removesuffix('.svc.cluster.local')}:{port}"


def called(assignment: Any) -> dict[str, int]:
    return {
        each.endpoint.address.socket_address.address: group.priority
        for group in assignment.endpoints
        for each in group.lb_endpoints
        if each.health_status == HEALTHY
    }


def cluster(host: str) -> str:
    name, _, port = host.partition(":")
    return f"outbound|{port}||{name}.svc.cluster.local"


def test_the_manifests_are_what_kubectl_takes() -> None:
    assert all(document["apiVersion"] for document in yaml.safe_load_all(MANIFESTS.read_text()))


async def test_traffic_policy_local_is_the_own_node_and_no_other(see: Any) -> None:
    for client, addresses in (("n1", {"10.1.0.1"}), ("n2", {"10.1.0.2"}), ("n3", set()), ("", {"10.1.0.1"})):
        found = (await see(node=client)).called["local.shop:80"].keys()
        assert found == addresses if client else found > addresses, client


async def test_hints_are_for_a_zone_and_the_rest_comes_later(see: Any) -> None:
    hinted = {"10.2.0.1": 0, "10.2.0.2": 1}
    assert (await see("eu/a")).called["hinted.shop:80"] == hinted
    assert (await see("eu/c")).called["partly-hinted.shop:80"].keys() == hinted.keys()


async def test_a_preference_for_the_node_comes_before_the_zone(see: Any) -> None:
    found = (await see("eu/a", node="n2")).called["same-node.shop:80"]
    assert found == {"10.1.0.2": 0, "10.1.0.1": 1, "10.1.0.3": 2}


async def test_localities_are_priorities_and_unknown_comes_last(see: Any) -> None:
    expected = {
        "eu/a": {"10.3.0.1": 0, "10.3.0.2": 1, "10.3.0.3": 2, "10.3.0.4": 3},
        "us/a": {"10.3.0.3": 0, "10.3.0.1": 1, "10.3.0.2": 1, "10.3.0.4": 2},
        "": {"10.3.0.1": 0, "10.3.0.2": 0, "10.3.0.3": 0, "10.3.0.4": 0},
    }
    for locality, priorities in expected.items():
        assert (await see(locality)).called["zones.shop:80"] == priorities, locality


async def test_two_addresses_of_a_pod_are_one_endpoint(see: Any) -> None:
    assert (await see()).called["dual.shop:80"] == {"10.4.0.1": 0}
    assert (await see(families=["ipv4"])).called["dual.shop:80"] == {"10.4.0.1": 0}
    assert (await see(families=["ipv6"])).called["dual.shop:80"] == {"fd00::1": 0}


async def test_what_terminates_stands_in_when_nothing_else_is_left(see: Any) -> None:
    found = (await see()).called
    assert found["draining.shop:80"].keys() == {"10.5.0.1"}
    assert found["stand-in.shop:80"].keys() == {"10.5.0.2"}
    assert found["gone.shop:80"].keys() == set()


async def test_an_external_name_is_resolved_by_the_sidecar(see: Any) -> None:
    found = await see()
    partner = found.clusters["partner.shop:80"]
    address = partner.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address
    assert partner.cluster_type.name == "envoy.clusters.dns"
    assert (address.address, address.port_value) == ("api.example.com", 80)
    assert found.hosts["partner"].route.host_rewrite_literal == "api.example.com"
    for refused in ("loopback", "metadata", "loop-a", "loop-b", "waiting"):
        assert f"{refused}.shop:80" not in found.clusters
        assert refused not in found.hosts
    for port in (80, 9000):  # every port of the target
        assert found.hosts[f"alias:{port}"].route.cluster == cluster(f"several.shop:{port}")


async def test_an_endpoint_of_a_headless_service_has_a_name_of_its_own(see: Any) -> None:
    found = await see()
    route = found.hosts["db-1.db"].route
    assert route.cluster == found.hosts["db"].route.cluster == cluster("db.shop:80")
    assert route.metadata_match.filter_metadata["envoy.lb"]["hostname"] == "db-1"
    assert not found.hosts["db"].route.HasField("metadata_match")
    assert found.hosts["*.db"].direct_response.status == 503
    assert found.clusters["db.shop:80"].type == found.clusters["db.shop:80"].EDS
    outside = await see(namespace="front")
    assert "db-1.db" not in outside.hosts
    assert outside.hosts["db-1.db.shop"].route == route


async def test_a_service_is_exported_to_some(see: Any) -> None:
    seen = {
        "shop": {"for-shop.shop:80", "for-shop-and-front.shop:80"},
        "front": {"for-shop-and-front.shop:80"},
        "": set(),
    }
    for namespace, services in seen.items():
        found = await see(namespace=namespace, dependencies=["shop/*"])
        assert {name for name in found.clusters if name.startswith("for-")} == services, namespace
        assert {name for name in found.called if name.startswith("for-")} == services, namespace


async def test_a_port_speaks_what_its_protocol_or_name_says(see: Any) -> None:
    found = (await see()).clusters
    speaks = {name: cluster for name, cluster in found.items() if name.startswith("speaks")}
    http2 = {name for name, cluster in speaks.items() if cluster.typed_extension_protocol_options}
    assert http2 == {f"speaks.shop:{port}" for port in (8001, 8002, 8003, 8004)}
    view = await see(capture="proxy")
    by_address = {int(name.rpartition("_")[2]) for name in view.listeners if name.startswith("10.96.0.60_")}
    assert by_address == {53, 3306, 8005, 8006, 8007}
    by_host = {int(domain.rpartition(":")[2]) for domain in view.hosts if domain.startswith("speaks:")}
    assert {8000, 8008, 8009} <= by_host


async def test_tls_has_server_names_beside_http(see: Any) -> None:
    listener = (await see()).listeners["egress"]
    names = {name for chain in listener.filter_chains for name in chain.filter_chain_match.server_names}
    assert {"speaks", "speaks.shop", "speaks.shop.svc.cluster.local"} <= names


async def test_what_depends_on_the_parent_of_an_alias_alone_gets_what_it_leads_to(see: Any) -> None:
    found = await see(dependencies=["shop/alias"])
    assert found.clusters.keys() == found.called.keys() == {"several.shop:80", "several.shop:9000"}
    assert "several" not in found.hosts


async def test_an_unknown_host_is_told_so_with_its_name(see: Any) -> None:
    response = (await see()).hosts["*"].direct_response
    assert response.status == 503
    assert "%REQ(:AUTHORITY)%" in json.dumps(response.body_format.text_format_source.inline_string)
