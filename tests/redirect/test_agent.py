"""A pod with the containers that `inject` adds: an agent answers in the place of the name servers of the pod.

Beyond the pod are its control plane, and a name server that knows nothing of services.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pilothouse.kubernetes.fields import Fields
from pilothouse.sidecar.containers import AGENT, RULES
from pilothouse.sidecar.injection import Injected, inject
from pilothouse.sidecar.wishes import Template
from pilothouse.structures.hostport import HostPort

from ..envoy.manifests import Manifests, service
from .mesh import CONTROL_PLANE, DOMAIN, PAYMENTS
from .namespaces import AS_ENVOY, PILOTHOUSE, Namespace, lacking, networks, wait_for

POD = {
    "metadata": {"name": "web-0", "annotations": {"pilothouse.dev/capture-dns": "true"}},
    "spec": {"containers": [{"name": "web", "image": "web:1"}]},
}
#: What Kubernetes fills in.
DOWNWARD = {"POD_NAME": "web-0", "POD_IP": "10.1.0.2"}
RESOLV_CONF = f"nameserver 10.1.0.1\nsearch shop.{DOMAIN} {DOMAIN} cluster.local\noptions ndots:5\n"
ENDPOINTS = 200


def containers() -> dict[str, Any]:
    """What is added to the pod, by name."""
    template = Template("envoy:1", "pilothouse:1", HostPort.parse(CONTROL_PLANE), families=("ipv4", "ipv6"))
    found = inject(Fields(POD), "shop", template)
    assert isinstance(found, Injected)
    return {each["name"]: each for each in found.pod["spec"]["initContainers"]}


def arguments(container: dict[str, Any]) -> list[str]:
    text: list[str] = container["args"]
    for variable, value in DOWNWARD.items():
        text = [each.replace(f"$({variable})", value) for each in text]
    return text


def save(manifests: Manifests) -> None:
    """A service, and a headless one whose addresses are more than a datagram holds."""
    manifests.save("payments", service("payments", clusterIP=PAYMENTS))
    slices = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "many-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "many"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 80}],
        "endpoints": [{"addresses": [f"10.3.0.{n}"]} for n in range(1, ENDPOINTS + 1)],
    }
    manifests.save("many", service("many", clusterIP="None"), slices)


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace]:
    """Its rules are installed, and its agent has the names."""
    if why := lacking() or ("" if shutil.which("dig") else "there is no dig here"):
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("pod")
    manifests, resolvers = Manifests(folder / "manifests"), folder / "resolv.conf"
    save(manifests)
    resolvers.write_text(RESOLV_CONF)
    with networks() as (found, beyond):
        found.must("mount", "--bind", str(resolvers), "/etc/resolv.conf")
        servers = "dns=10.1.0.1=53=www.example=10.2.0.9"
        beyond.start(sys.executable, "-m", "tests.redirect.servers", servers, log=folder / "servers")
        flags = ("--manifests", str(manifests.folder), "--xds", CONTROL_PLANE, "--no-state")
        beyond.start(PILOTHOUSE, "serve", *flags, log=folder / "control-plane")
        added = containers()
        found.must(PILOTHOUSE, *arguments(added[RULES]))
        found.start(*AS_ENVOY, PILOTHOUSE, *arguments(added[AGENT]), log=folder / "agent")
        probe = added[AGENT]["startupProbe"]["httpGet"]
        at = f"http://{DOWNWARD['POD_IP']}:{probe['port']}{probe['path']}"
        wait_for(lambda: beyond.curl("--fail", at).status == 0)
        yield found


def dig(pod: Namespace, *question: str) -> list[str]:
    return pod.must("dig", "+short", "+tries=1", *question).split()


def resolved(pod: Namespace, name: str) -> set[str]:
    """As the C library resolves it."""
    return {line.split()[0] for line in pod.must("getent", "ahostsv4", name).splitlines()}


@pytest.mark.parametrize("name", ["payments", "payments.shop", f"payments.shop.{DOMAIN}"])
def test_an_application_resolves_services_by_each_of_their_names(pod, name) -> None:
    assert resolved(pod, name) == {PAYMENTS}


@pytest.mark.parametrize("server", ["10.1.0.1", "10.9.9.9", "127.0.0.53", "fd00:9::9"])
@pytest.mark.parametrize("over", ["+notcp", "+tcp"])
def test_whichever_name_server_it_asks_it_gets_the_answer_from_there(pod, server, over) -> None:
    # dig says so if an answer comes from elsewhere, and waits for another.
    assert dig(pod, over, f"@{server}", f"payments.shop.{DOMAIN}") == [PAYMENTS]


def test_an_answer_that_is_too_long_for_a_datagram_comes_over_tcp(pod) -> None:
    name = f"many.shop.{DOMAIN}"
    assert "tc" in pod.must("dig", "+ignore", name).partition("flags:")[2].partition(";")[0].split()
    assert len(dig(pod, name)) == ENDPOINTS


def test_what_is_no_service_is_asked_of_the_name_server_of_the_pod(pod) -> None:
    assert resolved(pod, "www.example") == {"10.2.0.9"}


def asked(pod: Namespace) -> float:
    """How many questions the agent has answered."""
    port = containers()[AGENT]["startupProbe"]["httpGet"]["port"]
    metrics = pod.must("curl", "-s", f"http://{DOWNWARD['POD_IP']}:{port}/metrics").splitlines()
    found = [line.split() for line in metrics if line.startswith("pilothouse_dns_answers_total")]
    return sum(float(value) for _, value in found)


@pytest.mark.parametrize("name", ["payments", "payments.shop", f"payments.shop.{DOMAIN}", "www.example"])
def test_a_name_costs_its_resolver_one_question(pod, name) -> None:
    before = asked(pod)
    assert resolved(pod, name)
    assert asked(pod) - before == 1


def test_when_the_rules_are_gone_the_name_server_answers_itself(pod) -> None:
    pod.must(PILOTHOUSE, "capture", "remove")
    try:
        assert dig(pod, f"payments.shop.{DOMAIN}") == []
        assert dig(pod, "www.example") == ["10.2.0.9"]
    finally:
        pod.must(PILOTHOUSE, *arguments(containers()[RULES]))
    assert dig(pod, f"payments.shop.{DOMAIN}") == [PAYMENTS]
