"""Begins to trace changes, if the settings or the standard variables ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

import structlog

from pilothouse.registry.revisions import Revisions
from pilothouse.tracing.following import Tracing
from pilothouse.tracing.settings import collector

log = structlog.get_logger(__name__)


def tracing(revisions: Revisions, said: str | None, environment: Mapping[str, str]) -> Tracing | None:
    """Who traces changes of these revisions; None if nobody asks for that.

    Raises ValueError if the setting cannot be followed. If a variable cannot, that is logged: it may be there
    for other programs.
    """
    found = collector(said, environment)
    if found is None:
        return None
    if found.unusable:
        log.warning("changes are not traced", told_by=found.told_by, reason=found.unusable)
        return None
    # Not at the top: OpenTelemetry may not be installed, and takes its room.
    from pilothouse.tracing.otlp import Otlp, Unusable

    try:
        sender = Otlp(found.endpoint, uuid4().hex)
    except Unusable as why:
        if said is not None:
            raise ValueError(str(why)) from None
        log.warning("changes are not traced", told_by=found.told_by, reason=str(why))
        return None
    revisions.traced = sender.traced
    log.info("changes are traced", collector=found.endpoint, told_by=found.told_by)
    return Tracing(revisions, sender)
