"""Who sees what, and by which names, on the wire: what a Service, a sidecar and an operator say of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import grpc
import pytest

from .manifests import Namespace
from .plane import ControlPlane
from .scene import dialled
from .sidecar import Sidecar
from .stream import Stream, node
from .topics import CDS, EDS, LDS, RDS

Start = Callable[..., Sidecar]
RULES = (
    *("--cluster-domain", "corp.k8s", "--extra-suffixes", ".mesh,.service.test"),
    *("--exclude-namespaces", "kube-system", "--default-namespace", "shop"),
    *("--wildcard-namespaces", "shop,data"),
)


def service(namespace: str, name: str, port: str = "http", **annotations: str) -> str:
    """A Service and its one endpoint. Annotations are given without what all of ours begin with."""
    ours = {f"pilothouse.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
    about: dict[str, Any] = {"name": name, "namespace": namespace}
    owner = {"labels": {"kubernetes.io/service-name": name}}
    documents = (
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {**about, "annotations": ours},
            "spec": {"ports": [{"name": port, "port": 80}]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**about, **owner},
            "addressType": "IPv4",
            "ports": [{"name": port, "port": 8080}],
            "endpoints": [{"addresses": ["10.1.0.1"]}],
        },
    )
    return "\n---\n".join(map(json.dumps, documents)) + "\n"


@pytest.fixture(scope="module")
def ruled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    found = ControlPlane(tmp_path_factory.mktemp("ruled"), *RULES)
    names = (("shop", "payments"), ("data", "payments"), ("data", "ledger"), ("kube-system", "metrics"))
    text = "---\n".join(service(*name) for name in names)
    (found.manifests / "all.yaml").write_text(text)
    found.start()
    yield found
    found.stop()


@pytest.fixture(params=["sotw", "delta"])
def variant(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
async def started(variant: str) -> AsyncIterator[Callable[..., Awaitable[Sidecar]]]:
    """Starts sidecars: `await started(control_plane, namespace=...)`; ready when they have routes."""
    opened: list[tuple[Any, Sidecar]] = []

    async def start(control_plane: ControlPlane, **said: Any) -> Sidecar:
        context = dialled(control_plane)
        sidecar = Sidecar(node(**said)).connect(Stream(await context.__aenter__(), variant, None))
        opened.append((context, sidecar))
        await sidecar.until(lambda: bool(sidecar.has[RDS]) and not sidecar.warming)
        return sidecar

    yield start
    for context, sidecar in opened:
        await sidecar.close()
        await context.__aexit__(None, None, None)


@pytest.fixture
def space(control_plane: ControlPlane) -> Iterator[Namespace]:
    """A namespace on the shared control plane."""
    found = Namespace(control_plane.manifests)
    yield found
    for file in control_plane.manifests.glob(f"{found.name}-*.yaml"):
        file.unlink()


def leads(sidecar: Sidecar) -> dict[str, str]:
    """Where each domain of the egress routes leads; nothing for an answer of the sidecar's own."""
    hosts = sidecar.has[RDS]["egress"].virtual_hosts
    return {domain: host.routes[0].route.cluster for host in hosts for domain in host.domains}


async def test_names_end_as_the_operator_says(ruled: ControlPlane, started: Any) -> None:
    sidecar = await started(ruled, namespace="data")
    ours, theirs = (f"outbound|80||payments.{namespace}.svc.corp.k8s" for namespace in ("data", "shop"))
    names = leads(sidecar)
    forms = ("", ".svc", ".svc.corp.k8s", ".svc.corp.k8s.", ".mesh", ".service.test")
    for form in forms:
        assert names[f"payments.data{form}"] == names[f"payments.data{form}:80"] == ours
        assert names[f"payments.shop{form}"] == names[f"payments.shop{form}:80"] == theirs
    assert names["payments"] == names["payments.mesh"] == names["payments.service.test"] == ours
    assert not [name for name in names if "cluster.local" in name]


async def test_an_excluded_namespace_is_nowhere(ruled: ControlPlane, started: Any) -> None:
    sidecar = await started(ruled, namespace="data")
    assert len(sidecar.has[CDS]) == 3
    for topic in (CDS, EDS, RDS):
        assert "metrics" not in str(sidecar.has[topic])


async def test_who_does_not_say_a_namespace_is_in_that_of_the_operator(
    ruled: ControlPlane, started: Any
) -> None:
    assert leads(await started(ruled))["payments"] == "outbound|80||payments.shop.svc.corp.k8s"


async def test_who_may_not_depend_on_everything_says_on_what(
    ruled: ControlPlane, started: Any, variant: str
) -> None:
    async with dialled(ruled) as channel:
        stream = Stream(channel, variant, None)
        await stream.send(node=node(namespace="web", dependencies=["*"]), type_url=CDS.url)
        assert await stream.status() is grpc.StatusCode.INVALID_ARGUMENT
        assert "node.metadata.pilothouse.dependencies" in await stream.call.details()
        stream.cancel()
    sidecar = await started(ruled, namespace="web", dependencies=["data/ledger"])
    assert sidecar.has[CDS].keys() == {"outbound|80||ledger.data.svc.corp.k8s"}


async def test_what_is_declared_before_it_exists_is_there_when_it_comes(
    control_plane: ControlPlane, space: Namespace, started: Any
) -> None:
    sidecar = await started(control_plane, namespace="web", dependencies=[f"{space.name}/later"])
    assert (sidecar.has[CDS], leads(sidecar)) == ({}, {"*": ""})
    host, cluster = f"later.{space.name}", space.cluster("later").replace("8080", "80")
    space.write("later", [service(space.name, "later")])
    await sidecar.until(lambda: leads(sidecar).get(host) == cluster)
    space.write("later", [service(space.name, "other")])
    await sidecar.until(lambda: host not in leads(sidecar) and not sidecar.has[CDS])


async def test_what_is_exported_to_others_goes_and_what_is_exported_to_it_comes(
    control_plane: ControlPlane, space: Namespace, started: Any, variant: str
) -> None:
    host, cluster = f"payments.{space.name}", space.cluster("payments").replace("8080", "80")
    wants = {"dependencies": [f"{space.name}/*"]}
    clients = {name: await started(control_plane, namespace=name, **wants) for name in ("one", "two")}
    clients["own"] = await started(control_plane, namespace=space.name, **wants)
    clients["none"] = await started(control_plane, **wants)
    for export, seen in (
        ("*", {"one", "two", "own", "none"}),
        ("one", {"one"}),
        (".,two", {"own", "two"}),
        (".", {"own"}),
        ("two , one", {"one", "two"}),
        ("~", set()),
        ("*", {"one", "two", "own", "none"}),
    ):
        space.write("payments", [service(space.name, "payments", export_to=export)])
        for name, client in clients.items():
            there = name in seen
            await client.until(
                lambda client=client, there=there: (
                    [cluster in client.has[CDS], cluster in client.has[EDS], host in leads(client)]
                    == [there] * 3
                )
            )


async def test_endpoints_of_what_is_not_exported_are_not_told(
    control_plane: ControlPlane, space: Namespace, started: Any, variant: str
) -> None:
    cluster = space.cluster("hidden").replace("8080", "80")
    space.write(
        "hidden", [service(space.name, "hidden", export_to=".") + "---\n" + service(space.name, "shown")]
    )
    both = {cluster, cluster.replace("hidden", "shown")}
    witness = await started(control_plane, namespace=space.name, dependencies=[f"{space.name}/*"])
    await witness.until(lambda: witness.has[EDS].keys() == both)
    async with dialled(control_plane) as channel:
        for namespace, known in ((space.name, both), ("web", both - {cluster})):
            stream = Stream(channel, variant, None)
            wanted = "resource_names" if variant == "sotw" else "resource_names_subscribe"
            found: dict[str, Any] = {}
            await stream.send(node=node(namespace=namespace), type_url=EDS.url, **{wanted: sorted(both)})
            while not known <= {name for name, assignment in found.items() if assignment.endpoints}:
                found |= (await stream.hear()).messages
            assert [name for name in found if found[name].endpoints and name not in known] == []
            stream.cancel()


async def test_a_grpc_client_cannot_dial_what_is_not_exported_to_it(
    control_plane: ControlPlane, space: Namespace, started: Any, variant: str
) -> None:
    text = (
        service(space.name, "hidden", "grpc", export_to=".") + "---\n" + service(space.name, "shown", "grpc")
    )
    space.write("both", [text])
    witness = await started(control_plane, namespace=space.name, dependencies=[f"{space.name}/*"])
    await witness.until(lambda: len(witness.has[EDS]) == 2)
    targets = {f"{name}.{space.name}:80" for name in ("hidden", "shown")}
    async with dialled(control_plane) as channel:
        for namespace, known in ((space.name, targets), ("web", {f"shown.{space.name}:80"})):
            client = node(namespace=namespace)
            client.user_agent_name = "gRPC C-core"
            stream = Stream(channel, variant, None)
            wanted = "resource_names" if variant == "sotw" else "resource_names_subscribe"
            found: dict[str, Any] = {}
            await stream.send(node=client, type_url=LDS.url, **{wanted: sorted(targets)})
            while not known <= found.keys():
                found |= (await stream.hear()).messages
            assert found.keys() == known
            stream.cancel()


async def test_a_namespace_says_to_whom_its_services_are_exported(
    control_plane: ControlPlane, space: Namespace, started: Any
) -> None:
    cluster = space.cluster("payments").replace("8080", "80")
    wants = {"dependencies": [f"{space.name}/*"]}
    web, own = [await started(control_plane, namespace=name, **wants) for name in ("web", space.name)]
    space.write("payments", [service(space.name, "payments")])
    for export, seen in (("*", (True, True)), (".", (False, True)), ("web", (True, False))):
        annotations = {"pilothouse.dev/export-to": export}
        about = {"name": space.name, "annotations": annotations}
        space.write("space", [json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": about})])
        for client, there in zip((web, own), seen, strict=True):
            await client.until(lambda client=client, there=there: (cluster in client.has[CDS]) is there)


async def test_a_private_backend_of_a_public_service_is_reached_by_that_alone(
    control_plane: ControlPlane, space: Namespace, started: Any
) -> None:
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "split", "namespace": space.name},
        "spec": {
            "parentRefs": [{"kind": "Service", "group": "", "name": "payments"}],
            "rules": [{"backendRefs": [{"name": "blue", "port": 80}]}],
        },
    }
    documents = (
        service(space.name, "payments"),
        service(space.name, "blue", export_to="."),
        json.dumps(route),
    )
    client = await started(control_plane, namespace="web", dependencies=[f"{space.name}/payments"])
    space.write("all", ["\n---\n".join(documents)])
    blue = space.cluster("blue").replace("8080", "80")
    await client.until(lambda: leads(client).get(f"payments.{space.name}") == blue)
    assert {blue} <= client.has[CDS].keys() & client.has[EDS].keys()
    assert f"blue.{space.name}" not in leads(client)
