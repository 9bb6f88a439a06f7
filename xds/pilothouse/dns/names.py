"""All that is known here: the zones, and the names at addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address

from pilothouse.dns.answers import Answer, Question
from pilothouse.dns.known import Known
from pilothouse.dns.records import Labels, Name, Record, Type
from pilothouse.dns.zone import TTL, Zone
from pilothouse.mesh.visibility import Scope
from pilothouse.model.services import Service, ServiceName

_BY_ADDRESS = ("arpa",)


@dataclass(frozen=True, slots=True)
class Names:
    """Answers what the zones know, to clients of one scope."""

    zones: Sequence[Zone]
    known: Known
    scope: Scope

    def service(self, name: ServiceName) -> Service | None:
        """The service in force of this name."""
        return self.known.service(name)

    def answer(self, question: Question) -> Answer | None:
        """None if the name is not of any zone, nor the address of anything that is known here."""
        zone = self._zone(question.name)
        if zone is None:
            return self._at_address(question) if question.name[-1:] == _BY_ADDRESS else None
        found = zone.answer(question, self.scope)
        # An alias may lead to another of the zones, where it ends: nothing there is an alias.
        other = self._zone(found.elsewhere) if found.elsewhere else None
        if other is None:
            return found
        rest = other.answer(Question(found.elsewhere, question.type), self.scope)
        return replace(rest, records=found.records + rest.records, of=())

    def _zone(self, name: Labels) -> Zone | None:
        return next((zone for zone in self.zones if zone.has(name)), None)

    def _at_address(self, question: Question) -> Answer | None:
        address = reversed_address(question.name)
        if address is None:
            return None
        found = dict.fromkeys(name for zone in self.zones for name in zone.named(address, self.scope))
        if not found:
            return None
        if question.type != Type.PTR:
            return Answer()
        return Answer(records=tuple(Record(question.name, TTL, Name(Type.PTR, name)) for name in found))


def reversed_address(name: Labels) -> str | None:
    """The address that a name below `in-addr.arpa` or `ip6.arpa` spells (RFC 1035, 3.5; RFC 3596, 2.5)."""
    *parts, kind, _ = ("", "", *name)
    parts = parts[2:]
    try:
        if kind == "in-addr" and len(parts) == 4:
            return str(IPv4Address(".".join(reversed(parts))))
        if kind == "ip6" and len(parts) == 32 and all(len(part) == 1 for part in parts):
            return str(IPv6Address(bytes.fromhex("".join(reversed(parts)))))
    except ValueError:
        return None
    return None
