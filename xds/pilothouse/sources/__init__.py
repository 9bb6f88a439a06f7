"""The contract between the registry and the sources. A source knows only its backend and its sink."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

from pilothouse.kubernetes.objects.types import Key, Object
from pilothouse.kubernetes.served import WHOLE, ServedCluster
from pilothouse.model.reasons import Reason
from pilothouse.model.services import Service, ServiceName
from pilothouse.structures.sections import Section
from pilothouse.structures.turns import Steps

#: How long to hold a massive loss that only a missing report implies, in seconds. Operators can change it.
HOLD_S = 120.0


class Unknown(NamedTuple):
    """Places that cannot be read, and of which no good version is known.

    `services` are those that are declared there in part. They may have more endpoints than are known.
    """

    places: tuple[str, ...] = ()
    services: frozenset[ServiceName] = frozenset()


NOTHING = Unknown()


class Cause(NamedTuple):
    """What caused a report: the place in the backend, and the time when the source heard of the change.

    `place` is text for users: `file:line`, `kind namespace/name@resourceVersion` or `key@revision`.
    `since` is in seconds of the monotonic clock; None means the moment of the report.
    `places` has the place of each service that is declared elsewhere.
    """

    place: str = ""
    since: float | None = None
    places: Mapping[ServiceName, str] = MappingProxyType({})

    def place_of(self, name: ServiceName) -> str:
        """Where the backend declares this service."""
        return self.places.get(name, self.place)


UNSTATED = Cause()


class Misconfigured(Exception):
    """The settings of a source are wrong. Names the setting and the mistake."""

    def __init__(self, setting: str, mistake: str) -> None:
        self.setting, self.mistake = setting, mistake
        super().__init__(f"{setting}: {mistake}")


@dataclass(frozen=True, slots=True)
class Common:
    """The settings that every source gets, in addition to its own section.

    `state` is the folder in which a source may keep what the next process needs; None if nothing is kept.
    `wanted`: the operator asked for that folder.
    `accept_missing`: whatever cannot be read counts as absent.
    `hold_s` is how long a massive loss is held if it is only implied, in seconds.
    """

    served: ServedCluster = WHOLE
    accept_missing: bool = False
    hold_s: float = HOLD_S
    state: Path | None = None
    wanted: bool = False


class Sink(Protocol):
    """Where a source reports. It is synchronous, so that cancelling a source cannot cut a report in half."""

    def restore(self, services: Iterable[Service]) -> None:
        """Hand over what was in force when the process last ended. It is served until the first report."""

    def replace(self, services: Iterable[Service], suspect: bool = False, cause: Cause = UNSTATED) -> None:
        """Report everything. Services that are not in the report are gone, if the guard believes it.

        The report is suspect if whatever it lacks disappeared together with its place, such as a folder.
        After the first call the source counts as synced.
        """

    def put(self, service: Service, cause: Cause = UNSTATED, observed: bool = False) -> None:
        """Report one service as it is now.

        Whether its endpoints are ready may only be `observed`: if that is so of many at once, the guard
        doubts it. Otherwise somebody has stated it.
        """

    def remove(self, name: ServiceName, cause: Cause = UNSTATED) -> None:
        """Report that one service is gone. Nothing happens if it was never reported."""

    def together(self) -> AbstractContextManager[None]:
        """Reports inside of this block come into force together, when it ends, as one revision."""

    def unknown(self, unknown: Unknown) -> None:
        """Report what cannot be read and has no good version. NOTHING means that everything is known.

        While something is unknown, no client is told that a service is gone which may be declared there.
        """

    def stale(self, why: str) -> None:
        """Report that a part of the backend cannot be followed, and why; the source goes on with the rest.

        What was last reported of it stays in force. An empty text says that all is followed again.
        """


class Standing(Enum):
    """What is in force in place of something that cannot be read. The value is text for users."""

    LAST_GOOD = "keeping its last valid version"
    ABSENT = "it counts as absent"
    STATED = "the message says what is in force"
    UNKNOWN = "no good version is known"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in a backend that cannot be read, and what is in force in its place.

    `place` is text for users, as in a `Cause`.
    `field` is a path such as `spec.ports[0].port`; empty if the whole place is at fault.
    `warning`: nothing is refused, and the message says what is in force.
    `code` is the reason code, if something is left out because of the fault.
    `parts` are the place in the source's own terms, for programs, such as a file and a line.
    """

    place: str
    field: str
    message: str
    standing: Standing = Standing.LAST_GOOD
    warning: bool = False
    code: str = ""
    parts: tuple[tuple[str, str | int], ...] = ()

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, self.field, self.message) if part)


class Source(Protocol):
    """A backend that is read continuously."""

    name: str

    async def run(self, sink: Sink) -> None:
        """Report to the sink until cancelled. Raise on failure, because only `supervise` retries."""

    def reread(self) -> None:
        """Read everything again soon, even what seems unchanged. An operator has asked for it."""

    @property
    def faults(self) -> Sequence[Fault]:
        """What cannot be read in the backend now, for users to repair."""

    @property
    def left_out(self) -> Mapping[Reason, int]:
        """How much of the backend plays no part in routing, by reason."""


@runtime_checkable
class Declaring(Protocol):
    """A source whose services are made of Kubernetes' objects, so that it can say what others would make."""

    def supposing(
        self, put: Sequence[Object], gone: Sequence[Key]
    ) -> Steps[Mapping[ServiceName, Service | None]]:
        """What would become of services if these objects were declared, each in place of the one of the same
        name, and those were gone. None: there would be no such service. Changes nothing.
        """


class SourceSettings(Section):
    """The settings section of one source, which its package brings.

    The source exists if the setting named `asked_by` has a value.
    """

    asked_by: ClassVar[str]

    @property
    def asked(self) -> bool:
        return bool(getattr(self, self.asked_by))

    @property
    def selects(self) -> bool:
        """Whether its backend may have services that are not served."""
        return False

    def source(self, common: Common) -> Source:
        """The source. Raises Misconfigured.

        Imports here what only a running source needs, because most commands only read settings.
        """
        raise NotImplementedError
