"""The containers of a sidecar: its rules, its Envoy, and who answers names in it. Pure.

Envoy is a native sidecar (KEP-753): an init container that goes on running. So it is ready before the
application starts, and it ends after the application. Some facts about a pod are known only when it starts.
Kubernetes fills them in: `$(POD_NAME)` in an argument becomes the value of that variable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from pilothouse.kubernetes.annotations.sidecars import CAPTURE_DNS, DEPENDENCIES, EXCLUDED_PORTS
from pilothouse.mesh.audience import METADATA, BadNode, Node, audience
from pilothouse.model.services import Locality
from pilothouse.sidecar.bootstrap import Sidecar, Tls, bootstrap
from pilothouse.sidecar.rules import DNS
from pilothouse.sidecar.wishes import Template, Wishes, mistake
from pilothouse.structures.hostport import HostPort

#: A part of a manifest, as JSON has it.
Values: TypeAlias = dict[str, Any]

RULES, ENVOY, AGENT = "pilothouse-capture", "pilothouse-sidecar", "pilothouse-dns"
#: The user of Envoy, and of who answers names. What runs as this user is not captured.
UID = 1337
#: The volume with the CA of the control plane.
CA_VOLUME = "pilothouse-ca"
_CA_FOLDER = "/etc/pilothouse/ca"
_CA_FILE = f"{_CA_FOLDER}/ca.crt"

# By variable: where Kubernetes has the value from. Nodes pass their zone on to their pods (KEP-4742).
_DOWNWARD: Mapping[str, str] = {
    "POD_NAME": "metadata.name",
    "POD_IP": "status.podIP",
    "NODE_NAME": "spec.nodeName",
    "REGION": "metadata.labels['topology.kubernetes.io/region']",
    "ZONE": "metadata.labels['topology.kubernetes.io/zone']",
}


def sidecar_of(namespace: str, wishes: Wishes, template: Template) -> Sidecar:
    """Who the pod's Envoy is. Raises FieldError if its dependencies make no sense."""
    said: Values = {"namespace": namespace, "node": "$(NODE_NAME)", "capture": "redirect"}
    said["egress"] = f"127.0.0.1:{template.egress_port}"
    if template.families:
        said["families"] = [*template.families]
    if wishes.dependencies:
        said["dependencies"] = [*wishes.dependencies]
    node = Node(f"$(POD_NAME).{namespace}", Locality("$(REGION)", "$(ZONE)"), {"pilothouse": said})
    try:
        audience(node)
    except BadNode as error:
        field, _, message = str(error).partition(": ")
        place = field.removeprefix(f"{METADATA}.dependencies")
        raise mistake(wishes.metadata, DEPENDENCIES, f"item {place}: {message}") from None
    tls = Tls(_CA_FILE) if template.ca else None
    # Where a kubelet asks. A pod may have no other address of that family: where there is only IPv6, nobody
    # would be heard at 0.0.0.0.
    ready = HostPort("$(POD_IP)", template.ready_port)
    return Sidecar(node, namespace, template.control_plane, tls=tls, ready=ready)


def rules(wishes: Wishes, template: Template) -> Values:
    """What leads the pod's connections to Envoy. It is done when the next container begins.

    Raises FieldError if a port is excluded and redirected.
    """
    if wishes.capture_dns and any(ports.hold(DNS) for ports in wishes.ports):
        message = f"holds port {DNS}, which is redirected unless {CAPTURE_DNS} is false"
        raise mistake(wishes.metadata, EXCLUDED_PORTS, message)
    ports = [("--exclude-port", ports.written("-")) for ports in wishes.ports]
    ranges = [("--exclude-range", each) for each in wishes.ranges]
    families = [("--family", family) for family in template.families]
    names = [("--dns-port", str(template.dns_port))] if wishes.capture_dns else []
    options = [("--uid", str(UID)), ("--egress-port", str(template.egress_port)), *families, *ports, *ranges]
    rights = {"drop": ["ALL"], "add": ["NET_ADMIN"]}
    return {
        "name": RULES,
        "image": template.tools_image,
        "args": ["capture", "install", *_flags([*options, *names])],
        # The rules of a network namespace can only be changed by its root.
        "securityContext": {**_confined(0), "capabilities": rights},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
    }


def envoy(sidecar: Sidecar, wishes: Wishes, template: Template) -> Values:
    """What the pod's connections are led to."""
    container: Values = {
        "name": ENVOY,
        "image": template.envoy_image,
        "restartPolicy": "Always",
        "command": ["envoy"],
        "args": ["--config-yaml", bootstrap(sidecar).rstrip("\n")],
        "env": _env(_DOWNWARD),
        **_probed("/ready", template.ready_port),
        "securityContext": {**_confined(UID), "capabilities": {"drop": ["ALL"]}},
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
    }
    if wishes.drain_s:
        # A kubelet runs this hook when the pod is told to end, then waits for the application, and then ends
        # Envoy (its `killContainer`).
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": wishes.drain_s}}}
    return {**container, **_mounted(template)}


def agent(namespace: str, sidecar: Sidecar, template: Template) -> Values:
    """Who answers what the pod asks name servers. To the control plane it is a node beside Envoy."""
    # Where the kernel redirects to.
    places = [
        ("--dns", f"{'[::1]' if each == 'ipv6' else '127.0.0.1'}:{template.dns_port}")
        for each in template.families or ("ipv4",)
    ]
    options = [
        ("--namespace", namespace),
        ("--node", f"{sidecar.node.id}-dns"),
        ("--control-plane", str(template.control_plane)),
        *([("--tls-ca", _CA_FILE)] if template.ca else []),
        *places,
        # In brackets, because it may be of either family.
        ("--probes", f"[$(POD_IP)]:{template.dns_ready_port}"),
    ]
    return {
        "name": AGENT,
        "image": template.tools_image,
        "restartPolicy": "Always",
        "args": ["dns-agent", *_flags(options)],
        "env": _env({name: _DOWNWARD[name] for name in ("POD_NAME", "POD_IP")}),
        **_probed("/readyz", template.dns_ready_port),
        "securityContext": {**_confined(UID), "capabilities": {"drop": ["ALL"]}},
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
        **_mounted(template),
    }


def _flags(options: Iterable[tuple[str, str]]) -> list[str]:
    return [each for option in options for each in option]


def _env(variables: Mapping[str, str]) -> list[Values]:
    return [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in variables.items()
    ]


def _probed(path: str, port: int) -> Values:
    probe = {"httpGet": {"path": path, "port": port}}
    return {
        # It has to be ready in ten minutes. The containers after it wait for that.
        "startupProbe": {**probe, "periodSeconds": 1, "failureThreshold": 600},
        "readinessProbe": {**probe, "periodSeconds": 5, "failureThreshold": 3},
    }


def _mounted(template: Template) -> Values:
    if not template.ca:
        return {}
    return {"volumeMounts": [{"name": CA_VOLUME, "mountPath": _CA_FOLDER, "readOnly": True}]}


def _confined(user: int) -> Values:
    return {
        "runAsUser": user,
        "runAsGroup": user,
        "runAsNonRoot": user != 0,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
