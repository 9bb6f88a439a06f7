"""What `deploy/kubernetes` and `pilothouse inject` give to kubectl is what a real API server takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from pilothouse.sidecar.containers import AGENT, ENVOY, RULES
from pilothouse.sidecar.injection import Injected, Skipped, inject_into
from pilothouse.sidecar.wishes import Template
from pilothouse.structures.hostport import HostPort

from .api import APPLY, Object, path_of
from .cluster import CONTROLLERS, WORKLOADS, Cluster, Wanted
from .conftest import Clusters
from .process import wait_until

DEPLOY = Path(__file__).parents[2] / "deploy" / "kubernetes"
TEMPLATE = Template("envoy:1", "pilothouse:1", HostPort("pilothouse.pilothouse.svc", 18000), "pilothouse-ca")


def documents(*files: str) -> list[dict[str, Any]]:
    return [each for file in files for each in yaml.safe_load_all((DEPLOY / file).read_text())]


def tried(cluster: Cluster, document: dict[str, Any]) -> dict[str, Any]:
    """What the server would make of it. It refuses fields that it does not know."""
    metadata = document["metadata"]
    path = f"{path_of(document['kind'], metadata.get('namespace', ''))}/{metadata['name']}"
    query = "fieldManager=test&force=true&dryRun=All&fieldValidation=Strict"
    return cluster.api.call("PATCH", f"{path}?{query}", document, APPLY)


@pytest.fixture(scope="module")
def namespaces(cluster: Cluster) -> Iterator[None]:
    found: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n}} for n in ("pilothouse", "shop")
    ]
    cluster.api.create(*found)
    yield
    for each in found:
        cluster.api.delete("Namespace", each["metadata"]["name"])


def test_everything_that_is_installed_is_taken(cluster: Cluster, namespaces: None) -> None:
    files = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())["resources"]
    kinds = {tried(cluster, each)["kind"] for each in documents(*files)}
    assert kinds >= {
        "Namespace",
        "ServiceAccount",
        "ClusterRole",
        "Deployment",
        "Service",
        "PodDisruptionBudget",
    }


def test_the_component_that_lets_it_write_status_is_taken(cluster: Cluster, namespaces: None) -> None:
    (component,) = documents("write-status/kustomization.yaml")
    files = [f"write-status/{each}" for each in component["resources"]]
    assert {tried(cluster, each)["kind"] for each in documents(*files)} == {
        "ClusterRole",
        "ClusterRoleBinding",
        "Role",
        "RoleBinding",
    }
    (patch,) = component["patches"]
    (deployment,) = (each for each in documents("deployment.yaml") if each["kind"] == "Deployment")
    assert patch["target"] == {"kind": deployment["kind"], "name": deployment["metadata"]["name"]}
    (operation,) = yaml.safe_load(patch["patch"])
    assert (operation["op"], operation["path"]) == ("add", "/spec/template/spec/containers/0/args/-")
    arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    arguments.append(operation["value"])
    taken = tried(cluster, deployment)["spec"]["template"]["spec"]["containers"][0]["args"]
    assert taken[-1] == "--write-status"


def test_the_component_that_answers_names_is_taken(cluster: Cluster, namespaces: None) -> None:
    (service,) = documents("dns/service.yaml")
    ports = tried(cluster, service)["spec"]["ports"]
    assert {(each["port"], each["protocol"]) for each in ports} == {(53, "UDP"), (53, "TCP")}


def test_the_key_of_the_xds_port_is_mounted_for_no_others(cluster: Cluster, namespaces: None) -> None:
    (deployment,) = documents("deployment.yaml")
    volumes = tried(cluster, deployment)["spec"]["template"]["spec"]["volumes"]
    (mode,) = (each["secret"]["defaultMode"] for each in volumes if "secret" in each)
    assert mode == 0o440


def test_a_workload_with_a_sidecar_is_taken(cluster: Cluster, namespaces: None) -> None:
    (web,) = (each for each in documents("example/workload.yaml") if each["kind"] == "Deployment")
    injected = inject_into(web, TEMPLATE)
    assert isinstance(injected, Injected)
    taken = tried(cluster, injected.pod)["spec"]["template"]["spec"]
    assert [each["name"] for each in taken["initContainers"]] == [RULES, ENVOY]
    assert taken["initContainers"][1]["restartPolicy"] == "Always"


def test_a_workload_with_an_agent_for_names_is_taken(cluster: Cluster, namespaces: None) -> None:
    (web,) = (each for each in documents("example/workload.yaml") if each["kind"] == "Deployment")
    injected = inject_into(web, replace(TEMPLATE, capture_dns=True))
    assert isinstance(injected, Injected)
    taken = tried(cluster, injected.pod)["spec"]["template"]["spec"]
    assert [each["name"] for each in taken["initContainers"]] == [RULES, ENVOY, AGENT]


def test_a_workload_on_the_network_of_its_node_is_taken_as_it_is(cluster: Cluster, namespaces: None) -> None:
    (agent,) = documents("example/host-network.yaml")
    assert isinstance(inject_into(agent, TEMPLATE), Skipped)
    assert tried(cluster, agent)["kind"] == "DaemonSet"


def test_what_is_applied_comes_to_life_and_one_pod_of_each_may_be_evicted(clusters: Clusters) -> None:
    """Its namespace admits only pods that are `restricted`. kwok says that they are ready."""
    cluster = clusters.start(Wanted(controllers=(*CONTROLLERS, *WORKLOADS, "disruption-controller")))
    clusters.kwok(cluster)
    files = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())["resources"]
    everything = documents(*files)
    cluster.api.apply(*everything)

    def status(kind: str, name: str) -> Object:
        found = cluster.api.get(kind, name, "pilothouse")
        return dict(found.get("status", {}))

    for name in ("pilothouse", "pilothouse-webhook"):
        wait_until(
            lambda name=name: status("Deployment", name).get("availableReplicas") == 2, f"{name} is available"
        )
        wait_until(
            lambda name=name: status("PodDisruptionBudget", name).get("disruptionsAllowed") == 1,
            f"one pod of {name} may go",
        )
    pods = cluster.api.list("Pod", "pilothouse")
    for container in (each for pod in pods for each in pod["spec"]["containers"]):
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert {"readinessProbe", "livenessProbe"} <= container.keys()
    before = generations(cluster, everything)
    cluster.api.apply(*everything)
    assert generations(cluster, everything) == before, "to apply it again changes nothing"


def generations(cluster: Cluster, documents: list[Object]) -> dict[tuple[str, str], str]:
    """The version of the specs, or of the whole object where it has no status."""

    def version(each: Object) -> str:
        metadata = each["metadata"]
        found = cluster.api.get(each["kind"], metadata["name"], metadata.get("namespace", ""))["metadata"]
        return str(found.get("generation") or found["resourceVersion"])

    return {(each["kind"], each["metadata"]["name"]): version(each) for each in documents}
