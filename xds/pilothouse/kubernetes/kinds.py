"""Kinds that Pilothouse does not read: other people's kinds, and ours with a wrong name or version."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from pilothouse.kubernetes.schema import guess

#: Other kinds in the groups that are read. They play no part in routing, so ignoring them is right.
_OTHERS: Mapping[str, tuple[str, ...]] = {
    "": (
        "Binding",
        "ComponentStatus",
        "ConfigMap",
        "DeleteOptions",
        "Event",
        "Eviction",
        "LimitRange",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "PodTemplate",
        "ReplicationController",
        "ResourceQuota",
        "Secret",
        "ServiceAccount",
        "Status",
    ),
    "discovery.k8s.io": (),
    "multicluster.x-k8s.io": ("ServiceExport",),
    "gateway.networking.k8s.io": (
        "BackendLBPolicy",
        "BackendTLSPolicy",
        "Gateway",
        "GatewayClass",
        "ListenerSet",
        "ReferencePolicy",
        "UDPRoute",
    ),
}


def mistake(version: str, kind: str, read: Collection[tuple[str, str]]) -> tuple[str, str] | None:
    """The field that seems to be wrong, and the message. None if the kind belongs to somebody else.

    `read` are the versions and kinds that Pilothouse reads.
    """
    group = _group(version)
    versions = [known for known, name in read if name == kind]
    if group not in _OTHERS:
        return _in_other_group(version, group, kind, versions)
    if any(_group(known) == group for known in versions):
        return "apiVersion", f'{kind} of "{version}" is not read; {kind} of {" or ".join(versions)} is'
    if kind in _OTHERS[group] or kind.removesuffix("List") in _OTHERS[group]:
        return None
    if versions:
        return "apiVersion", f"{kind} is of {' or '.join(versions)}, not of {version}"
    known = {name for of, name in read if _group(of) == group}.union(_OTHERS[group])
    return "kind", f'"{kind}" is not a known kind of {version}{guess(kind, known)}'


def _in_other_group(version: str, group: str, kind: str, versions: Iterable[str]) -> tuple[str, str] | None:
    """Other groups may have kinds of the same names, such as Knative's Service. Kubernetes' groups do not."""
    of_kubernetes = "." not in group or group.endswith(".k8s.io")
    hint = guess(version, versions)
    if versions and (of_kubernetes or hint):
        return "apiVersion", f"{version} has no {kind}{hint or f'; {kind} is of ' + ' or '.join(versions)}"
    return None


def _group(version: str) -> str:
    return version.rpartition("/")[0]
