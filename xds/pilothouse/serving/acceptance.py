"""Which version of each service is in force: the newest one, or the last good one. Pure.

A new version is accepted only if all of its resources meet the validation rules of Envoy's messages.
Otherwise the service is quarantined: its last good version stays, and other services go on to change. Without
that check, Envoy would reject a whole response for one bad resource. A version that meets the rules and is
refused by clients all the same is quarantined as well.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Set
from copy import copy
from dataclasses import dataclass, replace

from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.claims import Claims
from pilothouse.model.services import Service, ServiceName
from pilothouse.serving.capturing import Capturing
from pilothouse.serving.directory import Directory
from pilothouse.serving.knowledge import Knowledge
from pilothouse.serving.versions import Refused, Versions
from pilothouse.translate import Translated, translate
from pilothouse.translate.names import listener_names
from pilothouse.translate.naming import resource_name


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Why the newest version of a service is not in force, and since when (Unix seconds)."""

    reason: str
    since_s: float


class Accepted:
    """The versions in force, who claims what, and what was not accepted."""

    def __init__(self, claims: Claims) -> None:
        self.directory, self.claims = Directory(), claims
        self.capturing = Capturing(self._quarantine)
        #: Services whose newest version was not accepted, with the reason.
        self.quarantined: dict[ServiceName, Quarantined] = {}
        self._versions = Versions()
        #: Which resources are known to be absent.
        self.knowledge = Knowledge(self.directory, self.quarantined.keys())

    def draft(self) -> Accepted:
        """A copy that becomes the next state. Clients read this one meanwhile."""
        draft = copy(self)
        draft.directory, draft.claims = self.directory.copy(), self.claims.copy()
        draft.quarantined = self.quarantined.copy()
        return draft

    def beside(self) -> Accepted:
        """A copy that goes its own way, to try something in."""
        found = self.draft()
        found.capturing = self.capturing.beside(found._quarantine)
        found._versions = self._versions.copy()
        found.knowledge = Knowledge(found.directory, found.quarantined.keys())
        return found

    def take_over(self, draft: Accepted, started: Set[ServiceName]) -> None:
        """Make the state of a draft this one's. `started`: what was quarantined when the draft was made."""
        self.directory, self.claims = draft.directory, draft.claims
        self.knowledge.directory = self.directory
        # Meanwhile, clients that capture may have quarantined further services here, not in the draft.
        late = {name: why for name, why in self.quarantined.items() if name not in started}
        self.quarantined.clear()
        self.quarantined.update(draft.quarantined | late)

    @property
    def refused(self) -> Mapping[ServiceName, Refused]:
        """The versions that clients refuse, and what is served in their place."""
        return self._versions.refusals

    def remember(self, refused: Refused) -> None:
        """Clients refused this version in an earlier process: it is not served, if it comes again."""
        self._versions.remember(refused)

    def refuse(self, name: ServiceName, reason: str) -> bool:
        """Clients refuse the version in force. Returns whether the one before takes its place."""
        found = self.directory.get(name)
        if found is None or name in self.quarantined:
            return False
        return self._versions.refuse(found.service.spec, reason, time.time())

    def accept(self, name: ServiceName, service: Service | None) -> Set[ServiceName]:
        """Apply the present state of one service. Returns the other services that this touches."""
        old = self.directory.get(name)
        if service is None:
            self.quarantined.pop(name, None)
            self._versions.forget(name)
            if old is not None:
                self._note_removed(old)
            return self._put(old, None)
        refused = self._versions.refused(service.spec)
        if refused is not None:
            return self._put_instead(old, service, refused)
        try:
            new = self._translate(service, old)
        except ValueError as violation:  # it breaks a rule, or a value fits into no message
            self._quarantine(name, violation)
            if old is not None:  # it stays, but without what others have taken from it meanwhile
                self._renew(old, replace(old.service, endpoints=service.endpoints))
            return frozenset()
        self.quarantined.pop(name, None)
        if self.knowledge.begun and (old is None or old.service.spec != service.spec):
            self._versions.replaced(name, old.service.spec if old else None, time.time())
        return self._put(old, new)

    def _put(self, old: Translated | None, new: Translated | None) -> Set[ServiceName]:
        """Put one version of a service in the place of another. Returns the other services touched."""
        before, after = (each.service.spec if each else None for each in (old, new))
        if old or new:
            self.directory.put(old, new)
        if before == after:
            return frozenset()
        released = self.claims.release(before) if before else frozenset[ServiceName]()
        return released | (self.claims.stake(after) if after else frozenset())

    def _put_instead(self, old: Translated | None, service: Service, refused: Refused) -> Set[ServiceName]:
        """Serve the version before the one that clients refuse, with the present endpoints."""
        if service.name not in self.quarantined:
            self.quarantined[service.name] = Quarantined(refused.reason, time.time())
        if refused.instead is None:
            return self._put(old, None)
        try:
            good = self._translate(replace(service, spec=refused.instead), old)
        except ValueError:  # with what others have taken from it meanwhile; nothing better is known
            return frozenset()
        return self._put(old, good)

    def _quarantine(self, name: ServiceName, violation: ValueError) -> None:
        self.quarantined[name] = Quarantined(str(violation), time.time())

    def _note_removed(self, old: Translated) -> None:
        """Note that a source removed a service, and so its resources are gone."""
        at_virtual_ips = listener_names(old.resolved.spec)
        for type, names in (
            (ResourceType.CLUSTER, old.clusters),
            (ResourceType.ENDPOINTS, old.clusters),
            (ResourceType.LISTENER, at_virtual_ips),
            (ResourceType.ROUTES, at_virtual_ips),
            (ResourceType.NAMES, [resource_name(old.service.spec)]),
        ):
            self.knowledge.removed(type, names)

    def _renew(self, old: Translated, service: Service) -> None:
        """Translate the version in force again, with these endpoints. If that breaks a rule, it stays."""
        try:
            self.directory.put(old, self._translate(service, old))
        except ValueError as violation:
            self._quarantine(old.service.name, violation)

    def _translate(self, service: Service, old: Translated | None) -> Translated:
        """Translate a service. Raises ValueError, also for its captured resources if some client captures."""
        new = translate(service, self.claims.resolve(service.spec), old)
        if old is None or old.resolved is not new.resolved:
            self.capturing.admit(new)
        return new
