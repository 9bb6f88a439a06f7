from __future__ import annotations

from collections.abc import Callable, Collection

import dns.flags
import dns.message
import dns.rcode
import pytest

from pilothouse.dns import forwarding
from pilothouse.dns.known import Addresses
from pilothouse.dns.names import Names
from pilothouse.dns.responder import Responder
from pilothouse.dns.zone import Pods, Zone
from pilothouse.mesh.visibility import Scope
from pilothouse.model.services import Service, ServiceName


class Estate:
    """Services that can be asked for, and whether they are all there are."""

    def __init__(self) -> None:
        self.services = dict[ServiceName, Service]()
        self.complete = True
        self.serial = 7
        self._addresses = Addresses()

    def put(self, *services: Service) -> None:
        for each in services:
            self.services[each.name] = each
            self._addresses.put(each.name, each)

    def remove(self, name: ServiceName) -> None:
        del self.services[name]
        self._addresses.put(name, None)

    def service(self, name: ServiceName) -> Service | None:
        return self.services.get(name)

    def has_namespace(self, namespace: str, imported: bool) -> bool:
        return any((name.namespace, name.imported) == (namespace, imported) for name in self.services)

    def at(self, address: str) -> Collection[ServiceName]:
        return self._addresses.at(address)


class Asked:
    """Asks a responder as a client does, and reads what it answers with another's code."""

    def __init__(self, estate: Estate, namespace: str = "", pods: Pods = "disabled") -> None:
        zones = [Zone.of_cluster("cluster.local", estate, pods), Zone.of_cluster_set(estate)]
        self.responder = Responder(Names(zones, estate, Scope(namespace=namespace)))

    def message(self, name: str, type: str = "A", *, datagram: bool = True, **more) -> dns.message.Message:
        query = dns.message.make_query(name, type, **more)
        wire = self.responder.respond(query.to_wire(), datagram=datagram)
        assert isinstance(wire, bytes)
        found = dns.message.from_wire(wire)
        assert query.is_response(found)
        return found

    def records(self, name: str, type: str = "A") -> list[str]:
        """The answer's records as text, or one word if there is none: NODATA, or the code."""
        found = self.message(name, type)
        texts = [f"{rrset.name} {rdata.to_text()}" for rrset in found.answer for rdata in rrset]
        if texts:
            return sorted(texts)
        if found.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            assert [rrset.rdtype.name for rrset in found.authority] == ["SOA"]
        return ["NODATA" if found.rcode() == dns.rcode.NOERROR else dns.rcode.to_text(found.rcode())]


@pytest.fixture
def estate() -> Estate:
    return Estate()


@pytest.fixture
def asked(estate: Estate) -> Callable[..., Asked]:
    def ask(namespace: str = "", pods: Pods = "disabled") -> Asked:
        return Asked(estate, namespace, pods)

    return ask


@pytest.fixture
def impatient(monkeypatch) -> None:
    """Nobody waits for long for servers elsewhere."""
    monkeypatch.setattr(forwarding, "_PATIENCE_S", 0.2)
    monkeypatch.setattr(forwarding, "_STALE_AFTER_S", 0.3)
