"""What a client holds of one type: what it was sent and still wants."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pilothouse.encoding.resources import Resource, Selection, fingerprint, version


class ReportedVersion(NamedTuple):
    """A version that a reconnecting client says it has, of which nothing else is known."""

    version: str
    fingerprint: int = 0


@dataclass(slots=True)
class Holdings:
    """Names and resources. What is gone is held until it may be taken away."""

    # Unless it is a dict it is shared with other streams.
    sent: Mapping[str, Resource | ReportedVersion] = field(default_factory=dict)
    fingerprint: int = 0  # of what was sent and still exists
    gone_since: dict[str, float] = field(default_factory=dict)  # sent, and found gone at this time
    # SotW: the version that the client has, so will come back with. Of what it holds, if all is well.
    version: str = ""

    def miss(self, name: str, now: float) -> None:
        """What was sent under this name is not there any more."""
        self.gone_since.setdefault(name, now)

    def find(self, name: str) -> None:
        """What has this name is there."""
        self.gone_since.pop(name, None)

    def add(self, resources: Iterable[Resource]) -> None:
        """These were sent, too."""
        sent = self._own()
        for resource in resources:
            held = sent.get(resource.name)
            self.fingerprint += resource.fingerprint - (held.fingerprint if held else 0)
            sent[resource.name] = resource

    def restate(self, stated: Selection, gone: Iterable[str] = ()) -> Collection[Resource]:
        """Exactly this was sent, and beside it what is gone without being in `gone`, which is returned."""
        for name in gone:
            del self.gone_since[name]
        kept = {name: r for name in self.gone_since if isinstance(r := self.sent[name], Resource)}
        self.sent = {**stated.resources, **kept} if kept else stated.resources
        self.fingerprint = stated.fingerprint + fingerprint(kept.values())
        return kept.values()

    def believe(self, versions: Mapping[str, str]) -> None:
        """The client says that it has these versions, by name."""
        self.sent = {name: ReportedVersion(version) for name, version in versions.items()}

    def tell(self) -> str:
        """The version of what is held, which the client is told."""
        self.version = version(self.fingerprint)
        return self.version

    def forget(self, names: Iterable[str]) -> None:
        """Treat these as never sent, so that they are sent when they are wanted."""
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
