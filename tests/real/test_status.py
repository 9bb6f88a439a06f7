"""What is written to a real API server: the conditions of routes, by one of two replicas, and Events."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Semaphore
from typing import Any

import grpc
import pytest
import yaml

from pilothouse._pb.envoy.config.core.v3.base_pb2 import Node
from pilothouse._pb.envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest, DiscoveryResponse
from pilothouse.apiserver.kubeconfig import kubeconfig
from pilothouse.encoding.types import ResourceType
from pilothouse.kubernetes.served import ServedCluster
from pilothouse.model.services import ServiceName

from ..status.replica import Replica
from .api import Object, Refused
from .cluster import Cluster
from .conftest import Clusters
from .gateway_api import Crds
from .namespace import Namespace
from .plane import Plane
from .process import wait_until

pytestmark = pytest.mark.timeout(300)

CONTROLLER, PROGRAMMED = "pilothouse.dev/mesh", "pilothouse.dev/Programmed"
LEASE = "pilothouse-status"
DEPLOY = Path(__file__).parents[2] / "deploy" / "kubernetes"
_ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"


@pytest.fixture(scope="module", autouse=True)
def routes(gateway_api: Crds) -> Iterator[None]:
    gateway_api.install()
    wait_until(gateway_api.served, "the Gateway API is served")
    yield
    gateway_api.remove()
    wait_until(gateway_api.gone, "the Gateway API is gone")


@pytest.fixture
def plane(cluster: Cluster, namespace: Namespace, tmp_path: Path) -> Iterator[Callable[[], Plane]]:
    """Starts replicas that write; nobody holds the Lease before the first one."""
    started: list[Plane] = []
    forget_leader(cluster)
    token = cluster.account(namespace.name, "pilothouse", permissions())
    kubeconfig = cluster.write_kubeconfig(f"kubeconfig-{namespace}", {"token": token})

    def start(*others: str) -> Plane:
        folder = tmp_path / f"replica-{len(started)}"
        folder.mkdir()
        served = ",".join((namespace.name, *others))
        source = ["--kubeconfig", str(kubeconfig), "--include-namespaces", served, "--write-status"]
        started.append(made := Plane(folder, source))
        made.start()
        return made

    yield start
    for each in started:
        each.process.stop()


def permissions() -> list[Object]:
    """What `deploy/kubernetes` gives, with its component."""
    files = ("rbac.yaml", "write-status/rbac.yaml")
    found = [each for file in files for each in yaml.safe_load_all((DEPLOY / file).read_text())]
    return [rule for each in found if each["kind"] in ("ClusterRole", "Role") for rule in each["rules"]]


def forget_leader(cluster: Cluster) -> None:
    with suppress(Refused):  # there is none
        cluster.api.delete("Lease", LEASE, "default")


def service(namespace: Namespace, name: str, **annotations: str) -> None:
    spec = {"ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
    made = namespace.object("Service", name, spec=spec)
    made["metadata"]["annotations"] = {f"pilothouse.dev/{key}": text for key, text in annotations.items()}
    namespace.api.apply(made)


def to(name: str, **more: Any) -> Object:
    return {"name": name, "port": 80, **more}


def route(namespace: Namespace, name: str, *rules: Object, parent: str = "web", **ref: Any) -> None:
    parents = [{"group": "", "kind": "Service", "name": parent, **ref}]
    spec = {"parentRefs": parents, "rules": list(rules)}
    namespace.api.apply(namespace.object("HTTPRoute", name, "gateway.networking.k8s.io/v1", spec=spec))


def shown(namespace: Namespace, name: str) -> Object:
    return namespace.api.get("HTTPRoute", name, namespace.name)


def conditions(namespace: Namespace, name: str) -> dict[str, Object]:
    """Ours, by type, if they are of the present generation."""
    found = shown(namespace, name)
    ours = [
        each for each in found.get("status", {}).get("parents", ()) if each["controllerName"] == CONTROLLER
    ]
    listed = [condition for each in ours for condition in each["conditions"]]
    if any(each["observedGeneration"] != found["metadata"]["generation"] for each in listed):
        return {}
    return {each["type"]: each for each in listed}


def reasons(namespace: Namespace, name: str) -> dict[str, tuple[str, str]]:
    return {type: (each["status"], each["reason"]) for type, each in conditions(namespace, name).items()}


GOOD = {
    "Accepted": ("True", "Accepted"),
    "ResolvedRefs": ("True", "ResolvedRefs"),
    PROGRAMMED: ("True", "Programmed"),
}


def test_a_route_is_accepted_and_a_missing_backend_is_told_until_it_is_there(
    namespace: Namespace, plane: Any
) -> None:
    service(namespace, "web")
    route(namespace, "r", {"backendRefs": [to("blue")]})
    plane()
    lost = GOOD | {"ResolvedRefs": ("False", "BackendNotFound")}
    wait_until(lambda: reasons(namespace, "r") == lost, "a missing backend is told")
    accepted_at = conditions(namespace, "r")["Accepted"]["lastTransitionTime"]
    service(namespace, "blue")
    wait_until(lambda: reasons(namespace, "r") == GOOD, "its backend is found")
    assert conditions(namespace, "r")["Accepted"]["lastTransitionTime"] == accepted_at
    (ref,) = shown(namespace, "r")["status"]["parents"]
    assert ref["parentRef"] == {"group": "", "kind": "Service", "name": "web"}
    route(namespace, "r", {"backendRefs": [to("web")]})
    wait_until(lambda: reasons(namespace, "r") == GOOD, "the next generation is observed")
    wait_until(lambda: len(events(namespace, "r")) == 2, "Events tell of the beginning and the end")
    assert sorted(events(namespace, "r")) == [("Normal", "ResolvedRefs"), ("Warning", "BackendNotFound")]


def events(namespace: Namespace, name: str) -> list[tuple[str, str]]:
    listed = namespace.api.list("Event", namespace.name)
    return [(each["type"], each["reason"]) for each in listed if each["involvedObject"]["name"] == name]


def test_what_a_route_asks_for_in_vain_is_told(
    shared: Clusters, cluster: Cluster, namespace: Namespace, plane: Any
) -> None:
    for name in ("web", "blue"):
        service(namespace, name)
    other = shared.namespace(cluster)
    service(other, "hidden", **{"export-to": "."})
    hidden = to("hidden", namespace=other.name)
    bad = {"path": {"type": "RegularExpression", "value": "(a"}}
    route(namespace, "partial", {"backendRefs": [to("blue")]}, {"matches": [bad]})
    route(namespace, "hopeless", {"matches": [bad], "backendRefs": [to("blue")]})
    route(namespace, "forbidden", {"backendRefs": [hidden]})
    route(namespace, "orphan", {"backendRefs": [to("blue")]}, parent="nobody")
    route(namespace, "portless", {"backendRefs": [to("blue")]}, port=81)
    plane(other.name)
    wanted = {
        "partial": GOOD | {"PartiallyInvalid": ("True", "UnsupportedValue")},
        "forbidden": GOOD | {"ResolvedRefs": ("False", "RefNotPermitted")},
        "orphan": {"Accepted": ("False", "NoMatchingParent")},
        "portless": {"Accepted": ("False", "NoMatchingParent")},
    }
    for name, told in wanted.items():
        wait_until(lambda name=name, told=told: reasons(namespace, name) == told, f"{name} is told")
    assert conditions(namespace, "partial")["PartiallyInvalid"]["message"].startswith("Dropped Rule 1 (")
    wait_until(
        lambda: reasons(namespace, "hopeless").get("Accepted") == ("False", "UnsupportedValue"),
        "a route without a valid rule is not accepted",
    )


def test_what_other_controllers_say_stays_and_ours_goes_with_the_parent(
    namespace: Namespace, plane: Any
) -> None:
    service(namespace, "web")
    route(namespace, "r", {"backendRefs": [to("web")]})
    path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{namespace.name}/httproutes/r/status"
    told = {
        "type": "Accepted",
        "status": "True",
        "reason": "Accepted",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    other = {"controllerName": "example.com/other", "parentRef": {"name": "gate"}, "conditions": [told]}
    namespace.api.call("PATCH", path, {"status": {"parents": [other]}}, "application/merge-patch+json")
    kept = shown(namespace, "r")["status"]["parents"]
    plane()
    wait_until(lambda: reasons(namespace, "r") == GOOD, "ours is beside the other one")
    assert shown(namespace, "r")["status"]["parents"][0] == kept[0]
    spec = {"parentRefs": [{"name": "gate"}]}
    namespace.api.patch("HTTPRoute", "r", {"spec": spec}, namespace.name)
    wait_until(lambda: shown(namespace, "r")["status"]["parents"] == kept, "only the other one is left")


def status_writes(cluster: Cluster) -> float:
    """How often the status of an HTTPRoute was written, by anybody."""
    text = cluster.api.raw("/metrics", "identity").decode()
    lines = re.findall(r"^apiserver_request_total\{(.*)\} ([0-9.e+]+)$", text, re.MULTILINE)
    ours = ('resource="httproutes"', 'subresource="status"')
    return sum(float(value) for labels, value in lines if all(each in labels for each in ours))


def test_nothing_is_written_when_nothing_has_changed(
    cluster: Cluster, namespace: Namespace, plane: Any
) -> None:
    service(namespace, "web")
    service(namespace, "next")
    for name in ("a", "b"):
        route(namespace, name, {"backendRefs": [to("web")]})
    plane()
    wait_until(lambda: reasons(namespace, "a") == reasons(namespace, "b") == GOOD, "both are accepted")
    before = status_writes(cluster)
    endpoints = {"addressType": "IPv4", "endpoints": [{"addresses": ["10.1.1.1"]}], "ports": []}
    made = namespace.object("EndpointSlice", "web-1", "discovery.k8s.io/v1", **endpoints)
    made["metadata"]["labels"] = {"kubernetes.io/service-name": "web"}
    namespace.api.apply(made)
    namespace.api.patch("HTTPRoute", "a", {"metadata": {"labels": {"x": "y"}}}, namespace.name)
    route(namespace, "b", {"backendRefs": [to("nobody")]})
    wait_until(
        lambda: reasons(namespace, "b").get("ResolvedRefs") == ("False", "BackendNotFound"), "b is told"
    )
    assert status_writes(cluster) == before + 1


def holder(cluster: Cluster) -> str:
    with suppress(Refused):  # there is none yet
        return str(cluster.api.get("Lease", LEASE, "default")["spec"].get("holderIdentity") or "")
    return ""


def test_one_of_two_replicas_writes_and_the_other_one_when_that_is_killed(
    cluster: Cluster, namespace: Namespace, plane: Any
) -> None:
    first = plane()
    wait_until(lambda: f"_{first.process.pid}_" in holder(cluster), "the first one has the Lease")
    second = plane()
    service(namespace, "web")
    route(namespace, "r", {"backendRefs": [to("blue")]})
    wait_until(lambda: "ResolvedRefs" in reasons(namespace, "r"), "it is told")
    first.process.kill()
    service(namespace, "blue")
    wait_until(lambda: f"_{second.process.pid}_" in holder(cluster), "the second one takes over", 20)
    wait_until(lambda: reasons(namespace, "r") == GOOD, "and tells what has changed meanwhile")
    second.process.stop()
    assert holder(cluster) == ""


class Sceptic:
    """A client of ADS that takes routes, or does not."""

    def __init__(self, port: int, node: str = "sceptic") -> None:
        alone = [("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", alone)
        call = self._channel.stream_stream(
            _ADS, DiscoveryRequest.SerializeToString, DiscoveryResponse.FromString
        )
        self._asked: list[DiscoveryRequest] = []
        self._more = Semaphore(0)
        self._said = call(self._requests())
        self._ask(node=Node(id=node))

    def _requests(self) -> Iterator[DiscoveryRequest]:
        while True:
            self._more.acquire()
            yield self._asked.pop(0)

    def _ask(self, **fields: Any) -> None:
        names = ["egress"]
        request = DiscoveryRequest(type_url=ResourceType.ROUTES.url, resource_names=names, **fields)
        self._asked.append(request)
        self._more.release()

    def hear(self) -> DiscoveryResponse:
        return next(self._said)

    def accept(self, said: DiscoveryResponse) -> None:
        self._ask(version_info=said.version_info, response_nonce=said.nonce)

    def reject(self, said: DiscoveryResponse, why: str) -> None:
        request = DiscoveryRequest(response_nonce=said.nonce)
        request.error_detail.message = why
        self._ask(response_nonce=said.nonce, error_detail=request.error_detail)

    def close(self) -> None:
        self._said.cancel()
        self._channel.close()


def test_what_a_proxy_rejects_is_told_until_it_accepts_or_is_gone(namespace: Namespace, plane: Any) -> None:
    service(namespace, "web")
    route(namespace, "r", {"backendRefs": [to("web")]})
    xds = plane().xds
    client, other = Sceptic(xds), Sceptic(xds, "believer")
    wait_until(lambda: reasons(namespace, "r") == GOOD, "it is accepted")
    for each in (client, other):
        each.accept(each.hear())
    rejected = GOOD | {PROGRAMMED: ("False", "Rejected")}
    for path in ("/a", "/b"):
        match = {"path": {"type": "PathPrefix", "value": path}}
        route(namespace, "r", {"matches": [match], "backendRefs": [to("web")]})
        other.accept(other.hear())  # so the version is not taken back (0041)
        client.reject(client.hear(), "I do not like that")
        wait_until(lambda: reasons(namespace, "r") == rejected, "the rejection is told")
        message = conditions(namespace, "r")[PROGRAMMED]["message"]
        assert message == "1 proxy rejects it and goes on as before: I do not like that"
    told = [("Warning", "Rejected")]
    wait_until(lambda: events(namespace, "web") == events(namespace, "r") == told, "Events tell it once")
    client.close()
    other.close()
    wait_until(lambda: reasons(namespace, "r") == GOOD, "nobody rejects it any more")
    for name in ("web", "r"):
        mended = [("Normal", "Programmed"), *told]
        wait_until(
            lambda name=name, mended=mended: sorted(events(namespace, name)) == mended, f"{name} is mended"
        )


async def test_a_quarantine_is_told_until_it_is_over(
    cluster: Cluster, namespace: Namespace, eventually: Any
) -> None:
    """An API server admits nothing that breaks a rule of Envoy, so that it does is only said here."""
    service(namespace, "web")
    route(namespace, "r", {"backendRefs": [to("web")]})
    forget_leader(cluster)
    served = ServedCluster(included=frozenset({namespace.name}))
    replica, web = Replica(kubeconfig(cluster.kubeconfig), served), ServiceName(namespace.name, "web")
    try:
        await eventually(lambda: reasons(namespace, "r") == GOOD, within=60)
        replica.catalogue._accepted._quarantine(web, ValueError("a field is too long"))
        held = GOOD | {PROGRAMMED: ("False", "Quarantined")}
        await eventually(lambda: reasons(namespace, "r") == held, within=60)
        assert conditions(namespace, "r")[PROGRAMMED]["message"].endswith("in force: a field is too long")
        await eventually(lambda: events(namespace, "web") == [("Warning", "Quarantined")], within=60)
        del replica.catalogue._accepted.quarantined[web]
        await eventually(lambda: reasons(namespace, "r") == GOOD, within=60)
    finally:
        await replica.end()
