"""What a pod gets beside its application, and which pods get nothing."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from pilothouse.kubernetes.annotations.sidecars import INJECT
from pilothouse.kubernetes.fields import FieldError, Fields
from pilothouse.sidecar.containers import AGENT, ENVOY, RULES
from pilothouse.sidecar.injection import Injected, Skipped, inject, inject_into
from pilothouse.sidecar.wishes import Template
from pilothouse.structures.hostport import HostPort

XDS = HostPort("pilothouse.pilothouse.svc", 18000)
TEMPLATE = Template("envoy:1", "pilothouse:1", XDS)
FOLDER = Path(__file__).with_name("injected")


def pod(annotations: dict[str, Any] | None = None, **spec: Any) -> Fields:
    return Fields(
        {
            "kind": "Pod",
            "metadata": {"name": "web", "annotations": annotations},
            "spec": {"containers": [{"name": "web", "image": "web:1"}], **spec},
        }
    )


def injected(*args: Any, template: Template = TEMPLATE, **spec: Any) -> dict[str, Any]:
    found = inject(pod(*args, **spec), "shop", template)
    assert isinstance(found, Injected)
    return found.pod["spec"]


def skipped(given: Fields) -> Skipped:
    found = inject(given, "shop", TEMPLATE)
    assert isinstance(found, Skipped)
    return found


def container(spec: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (each for each in spec["initContainers"] if each["name"] == name)
    return found


def bootstrap(spec: dict[str, Any]) -> dict[str, Any]:
    """What Envoy is started with, when Kubernetes has filled in what it knows of the pod."""
    args = container(spec, ENVOY)["args"]
    text = args[args.index("--config-yaml") + 1]
    for variable in container(spec, ENVOY)["env"]:
        text = text.replace(f"$({variable['name']})", variable["name"].lower())
    assert "$(" not in text
    return json.loads(text)


def test_a_deployment_is_as_it_was_with_two_init_containers_more() -> None:
    given = yaml.safe_load((FOLDER / "deployment.yaml").read_text())
    expected = yaml.safe_load((FOLDER / "deployment.injected.yaml").read_text())
    before = json.dumps(given)
    found = inject_into(given, TEMPLATE)
    assert found == Injected(expected)
    assert json.dumps(given) == before


def test_the_rules_come_first_then_envoy_then_the_pods_own_init_containers() -> None:
    spec = injected(initContainers=[{"name": "migrate"}])
    assert [each["name"] for each in spec["initContainers"]] == [RULES, ENVOY, "migrate"]
    assert container(spec, ENVOY)["restartPolicy"] == "Always"
    assert spec["containers"] == [{"name": "web", "image": "web:1"}]


def test_envoy_says_to_the_control_plane_which_pod_it_is_of() -> None:
    found = bootstrap(injected())
    assert found["node"]["id"] == "pod_name.shop"
    assert found["node"]["locality"] == {"region": "region", "zone": "zone"}
    assert found["node"]["metadata"]["pilothouse"] == {
        "namespace": "shop",
        "node": "node_name",
        "capture": "redirect",
        "egress": "127.0.0.1:15001",
    }


def test_a_kubelet_is_answered_at_the_address_of_the_pod_whatever_its_family() -> None:
    spec = injected()
    (listener,) = bootstrap(spec)["static_resources"]["listeners"]
    assert listener["address"]["socket_address"] == {"address": "pod_ip", "port_value": 15021}
    (field,) = (each["valueFrom"] for each in container(spec, ENVOY)["env"] if each["name"] == "POD_IP")
    assert field == {"fieldRef": {"fieldPath": "status.podIP"}}, "which a kubelet calls, too"


def test_the_families_of_pods_are_known_to_the_rules_and_to_the_control_plane() -> None:
    spec = injected(template=Template("envoy:1", "pilothouse:1", XDS, families=("ipv6", "ipv4")))
    args = container(spec, RULES)["args"]
    said = [value for flag, value in pairwise(args) if flag == "--family"]
    assert said == bootstrap(spec)["node"]["metadata"]["pilothouse"]["families"] == ["ipv6", "ipv4"]


def test_a_certificate_authority_is_mounted_and_the_control_plane_has_to_be_of_it() -> None:
    spec = injected(template=Template("envoy:1", "pilothouse:1", XDS, ca="mesh-ca"))
    assert spec["volumes"] == [{"name": "pilothouse-ca", "configMap": {"name": "mesh-ca"}}]
    (mount,) = container(spec, ENVOY)["volumeMounts"]
    (cluster,) = bootstrap(spec)["static_resources"]["clusters"]
    trusted = cluster["transport_socket"]["typed_config"]["common_tls_context"]["validation_context"]
    assert trusted["trusted_ca"] == {"filename": f"{mount['mountPath']}/ca.crt"}


CAPTURE_DNS = {"pilothouse.dev/capture-dns": "true"}


def said(container: dict[str, Any], flag: str) -> list[str]:
    return [value for each, value in pairwise(container["args"]) if each == flag]


def test_a_pod_that_asks_for_it_has_an_agent_beside_its_envoy_and_its_questions_are_led_there() -> None:
    spec = injected(CAPTURE_DNS, initContainers=[{"name": "migrate"}])
    assert [each["name"] for each in spec["initContainers"]] == [RULES, ENVOY, AGENT, "migrate"]
    assert container(spec, AGENT) == {
        "name": AGENT,
        "image": "pilothouse:1",
        "restartPolicy": "Always",
        "args": [
            "dns-agent",
            *("--namespace", "shop"),
            *("--node", "$(POD_NAME).shop-dns"),
            *("--control-plane", "pilothouse.pilothouse.svc:18000"),
            *("--dns", "127.0.0.1:15053"),
            *("--probes", "[$(POD_IP)]:15054"),
        ],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ],
        "startupProbe": {
            "httpGet": {"path": "/readyz", "port": 15054},
            "periodSeconds": 1,
            "failureThreshold": 600,
        },
        "readinessProbe": {
            "httpGet": {"path": "/readyz", "port": 15054},
            "periodSeconds": 5,
            "failureThreshold": 3,
        },
        "securityContext": container(spec, ENVOY)["securityContext"],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
    }
    assert said(container(spec, RULES), "--dns-port") == ["15053"]
    assert said(container(spec, RULES), "--uid") == ["1337"], "as whom the agent runs"
    assert container(spec, AGENT)["securityContext"]["runAsUser"] == 1337


def test_without_being_asked_for_there_is_no_agent_and_a_pod_has_the_last_word() -> None:
    assert len(injected()["initContainers"]) == 2
    everywhere = Template("envoy:1", "pilothouse:1", XDS, capture_dns=True)
    assert len(injected(template=everywhere)["initContainers"]) == 3
    alone = injected({"pilothouse.dev/capture-dns": "false"}, template=everywhere)
    assert alone == injected()


@pytest.mark.parametrize(
    ("families", "places"),
    [
        (("ipv6",), ["[::1]:15053"]),
        (("ipv6", "ipv4"), ["[::1]:15053", "127.0.0.1:15053"]),
    ],
)
def test_the_agent_listens_where_the_kernel_redirects_each_family_to(families, places) -> None:
    template = Template("envoy:1", "pilothouse:1", XDS, families=families)
    spec = injected(CAPTURE_DNS, template=template)
    assert said(container(spec, AGENT), "--dns") == places


def test_the_agent_trusts_the_same_authority_as_envoy() -> None:
    spec = injected(CAPTURE_DNS, template=Template("envoy:1", "pilothouse:1", XDS, ca="mesh-ca"))
    (mount,) = container(spec, AGENT)["volumeMounts"]
    assert [mount] == container(spec, ENVOY)["volumeMounts"]
    assert said(container(spec, AGENT), "--tls-ca") == [f"{mount['mountPath']}/ca.crt"]


def test_the_names_and_ports_of_an_agent_matter_where_there_is_one() -> None:
    ports = [{"containerPort": 15053}, {"containerPort": 15054}]
    used = [{"name": "web", "ports": ports}]
    found = inject(pod(CAPTURE_DNS, containers=used), "shop", TEMPLATE)
    assert isinstance(found, Injected)
    assert len(found.warnings) == 2
    assert inject(pod(CAPTURE_DNS, containers=[{"name": AGENT}]), "shop", TEMPLATE) == Skipped(
        f"has a container {AGENT} already", warning=True
    )
    for containers in (used, [{"name": AGENT}]):
        alone = inject(pod(containers=containers), "shop", TEMPLATE)
        assert isinstance(alone, Injected)
        assert not alone.warnings


def test_the_port_of_name_servers_cannot_be_excluded_and_captured() -> None:
    excluded = {"pilothouse.dev/exclude-outbound-ports": "5432, 1-1023"}
    with pytest.raises(FieldError) as raised:
        inject(pod(CAPTURE_DNS | excluded), "shop", TEMPLATE)
    assert raised.value.field == "metadata.annotations[pilothouse.dev/exclude-outbound-ports]"
    assert "pilothouse.dev/capture-dns" in str(raised.value)
    assert injected(excluded), "without an agent it is as before"
    out = CAPTURE_DNS | excluded | {INJECT: "false"}
    assert "inject: false" in skipped(pod(out)).why


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (pod({INJECT: "false"}), "pilothouse.dev/inject: false"),
        (pod({INJECT: False}), "pilothouse.dev/inject: false"),
        (pod(initContainers=[{"name": ENVOY}]), "has a sidecar already"),
    ],
)
def test_who_opted_out_or_has_one_gets_none(given: Fields, why: str) -> None:
    found = skipped(given)
    assert why in found.why
    assert not found.warning


def test_a_pod_on_the_network_of_its_node_gets_none_and_a_warning_that_names_its_dns() -> None:
    found = skipped(pod(hostNetwork=True))
    assert found.warning
    assert "ClusterFirstWithHostNet" in found.why
    assert (
        "ClusterFirstWithHostNet"
        not in skipped(pod(hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet")).why
    )


@pytest.mark.parametrize(
    "spec", [{"os": {"name": "windows"}}, {"nodeSelector": {"kubernetes.io/os": "windows"}}]
)
def test_a_pod_for_windows_gets_none_and_a_warning(spec: dict[str, Any]) -> None:
    found = skipped(pod(**spec))
    assert found.warning
    assert "Windows" in found.why


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ({"containers": [{"name": ENVOY}]}, f"a container {ENVOY}"),
        ({"containers": [{"name": RULES}]}, f"a container {RULES}"),
        ({"initContainers": [{"name": RULES}]}, f"a container {RULES}"),
        ({"volumes": [{"name": "pilothouse-ca", "emptyDir": {}}]}, "a volume pilothouse-ca"),
    ],
)
def test_a_pod_that_uses_a_name_of_ours_is_let_in_as_it_is(spec: dict[str, Any], what: str) -> None:
    found = inject(pod(**spec), "shop", Template("envoy:1", "pilothouse:1", XDS, ca="mesh-ca"))
    assert found == Skipped(f"has {what} already", warning=True)


def test_a_volume_of_our_name_is_in_nobodys_way_without_tls() -> None:
    assert injected(volumes=[{"name": "pilothouse-ca"}])["volumes"] == [{"name": "pilothouse-ca"}]


def test_the_mirror_of_a_pod_that_a_kubelet_runs_by_itself_is_left_as_it_is() -> None:
    found = skipped(pod({"kubernetes.io/config.mirror": "1a2b"}))
    assert "kubelet" in found.why
    assert not found.warning


@pytest.mark.parametrize("template", [{}, {"template": None}, {"template": {"spec": 3}}])
def test_a_workload_without_a_template_that_can_be_read_is_refused(template: dict[str, Any]) -> None:
    with pytest.raises(FieldError) as raised:
        inject_into({"kind": "Deployment", "spec": template}, TEMPLATE)
    assert raised.value.field.startswith("spec.template")


def test_a_pod_that_ends_is_not_kept_alive_by_its_sidecar() -> None:
    spec = injected(restartPolicy="Never", initContainers=None)
    assert [each["name"] for each in spec["initContainers"]] == [RULES, ENVOY]
    assert spec["containers"] == [{"name": "web", "image": "web:1"}]


@pytest.mark.parametrize(
    ("annotation", "value", "mistake"),
    [
        ("inject", "yes", "'yes' is neither true nor false"),
        ("capture-dns", "all", "'all' is neither true nor false"),
        ("dependencies", "payments", "item [0]: 'payments' is not namespace/name"),
        ("exclude-outbound-ports", "80,http", "'http'"),
        ("exclude-outbound-ranges", "10.0.0.0/99", "'10.0.0.0/99' is not a network"),
        ("termination-drain-duration", "1500ms", "whole number of seconds"),
        ("termination-drain-duration", "2h", "up to 1h"),
    ],
)
def test_a_mistake_is_named_with_its_annotation(annotation: str, value: str, mistake: str) -> None:
    with pytest.raises(FieldError) as raised:
        inject(pod({f"pilothouse.dev/{annotation}": value}), "shop", TEMPLATE)
    assert mistake in str(raised.value)
    assert raised.value.field == f"metadata.annotations[pilothouse.dev/{annotation}]"


def test_a_mistake_in_a_template_is_named_with_its_place_in_the_manifest() -> None:
    job = {"spec": {"template": {"metadata": {"annotations": {INJECT: "maybe"}}}}}
    with pytest.raises(FieldError) as raised:
        inject_into({"kind": "CronJob", "spec": {"jobTemplate": job}}, TEMPLATE)
    assert raised.value.field.startswith("spec.jobTemplate.spec.template.metadata.annotations")


def test_who_runs_as_envoys_user_is_warned_that_it_is_not_captured() -> None:
    security = {"runAsUser": 1337}
    found = inject(pod(containers=[{"name": "web", "securityContext": security}]), "shop", TEMPLATE)
    assert isinstance(found, Injected)
    assert found.warnings == (
        "the container web runs as user 1337, as Envoy does, so its calls are not captured",
    )


@pytest.mark.parametrize("kind", ["Service", "ConfigMap", "Namespace"])
def test_what_makes_no_pods_is_left_alone(kind: str) -> None:
    assert inject_into({"kind": kind, "spec": {}}, TEMPLATE) == Skipped("")


def test_a_port_of_the_sidecar_and_a_mistyped_annotation_are_warned_of() -> None:
    given = pod(
        {"pilothouse.dev/injct": "false"}, containers=[{"name": "web", "ports": [{"containerPort": 15021}]}]
    )
    found = inject(given, "shop", TEMPLATE)
    assert isinstance(found, Injected)
    typo, port = found.warnings
    assert "pilothouse.dev/inject" in typo
    assert port == "the container web has the port 15021, where the sidecar listens"


def test_an_unknown_kind_that_makes_pods_is_skipped_with_a_warning() -> None:
    rollout = {"kind": "Rollout", "spec": {"template": {"spec": {"containers": [{"name": "web"}]}}}}
    found = inject_into(rollout, TEMPLATE)
    assert isinstance(found, Skipped)
    assert found.warning
    assert "Deployment" in found.why
