"""A sidecar for a pod: what is added to its spec, and why some pods get none. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import NamedTuple

from pilothouse.kubernetes.annotations.known import strangers
from pilothouse.kubernetes.annotations.sidecars import INJECT
from pilothouse.kubernetes.fields import Fields
from pilothouse.sidecar.bootstrap import Sidecar
from pilothouse.sidecar.containers import (
    AGENT,
    CA_VOLUME,
    ENVOY,
    RULES,
    UID,
    Values,
    agent,
    envoy,
    rules,
    sidecar_of,
)
from pilothouse.sidecar.wishes import Template, Wishes

_HOST_NETWORK = "is on the network of its node, whose other connections would be captured with its own"
_WINDOWS = "is for Windows, where Envoy and the rules of Linux do not run"
_MIRRORED = "only mirrors one that a kubelet runs by itself"
_HOST_DNS = "; with dnsPolicy: ClusterFirstWithHostNet it can resolve the names of Services"


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


def inject(pod: Fields, namespace: str, template: Template) -> Injected | Skipped:
    """A pod, or the template of one, with a sidecar. Raises FieldError if an annotation makes no sense."""
    spec = pod.at("spec")
    wishes = Wishes.read(pod.at("metadata"), template)
    skipped = _skipped(wishes, spec, template)
    if skipped is not None:
        return skipped
    sidecar = sidecar_of(namespace, wishes, template)
    inside = deepcopy(dict(spec.values))
    added = [rules(wishes, template), envoy(sidecar, wishes, template)]
    if wishes.capture_dns:
        added.append(agent(namespace, sidecar, template))
    inside["initContainers"] = [*added, *(inside.get("initContainers") or [])]
    if template.ca:
        volume = {"name": CA_VOLUME, "configMap": {"name": template.ca}}
        inside["volumes"] = [*(inside.get("volumes") or []), volume]
    doubts = [*map(str, strangers("Pod", pod)), *_doubts(spec, wishes, template, sidecar)]
    return Injected({**pod.values, "spec": inside}, tuple(doubts))


def _skipped(wishes: Wishes, spec: Fields, template: Template) -> Skipped | None:
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
    return next(
        (Skipped(f"has {what} already", warning=True) for what in _taken(spec, wishes, template)), None
    )


def _taken(spec: Fields, wishes: Wishes, template: Template) -> Iterator[str]:
    """Which of our names the pod uses for something else. With it twice, no API server would take the pod."""
    ours = {ENVOY, RULES, *([AGENT] if wishes.capture_dns else [])}
    for each in (*spec.each("initContainers"), *spec.each("containers")):
        if each.text("name") in ours:
            yield f"a container {each.text('name')}"
    for each in spec.each("volumes"):
        if template.ca and each.text("name") == CA_VOLUME:
            yield f"a volume {CA_VOLUME}"


def _doubts(spec: Fields, wishes: Wishes, template: Template, sidecar: Sidecar) -> Iterator[str]:
    """What makes a sidecar of less use than its owner may think."""
    taken = {template.egress_port, template.ready_port, sidecar.admin_port}
    if wishes.capture_dns:
        taken |= {template.dns_port, template.dns_ready_port}
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
