"""Kinds that are not read: somebody else's, or one of ours whose name or version is wrong."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from pilothouse.kubernetes.schema import guess

#: Of the groups that are read, the other kinds: nothing to do with routing, and no mistake.
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
    """The field that seems to be wrong, and what is wrong with it; None if the kind is somebody else's.

    `read` are the versions and kinds that are read.
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
    """Other groups have kinds of the same names, such as Knative's Service. Those of Kubernetes have none."""
    of_kubernetes = "." not in group or group.endswith(".k8s.io")
    hint = guess(version, versions)
    if versions and (of_kubernetes or hint):
        return "apiVersion", f"{version} has no {kind}{hint or f'; {kind} is of ' + ' or '.join(versions)}"
    return None


def _group(version: str) -> str:
    return version.rpartition("/")[0]
