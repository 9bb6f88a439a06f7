"""What services contribute for clients that take HTTP, too, at virtual IPs, while there are any.

Few fleets have such clients, and it is the most that there is to translate, so it is done for those who ask.
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
    """`refuse` is told of services that break a rule there; the rest of them is in force."""

    def __init__(self, refuse: Callable[[ServiceName, ValueError], None]) -> None:
        self._refuse = refuse
        # By services as they are resolved.
        self._held: ref[Cache[Captured]] = ref(_empty())

    def hold(self) -> Cache[Captured]:
        """All of it; for clients to have, since it goes with the last that does."""
        found = self._held()
        if found is None:
            found = _empty()
            self._held = ref(found)
        return found

    def kept(self) -> list[Cache[Captured]]:
        """What there is of it."""
        held = self._held()
        return [] if held is None else [held]

    def owners(self, capture: Capture) -> tuple[Cache[Captured], ...]:
        """What selections belong to that are made of it: afterwards nobody follows its changes."""
        return (self.hold(),) if capture is Capture.VIP else ()

    def of(self, each: Translated) -> Captured:
        """What a service contributes; nothing if it breaks a rule."""
        try:
            return self._translated(each)
        except ValueError as violation:
            self._refuse(each.service.name, violation)
            return NOT_CAPTURED

    def followed(self, each: Translated) -> Captured:
        """As `of`; nothing if no client would want to know."""
        return NOT_CAPTURED if self._held() is None else self.of(each)

    def admit(self, each: Translated) -> None:
        """Raises ValueError if there is a client that it is for and it breaks a rule."""
        if self._held() is not None:
            self._translated(each)

    def prepare(self, scope: Scope, called: Iterable[Translated]) -> Iterator[None]:
        """Translate what is called in a scope, with a pause after each service."""
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
