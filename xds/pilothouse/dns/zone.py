"""The records of services: the DNS schema of Kubernetes (DNSSPEC 1.1.0) and of cluster sets (KEP-1645).

Where the schema is silent, answers are those of CoreDNS, because clients rely on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal, NamedTuple, TypeAlias

from pilothouse.dns.answers import Answer, Question
from pilothouse.dns.known import Known
from pilothouse.dns.records import Address, Authority, Labels, Name, Rcode, Record, Srv, Text, Type, labels
from pilothouse.mesh.visibility import Scope, Visibility
from pilothouse.model.addresses import CLUSTER_SET, packed
from pilothouse.model.services import Endpoint, Service, ServiceName, Transport

#: Seconds, as in CoreDNS. Positive answers and negative ones.
TTL = 5
#: The version of the schema is part of the schema, and so is its time to live.
_VERSION, _VERSION_TTL = b"1.1.0", 28_800
_LONGEST_CHAIN = 10

#: Whether a name that spells an address of a Pod exists: never, always, or if an endpoint has the address.
Pods: TypeAlias = Literal["disabled", "insecure", "verified"]


class _Place(NamedTuple):
    """An address behind a name, with the port of one SRV record and the name that it leads to."""

    address: bytes
    port: int
    target: Labels


class _Absent(Exception):
    """The name does not exist."""


@dataclass(frozen=True, slots=True)
class Zone:
    """Everything below a domain, for example `cluster.local`. `imported`: it is that of a cluster set."""

    domain: Labels
    known: Known
    pods: Pods = "disabled"
    imported: bool = False

    @classmethod
    def of_cluster(cls, domain: str, known: Known, pods: Pods = "disabled") -> Zone:
        return cls(labels(domain), known, pods)

    @classmethod
    def of_cluster_set(cls, known: Known) -> Zone:
        return cls(labels(CLUSTER_SET), known, imported=True)

    def has(self, name: Labels) -> bool:
        """Whether a name is the domain or below it."""
        return name[-len(self.domain) :] == self.domain

    def answer(self, question: Question, scope: Scope) -> Answer:
        """The answer to a question about a name of this zone, for a client of a scope."""
        try:
            return self._found(question, scope, ())
        except _Absent:
            return self._absent()

    def _absent(self) -> Answer:
        """That a name does not exist, or that nobody knows yet whether it does."""
        return self._negative(Rcode.NXDOMAIN if self.known.complete else Rcode.SERVFAIL)

    def _found(self, question: Question, scope: Scope, chain: tuple[Record, ...]) -> Answer:
        """Raises _Absent. `chain` are the aliases that have led here."""
        below = question.name[: -len(self.domain)]
        match below:
            case ():
                return self._apex(question)
            case ("dns-version",):
                return self._version(question)
            case ("svc" | "pod",):
                return self._negative()
            case (*_, namespace, "svc" | "pod") if not self.known.has_namespace(namespace, self.imported):
                raise _Absent
            case (_, "svc" | "pod"):
                return self._negative()
            case (text, namespace, "pod"):
                return self._pod(question, text, namespace)
            case (*prefix, name, namespace, "svc"):
                service = self._service(ServiceName(namespace, name, self.imported), scope)
                return self._of_service(question, service, tuple(prefix), scope, chain)
            case _:
                raise _Absent

    def _apex(self, question: Question) -> Answer:
        match question.type:
            case Type.SOA:
                return Answer(records=(self._authority,))
            case Type.NS:
                return Answer(records=(Record(self.domain, TTL, Name(Type.NS, self._server)),))
            case _:
                return self._negative()

    def _version(self, question: Question) -> Answer:
        if question.type != Type.TXT:
            return self._negative()
        return Answer(records=(Record(question.name, _VERSION_TTL, Text(_VERSION)),))

    def _service(self, name: ServiceName, scope: Scope) -> Service:
        """Raises _Absent, also for what the client may not know of."""
        found = self.known.service(name)
        if found is None or not self._owns(found) or not scope.may_see(Visibility.of(found.spec)):
            raise _Absent
        return found

    def _owns(self, service: Service) -> bool:
        """Whether a service's names are of this zone. Clusters can have different domains."""
        return self.imported or service.spec.cluster_domain.lower() == ".".join(self.domain)

    def _pod(self, question: Question, text: str, namespace: str) -> Answer:
        address = _spelled(text)
        if self.pods == "disabled" or self.imported or not address:
            raise _Absent
        if self.pods == "verified" and not self._runs(str(ip_address(address)), namespace):
            raise _Absent
        return self._addresses(question, [address], ())

    def _runs(self, address: str, namespace: str) -> bool:
        return any(
            service.name.namespace == namespace and address not in service.spec.vips
            for service in self._at(address)
        )

    def _at(self, address: str) -> Iterator[Service]:
        """The services of the zone's kind with this virtual IP or endpoint, in order."""
        for name in sorted(self.known.at(address)):
            service = self.known.service(name) if name.imported == self.imported else None
            if service is not None:
                yield service

    def _of_service(
        self,
        question: Question,
        service: Service,
        prefix: Labels,
        scope: Scope,
        chain: tuple[Record, ...],
    ) -> Answer:
        if service.spec.external_name and not service.spec.vips:
            if prefix:
                raise _Absent
            return self._alias(question, service, scope, chain)
        places = self._places(service, prefix)
        if question.type == Type.SRV:
            return self._srv(question, service, places)
        return self._addresses(question, (place.address for place in places), (service,))

    def _alias(self, question: Question, service: Service, scope: Scope, chain: tuple[Record, ...]) -> Answer:
        """An ExternalName, and what its target has if that is a name of this zone."""
        target = labels(service.spec.external_name)
        record = Record(question.name, TTL, Name(Type.CNAME, target))
        chain = (*chain, record)
        if question.type == Type.CNAME or len(chain) > _LONGEST_CHAIN:
            return Answer(records=(record,), of=(service,))
        if not self.has(target):
            return Answer(records=(record,), elsewhere=target, of=(service,))
        if any(each.owner == target for each in chain):
            return Answer(records=(record,))
        try:
            found = self._found(Question(target, question.type), scope, chain)
        except _Absent:
            absent = self._absent()
            return Answer(absent.rcode, (record,), absent.authority)
        of = (service, *found.of) if found.of else ()
        records = (record, *found.records)
        return Answer(found.rcode, records, found.authority, found.additional, found.elsewhere, of)

    def _places(self, service: Service, prefix: Labels) -> list[_Place]:
        """The addresses behind the service's name with these labels before it. Raises _Absent."""
        match prefix:
            case () if not service.spec.headless:
                return self._virtual(service)
            case (*zone, "pin" | "prefer" as directive, "_zone") if zone and service.spec.headless:
                return self._in_zone(service, ".".join(zone), prefer=directive == "prefer")
        found = self._behind(service, service.endpoints) if not prefix else self._below(service, prefix)
        if not found and not self._between(service, prefix):
            raise _Absent
        return found

    def _below(self, service: Service, prefix: Labels) -> list[_Place]:
        match prefix:
            case (port, protocol) if port.startswith("_") and protocol.startswith("_"):
                return self._at_port(service, port[1:], protocol[1:])
            case _:
                named = [each for each in service.endpoints if self._label(each) == prefix]
                return self._behind(service, named)

    def _virtual(self, service: Service, port: str | None = None, transport: str = "") -> list[_Place]:
        target = self._name(service)
        return [
            _Place(address, each.number, target)
            for each in service.spec.ports
            if port is None or (each.name.lower() == port and each.transport.value.lower() == transport)
            for address in map(packed, service.spec.vips)
            if address
        ]

    def _at_port(self, service: Service, port: str, transport: str) -> list[_Place]:
        if not port:
            return []
        if not service.spec.headless:
            return self._virtual(service, port, transport)
        return self._behind(service, service.endpoints, port, transport)

    def _in_zone(self, service: Service, zone: str, prefer: bool) -> list[_Place]:
        near = [each for each in service.endpoints if each.locality.zone.lower() == zone]
        found = self._behind(service, near)
        return found or (self._behind(service, service.endpoints) if prefer else [])

    def _behind(
        self, service: Service, endpoints: Iterable[Endpoint], port: str | None = None, transport: str = ""
    ) -> list[_Place]:
        """The ready endpoints, each as often as it has such a port. Without a port: once at least."""
        name, found = self._name(service), list[_Place]()
        for each in endpoints:
            address = packed(each.address)
            if not (address and each.in_service):
                continue
            target = (*self._label(each), *name)
            numbers = list(_ports(service, each, port, transport))
            found += [_Place(address, number, target) for number in numbers]
            if not numbers and port is None:
                found.append(_Place(address, 0, target))
        return found

    def _between(self, service: Service, prefix: Labels) -> bool:
        """Whether a name has no records, but names below it have some. It exists, then (RFC 8020)."""
        match prefix:
            case ("_zone",) | ("pin" | "prefer", "_zone"):
                return service.spec.headless
            case (label,):
                return label in self._before(service)
            case _:
                return False

    def _before(self, service: Service) -> Iterator[str]:
        """The labels before a service's name that have names below only: protocols and clusters."""
        yield from (f"_{each.transport.value.lower()}" for each in service.spec.ports if each.name)
        ready = (each for each in service.endpoints if each.in_service)
        yield from (label[1] for label in map(self._label, ready) if len(label) == 2)

    def _label(self, endpoint: Endpoint) -> Labels:
        """The labels of an endpoint before its service's name: in a cluster set, also that of its cluster.

        If its cluster is not known, it has none: two clusters may have endpoints of the same host name.
        """
        if not self.imported:
            return (_hostname(endpoint),)
        return (_hostname(endpoint), endpoint.cluster) if endpoint.cluster else ()

    def _name(self, service: Service) -> Labels:
        return (service.name.name.lower(), service.name.namespace, "svc", *self.domain)

    def _addresses(self, question: Question, found: Iterable[bytes], of: tuple[Service, ...]) -> Answer:
        wanted = [Address(each) for each in dict.fromkeys(found)]
        records = tuple(Record(question.name, TTL, each) for each in wanted if each.type == question.type)
        return Answer(records=records, of=of) if records else self._negative(of=of)

    def _srv(self, question: Question, service: Service, places: list[_Place]) -> Answer:
        """One record for each target and port; their addresses are additional."""
        usable = [place for place in places if place.port]
        weight = max(1, 100 // len(places)) if places else 0
        srv = dict.fromkeys(Srv(0, weight, place.port, place.target) for place in usable)
        addresses = dict.fromkeys((place.target, Address(place.address)) for place in usable)
        records = tuple(Record(question.name, TTL, each) for each in srv)
        additional = tuple(Record(target, TTL, address) for target, address in addresses)
        if not records:
            return self._negative(of=(service,))
        return Answer(records=records, additional=additional, of=(service,))

    def _negative(self, rcode: Rcode = Rcode.NOERROR, of: tuple[Service, ...] = ()) -> Answer:
        """That there is nothing, and how long that may be remembered (RFC 2308)."""
        if rcode is Rcode.SERVFAIL:
            return Answer(rcode, authoritative=False)
        return Answer(rcode, authority=(self._authority,), of=of)

    @property
    def _server(self) -> Labels:
        """The name of the zone's name server."""
        return ("ns", "dns", *self.domain)

    @property
    def _authority(self) -> Record:
        mailbox = ("hostmaster", *self.domain)
        return Record(self.domain, TTL, Authority(self._server, mailbox, self.known.serial, TTL))

    def named(self, address: str, scope: Scope) -> Iterator[Labels]:
        """The names at an address, for PTR: of the service with this virtual IP, else of its endpoints."""
        services = [
            service
            for service in self._at(address)
            if self._owns(service) and scope.may_see(Visibility.of(service.spec))
        ]
        for service in services:
            if address in service.spec.vips:
                yield self._name(service)
                return
        for service in services if not self.imported else ():
            for each in service.endpoints:
                if each.address == address and each.in_service:
                    yield (_hostname(each), *self._name(service))


def _ports(service: Service, endpoint: Endpoint, port: str | None, transport: str) -> Iterator[int]:
    """The numbers of an endpoint's ports with this name, or of all."""
    declared = {each.name: each for each in service.spec.ports}
    for name, number in endpoint.ports:
        known = declared.get(name)
        over = known.transport if known is not None else Transport.TCP
        if port is not None and (name.lower() != port or over.value.lower() != transport):
            continue
        if number is not None:
            yield number
        elif known is not None:
            yield known.target or known.number


def _hostname(endpoint: Endpoint) -> str:
    """The label of an endpoint before its service's name."""
    if endpoint.hostname:
        return endpoint.hostname.lower()
    return endpoint.address.replace(".", "-").replace(":", "-")


def _spelled(text: str) -> bytes:
    """The address that the label of a Pod spells. Empty if it spells none."""
    dotted = text.count("-") == 3 and "--" not in text
    return packed(text.replace("-", "." if dotted else ":"))
