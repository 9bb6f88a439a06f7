"""What a name costs in DNS, as the resolver of a Pod asks for it."""

from __future__ import annotations

import ipaddress

from pilothouse.admin.api import views
from pilothouse.admin.reading.services import Parts
from pilothouse.mesh.names import endpoint_owners, in_cluster, in_dns, owners, searched, shortest


def asked(parts: Parts, namespace: str, domain: str, host: str) -> views.DnsView | None:
    """What a resolver asks for until a name exists, and which name would be asked for first."""
    if not namespace or is_address(host):
        return None
    said: list[views.AskedName] = []
    for name in searched(host, namespace, domain):
        inside = in_cluster(name.removesuffix("."), domain)
        said.append(views.AskedName(name, _in_dns(parts, name) if inside else None))
        if said[-1].exists:
            return views.DnsView(tuple(said), 2 * len(said), shortest(name, namespace, domain))
    outside = said[-1].name if said[-1].exists is None else None
    return views.DnsView(tuple(said), 2 * len(said), outside)


def _in_dns(parts: Parts, name: str) -> bool:
    host = name.removesuffix(".")
    known = map(parts.service, (*owners(host, ""), *endpoint_owners(host, "")))
    return any(in_dns(name, each.spec) for each in known if each is not None)


def is_address(host: str) -> bool:
    """Whether a host is an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
