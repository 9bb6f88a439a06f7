"""One row of the table: a fault, how it is injected, and what became of the mesh."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .stage import Stage

#: What may stay behind in memory.
_GROWTH, _GROWTH_MB = 1.5, 60.0


@dataclass(frozen=True)
class Injection:
    """A fault. `flags` are those of `pilothouse serve` beside the usual ones.

    With `absent` it is right that services go, since that was asked for; with `again` that resources are sent
    again, since nobody can know what the Envoys have. With `alone` nothing else runs at that time.
    """

    name: str
    what: str
    run: Callable[[Stage], Awaitable[None]]
    flags: tuple[str, ...] = ()
    absent: bool = False
    again: bool = False
    tls: bool = False
    alone: bool = False
    sidecars: int = 2


def injections(*modules: ModuleType) -> list[Injection]:
    """Those of some modules, in the order in which they stand there."""
    return [one for module in modules for one in vars(module).values() if isinstance(one, Injection)]


def injection(
    *flags: str,
    absent: bool = False,
    again: bool = False,
    tls: bool = False,
    alone: bool = False,
    sidecars: int = 2,
) -> Callable[[Callable[[Stage], Awaitable[None]]], Injection]:
    """Make a row of a function: its name is the row's, and its docstring says what is injected."""

    def made(run: Callable[[Stage], Awaitable[None]]) -> Injection:
        what = " ".join((run.__doc__ or "").split())
        return Injection(
            run.__name__.replace("_", "-"), what, run, flags, absent, again, tls, alone, sidecars
        )

    return made


@dataclass
class Outcome:
    """What became of the mesh. `change_s` is the longest that a change took to arrive.

    `first_try` is what was to be complained of at a first try, which may have been the machine's fault.
    """

    name: str
    what: str
    sent: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    again: int = 0
    absences: int = 0
    rejected: int = 0
    before_mb: float = 0.0
    after_mb: float = 0.0
    change_s: float | None = None
    took_s: float = 0.0
    complaints: list[str] = field(default_factory=list)
    first_try: tuple[str, ...] = ()
    traceback: bool = False
    harm: bool = False

    @property
    def ok(self) -> bool:
        return not self.complaints

    @property
    def inconclusive(self) -> bool:
        """Whether something only took too long, or too much memory: that may be the machine's fault."""
        return not (self.ok or self.harm)

    def judge(self, absent: bool = False, again: bool = False) -> None:
        """Complain of what must not be, whatever was injected."""
        harm = {
            f"requests were lost: {self.lost}": bool(self.lost),
            f"{self.again} resources were sent again": self.again and not again,
            f"{self.absences} absences were stated": self.absences and not absent,
            f"Envoys rejected {self.rejected} updates": self.rejected,
            "a traceback in the log": self.traceback,
        }
        found = {
            "nothing was taken away, though that was asked for": absent and not self.absences,
            f"memory went from {self.before_mb:.0f} to {self.after_mb:.0f} MB": self.after_mb > self.room_mb,
        }
        self.harm = any(harm.values())
        self.complaints += [complaint for complaint, happened in {**harm, **found}.items() if happened]

    @property
    def room_mb(self) -> float:
        """How much memory the control plane may have afterwards."""
        return self.before_mb * _GROWTH + _GROWTH_MB
