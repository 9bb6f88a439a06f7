"""From the text of a NACK to the resource that it names, and to the services that it is about. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from pilothouse.mesh.names import owners
from pilothouse.model.services import ServiceName
from pilothouse.serving.catalogue import Catalogue
from pilothouse.translate.names import EGRESS

# A client's text is its own: of what it names, only so much is believed.
_MOST_NAMED = 5

# No match begins inside a word, so that the cost follows the length of the text.
_CLUSTER = re.compile(r"\boutbound\|\d{1,5}\|[^|\s]*\|[A-Za-z0-9](?:[-.A-Za-z0-9]*[A-Za-z0-9])?")
_LISTENER = re.compile(r"(?<![\w.:])((?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f]*:[0-9A-Fa-f:]*)_\d{1,5}\b")
_EGRESS = re.compile(rf"\b{EGRESS}\b")
_HOST = re.compile(r"(?<![-.\w])[a-z0-9][-a-z0-9]*\.[a-z0-9][-a-z0-9]*\.svc(?:\.[a-z0-9][-a-z0-9]*)*")


class Attribution(NamedTuple):
    """The first resource that a text names, and the services that it is about. Either may be unknown."""

    resource: str | None = None
    services: frozenset[ServiceName] = frozenset()


def attributed(text: str, catalogue: Catalogue) -> Attribution:
    """What a client's text is about. Envoy names the resources that it refuses, if it names any.

    A text that names too many services is about none of them.
    """
    found = frozenset(_services(text, catalogue))
    return Attribution(next(resources(text), None), found if len(found) <= _MOST_NAMED else frozenset())


def resources(text: str) -> Iterator[str]:
    """The names of clusters and listeners in a client's text, whether or not there are such."""
    for kind in (_CLUSTER, _LISTENER, _EGRESS):
        yield from (found[0] for found in kind.finditer(text))


def _services(text: str, catalogue: Catalogue) -> Iterator[ServiceName]:
    """The services that have these clusters, virtual IPs and host names."""
    holders = (catalogue.directory.holder(cluster[0]) for cluster in _CLUSTER.finditer(text))
    yield from (holder.service.name for holder in holders if holder is not None)
    for listener in _LISTENER.finditer(text):
        for name in catalogue.claims.claiming(listener[1]):
            found = catalogue.directory.get(name)
            if found is not None and listener[1] in found.resolved.spec.vips:
                yield name
    called = (name for host in _HOST.finditer(text) for name in owners(host[0], ""))
    yield from (name for name in called if catalogue.serves(name) or name in catalogue.quarantined)
