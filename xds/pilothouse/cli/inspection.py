"""Reads manifests once, as `serve` does, and finds errors, warnings and what is left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from pilothouse.kubernetes.documents import Place, Remark
from pilothouse.kubernetes.join import Cluster
from pilothouse.kubernetes.manifests import Manifests
from pilothouse.kubernetes.objects.types import Key
from pilothouse.kubernetes.places import Places
from pilothouse.kubernetes.roots import Namespaces, Root
from pilothouse.kubernetes.served import ServedCluster, never_virtual
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import Service, ServiceName
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.census import left_out
from pilothouse.sources.files.disk import Look, look
from pilothouse.sources.files.left_out import LeftOutDocuments
from pilothouse.sources.files.tree import is_within, shown


class Severity(Enum):
    """An error refuses the object. A warning needs attention. What is left out may be intended."""

    ERROR = "error"
    WARNING = "warning"
    LEFT_OUT = "left out"


class Finding(NamedTuple):
    """A finding about a place in a file. `line` and `document` count from 1; 0 means unknown."""

    file: str
    line: int
    document: int
    field: str
    message: str
    severity: Severity
    code: str = ""


@dataclass(frozen=True, slots=True)
class Inspection:
    """The findings, sorted by place, and the number of files, documents, objects, services and endpoints."""

    findings: tuple[Finding, ...]
    files: int
    documents: int
    objects: int
    services: int
    endpoints: int

    def of(self, severity: Severity) -> list[Finding]:
        return [finding for finding in self.findings if finding.severity is severity]


def inspect(roots: Sequence[Root], served: ServedCluster) -> Inspection:
    """Read manifests, join and translate them, and collect the findings."""
    found = look([root.path for root in roots], Look(), Namespaces(roots))
    manifests, cluster = Manifests(), Cluster(served)
    for path, manifest in sorted(found.files.items()):
        declared = [one for one in manifest.contents.declared if served.serves(one.object.key.namespace)]
        cluster.apply(*manifests.put(path, declared))
    in_force = dict(manifests.in_force)
    services = {name: one for name in sorted(cluster.names) if (one := cluster.service(name))}
    findings = {
        *_of_paths(roots, found),
        *_of_files(found, served),
        *(_finding(file, remark, Severity.ERROR) for file, remark in manifests.conflicts),
        *_of_objects(Places(in_force), cluster.unattached, services),
    }
    return Inspection(
        tuple(sorted(findings, key=lambda finding: (*finding[:5], finding.code))),
        len(found.files),
        sum(manifest.contents.documents for manifest in found.files.values()),
        len(in_force),
        len(services),
        sum(len(service.endpoints) for service in services.values()),
    )


def _of_paths(roots: Iterable[Root], found: Look) -> Iterator[Finding]:
    for path, why in found.unreadable.items():
        yield Finding(path, 0, 0, "", why, Severity.ERROR)
    for path in (shown(str(root.path)) for root in roots):
        if path in found.unreadable:
            continue
        below = (manifest.contents for file, manifest in found.files.items() if is_within(file, path))
        contents = [each for each in below if each.documents or each.errors]
        if not contents:
            yield Finding(path, 0, 0, "", "holds no manifest (.yaml, .yml or .json)", Severity.ERROR)
        elif not any(each.declared or each.errors for each in contents):
            yield Finding(
                path, 0, 0, "", "declares no object of a kind that Pilothouse reads", Severity.WARNING
            )


def _of_files(found: Look, served: ServedCluster) -> Iterator[Finding]:
    for path, manifest in found.files.items():
        for error in manifest.contents.errors:
            yield _finding(path, error, Severity.ERROR)
        for warning in manifest.contents.warnings:
            yield _finding(path, warning, Severity.WARNING)
    documents = LeftOutDocuments(served)
    documents.follow(Look(), found)
    for document in documents:
        place = Place(document.line, document.document)
        yield _omission(document.file, place, "", document.omission)


def _of_objects(
    places: Places, unattached: Iterable[Omission], services: Mapping[ServiceName, Service]
) -> Iterator[Finding]:
    """What does not reach the clients that may see it, although its object is in force."""
    for omission in unattached:
        yield from _omissions(places.of_object(omission), omission)
    catalogue = Catalogue()
    catalogue.apply(services, services)
    for service in services.values():
        for omission in left_out(catalogue, service):
            yield from _omissions(places.of_part(service, omission), omission)


def _omissions(places: Iterable[tuple[Key, str, Place]], omission: Omission) -> Iterator[Finding]:
    for key, file, place in places:
        if not _is_warned_of(key, omission):
            yield _omission(file, place, str(key), omission)


def _is_warned_of(key: Key, omission: Omission) -> bool:
    """Whether a warning at that line already names the same thing: a virtual IP that can never be one."""
    bad = omission.reason is Reason.INVALID_ADDRESS and never_virtual(omission.what)
    return bool(bad) and key.kind in ("Service", "ServiceImport")


def _omission(file: str, place: Place, subject: str, omission: Omission) -> Finding:
    reason, what, why = omission
    severity = Severity.ERROR if reason is Reason.QUARANTINED else Severity.LEFT_OUT
    parts = dict.fromkeys(part for part in (subject, what, why) if part)
    if subject.endswith(f" {what}"):
        del parts[what]  # the object itself
    message = ": ".join(parts)
    return Finding(file, place.line, place.document, place.field, message, severity, reason.value)


def _finding(file: str, remark: Remark, severity: Severity) -> Finding:
    place, code = remark.place, remark.reason.value if remark.reason else ""
    return Finding(file, place.line, place.document, place.field, remark.message, severity, code)
