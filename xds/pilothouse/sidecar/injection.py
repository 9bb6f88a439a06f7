"""A sidecar for a pod: what is added to its spec, and why some pods get none. Pure.

Envoy is a native sidecar (KEP-753): an init container that goes on running. So it is ready before the
application starts, and it ends after the application. Some facts about a pod are known only when it starts.
Kubernetes fills them in: `$(POD_NAME)` in an argument becomes the value of that variable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, TypeVar

from pilothouse.kubernetes.annotations.known import strangers
from pilothouse.kubernetes.annotations.sidecars import (
    DEPENDENCIES,
    DRAIN,
    EXCLUDED_PORTS,
    EXCLUDED_RANGES,
    INJECT,
)
from pilothouse.kubernetes.durations import milliseconds
from pilothouse.kubernetes.fields import FieldError, Fields
from pilothouse.kubernetes.served import network
from pilothouse.mesh.audience import METADATA, BadNode, Node, audience
from pilothouse.model.services import Family, Locality
from pilothouse.sidecar.bootstrap import Sidecar, Tls, bootstrap
from pilothouse.sidecar.rules import Ports
from pilothouse.structures.hostport import HostPort

#: A part of a manifest, as JSON has it.
Values: TypeAlias = dict[str, Any]
_T = TypeVar("_T")

ENVOY, RULES = "pilothouse-sidecar", "pilothouse-capture"
#: The user of Envoy. What runs as this user is not captured.
UID = 1337
_CA_FOLDER, _CA_VOLUME = "/etc/pilothouse/ca", "pilothouse-ca"
_LONGEST_DRAIN_S = 3600
_HOST_NETWORK = "is on the network of its node, whose other connections would be captured with its own"
_WINDOWS = "is for Windows, where Envoy and the rules of Linux do not run"
_MIRROR, _MIRRORED = "kubernetes.io/config.mirror", "only mirrors one that a kubelet runs by itself"
_HOST_DNS = "; with dnsPolicy: ClusterFirstWithHostNet it can resolve the names of Services"

# By variable: where Kubernetes has the value from. Nodes pass their zone on to their pods (KEP-4742).
_DOWNWARD: Mapping[str, str] = {
    "POD_NAME": "metadata.name",
    "POD_IP": "status.podIP",
    "NODE_NAME": "spec.nodeName",
    "REGION": "metadata.labels['topology.kubernetes.io/region']",
    "ZONE": "metadata.labels['topology.kubernetes.io/zone']",
}


@dataclass(frozen=True, slots=True)
class Template:
    """What all sidecars have in common.

    `tools_image` is Pilothouse's own: its command `capture` installs the rules. `ca` names a ConfigMap in the
    namespace of each pod; its `ca.crt` vouches for the control plane. Without it nothing is encrypted. Of
    `families`, the preferred one first, connections are captured; if none is stated, of IPv4. Envoy ends
    after the application, and not before `drain_s` have passed since the pod was told to end.
    """

    envoy_image: str
    tools_image: str
    control_plane: HostPort
    ca: str = ""
    egress_port: int = 15001
    ready_port: int = 15021
    drain_s: int = 0
    families: tuple[Family, ...] = ()


class Injected(NamedTuple):
    """A pod, or the template of one, with a sidecar; and what its owner should know."""

    pod: Values
    warnings: tuple[str, ...] = ()


class Skipped(NamedTuple):
    """Why a pod gets no sidecar. It is a warning if the pod may have been meant to have one."""

    why: str
    warning: bool = False


#: Nothing to tell: there is no pod.
NOT_A_WORKLOAD = Skipped("")


class _Wishes(NamedTuple):
    """What a pod says of its sidecar. `metadata` is where it says so."""

    metadata: Fields
    inject: bool
    mirrors: bool
    dependencies: list[str]
    ports: list[Ports]
    ranges: list[str]
    drain_s: int

    @classmethod
    def read(cls, metadata: Fields, template: Template) -> _Wishes:
        """Raises FieldError."""
        said = metadata.annotations("annotations")

        def each(annotation: str, parse: Callable[[str], _T]) -> list[_T]:
            try:
                return [parse(item) for part in said.get(annotation, "").split(",") if (item := part.strip())]
            except ValueError as error:
                raise _mistake(metadata, annotation, str(error)) from None

        asked = said.get(INJECT, "true")
        if asked not in ("true", "false"):
            raise _mistake(metadata, INJECT, f"{asked!r} is neither true nor false")
        return cls(
            metadata,
            asked == "true",
            _MIRROR in said,
            each(DEPENDENCIES, str),
            each(EXCLUDED_PORTS, Ports.parse),
            each(EXCLUDED_RANGES, lambda item: str(network(item))),
            _seconds(said[DRAIN], metadata) if DRAIN in said else template.drain_s,
        )


def _seconds(said: str, metadata: Fields) -> int:
    """Kubernetes counts them as a whole."""
    found = milliseconds(said)
    if found is None or found % 1000 or found > _LONGEST_DRAIN_S * 1000:
        raise _mistake(metadata, DRAIN, f"{said!r} is not a whole number of seconds up to 1h, such as 5s")
    return found // 1000


def _mistake(metadata: Fields, annotation: str, message: str) -> FieldError:
    return FieldError((*metadata.path, "annotations", annotation), message)


def inject(pod: Fields, namespace: str, template: Template) -> Injected | Skipped:
    """A pod, or the template of one, with a sidecar. Raises FieldError if an annotation makes no sense."""
    spec = pod.at("spec")
    wishes = _Wishes.read(pod.at("metadata"), template)
    skipped = _skipped(wishes, spec, template)
    if skipped is not None:
        return skipped
    sidecar = _sidecar(namespace, wishes, template)
    inside = deepcopy(dict(spec.values))
    added = [_rules(wishes, template), _envoy(sidecar, wishes, template)]
    inside["initContainers"] = [*added, *(inside.get("initContainers") or [])]
    if template.ca:
        volume = {"name": _CA_VOLUME, "configMap": {"name": template.ca}}
        inside["volumes"] = [*(inside.get("volumes") or []), volume]
    doubts = [*map(str, strangers("Pod", pod)), *_doubts(spec, template, sidecar)]
    return Injected({**pod.values, "spec": inside}, tuple(doubts))


def _skipped(wishes: _Wishes, spec: Fields, template: Template) -> Skipped | None:
    if not wishes.inject:
        return Skipped(f"has the annotation {INJECT}: false")
    if wishes.mirrors:
        return Skipped(_MIRRORED)
    if any(each.text("name") == ENVOY for each in spec.each("initContainers")):
        return Skipped("has a sidecar already")
    if "windows" in (spec.at("os").text("name"), spec.at("nodeSelector").text("kubernetes.io/os")):
        return Skipped(_WINDOWS, warning=True)
    if spec.flag("hostNetwork"):
        resolves = spec.text("dnsPolicy") == "ClusterFirstWithHostNet"
        return Skipped(_HOST_NETWORK + ("" if resolves else _HOST_DNS), warning=True)
    return next((Skipped(f"has {what} already", warning=True) for what in _taken(spec, template)), None)


def _taken(spec: Fields, template: Template) -> Iterator[str]:
    """Which of our names the pod uses for something else. With it twice, no API server would take the pod."""
    for each in (*spec.each("initContainers"), *spec.each("containers")):
        if each.text("name") in (ENVOY, RULES):
            yield f"a container {each.text('name')}"
    for each in spec.each("volumes"):
        if template.ca and each.text("name") == _CA_VOLUME:
            yield f"a volume {_CA_VOLUME}"


def _sidecar(namespace: str, wishes: _Wishes, template: Template) -> Sidecar:
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
        field, _, mistake = str(error).partition(": ")
        place = field.removeprefix(f"{METADATA}.dependencies")
        raise _mistake(wishes.metadata, DEPENDENCIES, f"item {place}: {mistake}") from None
    tls = Tls(f"{_CA_FOLDER}/ca.crt") if template.ca else None
    # Where a kubelet asks. A pod may have no other address of that family: where there is only IPv6, nobody
    # would be heard at 0.0.0.0.
    ready = HostPort("$(POD_IP)", template.ready_port)
    return Sidecar(node, namespace, template.control_plane, tls=tls, ready=ready)


def _rules(wishes: _Wishes, template: Template) -> Values:
    """What leads the pod's connections to Envoy. It is done when the next container begins."""
    ports = [("--exclude-port", ports.written("-")) for ports in wishes.ports]
    ranges = [("--exclude-range", each) for each in wishes.ranges]
    families = [("--family", family) for family in template.families]
    options = [("--uid", str(UID)), ("--egress-port", str(template.egress_port)), *families, *ports, *ranges]
    rights = {"drop": ["ALL"], "add": ["NET_ADMIN"]}
    return {
        "name": RULES,
        "image": template.tools_image,
        "args": ["capture", "install", *(each for option in options for each in option)],
        # The rules of a network namespace can only be changed by its root.
        "securityContext": {**_confined(0), "capabilities": rights},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
    }


def _envoy(sidecar: Sidecar, wishes: _Wishes, template: Template) -> Values:
    probe = {"httpGet": {"path": "/ready", "port": template.ready_port}}
    container: Values = {
        "name": ENVOY,
        "image": template.envoy_image,
        "restartPolicy": "Always",
        "command": ["envoy"],
        "args": ["--config-yaml", bootstrap(sidecar).rstrip("\n")],
        "env": [
            {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in _DOWNWARD.items()
        ],
        # It has to be ready in ten minutes. The containers after it wait for that.
        "startupProbe": {**probe, "periodSeconds": 1, "failureThreshold": 600},
        "readinessProbe": {**probe, "periodSeconds": 5, "failureThreshold": 3},
        "securityContext": {**_confined(UID), "capabilities": {"drop": ["ALL"]}},
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
    }
    if wishes.drain_s:
        # A kubelet runs this hook when the pod is told to end, then waits for the application, and then ends
        # Envoy (its `killContainer`).
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": wishes.drain_s}}}
    if template.ca:
        container["volumeMounts"] = [{"name": _CA_VOLUME, "mountPath": _CA_FOLDER, "readOnly": True}]
    return container


def _confined(user: int) -> Values:
    return {
        "runAsUser": user,
        "runAsGroup": user,
        "runAsNonRoot": user != 0,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _doubts(spec: Fields, template: Template, sidecar: Sidecar) -> Iterator[str]:
    """What makes a sidecar of less use than its owner may think."""
    taken = {template.egress_port, template.ready_port, sidecar.admin_port}
    for each in spec.each("containers"):
        for port in each.each("ports"):
            number = port.integer("containerPort")
            if number in taken:
                yield f"the container {each.text('name')} has the port {number}, where the sidecar listens"
    for each in (spec, *spec.each("containers")):
        if each.at("securityContext").integer("runAsUser") == UID:
            who = f"container {each.text('name')}" if "name" in each else "pod"
            yield f"the {who} runs as user {UID}, as Envoy does, so its calls are not captured"


#: By kind: where the template of its pods is.
_TEMPLATES: Mapping[str, Sequence[str]] = {
    "Pod": (),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    **dict.fromkeys(
        ("DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"),
        ("spec", "template"),
    ),
}


_UNKNOWN_KIND = Skipped(f"is of another kind than {', '.join(sorted(_TEMPLATES))}", warning=True)


def inject_into(document: Values, template: Template, namespace: str = "default") -> Injected | Skipped:
    """The same of a manifest that makes pods; `namespace` is that of one that states none.

    Raises FieldError, with the field of the document that makes no sense.
    """
    whole = Fields(document)
    steps = _TEMPLATES.get(str(document.get("kind")))
    if steps is None:
        return _UNKNOWN_KIND if _makes_pods(document) else NOT_A_WORKLOAD
    pod = whole
    for step in steps:
        if pod.anything(step) is None:
            raise pod.error(step, "is required")
        pod = pod.at(step)
    found = inject(pod, whole.at("metadata").text("namespace", namespace), template)
    if isinstance(found, Skipped):
        return found
    return Injected(_with(document, steps, found.pod), found.warnings)


def _makes_pods(document: Values) -> bool:
    """Whether an object of some other kind has what looks like a template of pods."""
    found: object = document
    for step in ("spec", "template", "spec", "containers"):
        found = found.get(step) if isinstance(found, dict) else None
    return found is not None


def _with(document: Values, steps: Sequence[str], pod: Values) -> Values:
    if not steps:
        return pod
    return {**document, steps[0]: _with(document[steps[0]], steps[1:], pod)}
