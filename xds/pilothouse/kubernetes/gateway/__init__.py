"""Reads `gateway.networking.k8s.io`: routes whose parents are Services (GAMMA), and ReferenceGrants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256

from pilothouse.kubernetes import metadata
from pilothouse.kubernetes.annotations.overrides import Warn
from pilothouse.kubernetes.annotations.subsets import SUBSET, subset
from pilothouse.kubernetes.fields import FieldError, Fields, annotation_error
from pilothouse.kubernetes.gateway.backends import GROUP, backends, is_import
from pilothouse.kubernetes.gateway.grpc_routes import grpc_rule
from pilothouse.kubernetes.gateway.http_routes import http_rule
from pilothouse.kubernetes.gateway.limits import Attempt
from pilothouse.kubernetes.objects.types import Grant, GrantedFrom, Key, Parent, RouteObject
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.routing import RouteKind, Rule


def _connection_rule(item: Fields, namespace: str, session_name: str, warn: Warn) -> Rule:
    """A rule of a TCPRoute or TLSRoute. It says only where connections go."""
    attempt = Attempt(warn)
    return Rule(backends=attempt((), backends, item, namespace, warn), unsupported=attempt.why)


_RULES: Mapping[RouteKind, Callable[[Fields, str, str, Warn], Rule]] = {
    RouteKind.HTTP: http_rule,
    RouteKind.GRPC: grpc_rule,
    RouteKind.TCP: _connection_rule,
    RouteKind.TLS: _connection_rule,
}


def route(document: Fields, warn: Warn) -> RouteObject | Omission:
    """Read a route, or say in an Omission why it plays no part. Raises FieldError if an API server refuses
    it.
    """
    kind = RouteKind(document.required("kind"))
    meta = metadata.namespaced(document)
    if "spec" not in document:
        raise document.error("spec", "is required")
    spec = document.at("spec")
    refs = list(spec.each("parentRefs"))
    parents = tuple(found for ref in refs if (found := parent(ref, meta.namespace, warn)))
    key = Key(kind.value, meta.namespace, meta.name)
    rules = tuple(
        _RULES[kind](item, meta.namespace, _session_name(key, index), warn)
        for index, item in enumerate(spec.each("rules"))
    )
    if not rules and kind is RouteKind.HTTP:
        rules = (Rule(),)
    rules = _in_subset(kind, rules, meta.annotations, warn)
    if not parents:
        return Omission(Reason.NO_SUCH_PARENT, str(key), "no parentRefs of kind Service")
    if len(parents) == len(refs) and kind.of_requests and "hostnames" in spec:
        why = "is ignored: a request names the Service, and no other host name"
        warn(FieldError((*spec.path, "hostnames"), why, Reason.UNSUPPORTED_FIELD))
    return RouteObject(kind, meta.namespace, meta.name, parents, rules, meta.created)


def grant(document: Fields, warn: object) -> Grant:
    """Read a ReferenceGrant."""
    meta = metadata.namespaced(document)
    spec = document.at("spec")
    sources = tuple(
        GrantedFrom(item.required("kind"), item.required("namespace"))
        for item in spec.each("from")
        if item.text("group") == GROUP
    )
    targets: list[str] = []
    imports: list[str] = []
    for item in spec.each("to"):
        kind, group = item.required("kind"), item.text("group")
        if not group and kind == "Service":
            targets.append(item.text("name"))
        elif is_import(kind, group):
            imports.append(item.text("name"))
    return Grant(meta.namespace, meta.name, sources, tuple(targets), meta.created, tuple(imports))


def _in_subset(
    kind: RouteKind, rules: tuple[Rule, ...], annotations: Mapping[str, str], warn: Warn
) -> tuple[Rule, ...]:
    """The rules, limited to the subset that the route names. If the annotation is invalid, all rules fail."""
    try:
        found = subset(annotations)
        if found and not kind.of_requests:
            raise ValueError("is for HTTPRoute and GRPCRoute")
    except ValueError as mistake:
        warn(annotation_error(SUBSET, f"{mistake}; the route fails"))
        return tuple(Rule(rule.matches, unsupported=f"{SUBSET}: {mistake}") for rule in rules)
    return tuple(replace(rule, subset=found) for rule in rules) if found else rules


def _session_name(key: Key, rule: int) -> str:
    """The name of a session that has none. It differs between rules, so that they do not share cookies."""
    return f"session-{sha256(f'{key}/{rule}'.encode()).hexdigest()[:8]}"


def parent(ref: Fields, namespace: str, warn: Warn) -> Parent | None:
    """Read a parentRef. None if it names no Service and no ServiceImport."""
    kind, group = ref.text("kind", "Gateway"), ref.text("group", GROUP)
    imported = is_import(kind, group)
    if kind != "Service" and not imported:
        return None
    if group not in ("", "core") and not imported:
        what = f'is "{group}"' + (" if it is not stated" if "group" not in ref else "")
        message = f'{what}, which has no Service; state group: ""'
        warn(FieldError((*ref.path, "group"), message))
        return None
    port = ref.integer("port") or 0
    where, section = ref.text("namespace") or namespace, ref.text("sectionName")
    return Parent(where, ref.required("name"), port, section, imported)
