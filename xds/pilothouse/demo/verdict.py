"""Whether an act went as it should, judged by what every flow saw. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pilothouse.demo.mesh import CALLERS, Flow
from pilothouse.demo.shares import Shares
from pilothouse.demo.sightings import Watch
from pilothouse.demo.story import Act, Doing

_SIGMAS = 5
"""How far a share may be off: about one honest run in ten thousand is further off by chance."""


@dataclass(frozen=True, slots=True)
class Reconnected:
    """What happened after a restart of the control plane: the sidecars that came back, and what it sent them.

    `asked`: each of them has asked for everything. Before that, "nothing sent" would mean nothing.
    """

    streams: int
    asked: bool
    after_s: float
    responses: int

    @property
    def met(self) -> bool:
        return self.asked and self.streams == len(CALLERS) and not self.responses

    def __str__(self) -> str:
        sent = f"{self.responses} responses" if self.responses else "nothing sent"
        missing = "" if self.asked else ", not all asked for"
        return f"{self.streams} streams after {self.after_s:.1f} s, {sent}{missing}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of an act. `why` names what went wrong; empty if all went well.

    `expected` and `seen` are those of one flow, whose caller is `caller`. If that is empty, they are of all
    flows.
    `per_s` is the rate of requests to the act's service, per second.
    `refused` are the 503s of a service without pods, which are correct.
    `propagation_ms` is the time from saving the manifests to the first request that the new state served, at
    the slowest caller.
    """

    step: int
    title: str
    caller: str
    expected: str
    seen: str
    requests: int
    per_s: float
    refused: int
    failed: int
    propagation_ms: float | None
    why: tuple[str, ...] = ()

    @property
    def met(self) -> bool:
        return not self.why


def verdict(
    act: Act, watches: Mapping[Flow, Watch], ended_s: float, reconnected: Reconnected | None = None
) -> Verdict:
    """Judge an act by all flows. The verdict shows the act's focus, or a flow that went wrong."""
    wrong = {flow: reasons for flow, watch in watches.items() if (reasons := missed(watch))}
    told = act.focus if act.focus in wrong else next(iter(wrong), act.focus)
    why = [f"{flow.caller.name} -> {flow.host}: {reason}" for flow, all in wrong.items() for reason in all]
    refused = sum(watch.refused for watch in watches.values())
    failed = sum(watch.failed.total() for watch in watches.values())
    if reconnected is not None:
        caller, expected, seen = "", f"{len(CALLERS)} streams, nothing sent again", str(reconnected)
        why += [] if reconnected.met else [seen]
    elif act.doing is Doing.KILL:
        caller, expected, seen = "", "no request fails", f"{failed} failed" if failed else "none failed"
    else:
        caller, (expected, seen) = told.caller.name, _shares(told, watches[told])
    about = [watch for flow, watch in watches.items() if flow.host == act.focus.host]
    per_s = sum(watch.sent for watch in about) / (ended_s - about[0].changed_s)
    if per_s < act.least_per_s:
        why.append(f"only {per_s:.0f} requests per second, {act.least_per_s:.0f} are to be borne")
    return Verdict(
        act.step,
        act.title,
        caller,
        expected,
        seen,
        requests=sum(watch.sent for watch in watches.values()),
        per_s=per_s,
        refused=refused,
        failed=failed,
        propagation_ms=_slowest_ms(watches),
        why=tuple(why),
    )


def missed(watch: Watch) -> list[str]:
    """What went wrong with one flow."""
    found = [f"{count} requests ended with {outcome}" for outcome, count in sorted(watch.failed.items())]
    if not watch.shown:
        return [*found, "the change was never seen"]
    requests = watch.seen.total()
    if not requests:
        return [*found, "no requests"]
    for outcome in sorted(watch.after.keys() | watch.seen.keys()):
        share = float(watch.after.get(outcome, 0))
        seen = watch.seen[outcome] / requests
        if abs(seen - share) > tolerance(share, requests):
            found.append(f"{outcome} got {seen:.1%} of {requests} requests, not {share:.1%}")
    return found


def tolerance(share: float, requests: int) -> float:
    """How far a share may be off, given the number of requests. Shares of 0 and 1 must be exact."""
    spread = math.sqrt(share * (1 - share) / requests)
    return _SIGMAS * spread + (2 / requests if spread else 0)


def described(flow: Flow, counts: Mapping[str, int] | Shares) -> str:
    """The shares of the pods in percent. The host's name is cut off the pods' names."""
    total = float(sum(counts.values()))
    return ", ".join(
        f"{name.removeprefix(f'{flow.host}-')} {float(count) / total:.0%}"
        for name, count in sorted(counts.items())
    )


def _shares(flow: Flow, watch: Watch) -> tuple[str, str]:
    return described(flow, watch.after), described(flow, watch.seen) or "nothing"


def _slowest_ms(watches: Mapping[Flow, Watch]) -> float | None:
    return max((watch.took_ms for watch in watches.values() if watch.took_ms is not None), default=None)
