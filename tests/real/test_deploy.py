"""What `deploy/kubernetes` and `pilothouse inject` give to kubectl is what a real API server takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pilothouse.sidecar.injection import ENVOY, RULES, Injected, Skipped, Template, inject_into
from pilothouse.structures.hostport import HostPort

from .api import APPLY, path_of
from .cluster import Cluster

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


def test_a_workload_on_the_network_of_its_node_is_taken_as_it_is(cluster: Cluster, namespaces: None) -> None:
    (agent,) = documents("example/host-network.yaml")
    assert isinstance(inject_into(agent, TEMPLATE), Skipped)
    assert tried(cluster, agent)["kind"] == "DaemonSet"
