"""The resources of one type that a client has: those it was sent and still wants."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pilothouse.encoding.resources import Resource, Selection, fingerprint, version


class ReportedVersion(NamedTuple):
    """A version that a reconnecting client says it has. Nothing else is known about its resource."""

    version: str
    fingerprint: int = 0


@dataclass(slots=True)
class Holdings:
    """Resources by name. A resource that is gone from the world is held until the client may be told so."""

    # Shared with other streams, unless it is a dict.
    sent: Mapping[str, Resource | ReportedVersion] = field(default_factory=dict)
    fingerprint: int = 0  # the fingerprint of `sent`
    # Sent names, and when they were found to be gone.
    gone_since: dict[str, float] = field(default_factory=dict)
    # SotW: the version that the client was told last and will report when it reconnects. Usually that of
    # `sent`.
    version: str = ""

    def miss(self, name: str, now: float) -> None:
        """Note that the resource which was sent under this name is gone."""
        self.gone_since.setdefault(name, now)

    def find(self, name: str) -> None:
        """Note that a resource of this name exists."""
        self.gone_since.pop(name, None)

    def add(self, resources: Iterable[Resource]) -> None:
        """Note that these resources were sent in addition."""
        sent = self._own()
        for resource in resources:
            held = sent.get(resource.name)
            self.fingerprint += resource.fingerprint - (held.fingerprint if held else 0)
            sent[resource.name] = resource

    def restate(self, stated: Selection, gone: Iterable[str] = ()) -> Collection[Resource]:
        """Note that `stated` replaces what was sent, and that the names in `gone` are taken away.

        Returns the other resources that are gone. They stay held, so a full-state response has to repeat
        them.
        """
        for name in gone:
            del self.gone_since[name]
        kept = {name: r for name in self.gone_since if isinstance(r := self.sent[name], Resource)}
        self.sent = {**stated.resources, **kept} if kept else stated.resources
        self.fingerprint = stated.fingerprint + fingerprint(kept.values())
        return kept.values()

    def believe(self, versions: Mapping[str, str]) -> None:
        """Note that the client says it has these versions, by name."""
        self.sent = {name: ReportedVersion(version) for name, version in versions.items()}

    def tell(self) -> str:
        """Return the version of what is held, and note that the client is told it."""
        self.version = version(self.fingerprint)
        return self.version

    def forget(self, names: Iterable[str]) -> None:
        """Treat these names as never sent, so that they are sent when they are wanted."""
        known = (self.sent.keys() | self.gone_since.keys()).intersection(names)
        sent = self._own() if known else {}
        for name in known:
            held = sent.pop(name, None)
            self.fingerprint -= held.fingerprint if held else 0
            self.gone_since.pop(name, None)

    def _own(self) -> dict[str, Resource | ReportedVersion]:
        if not isinstance(self.sent, dict):
            self.sent = dict(self.sent)
        return self.sent
