"""What services contribute for clients that capture everything at virtual IPs, while there are such clients.

Few fleets have such clients, and nothing takes longer to translate. So it is translated only on demand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple
from weakref import ref

from pilothouse.encoding.resources import Resource
from pilothouse.mesh.audience import Address, Audience, Capture, listening
from pilothouse.mesh.claims import Resolved
from pilothouse.mesh.visibility import Scope
from pilothouse.model.reasons import Omission, Reason
from pilothouse.model.services import Family, ServiceName
from pilothouse.structures.cache import Cache
from pilothouse.translate import (
    NOT_CAPTURED,
    Captured,
    Translated,
    captured,
    egress,
    redirected,
    redirected_egress,
)
from pilothouse.translate.names import EGRESS, listener_at, listens_at

_LIMIT = 256 << 20  # bytes, of the services themselves, whoever captures


class ListenerFacet(NamedTuple):
    """What the listeners of a client depend on, beside what it sees."""

    egress: Address
    capture: Capture
    families: frozenset[Family]
    passes_on: bool


class Capturing:
    """`refuse` is called for services that break a rule here. Their other resources stay in force."""

    def __init__(self, refuse: Callable[[ServiceName, ValueError], None]) -> None:
        self._refuse = refuse
        # By resolved service.
        self._held: ref[Cache[Captured]] = ref(_empty())

    def beside(self, refuse: Callable[[ServiceName, ValueError], None]) -> Capturing:
        """The same for a catalogue beside this one. What is translated already is shared."""
        found = Capturing(refuse)
        found._held = self._held
        return found

    def hold(self) -> Cache[Captured]:
        """The cache, which clients have to hold: it goes away with the last client that does."""
        found = self._held()
        if found is None:
            found = _empty()
            self._held = ref(found)
        return found

    def kept(self) -> list[Cache[Captured]]:
        """The cache, if there is one."""
        held = self._held()
        return [] if held is None else [held]

    def owners(self, capture: Capture) -> tuple[Cache[Captured], ...]:
        """What selections depend on that are made from the cache. Nobody updates them once it is gone."""
        return () if capture is Capture.PROXY else (self.hold(),)

    def of(self, each: Translated, capture: Capture = Capture.VIP) -> Captured:
        """What a service contributes for clients that capture in this way. Nothing if it breaks a rule."""
        try:
            found = self._translated(each)
        except ValueError as violation:
            self._refuse(each.service.name, violation)
            found = NOT_CAPTURED
        if capture is Capture.REDIRECT:
            return self.hold().get(capture, lambda: redirected(each, found), each.resolved)
        return found

    def listeners(
        self, client: ListenerFacet, chains: bytes, called: Iterable[Translated]
    ) -> dict[str, Resource]:
        """The egress listener with these filter chains, and those at virtual IPs of what is called."""
        at, capture = listening(client.egress, client.capture, client.families), client.capture
        if capture is Capture.REDIRECT:
            found = {EGRESS: redirected_egress(at, chains, client.passes_on)}
        else:
            found = {EGRESS: egress(client.egress, chains)}
        for each in called:
            found |= each.listeners
            if capture is not Capture.PROXY:
                found |= self.of(each, capture).listeners
        # Of two listeners at one address, Envoy refuses the second, and the whole update with it.
        for address in at:
            found.pop(listener_at(address.host, address.port), None)
        return found

    def followed(self, each: Translated) -> Captured:
        """As `of`. Nothing if no client captures. The names are the same for all clients that do."""
        return NOT_CAPTURED if self._held() is None else self.of(each)

    def admit(self, each: Translated) -> None:
        """Raise ValueError if the service breaks a rule and some client captures."""
        if self._held() is not None:
            self._translated(each)

    def prepare(self, scope: Scope, capture: Capture, called: Iterable[Translated]) -> Iterator[None]:
        """Translate the services `called` in a scope, with a pause after each."""
        held, key = self.hold(), ("all", capture)
        if held.has(key, scope):
            return
        for each in called:
            self.of(each, capture)
            yield
        held.get(key, lambda: NOT_CAPTURED, scope)

    def _translated(self, each: Translated) -> Captured:
        resolved = each.resolved
        return self.hold().get("captured", lambda: captured(resolved), resolved)


def behind_egress(resolved: Resolved, client: Audience) -> Iterator[Omission]:
    """The listeners that a client lacks since its egress listener has the address."""
    for at in client.listens_at:
        if listens_at(resolved.spec, at.host, at.port, client.capture is not Capture.PROXY):
            yield Omission(Reason.EGRESS_ADDRESS, listener_at(at.host, at.port))


def _empty() -> Cache[Captured]:
    return Cache[Captured](_LIMIT, lambda each: each.size)
