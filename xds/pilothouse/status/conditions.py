"""Which conditions a route has for one parent, in the words of the Gateway API. Pure.

The types and reasons are those of `sigs.k8s.io/gateway-api/apis/v1/shared_types.go`. Ours has a prefix.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pilothouse.kubernetes.annotations.known import PREFIX
from pilothouse.kubernetes.gateway.attached import port_number
from pilothouse.kubernetes.objects.types import Key
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.routing import RouteKind
from pilothouse.model.services import ServiceSpec
from pilothouse.sources.kubernetes.shown import Ref, Shown
from pilothouse.status.findings import Attached, Finding

#: Who we are in `status.parents`.
CONTROLLER = f"{PREFIX}mesh"
PROGRAMMED = f"{PREFIX}Programmed"

# In characters. The API server takes more, and nobody reads it.
_LONGEST = 1000
_MOST_PARENTS = 32
_PARTIAL = "PartiallyInvalid"
_TRUE, _FALSE, _UNKNOWN = "True", "False", "Unknown"

#: Why a backend cannot be called, most telling first, if a route has several that cannot.
_REFS = {
    Reason.NOT_EXPORTED: "RefNotPermitted",
    Reason.UNSUPPORTED_TRANSPORT: "UnsupportedProtocol",
    Reason.NO_SUCH_BACKEND: "BackendNotFound",
}


class Condition(NamedTuple):
    type: str
    status: str
    reason: str
    message: str = ""


class Rejected(NamedTuple):
    """How many proxies reject what a service has become, and what one of them says."""

    proxies: int
    reason: str


class Facts(NamedTuple):
    """What is known of the parent of a route. `spec` is that of its newest version, None if there is none.

    `unattached` are the routes that it names as left out. `quarantine` is why its newest version is not in
    force, and `served` whether an earlier one is.
    """

    spec: ServiceSpec | None = None
    findings: Mapping[Attached, Finding] = {}
    unattached: tuple[Omission, ...] = ()
    quarantine: str = ""
    served: bool = False
    rejected: Rejected | None = None


def conditions(key: Key, route: Shown, ref: Ref, facts: Facts) -> tuple[Condition, ...]:
    """The conditions for one parentRef, `Accepted` first."""
    if route.mistake:
        why = f"{route.mistake}; if an earlier version was valid, it stays in force"
        return (Condition("Accepted", _FALSE, "UnsupportedValue", _cut(why)),)
    spec = facts.spec
    if spec is None:
        why = f"there is no {ref.service.full}"
        return (Condition("Accepted", _FALSE, "NoMatchingParent", why),)
    number = port_number(ref.parent, spec.ports)
    if number is None:
        why = f"the {ref.service.full} has no port {ref.parent.section or ref.parent.port}"
        return (Condition("Accepted", _FALSE, "NoMatchingParent", why),)
    finding = facts.findings.get(Attached(RouteKind(key.kind), key.namespace, key.name, number))
    if finding is None:
        return (_unattached(key, spec, facts),)
    return (
        _accepted(finding),
        _resolved(finding),
        *_partially_invalid(finding),
        *([programmed(facts)] if finding.in_force else ()),
    )


def _unattached(key: Key, spec: ServiceSpec, facts: Facts) -> Condition:
    if spec.external_name:
        why = f"{spec.name} is an ExternalName, which has no requests of its own"
        return Condition("Accepted", _FALSE, "NoMatchingParent", why)
    if Omission(Reason.CONSUMER_ROUTE, str(key)) in facts.unattached:
        why = f"a {key.kind} acts on Services of its own namespace only"
        return Condition("Accepted", _FALSE, "UnsupportedValue", why)
    why = f"the version of {spec.name} that is in force does not have this route"
    return Condition("Accepted", _UNKNOWN, "Pending", why)


def _accepted(finding: Finding) -> Condition:
    also = f"not at each port: {'; '.join(finding.conflicts)}" if finding.conflicts else ""
    if not finding.in_force:
        why = "; ".join(finding.conflicts) or "the Service has no TCP port"
        return Condition("Accepted", _FALSE, "RouteConflict", _cut(why))
    if finding.rules and len(finding.failing) == finding.rules:
        return Condition("Accepted", _FALSE, "UnsupportedValue", _cut(_told(finding.dropped)))
    return Condition("Accepted", _TRUE, "Accepted", _cut(also))


def _resolved(finding: Finding) -> Condition:
    by_reason: dict[str, dict[str, None]] = {}
    for lost in finding.lost:
        reason = "InvalidKind" if lost.no_service else _REFS.get(lost.omission.reason, "BackendNotFound")
        by_reason.setdefault(reason, {})[f"{lost.backend}: {lost.omission.why}"] = None
    for reason in ("InvalidKind", *_REFS.values()):
        if reason in by_reason:
            # The reason is of these; the message has all others as well.
            told = [*by_reason.pop(reason), *(text for others in by_reason.values() for text in others)]
            return Condition("ResolvedRefs", _FALSE, reason, _cut("; ".join(told)))
    return Condition("ResolvedRefs", _TRUE, "ResolvedRefs")


def _partially_invalid(finding: Finding) -> Iterator[Condition]:
    """Only if some rules are valid, others are not, and the route is accepted."""
    if finding.dropped and finding.in_force and len(finding.failing) < finding.rules:
        why = f"Dropped Rule {_told(finding.dropped)}; requests that match it are answered by an error"
        yield Condition(_PARTIAL, _TRUE, "UnsupportedValue", _cut(why))


def _told(dropped: Mapping[int, str]) -> str:
    return "; ".join(f"{place} ({why})" for place, why in sorted(dropped.items()))


def programmed(facts: Facts) -> Condition:
    """What comes of a Service at the proxies."""
    if facts.quarantine:
        stays = "the last good version stays in force" if facts.served else "nothing of the Service is served"
        why = f"the newest version of the Service is not accepted, so {stays}: {facts.quarantine}"
        return Condition(PROGRAMMED, _FALSE, "Quarantined", _cut(why))
    if facts.rejected:
        count, text = facts.rejected
        proxies = "1 proxy rejects it and goes" if count == 1 else f"{count} proxies reject it and go"
        return Condition(PROGRAMMED, _FALSE, "Rejected", _cut(f"{proxies} on as before: {text}"))
    return Condition(PROGRAMMED, _TRUE, "Programmed")


def parents(
    key: Key, route: Shown, facts: Sequence[Facts], now: str
) -> tuple[list[dict[str, Any]], list[tuple[Condition, Condition | None]]] | None:
    """`status.parents` as it is to be: ours, and those of others as they are. None if nothing changes.

    `facts` are of the parents in the order of the refs, `now` is a time as the API has it. The second part
    are the conditions whose status has changed, each with the one before.
    """
    before = [each for each in route.parents if each.get("controllerName") == CONTROLLER]
    others = [dict(each) for each in route.parents if each.get("controllerName") != CONTROLLER]
    ours: list[dict[str, Any]] = []
    turned: list[tuple[Condition, Condition | None]] = []
    for ref, known in list(zip(route.refs, facts, strict=True))[: max(0, _MOST_PARENTS - len(others))]:
        old = next((each for each in before if each.get("parentRef") == ref.written), {})
        listed, changed = _listed(conditions(key, route, ref, known), old, route.generation, now)
        ours.append({"parentRef": ref.written, "controllerName": CONTROLLER, "conditions": listed})
        turned += changed
    if ours == before:
        return None
    return [*others, *ours], turned


def _listed(
    found: Sequence[Condition], old: Mapping[str, Any], generation: int, now: str
) -> tuple[list[dict[str, Any]], list[tuple[Condition, Condition | None]]]:
    """The conditions as the API has them. The time of the last transition stays while the status does."""
    known = {
        each["type"]: each
        for each in old.get("conditions") or ()
        if isinstance(each, Mapping) and "type" in each
    }
    listed, turned = [], []
    for one in found:
        before = known.get(one.type, {})
        same = before.get("status") == one.status
        if not same:
            earlier = _read(before) if before else None
            turned.append((one, earlier))
        listed.append(
            {
                "type": one.type,
                "status": one.status,
                "observedGeneration": generation,
                "lastTransitionTime": (same and before.get("lastTransitionTime")) or now,
                "reason": one.reason,
                "message": one.message,
            }
        )
    partial = known.get(_PARTIAL)
    if partial and not any(one.type == _PARTIAL for one in found):  # it is never set to anything but True
        turned.append((Condition(_PARTIAL, _FALSE, "Valid"), _read(partial)))
    return listed, turned


def _read(found: Mapping[str, Any]) -> Condition:
    return Condition(*(str(found.get(each) or "") for each in Condition._fields))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
