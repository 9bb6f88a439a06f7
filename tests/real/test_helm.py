"""The Helm chart renders what the kustomization does, refuses wrong values, and is taken by an API server."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from pilothouse.config.settings import offered

from .cluster import Cluster
from .test_deploy import DEPLOY, tried

CHART = DEPLOY.parent / "helm" / "pilothouse"
RULES = DEPLOY.parent / "prometheus" / "rules.yaml"

Object = dict[str, Any]
Key = tuple[str, str]


class Helm:
    """Runs helm with the chart and values."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._program, self._folder = program, folder

    def template(
        self, values: Mapping[str, Any] | None = None, namespace: str = "pilothouse"
    ) -> list[Object]:
        """The objects that the chart renders. Raises CalledProcessError."""
        return objects(self._run("template", "pilothouse", CHART, "-n", namespace, values=values))

    def lint(self, values: Mapping[str, Any] | None = None) -> str:
        return self._run("lint", "--strict", CHART, values=values)

    def notes(self, cluster: Cluster, namespace: str) -> str:
        """What helm tells who installs the chart."""
        flags = ("--dry-run=client", "-n", namespace, "--kubeconfig", cluster.kubeconfig)
        said = self._run("install", "pilothouse", CHART, *flags, values={})
        return said.partition("NOTES:")[2]

    def refusal(self, values: Mapping[str, Any]) -> str:
        """What helm says of values that it does not take."""
        with pytest.raises(subprocess.CalledProcessError) as raised:
            self.template(values)
        return str(raised.value.stderr)

    def _run(self, *args: str | Path, values: Mapping[str, Any] | None) -> str:
        file = self._folder / "values.yaml"
        file.write_text(yaml.safe_dump(values or {}))
        # Without a HOME, what it remembers of a cluster would be kept in the checkout.
        homes = {
            f"{each}HOME": str(self._folder) for each in ("", "HELM_CACHE_", "HELM_CONFIG_", "HELM_DATA_")
        }
        done = subprocess.run(
            [self._program, *args, "-f", file],
            env=homes,
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout


@pytest.fixture
def helm(installers: Path, tmp_path: Path) -> Helm:
    return Helm(installers / "helm", tmp_path)


@pytest.fixture
def kustomized(installers: Path) -> Callable[[Path], list[Object]]:
    def build(folder: Path) -> list[Object]:
        done = subprocess.run(
            [installers / "kustomize", "build", folder],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return objects(done.stdout)

    return build


def objects(text: str) -> list[Object]:
    return [each for each in yaml.safe_load_all(text) if each]


def by_key(found: list[Object]) -> dict[Key, Object]:
    """Without the Namespace: Helm keeps its own notes in it, so it has to be there before the chart is."""
    keyed = {(each["kind"], each["metadata"]["name"]): each for each in found if each["kind"] != "Namespace"}
    assert len(keyed) == sum(each["kind"] != "Namespace" for each in found)
    return keyed


def args(found: list[Object], name: str = "pilothouse") -> list[str]:
    """The arguments of a Deployment's container."""
    (container,) = by_key(found)["Deployment", name]["spec"]["template"]["spec"]["containers"]
    said: list[str] = container["args"]
    return said


@pytest.mark.parametrize(
    ("values", "without", "components"),
    [
        ({}, (), ()),
        ({"webhook": {"enabled": False}}, ("webhook.yaml", "webhook-rbac.yaml"), ()),
        ({"writeStatus": True}, (), ("write-status",)),
        ({"admin": {"tokensSecret": "pilothouse-admin"}}, (), ("admin-tokens",)),
        ({"dns": {"enabled": True}}, (), ("dns",)),
    ],
    ids=[
        "as they are",
        "without the webhook",
        "with the status of routes",
        "with tokens for the admin port",
        "with names over DNS",
    ],
)
def test_the_chart_renders_what_the_kustomization_does(
    helm: Helm,
    kustomized: Callable[[Path], list[Object]],
    tmp_path: Path,
    values: Object,
    without: tuple[str, ...],
    components: tuple[str, ...],
) -> None:
    folder = tmp_path / "kubernetes"
    shutil.copytree(DEPLOY, folder)
    file = folder / "kustomization.yaml"
    said = yaml.safe_load(file.read_text())
    said["resources"] = [each for each in said["resources"] if each not in without]
    if without:
        # Its source is the Deployment of the webhook.
        del said["replacements"]
    file.write_text(yaml.safe_dump(said | ({"components": [*components]} if components else {})))
    assert by_key(helm.template(values)) == by_key(kustomized(folder))


def test_the_kustomization_names_an_image_once(
    kustomized: Callable[[Path], list[Object]], tmp_path: Path
) -> None:
    folder = tmp_path / "kubernetes"
    shutil.copytree(DEPLOY, folder)
    file = folder / "kustomization.yaml"
    said = yaml.safe_load(file.read_text())
    said["images"] = [
        {"name": "pilothouse", "newName": "registry.example:5000/mesh/pilothouse", "newTag": "1.2"}
    ]
    file.write_text(yaml.safe_dump(said))
    found, image = kustomized(folder), "registry.example:5000/mesh/pilothouse:1.2"
    for name in ("pilothouse", "pilothouse-webhook"):
        (container,) = by_key(found)["Deployment", name]["spec"]["template"]["spec"]["containers"]
        assert container["image"] == image
    assert f"--tools-image={image}" in args(found, "pilothouse-webhook")


def test_its_defaults_are_without_reproach(helm: Helm) -> None:
    assert "0 chart(s) failed" in helm.lint()


def test_another_namespace_is_that_of_everything(helm: Helm) -> None:
    for each in helm.template(namespace="mesh"):
        assert each["metadata"].get("namespace", "mesh") == "mesh"
        assert {of["namespace"] for of in each.get("subjects", ())} <= {"mesh"}


def test_its_notes_tell_what_it_needs_and_where(cluster: Cluster, helm: Helm) -> None:
    said = helm.notes(cluster, "mesh")
    for each in (
        "pilothouse-tls",
        "pilothouse.mesh.svc",
        "configmap pilothouse-ca",
        "pilothouse.dev/inject=enabled",
    ):
        assert each in said


def test_the_pods_of_both_deployments_go_where_the_values_say(helm: Helm) -> None:
    said = {
        "nodeSelector": {"pool": "system"},
        "tolerations": [{"key": "system", "operator": "Exists", "effect": "NoSchedule"}],
        "priorityClassName": "system-cluster-critical",
    }
    found = by_key(helm.template(said))
    for name in ("pilothouse", "pilothouse-webhook"):
        pod = found["Deployment", name]["spec"]["template"]["spec"]
        assert {each: pod[each] for each in said} == said


def test_with_monitoring_the_prometheus_operator_scrapes_the_admin_port_and_has_the_alerts(
    helm: Helm,
) -> None:
    found = by_key(helm.template({"monitoring": True}))
    monitor, service = found["ServiceMonitor", "pilothouse"]["spec"], found["Service", "pilothouse"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert found["PrometheusRule", "pilothouse"]["spec"] == yaml.safe_load(RULES.read_text())
    assert by_key(helm.template({})).keys() == found.keys() - {
        ("ServiceMonitor", "pilothouse"),
        ("PrometheusRule", "pilothouse"),
    }


def test_with_tokens_the_admin_port_speaks_tls_and_probes_and_prometheus_do_so(helm: Helm) -> None:
    found = helm.template({"admin": {"tokensSecret": "people"}, "monitoring": True})
    pod = by_key(found)["Deployment", "pilothouse"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    said = dict(flag.split("=", 1) for flag in args(found) if flag.startswith("--admin-"))
    mounted = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
    volumes = {each["name"]: each for each in pod["volumes"]}
    tokens = volumes[mounted[str(Path(said["--admin-tokens"]).parent)]]["secret"]
    assert (tokens["secretName"], tokens["defaultMode"]) == ("people", 0o440)
    assert (
        volumes[mounted[str(Path(said["--admin-tls-cert"]).parent)]]["secret"]["secretName"]
        == "pilothouse-tls"
    )
    probes = [container[each]["httpGet"]["scheme"] for each in ("readinessProbe", "livenessProbe")]
    assert probes == ["HTTPS", "HTTPS"]
    assert by_key(found)["ServiceMonitor", "pilothouse"]["spec"]["endpoints"][0]["scheme"] == "https"
    assert _names(args(found)) <= offered().keys()


def test_names_are_answered_at_port_53_of_a_service_of_their_own_if_that_is_said(helm: Helm) -> None:
    found = by_key(helm.template({"dns": {"enabled": True, "clusterIP": "10.96.0.53"}}))
    pod = found["Deployment", "pilothouse"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    service = found["Service", "pilothouse-dns"]["spec"]
    assert service["clusterIP"] == "10.96.0.53", "which a Corefile names"
    assert service["selector"].items() <= pod["metadata"]["labels"].items()
    opened = {
        (each["name"], each.get("protocol", "TCP")): each["containerPort"] for each in container["ports"]
    }
    led = {
        (each["port"], each["protocol"]): (each["targetPort"], each["protocol"]) for each in service["ports"]
    }
    assert {asked: opened[port] for asked, port in led.items()} == {(53, "UDP"): 18053, (53, "TCP"): 18053}
    assert "--dns=0.0.0.0:18053" in container["args"]
    assert _names(container["args"]) <= offered().keys()
    assert (
        "clusterIP"
        not in by_key(helm.template({"dns": {"enabled": True}}))["Service", "pilothouse-dns"]["spec"]
    )
    plain = by_key(helm.template({}))
    assert plain.keys() == found.keys() - {("Service", "pilothouse-dns")}
    assert not any(each.startswith("--dns") for each in args(helm.template({})))


def test_its_values_are_flags_that_serve_takes(helm: Helm) -> None:
    selectors = ["team in (shop, office)", "floor"]
    said = {
        "image": {"repository": "registry.example/pilothouse", "tag": "1.2", "pullSecrets": ["registry"]},
        "replicas": 1,
        "resources": {"limits": {"memory": "1Gi", "cpu": 2}},
        "served": {
            "includeNamespaces": ["shop", "office"],
            "excludeNamespaces": ["test"],
            "serviceSelectors": selectors,
        },
        "tls": {"secret": "own-tls"},
        "extraArgs": ["--flap-damping"],
        "webhook": {
            "replicas": 3,
            "envoyImage": "envoy:1",
            "caConfigMap": "own-ca",
            "extraArgs": ["--log-format=json"],
        },
    }
    assert "0 chart(s) failed" in helm.lint(said)
    found = helm.template(said)
    deployment = by_key(found)["Deployment", "pilothouse"]["spec"]
    pod = deployment["template"]["spec"]
    assert (deployment["replicas"], pod["imagePullSecrets"]) == (1, [{"name": "registry"}])
    assert pod["containers"][0]["image"] == "registry.example/pilothouse:1.2"
    assert pod["containers"][0]["resources"]["limits"] == {"memory": "1Gi", "cpu": 2}
    assert pod["volumes"][0]["secret"]["secretName"] == "own-tls"
    assert ("PodDisruptionBudget", "pilothouse") not in by_key(found)
    flags = args(found)
    assert flags[-5:] == [
        "--include-namespaces=shop,office",
        "--exclude-namespaces=test",
        f"--service-selector={selectors[0]}",
        f"--service-selector={selectors[1]}",
        "--flap-damping",
    ]
    assert _names(flags) <= offered().keys()
    assert args(found, "pilothouse-webhook")[-4:] == [
        "--tls-ca-config-map=own-ca",
        "--tools-image=registry.example/pilothouse:1.2",
        "--envoy-image=envoy:1",
        "--log-format=json",
    ]
    assert by_key(found)["Deployment", "pilothouse-webhook"]["spec"]["replicas"] == 3
    assert ("PodDisruptionBudget", "pilothouse-webhook") in by_key(found)


def _names(flags: list[str]) -> set[str]:
    """The names of settings that flags give."""
    return {flag.partition("=")[0].removeprefix("--").replace("-", "_") for flag in flags if flag != "serve"}


@pytest.mark.parametrize(
    ("values", "mistake"),
    [
        ({"replica": 3}, "replica"),
        ({"image": {"name": "x"}}, "name"),
        ({"replicas": "three"}, "integer"),
        ({"replicas": -1}, "minimum"),
        ({"served": {"includeNamespaces": "shop"}}, "array"),
        ({"served": {"includeNamespaces": ["Shop"]}}, "pattern"),
        ({"served": {"serviceSelectors": [""]}}, "minLength"),
        ({"tls": {"secret": ""}}, "pattern"),
        ({"admin": {"tokensSecret": "Tokens"}}, "pattern"),
        ({"admin": {"tokens": "x"}}, "tokens"),
        ({"resources": {"requests": {"memory": "much"}}}, "pattern"),
        ({"writeStatus": "yes"}, "boolean"),
        ({"dns": {"clusterIP": "pilothouse"}}, "pattern"),
        ({"dns": True}, "object"),
        ({"monitoring": {}}, "boolean"),
        ({"nodeSelector": {"pool": 1}}, "string"),
        ({"tolerations": [{"keys": "system"}]}, "keys"),
        ({"priorityClassName": "High"}, "pattern"),
        ({"webhook": {"enable": True}}, "enable"),
        ({"webhook": {"caConfigMap": ""}}, "pattern"),
        ({"extraArgs": ["serve"]}, "pattern"),
    ],
)
def test_a_value_that_is_unknown_or_of_another_type_is_refused(
    helm: Helm, values: dict[str, Any], mistake: str
) -> None:
    assert mistake in helm.refusal(values)


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[str]:
    found = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mesh"}}
    cluster.api.create(found)
    yield "mesh"
    cluster.api.delete("Namespace", "mesh")


@pytest.mark.parametrize(
    "values", [{}, {"writeStatus": True, "served": {"serviceSelectors": ["team in (shop)"]}}]
)
def test_an_api_server_takes_what_it_renders(
    cluster: Cluster, namespace: str, helm: Helm, values: dict[str, Any]
) -> None:
    for each in helm.template(values, namespace):
        assert tried(cluster, each)["kind"] == each["kind"]
