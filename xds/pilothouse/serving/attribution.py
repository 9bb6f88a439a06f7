"""From the text of a NACK to the resource that it names, and to the service that the resource is of. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from pilothouse.model.services import ServiceName
from pilothouse.serving.catalogue import Catalogue
from pilothouse.translate.names import EGRESS

_CLUSTER = re.compile(r"outbound\|\d{1,5}\|[^|\s]*\|([A-Za-z0-9](?:[-.A-Za-z0-9]*[A-Za-z0-9])?)")
_LISTENER = re.compile(r"((?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f]*:[0-9A-Fa-f:]*)_\d{1,5}")
_HOST = re.compile(r"([a-z0-9][-a-z0-9]*)\.([a-z0-9][-a-z0-9]*)\.svc\b")


class Attribution(NamedTuple):
    """The resource that a text names, and its service. Either may be unknown."""

    resource: str | None = None
    service: ServiceName | None = None


def attributed(text: str, catalogue: Catalogue) -> Attribution:
    """What a client's text is about. Envoy names the first resource that it refuses, if it names any."""
    cluster = _CLUSTER.search(text)
    if cluster is not None:
        holder = catalogue.directory.holder(cluster[0])
        return Attribution(cluster[0], holder.service.name if holder else _of_host(cluster[1], catalogue))
    listener = _LISTENER.search(text)
    if listener is not None:
        return Attribution(listener[0], _with_vip(listener[1], catalogue))
    resource = EGRESS if re.search(rf"\b{EGRESS}\b", text) else None
    return Attribution(resource, _of_host(text, catalogue))


def _with_vip(vip: str, catalogue: Catalogue) -> ServiceName | None:
    for name in catalogue.claims.claiming(vip):
        found = catalogue.directory.get(name)
        if found is not None and vip in found.resolved.spec.vips:
            return name
    return None


def _of_host(text: str, catalogue: Catalogue) -> ServiceName | None:
    """The service whose full host name is in the text, if there is such a service."""
    for name, namespace in _HOST.findall(text):
        service = ServiceName(namespace, name)
        if catalogue.serves(service) or service in catalogue.quarantined:
            return service
    return None
