"""Each case is a folder: manifests and a client in, Envoy's resources out. Run with --golden to rewrite."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import trustme
from google.protobuf.json_format import MessageToDict, Parse

from pilothouse._pb.envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap
from pilothouse._pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from pilothouse._pb.envoy.config.core.v3.base_pb2 import Node
from pilothouse._pb.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from pilothouse._pb.envoy.config.listener.v3.listener_pb2 import Listener
from pilothouse._pb.envoy.config.route.v3.route_pb2 import RouteConfiguration
from pilothouse._pb.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm,
)
from pilothouse._pb.envoy.extensions.transport_sockets.tls.v3.tls_pb2 import UpstreamTlsContext
from pilothouse.cli.inspection import Severity, inspect
from pilothouse.encoding.rules import check
from pilothouse.encoding.types import ResourceType
from pilothouse.kubernetes.roots import Root
from pilothouse.kubernetes.served import ServedCluster
from pilothouse.mesh.audience import audience
from pilothouse.server.node import plain
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.world import World
from pilothouse.sources.files.disk import Look, look
from pilothouse.sources.files.last_good import LastGood

CASES = sorted(path.parent for path in (Path(__file__).parent / "cases").glob("*/manifests.yaml"))
MESSAGES: dict[ResourceType, Any] = {
    ResourceType.CLUSTER: Cluster,
    ResourceType.ENDPOINTS: ClusterLoadAssignment,
    ResourceType.LISTENER: Listener,
    ResourceType.ROUTES: RouteConfiguration,
}


def world(case: Path) -> World:
    manifests = LastGood()
    manifests.take_in(look([case / "manifests.yaml"], Look()), now=0)
    services = {service.name: service for service in manifests.services}
    catalogue = Catalogue()
    catalogue.apply(services, services)
    assert not catalogue.quarantined
    return World(catalogue, audience(plain(Parse((case / "client.json").read_text(), Node()))))


def messages(case: Path) -> dict[ResourceType, dict[str, Any]]:
    from google.protobuf.any_pb2 import Any as AnyMessage

    seen = world(case)
    return {
        type_: {
            name: message.FromString(AnyMessage.FromString(resource.any).value)
            for name, resource in seen.selection(type_).resources.items()
        }
        for type_, message in MESSAGES.items()
    }


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_the_translation_is_as_it_was_agreed(case: Path, request: pytest.FixtureRequest) -> None:
    read = inspect([Root(case / "manifests.yaml")], ServedCluster())
    assert read.of(Severity.ERROR) + read.of(Severity.WARNING) == []
    found = {
        type_.label: {n: MessageToDict(m) for n, m in held.items()} for type_, held in messages(case).items()
    }
    text = json.dumps(found, indent=1, sort_keys=True) + "\n"
    golden = case / "resources.json"
    if request.config.getoption("--golden"):
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_everything_keeps_its_validation_rules_and_every_cluster_has_its_endpoints(case: Path) -> None:
    found = messages(case)
    for held in found.values():
        for name, message in held.items():
            check(message)
            assert name == getattr(message, "name", "") or message.cluster_name
    clusters = found[ResourceType.CLUSTER].items()
    by_address = {name for name, cluster in clusters if cluster.type == Cluster.EDS}
    assert by_address == found[ResourceType.ENDPOINTS].keys()


@pytest.mark.envoy
@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_envoy_takes_it(
    case: Path, tmp_path: Path, validated: Callable[[Bootstrap], CompletedProcess[str]]
) -> None:
    ca = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(ca)
    done = validated(static(messages(case), ca))
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stdout + done.stderr, done.stderr


def static(found: dict[ResourceType, dict[str, Any]], ca: Path) -> Bootstrap:
    """All of it in one bootstrap: endpoints inside clusters, routes inside listeners, and a CA to trust."""
    bootstrap = Bootstrap()
    for name, cluster in found[ResourceType.CLUSTER].items():
        held = bootstrap.static_resources.clusters.add()
        held.CopyFrom(cluster)
        trust(held.transport_socket.typed_config, ca)
        if cluster.type != Cluster.EDS:
            continue
        held.type = Cluster.STATIC
        held.ClearField("eds_cluster_config")
        held.load_assignment.CopyFrom(found[ResourceType.ENDPOINTS][name])
    for listener in found[ResourceType.LISTENER].values():
        copy = bootstrap.static_resources.listeners.add()
        copy.CopyFrom(listener)
        for chain in copy.filter_chains:
            inline(chain.filters[0].typed_config, found[ResourceType.ROUTES])
    return bootstrap


def trust(config: Any, ca: Path) -> None:
    """A file that is there, in place of one that a sidecar has."""
    context = UpstreamTlsContext()
    if config.Unpack(context):
        context.common_tls_context.validation_context.trusted_ca.filename = str(ca)
        config.Pack(context)


def inline(config: Any, routes: dict[str, Any]) -> None:
    """The routes of a connection manager inside of it."""
    manager = hcm.HttpConnectionManager()
    if config.Unpack(manager):
        manager.route_config.CopyFrom(routes[manager.rds.route_config_name])
        manager.route_config.validate_clusters.value = True
        config.Pack(manager)
