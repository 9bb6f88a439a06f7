"""What the control plane has told of services. It stays until the control plane says otherwise. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from pilothouse._pb.pilothouse.names.v1.names_pb2 import Names
from pilothouse.agent.reading import service
from pilothouse.dns.known import Addresses
from pilothouse.model.services import Service, ServiceName


class Learned:
    """The services that names are answered from (see `dns.known`). `domain` is that of the cluster.

    `suffixes` are other endings of short names, such as `.mesh`.
    """

    def __init__(self, domain: str = "cluster.local") -> None:
        self.domain, self.complete = domain, False
        self.serial = 0
        self._services = dict[ServiceName, Service]()
        self._named = dict[str, ServiceName]()  # by resource
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

    def at(self, address: str) -> Collection[ServiceName]:
        return self._addresses.at(address)

    def learn(self, resource: str, content: bytes) -> None:
        """Take note of a resource. Raises ValueError if it says nothing that can be used."""
        message = Names.FromString(content)
        if message.HasField("zone"):
            self.domain, self.complete = message.zone.domain, message.zone.complete
            return
        self._put(resource, service(message.service))

    def forget(self, resource: str) -> None:
        """Take note that the control plane has no such resource for this client."""
        self._put(resource, None)

    def _put(self, resource: str, told: Service | None) -> None:
        self.serial = (self.serial + 1) & 0xFFFF_FFFF
        name = told.name if told else self._named.pop(resource, None)
        if name is None:
            return
        before = self._services.pop(name, None)
        for known, change in ((before, -1), (told, 1)):
            if known is not None:
                self._count(known, change)
        if told is not None:
            self._named[resource], self._services[name] = name, told
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
