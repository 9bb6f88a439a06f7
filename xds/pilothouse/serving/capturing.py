"""What services contribute for clients that capture HTTP at virtual IPs, too, while there are such clients.

Few fleets have such clients, and nothing takes longer to translate. So it is translated only on demand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from weakref import ref

from pilothouse.mesh.audience import Capture
from pilothouse.mesh.visibility import Scope
from pilothouse.model.services import ServiceName
from pilothouse.structures.cache import Cache
from pilothouse.translate import NOT_CAPTURED, Captured, Translated, captured

_LIMIT = 256 << 20  # bytes, of the services themselves, whoever captures


class Capturing:
    """`refuse` is called for services that break a rule here. Their other resources stay in force."""

    def __init__(self, refuse: Callable[[ServiceName, ValueError], None]) -> None:
        self._refuse = refuse
        # By resolved service.
        self._held: ref[Cache[Captured]] = ref(_empty())

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
        return (self.hold(),) if capture is Capture.VIP else ()

    def of(self, each: Translated) -> Captured:
        """What a service contributes. Nothing if it breaks a rule."""
        try:
            return self._translated(each)
        except ValueError as violation:
            self._refuse(each.service.name, violation)
            return NOT_CAPTURED

    def followed(self, each: Translated) -> Captured:
        """As `of`. Nothing if no client captures."""
        return NOT_CAPTURED if self._held() is None else self.of(each)

    def admit(self, each: Translated) -> None:
        """Raise ValueError if the service breaks a rule and some client captures."""
        if self._held() is not None:
            self._translated(each)

    def prepare(self, scope: Scope, called: Iterable[Translated]) -> Iterator[None]:
        """Translate the services `called` in a scope, with a pause after each."""
        held = self.hold()
        if held.has("all", scope):
            return
        for each in called:
            self.of(each)
            yield
        held.get("all", lambda: NOT_CAPTURED, scope)

    def _translated(self, each: Translated) -> Captured:
        resolved = each.resolved
        return self.hold().get("captured", lambda: captured(resolved), resolved)


def _empty() -> Cache[Captured]:
    return Cache[Captured](_LIMIT, lambda each: each.size)
