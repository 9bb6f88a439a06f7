"""A cluster as one client has it: its endpoints with their shares, or the hosts that the proxy looks up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pilothouse.admin.api import views
from pilothouse.admin.reading import arithmetic
from pilothouse.admin.reading.clients import Asking
from pilothouse.admin.reading.proxies import place
from pilothouse.admin.reading.services import Parts, why
from pilothouse.admin.reading.shares import Assigned, assigned, number_of
from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.audience import Audience
from pilothouse.model.services import Endpoint
from pilothouse.registry.drains import Target
from pilothouse.structures.turns import Steps
from pilothouse.translate import Translated
from pilothouse.translate.dns import hosts_at
from pilothouse.translate.endpoints.verdicts import verdicts
from pilothouse.translate.names import cluster_name, mesh_ports

_NAMED = 100
_OTHERS = 4  # so many services are named that have an address


_BY_HOSTNAME = "the route chooses by the host name of the endpoint"


def cluster(parts: Parts, who: Asking, name: str, endpoint: str, pod: str) -> Steps[views.ClusterView]:
    """A cluster and its endpoints, as the client has them; only the one with an address, if one is given.

    With a `pod`, requests go to the endpoints of that host name only.
    """
    owner = parts.catalogue.directory.owner(who.audience.scope, name)
    if owner is not None and owner.resolved.spec.hosts is not None:
        return _by_dns(who, owner, name)
    found = yield from assigned(who.world, name)
    known = owner.service.endpoints if owner else ()
    if pod:
        known = tuple(each for each in known if each.hostname == pod)
        found = found.only({each.address for each in known})
    shown = [each for each in known if not endpoint or each.address == endpoint][:_NAMED]
    rows = (yield from _rows(who.audience, owner, name, found, shown)) if owner else []
    problem = None
    if endpoint and not rows:
        others = sorted((yield from parts.registry.having([Target(endpoint)])))[:_OTHERS]
        elsewhere = f"; it is one of {', '.join(map(str, others))}" if others else ""
        words = f"the service has no endpoint at this address{elsewhere}"
        problem = views.Why("no-such-endpoint", words, endpoint)
    counted = rows if endpoint else found.shared.targets
    return views.ClusterView(
        name,
        arithmetic=(_BY_HOSTNAME,) if pod else tuple(arithmetic.in_words(found.shared)),
        priorities=arithmetic.priorities(found.shared),
        overprovisioning=found.shared.overprovisioning / 100,
        total=len(known),
        endpoints=tuple(rows),
        reached=any(each.share for each in counted),
        service=str(owner.service.name) if owner else None,
        problem=problem,
    )


def _by_dns(who: Asking, owner: Translated, name: str) -> views.ClusterView:
    """A cluster of host names. Which addresses they have is known to the proxy alone."""
    hosts = tuple(_hosts(owner, name)) if who.world.get(ResourceType.CLUSTER, name) is not None else ()
    return views.ClusterView(
        name,
        arithmetic=("the proxy itself looks the hosts up in DNS",),
        total=0,
        endpoints=(),
        reached=None if hosts else False,
        service=str(owner.service.name),
        by_dns=hosts,
    )


def _hosts(owner: Translated, cluster: str) -> Iterator[views.HostView]:
    spec = owner.resolved.spec
    port = next(port for port in mesh_ports(spec) if cluster_name(spec, port) == cluster)
    for host, number, endpoint, _ in hosts_at(spec, port).in_service:
        yield views.HostView(host, number, endpoint.weight)


def _rows(
    client: Audience, owner: Translated, cluster: str, found: Assigned, shown: Sequence[Endpoint]
) -> Steps[list[views.TargetView]]:
    """Some endpoints of the service, each with its share, or why it gets none."""
    service = owner.service
    port = next(port for port in mesh_ports(service.spec) if cluster_name(service.spec, port) == cluster)
    facet = client.endpoint_facet.of(service.name, client.scope)
    said = yield from verdicts(service, port, facet, shown)
    rows: list[views.TargetView] = []
    for each, verdict in zip(shown, said, strict=True):
        share = found.share(each, port)
        row = views.TargetView(
            address=each.address,
            state=each.state.value,
            share=share.share,
            locality=place(each.locality),
            port=number_of(each, port),
            weight=share.weight,
            priority=share.priority,
            reason=why(verdict) if verdict else None,
        )
        rows.append(row)
        yield
    return rows
