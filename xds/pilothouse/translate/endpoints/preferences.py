"""The endpoints of a service that a sidecar prefers, by a label."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.mesh.dependencies import Preference
from pilothouse.model.services import State
from pilothouse.translate.endpoints.members import Member


def preferred(members: Sequence[Member], wanted: Preference | None) -> Sequence[Member]:
    """The members with the first value that a ready member has.

    If no ready member has any of the values: all members with `fallback`, else the unready ones with a value.
    """
    if wanted is None:
        return members
    by_value = [_with(wanted.label, value, members) for value in wanted.values]
    ready = next((found for found in by_value if any(_is_ready(member) for member in found)), None)
    return ready or (members if wanted.fallback else next(filter(None, by_value), ()))


def _with(label: str, value: str, members: Sequence[Member]) -> list[Member]:
    return [member for member in members if (label, value) in member[2].labels]


def _is_ready(member: Member) -> bool:
    return member[2].state is State.READY
