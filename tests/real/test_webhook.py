"""The webhook as it is deployed: two replicas that a real API server asks about each new pod.

Its manifests are applied as they stand. The processes listen at the addresses that the status of its pods
says, where the API server calls them by its own resolving of Services to pods.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from pilothouse.kubernetes.annotations.sidecars import DRAIN, INJECT
from pilothouse.sidecar.containers import ENVOY, RULES
from pilothouse.webhook.certificates import Keys, made, read, renewed

from .api import APPLY, Object, Refused, path_of
from .cluster import Cluster, Wanted
from .conftest import Clusters
from .namespace import Namespace
from .process import Process, wait_until
from .test_deploy import DEPLOY, documents

PROGRAM = Path(sys.executable).with_name("pilothouse")
OWN, NAME = "pilothouse", "pilothouse-webhook"
ADDRESSES = ("10.244.9.1", "10.244.9.2")
SIDECAR = [RULES, ENVOY]
DAY = timedelta(days=1)


class Deployed:
    """The webhook in a cluster of its own."""

    def __init__(self, cluster: Cluster, cleanup: ExitStack) -> None:
        self.cluster, self.api = cluster, cluster.api
        files = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())["resources"]
        self.api.apply(*documents(*files))
        (deployment,) = (
            each
            for each in documents("webhook.yaml")
            if each["kind"] == "Deployment" and each["metadata"]["name"] == NAME
        )
        self.template = deployment["spec"]["template"]
        user = {"token": cluster.token(OWN, NAME)}
        self.kubeconfig = cluster.write_kubeconfig("webhook.kubeconfig", user)
        self.replicas = [self._replica(index, address) for index, address in enumerate(ADDRESSES)]
        for replica in self.replicas:
            cleanup.callback(replica.stop)

    def start(self) -> None:
        """Start the replicas; when they are ready their kubelet says so, and they are asked."""
        for replica, address in zip(self.replicas, ADDRESSES, strict=True):
            replica.start()
            wait_until(partial(_is_ready, replica, address), f"{replica.name} is ready")
            Namespace(self.api, OWN).report(replica.name, address)
        wait_until(lambda: containers(self.tried("wanting")) == SIDECAR, "pods get sidecars")

    def look(self) -> None:
        """Every replica looks after its certificates now."""
        for replica in self.replicas:
            os.kill(replica.pid, signal.SIGHUP)

    def tried(self, namespace: str, **pod: Any) -> Object:
        """The pod that would be created."""
        return self.api.call("POST", f"{path_of('Pod', namespace)}?dryRun=All", a_pod(**pod))

    def created(self, namespace: str, **pod: Any) -> Object:
        return self.api.call("POST", path_of("Pod", namespace), a_pod(**pod))

    def events(self) -> list[Object]:
        """What the replicas have logged."""
        lines = [line for each in self.replicas for line in each.log.read_text().splitlines()]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def keys(self) -> Keys:
        data = self.api.get("Secret", NAME, OWN)["data"]
        return read({name: b64decode(value) for name, value in data.items()})

    def put(self, keys: Keys) -> None:
        """Give the Secret other keys."""
        data = {name: b64encode(value).decode() for name, value in keys.data().items()}
        self.api.patch("Secret", NAME, {"data": data}, OWN)

    def trusted(self) -> set[bytes]:
        webhooks = self.api.get("MutatingWebhookConfiguration", OWN)["webhooks"]
        return {b64decode(each["clientConfig"].get("caBundle", "")) for each in webhooks}

    def _replica(self, index: int, address: str) -> Process:
        """A process as the Deployment says, at an address that the slices of its Service have."""
        labels, spec = self.template["metadata"]["labels"], self.template["spec"]
        pod = f"{NAME}-{index}"
        running = Namespace(self.api, OWN).object("Pod", pod, labels=labels, spec=spec | {"nodeName": "n1"})
        self.api.create(running)
        (container,) = spec["containers"]
        said = [each.replace("$(POD_NAMESPACE)", OWN) for each in container["args"]]
        args = [each.replace("=0.0.0.0:", f"={address}:") for each in said]
        command = [PROGRAM, *args, "--kubeconfig", self.kubeconfig, "--log-format", "json"]
        return Process(pod, command, self.cluster.folder)


def _is_ready(replica: Process, address: str) -> bool:
    replica.require()
    try:
        return httpx.get(f"http://{address}:18444/readyz", trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def a_pod(annotations: Object | None = None, name: str = "", **spec: Any) -> Object:
    named = {"name": name} if name else {"generateName": "web-"}
    container = {"name": "web", "image": "web:1"}
    metadata = {**named, "annotations": annotations or {}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [container]} | spec,
    }


def containers(pod: Object) -> list[str]:
    """The names of the init containers."""
    return [each["name"] for each in pod["spec"].get("initContainers", ())]


@pytest.fixture(scope="module")
def webhook(shared: Clusters, pod_network: None) -> Iterator[Deployed]:
    # Nobody routes the virtual addresses of Services here, so the API server is to take those of the pods.
    cluster = shared.start(Wanted(api_server_flags=("--enable-aggregator-routing=true",)))
    shared.nodes(cluster)
    for name in ("wanting", "not-wanting"):
        Namespace(cluster.api, name).open(**{INJECT: "enabled"} if name == "wanting" else {})
    with ExitStack() as cleanup:
        deployed = Deployed(cluster, cleanup)
        deployed.start()
        yield deployed


def test_a_pod_of_a_namespace_with_the_label_gets_a_sidecar(webhook: Deployed) -> None:
    pod = webhook.created("wanting")
    assert containers(pod) == SIDECAR
    assert pod["spec"]["initContainers"][1]["restartPolicy"] == "Always"
    assert "pilothouse-ca" in [each["name"] for each in pod["spec"]["volumes"]]
    assert '"namespace": "wanting"' in pod["spec"]["initContainers"][1]["args"][1]


def test_a_pod_that_opts_out_gets_none(webhook: Deployed) -> None:
    assert containers(webhook.created("wanting", annotations={INJECT: "false"})) == []


def test_without_the_label_a_pod_gets_one_only_if_it_asks(webhook: Deployed) -> None:
    assert containers(webhook.created("not-wanting")) == []
    assert containers(webhook.created("not-wanting", annotations={INJECT: "false"})) == []
    assert containers(webhook.created("not-wanting", annotations={INJECT: "true"})) == SIDECAR


def test_a_pod_is_reviewed_once_even_if_both_its_namespace_and_itself_ask(webhook: Deployed) -> None:
    webhook.created("wanting", annotations={INJECT: "true"}, name="asks-twice")
    added = [each for each in webhook.events() if each.get("pod") == "wanting/asks-twice"]
    assert [each["event"] for each in added] == ["sidecar added"]


def test_a_pod_on_the_network_of_its_node_is_created_with_a_warning(webhook: Deployed) -> None:
    assert containers(webhook.created("wanting", hostNetwork=True)) == []
    (warning,) = webhook.api.warnings
    assert "dnsPolicy: ClusterFirstWithHostNet" in warning


@pytest.mark.parametrize("namespace", ["wanting", "not-wanting"])
def test_an_annotation_that_makes_no_sense_refuses_the_pod_by_its_name(webhook: Deployed, namespace) -> None:
    with pytest.raises(Refused, match=rf"annotations\[{INJECT}\]: 'perhaps' is neither true nor false"):
        webhook.created(namespace, annotations={INJECT: "perhaps"})


def test_another_annotation_that_makes_no_sense_refuses_it_too(webhook: Deployed) -> None:
    with pytest.raises(Refused, match=rf"annotations\[{DRAIN}\]: 'soon' is not a whole number of seconds"):
        webhook.created("wanting", annotations={DRAIN: "soon"})


@pytest.mark.parametrize("namespace", ["kube-system", OWN])
def test_what_keeps_the_cluster_running_is_left_alone(webhook: Deployed, namespace: str) -> None:
    webhook.api.patch("Namespace", namespace, {"metadata": {"labels": {INJECT: "enabled"}}})
    allowed = webhook.template["spec"] | {"serviceAccountName": "default"}
    assert containers(webhook.tried(namespace, annotations={INJECT: "true"}, **allowed)) == []


def test_a_dry_run_shows_the_sidecar_and_creates_nothing(webhook: Deployed) -> None:
    assert containers(webhook.tried("wanting", name="tried")) == SIDECAR
    with pytest.raises(Refused, match="404"):
        webhook.api.get("Pod", "tried", "wanting")


def test_a_pod_with_a_sidecar_is_taken_again_as_it_is(webhook: Deployed) -> None:
    first = webhook.tried("wanting")
    again = webhook.tried("wanting", **first["spec"])
    assert containers(again) == SIDECAR
    assert len(again["spec"]["volumes"]) == len(first["spec"]["volumes"])


def test_ephemeral_containers_and_changes_of_a_pod_are_not_asked_about(webhook: Deployed) -> None:
    webhook.created("wanting", name="debugged")
    path = path_of("Pod", "wanting", "debugged")
    debugger = {"spec": {"ephemeralContainers": [{"name": "debugger", "image": "debug:1"}]}}
    strategic = "application/strategic-merge-patch+json"
    webhook.api.call("PATCH", f"{path}/ephemeralcontainers", debugger, strategic)
    # A mistake would be refused if it were asked about.
    webhook.api.patch("Pod", "debugged", {"metadata": {"annotations": {INJECT: "perhaps"}}}, "wanting")


def test_the_pods_of_the_example_are_taken(webhook: Deployed) -> None:
    namespace, *rest = documents("example/workload.yaml")
    webhook.api.apply(namespace)
    for document in (*rest, *documents("example/host-network.yaml")):
        if "template" in document["spec"]:
            pod = document["spec"]["template"]
            pod = {"apiVersion": "v1", "kind": "Pod", **pod}
            pod["metadata"] |= {"generateName": "example-"}
            made = webhook.api.call("POST", path_of("Pod", namespace["metadata"]["name"]), pod)
            assert containers(made) == ([] if made["spec"].get("hostNetwork") else SIDECAR)


def test_it_may_read_its_own_secret_and_no_other(webhook: Deployed) -> None:
    api = webhook.cluster.api_as(webhook.cluster.token(OWN, NAME))
    assert api.get("Secret", NAME, OWN)["kind"] == "Secret"
    for path in (path_of("Secret", OWN), path_of("Secret", OWN, "other"), path_of("Pod", OWN)):
        with pytest.raises(Refused, match="403"):
            api.call("GET", path)
    other = {"metadata": {"name": "other"}}
    with pytest.raises(Refused, match="403"):
        api.call(
            "PATCH",
            f"{path_of('MutatingWebhookConfiguration')}/other?fieldManager=x",
            other,
            APPLY,
        )


async def test_a_ca_that_somebody_overwrote_is_restored(webhook: Deployed, eventually) -> None:
    configuration = webhook.api.get("MutatingWebhookConfiguration", OWN)
    for each in configuration["webhooks"]:
        each["clientConfig"]["caBundle"] = b64encode(made("x.y.svc", datetime.now(UTC)).bundle).decode()
    webhook.api.replace(configuration)
    webhook.look()
    await eventually(lambda: webhook.trusted() == {webhook.keys().bundle})
    await eventually(lambda: containers(webhook.tried("wanting")) == SIDECAR)


async def test_certificates_are_renewed_while_it_is_asked(webhook: Deployed, eventually) -> None:
    # Keys as they are after years, when both the CA and the certificate are due.
    name, now = f"{NAME}.{OWN}.svc", datetime.now(UTC)
    aged = made(name, now - 550 * DAY)
    aged = renewed(aged, name, aged.bundle, now - 65 * DAY)
    webhook.put(aged)
    webhook.look()
    await eventually(
        lambda: webhook.trusted() == {webhook.keys().bundle} and len(webhook.keys().authorities) == 2
    )
    await eventually(lambda: containers(webhook.tried("wanting")) == SIDECAR)
    assert webhook.keys().served == aged.served

    def asked() -> Keys:
        """A pod is tried at every moment of it."""
        assert containers(webhook.tried("wanting")) == SIDECAR
        webhook.look()
        return webhook.keys()

    await eventually(lambda: asked().served != aged.served)
    for _ in range(10):
        assert asked().served.issuer == webhook.keys().authorities[0].subject


async def test_a_broken_secret_is_mended_and_nobody_notices(webhook: Deployed, eventually) -> None:
    served = webhook.keys().served
    garbage = b64encode(b"garbage").decode()
    webhook.api.patch("Secret", NAME, {"data": {"tls.crt": garbage}}, OWN)
    webhook.look()

    def mended() -> bool:
        return webhook.api.get("Secret", NAME, OWN)["data"]["tls.crt"] != garbage

    await eventually(mended)
    assert webhook.keys().served == served
    assert containers(webhook.tried("wanting")) == SIDECAR


def test_when_no_replica_lives_pods_are_created_without_a_sidecar_until_one_is_back(
    webhook: Deployed,
) -> None:
    for replica in webhook.replicas:
        replica.kill()
    assert containers(webhook.created("wanting")) == []
    webhook.start()
    assert containers(webhook.created("wanting")) == SIDECAR
