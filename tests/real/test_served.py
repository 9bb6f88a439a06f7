"""What sidecars are told of what real controllers make: from the API, through the product, in xDS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import pytest

from pilothouse._pb.envoy.config.core.v3.health_check_pb2 import HealthStatus
from pilothouse._pb.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment

from ..wire.sidecar import Sidecar
from ..wire.stream import Stream, node
from ..wire.topics import CDS, EDS, RDS
from .cluster import Cluster
from .conftest import Clusters
from .namespace import Namespace
from .plane import Plane
from .served import put

ONE, TWO, THREE = "10.3.0.1", "10.3.0.2", "10.3.0.3"
#: Endpoints by address, each with its zone, whether it is sick, and its priority if that is not the first.
Pool: TypeAlias = dict[str, str]
#: Acts on a namespace, and yields what has to be served then: a pool for each name of a service.
Case: TypeAlias = Callable[[Namespace], Iterator[dict[str, Pool]]]


def pods_that_fail_and_end(shop: Namespace) -> Iterator[dict[str, Pool]]:
    shop.service("cart")
    yield {"cart": {}}
    shop.pod("p1", "cart", "n1", ONE)
    shop.pod("p2", "cart", "n2", TWO)
    yield {"cart": {ONE: "a", TWO: "b"}}
    shop.report("p1", ready=False)
    yield {"cart": {ONE: "a sick", TWO: "b"}}
    shop.end_pod("p2")
    # Nothing is ready, and what ends serves on.
    yield {"cart": {ONE: "a sick", TWO: "b"}}
    shop.report("p1")
    yield {"cart": {ONE: "a"}}
    shop.remove_pod("p2")
    shop.remove_pod("p1")
    yield {"cart": {}}
    shop.api.delete("Service", "cart", shop.name)
    yield {}


def pods_that_are_published_before_they_are_ready(shop: Namespace) -> Iterator[dict[str, Pool]]:
    shop.service("cart", publishNotReadyAddresses=True)
    shop.pod("p1", "cart", "n1", ONE)
    shop.report("p1", ready=False)
    yield {"cart": {ONE: "a"}}


def a_name_outside_of_the_cluster(shop: Namespace) -> Iterator[dict[str, Pool]]:
    ports = [{"name": "http", "port": 80}]
    shop.service("outside", ports, type="ExternalName", externalName="api.example.com", selector=None)
    yield {"outside": {"api.example.com": ""}}
    shop.change_service("outside", externalName="api.example.org")
    yield {"outside": {"api.example.org": ""}}


def pods_with_names_of_their_own(shop: Namespace) -> Iterator[dict[str, Pool]]:
    shop.service("db", clusterIP="None")
    for number, address in enumerate((ONE, TWO)):
        shop.pod(f"db-{number}", "db", "n1", address, hostname=f"db-{number}", subdomain="db")
    both = {ONE: "a", TWO: "a"}
    yield {"db": both, "db-0.db": {ONE: "a"}, "db-1.db": {TWO: "a"}}
    shop.remove_pod("db-1")
    yield {"db": {ONE: "a"}, "db-0.db": {ONE: "a"}}


def a_choice_of_places(shop: Namespace) -> Iterator[dict[str, Pool]]:
    shop.service("cart")
    for number, address in enumerate((ONE, TWO, THREE), 1):
        shop.pod(f"p{number}", "cart", f"n{number}", address)
    yield {"cart": {ONE: "a", TWO: "b", THREE: "c"}}
    shop.change_service("cart", trafficDistribution="PreferSameNode")
    yield {"cart": {ONE: "a 1", TWO: "b", THREE: "c 1"}}
    shop.change_service("cart", internalTrafficPolicy="Local")
    yield {"cart": {TWO: "b"}}
    shop.change_service("cart", trafficDistribution=None, internalTrafficPolicy="Cluster")
    yield {"cart": {ONE: "a", TWO: "b", THREE: "c"}}


def both_families(shop: Namespace) -> Iterator[dict[str, Pool]]:
    shop.service("dual", ipFamilyPolicy="RequireDualStack")
    shop.pod("p1", "dual", "n1", ONE, "fd00::3:1")
    yield {"dual": {f"{ONE} fd00::3:1": "a"}}


def endpoints_that_are_mirrored(shop: Namespace) -> Iterator[dict[str, Pool]]:
    shop.service("legacy", ({"port": 80},), selector=None)
    subset = {"addresses": [{"ip": ONE}], "notReadyAddresses": [{"ip": TWO}], "ports": [{"port": 8080}]}
    shop.api.create(shop.object("Endpoints", "legacy", subsets=[subset]))
    yield {"legacy": {ONE: "", TWO: "sick"}}
    shop.api.patch("Endpoints", "legacy", {"subsets": [subset | {"notReadyAddresses": None}]}, shop.name)
    yield {"legacy": {ONE: ""}}


def several_slices(shop: Namespace) -> Iterator[dict[str, Pool]]:
    shop.service("many")
    addresses = [f"10.4.0.{number}" for number in range(1, 106)]
    for number, address in enumerate(addresses):
        shop.pod(f"p{number}", "many", "n1", address)
    yield {"many": dict.fromkeys(addresses, "a")}
    for number in range(10):
        shop.remove_pod(f"p{number}")
    yield {"many": dict.fromkeys(addresses[10:], "a")}


def a_namespace_that_is_deleted(shop: Namespace) -> Iterator[dict[str, Pool]]:
    for name, address in (("cart", ONE), ("till", TWO)):
        shop.service(name)
        shop.pod(name, name, "n1", address)
    yield {"cart": {ONE: "a"}, "till": {TWO: "a"}}
    for name in ("cart", "till"):
        shop.remove_pod(name)
    shop.api.delete("Namespace", shop.name)
    yield {}


CASES: tuple[Case, ...] = (
    pods_that_fail_and_end,
    pods_that_are_published_before_they_are_ready,
    a_name_outside_of_the_cluster,
    pods_with_names_of_their_own,
    a_choice_of_places,
    both_families,
    endpoints_that_are_mirrored,
    several_slices,
    a_namespace_that_is_deleted,
)


@pytest.fixture(scope="module")
def plane(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """`pilothouse serve`, which follows the cluster that all tests share."""
    started = Plane(tmp_path_factory.mktemp("plane"), ("--kubeconfig", str(cluster.kubeconfig)))
    started.start()
    yield started
    started.process.stop()


@asynccontextmanager
async def asking(plane: Plane, namespace: Namespace) -> AsyncIterator[Sidecar]:
    """A sidecar of this namespace on the node n2, which states no zone: what is near, the node says."""
    said = node(namespace=namespace.name, dependencies=[f"{namespace}/*"], node="n2")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{plane.xds}") as channel:
        sidecar = Sidecar(said).connect(Stream(channel, "delta", None))
        yield sidecar
        await sidecar.close()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__.replace("_", " "))
async def test_sidecars_are_told_of(plane: Plane, namespace: Namespace, eventually, case: Case) -> None:
    async with asking(plane, namespace) as sidecar:
        for wanted in case(namespace):
            await eventually(lambda wanted=wanted: served(sidecar, namespace) == wanted, within=60)


@pytest.mark.timeout(300)
async def test_sidecars_see_nothing_blink_when_everything_is_listed_anew(
    clusters: Clusters, tmp_path: Path, eventually
) -> None:
    """What it knows is older than what is compacted, so its watches are answered by 410.

    Meanwhile it was away, so only a list can tell what has changed.
    """
    cluster = clusters.start()
    namespace = clusters.namespace(cluster)
    for name, address in (("cart", ONE), ("till", TWO)):
        namespace.service(name, selector=None)
        put(namespace, name, address)
    plane = Plane(tmp_path, ("--kubeconfig", str(cluster.kubeconfig)))
    await asyncio.to_thread(plane.start)
    try:
        async with asking(plane, namespace) as sidecar:
            before = {"cart": {ONE: ""}, "till": {TWO: ""}}
            await eventually(lambda: sidecar.has[RDS] and served(sidecar, namespace) == before, within=60)
            heard = len(sidecar.heard)
            plane.process.freeze()
            cluster.api_server.kill()  # so that no event waits in a connection
            await asyncio.to_thread(cluster.start_api_server)
            put(namespace, "cart", THREE)
            await asyncio.to_thread(cluster.forget_history)
            plane.process.thaw()
            await eventually(lambda: served(sidecar, namespace) == before | {"cart": {THREE: ""}}, within=60)
            news = sidecar.heard[heard:]
            assert not any(gone for _, _, gone in news), "nothing is taken away"
            cart = next(name for name in sidecar.has[EDS] if "cart" in name)
            assert [(what, told) for what, told, _ in news] == [(EDS.label, {cart})], (
                "the rest is not said again"
            )
    finally:
        plane.process.stop()


def served(sidecar: Sidecar, namespace: Namespace) -> dict[str, Pool]:
    """What a sidecar has of a namespace: of each Service, and of each pod that has a name."""
    found: dict[str, Pool] = {}
    for name, cluster in sidecar.has[CDS].items():
        if service := _within(name.rpartition("|")[2], namespace):
            found[service] = _pool(_assignment(sidecar, cluster))
    for host in (host for routes in sidecar.has[RDS].values() for host in routes.virtual_hosts):
        service, route = _within(host.domains[0], namespace), host.routes[0].route
        if service not in found and route.cluster in sidecar.has[CDS]:
            assignment = _assignment(sidecar, sidecar.has[CDS][route.cluster])
            found[service] = _pool(assignment, _hostname(route.metadata_match))
    return found


def _within(host: str, namespace: Namespace) -> str:
    """A host name without what all of a namespace end in; empty if it is of another one."""
    name, of_namespace, _ = host.partition(f".{namespace}.svc.cluster.local")
    return name if of_namespace else ""


def _assignment(sidecar: Sidecar, cluster: Any) -> Any:
    """The endpoints of a cluster; those that are looked up by name are in the cluster itself."""
    if cluster.HasField("load_assignment"):
        return cluster.load_assignment
    return sidecar.has[EDS].get(cluster.name, ClusterLoadAssignment())


def _pool(assignment: Any, hostname: str = "") -> Pool:
    return {
        _addresses(each.endpoint): _described(group, each)
        for group in assignment.endpoints
        for each in group.lb_endpoints
        if hostname in ("", _hostname(each.metadata))
    }


def _hostname(metadata: Any) -> str:
    return str(metadata.filter_metadata["envoy.lb"].fields["hostname"].string_value)


def _described(group: Any, endpoint: Any) -> str:
    sick = "sick" if endpoint.health_status == HealthStatus.UNHEALTHY else ""
    return " ".join(filter(None, (group.locality.zone, sick, str(group.priority or ""))))


def _addresses(endpoint: Any) -> str:
    places = [endpoint.address, *(each.address for each in endpoint.additional_addresses)]
    return " ".join(place.socket_address.address for place in places)
