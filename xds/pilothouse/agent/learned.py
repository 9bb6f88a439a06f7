"""What the control plane has told of services. It stays until the control plane says otherwise. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from pilothouse._pb.pilothouse.names.v1.names_pb2 import Names
from pilothouse.agent.reading import service
from pilothouse.dns.known import Addresses
from pilothouse.dns.records import labels
from pilothouse.mesh.names import ClusterZone
from pilothouse.model.services import Service, ServiceName


class Learned:
    """The services that names are answered from (see `dns.known`), and the zone of the cluster.

    `complete`: the control plane has once said that these are all services. `suffixes` are other endings of
    short names, such as `.mesh`.
    """

    def __init__(self) -> None:
        self.zone, self.complete = ClusterZone(), False
        self.serial = 0
        self._services = dict[ServiceName, Service]()
        # Which resource tells of which service. Another one may have told of it before.
        self._named = dict[str, ServiceName]()
        self._telling = dict[ServiceName, str]()
        self._namespaces = Counter[tuple[str, bool]]()
        self._suffixes = Counter[str]()
        self._addresses = Addresses()

    def __len__(self) -> int:
        return len(self._services)

    @property
    def suffixes(self) -> Collection[str]:
        return self._suffixes.keys()

    def service(self, name: ServiceName) -> Service | None:
        return self._services.get(name)

    def has_namespace(self, namespace: str, imported: bool) -> bool:
        return (namespace, imported) in self._namespaces

    @property
    def imports(self) -> bool:
        """Whether any service of a cluster set is known."""
        return any(imported for _, imported in self._namespaces)

    def at(self, address: str) -> Collection[ServiceName]:
        return self._addresses.at(address)

    def learn(self, resource: str, content: bytes) -> None:
        """Take note of a resource. Raises ValueError if it says nothing that can be used."""
        message = Names.FromString(content)
        if message.HasField("zone"):
            said = message.zone
            if not labels(said.domain):
                raise ValueError("a zone without a domain")
            self.zone = ClusterZone(
                said.domain, frozenset(said.included), frozenset(said.excluded), said.selected
            )
            # A control plane that has just begun may know less. What it told before still counts.
            self.complete = self.complete or said.complete
            return
        told = service(message.service)
        if self._named.get(resource, told.name) != told.name:
            self.forget(resource)
        self._named[resource], self._telling[told.name] = told.name, resource
        self._put(told.name, told)

    def forget(self, resource: str) -> None:
        """Take note that the control plane has no such resource for this client."""
        name = self._named.pop(resource, None)
        if name is not None and self._telling.get(name) == resource:
            del self._telling[name]
            self._put(name, None)

    def _put(self, name: ServiceName, told: Service | None) -> None:
        self.serial = (self.serial + 1) & 0xFFFF_FFFF
        before = self._services.pop(name, None)
        for known, change in ((before, -1), (told, 1)):
            if known is not None:
                self._count(known, change)
        if told is not None:
            self._services[name] = told
        self._addresses.put(name, told)

    def _count(self, known: Service, change: int) -> None:
        place = known.name.namespace, known.name.imported
        self._namespaces[place] += change
        if not self._namespaces[place]:
            del self._namespaces[place]
        for suffix in known.spec.suffixes:
            self._suffixes[suffix] += change
            if not self._suffixes[suffix]:
                del self._suffixes[suffix]
