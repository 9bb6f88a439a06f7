"""What a name costs in DNS, as the resolver of a Pod asks for it, and what our own resolvers answer."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from pilothouse.admin.api import views
from pilothouse.admin.reading.services import Parts
from pilothouse.dns.answers import Answer, Question
from pilothouse.dns.known import InForce
from pilothouse.dns.names import Names
from pilothouse.dns.records import Address, Labels, Name, Rcode, Type, labels
from pilothouse.dns.zone import Zone
from pilothouse.mesh.names import endpoint_owners, in_cluster, in_dns, owners, searched, shortest
from pilothouse.mesh.visibility import Scope


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


def answered(parts: Parts, scope: Scope, domain: str, host: str) -> tuple[views.DnsAnswer, ...]:
    """What `serve --dns` answers for a name, and a `dns-agent` of the scope's namespace if it has one.

    This is about names of services and below them. `--dns-pods` decides about Pods, and an agent asks
    elsewhere for what is below a service.
    """
    below = ("svc", *labels(domain))
    names = [name for name in _whole(host, scope.namespace, domain) if name[-len(below) :] == below]
    if is_address(host) or not names:
        return ()
    meant = next((name for name in names if _in_dns(parts, ".".join(name) + ".")), names[0])
    known = InForce.of(parts.registry, parts.catalogue)
    zones = [Zone.of_cluster(domain, known), Zone.of_cluster_set(known)]
    said = [_answer("serve --dns", Names(zones, known, Scope()), meant)]
    if scope.namespace and len(meant) == len(below) + 2:
        said.append(_answer("dns-agent", Names(zones, known, scope), meant))
    return tuple(said)


def _whole(host: str, namespace: str, domain: str) -> list[Labels]:
    """The whole names that a host may be short for."""
    if namespace:
        return [labels(name) for name in searched(host, namespace, domain)]
    return [labels(host), labels(f"{host}.svc.{domain}"), labels(f"{host}.{domain}")]


def _answer(resolver: str, names: Names, name: Labels) -> views.DnsAnswer:
    found = [names.answer(Question(name, type)) or Answer(Rcode.REFUSED) for type in (Type.A, Type.AAAA)]
    records = tuple(dict.fromkeys(record for each in found for record in _records(each)))
    code = found[0].rcode.name if records or found[0].rcode else "NODATA"
    return views.DnsAnswer(resolver, ".".join(name) + ".", code, records)


def _records(answer: Answer) -> Iterator[str]:
    for record in answer.records:
        match record.data:
            case Address(packed):
                yield str(ipaddress.ip_address(packed))
            case Name(_, target):
                yield ".".join(target) + "."
            case _:
                pass


def is_address(host: str) -> bool:
    """Whether a host is an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
