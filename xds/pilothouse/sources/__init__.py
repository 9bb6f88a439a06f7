"""Where services come from: one module a backend. A source knows only its backend and its sink."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol

from pilothouse.kubernetes.served import WHOLE, ServedCluster
from pilothouse.model.reasons import Reason
from pilothouse.model.services import Service, ServiceName
from pilothouse.structures.sections import Section

#: How long a massive loss that nobody stated is held, in seconds, unless the operator says otherwise.
HOLD_S = 120.0


class Unknown(NamedTuple):
    """Places that cannot be read and of which nothing good is known.

    `services` are those of which a part is declared there, so that they may have more than is known.
    """

    places: tuple[str, ...] = ()
    services: frozenset[ServiceName] = frozenset()


NOTHING = Unknown()


class Cause(NamedTuple):
    """What in a backend a report is about: where that is said, and when the source heard of it.

    `place` is a text for people: `file:line`, `kind namespace/name@resourceVersion` or `key@revision`.
    `since` is in seconds of the monotonic clock; None is the moment of the report.
    """

    place: str = ""
    since: float | None = None


UNSTATED = Cause()


class Misconfigured(Exception):
    """A mistake of whoever configured a source: the setting, and what is wrong with it."""

    def __init__(self, setting: str, mistake: str) -> None:
        self.setting, self.mistake = setting, mistake
        super().__init__(f"{setting}: {mistake}")


@dataclass(frozen=True, slots=True)
class Common:
    """What an operator says to all sources, beside the section of the settings that each of them owns.

    `state` is where each has a folder for what the next process has to know, None if nothing is to be kept;
    it is `wanted` if an operator asked for this one. With `accept_missing` what cannot be read counts as
    absent; a massive loss that nobody stated is held for `hold_s` seconds.
    """

    served: ServedCluster = WHOLE
    accept_missing: bool = False
    hold_s: float = HOLD_S
    state: Path | None = None
    wanted: bool = False


class Sink(Protocol):
    """Where a source reports. Synchronous, so that no source is cancelled in mid-report."""

    def restore(self, services: Iterable[Service]) -> None:
        """Hand over what was in force when the process last ended. It is served until the first report."""

    def replace(self, services: Iterable[Service], suspect: bool = False, cause: Cause = UNSTATED) -> None:
        """Report everything: what is not in it is gone, as far as the guard believes that.

        A report is suspect if what it lacks went with its place, such as a folder. The first call means
        "synced".
        """

    def put(self, service: Service, cause: Cause = UNSTATED) -> None:
        """Report one service as it is now."""

    def remove(self, name: ServiceName, cause: Cause = UNSTATED) -> None:
        """Report that one service is gone; naming one that was never reported does nothing."""

    def together(self) -> AbstractContextManager[None]:
        """What is reported within comes into force together, at the end, as one revision."""

    def unknown(self, unknown: Unknown) -> None:
        """Report what cannot be read while nothing good of it is known; NOTHING, when all is known.

        Until then nobody is told that something is absent which may be declared there.
        """


class Standing(Enum):
    """What is in force in place of something that cannot be read. The value is a text for people."""

    LAST_GOOD = "keeping its last valid version"
    ABSENT = "it counts as absent"
    STATED = "the message says what is in force"
    UNKNOWN = "nothing good of it is known"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in a backend that could not be read, and what stands in its place.

    `place` is a text for people, as that of a `Cause`; `field` is a path such as `spec.ports[0].port`, empty
    where the whole is at fault. A `warning` refuses nothing: its message says what is in force. `code` is
    that of a reason to leave something out, if there is one. `parts` are the place for programs, in the
    source's own terms, such as a file and a line.
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
        """Report to the sink until cancelled. Raise on failure: only `supervise` retries."""

    def reread(self) -> None:
        """Read everything anew, and soon, also what seems unchanged: an operator asks for it."""

    @property
    def faults(self) -> Sequence[Fault]:
        """What of the backend cannot be read right now, for people to mend."""

    @property
    def left_out(self) -> Mapping[Reason, int]:
        """How much of the backend plays no part in routing, by reason."""


class SourceSettings(Section):
    """What an operator sets about one source: the section that its package brings.

    There is such a source if the setting that is named by `asked_by` is set to something.
    """

    asked_by: ClassVar[str]

    @property
    def asked(self) -> bool:
        return bool(getattr(self, self.asked_by))

    def source(self, common: Common) -> Source:
        """The source. Raises Misconfigured.

        What only a running source needs is imported here: most commands read settings and run nothing.
        """
        raise NotImplementedError
