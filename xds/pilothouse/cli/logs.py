"""What the process logs, its libraries included: one event a line on stderr, for people or for programs."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections import Counter
from functools import partial
from typing import Literal, TextIO, TypeAlias

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor

log = structlog.get_logger(__name__)

_LONGEST = 500
_CAUSED_BY_CLIENTS = ("pilothouse.server", "grpc", "uvicorn", "asyncio")
# So many lines about the same in so many seconds.
_AT_ONCE, _AT_ONCE_S = 10, 1.0

#: A logger, and the event: the text without what is filled in.
_Kind: TypeAlias = tuple[str, str]


def configure(
    form: Literal["auto", "human", "json"],
    stream: TextIO | None = None,
    level: Literal["debug", "info", "warning", "error"] = "info",
    worker: int | None = None,
) -> None:
    """Sends records of structlog and of the standard library, `level` and up, to `stream` (default stderr).

    Libraries tell nothing below INFO, whatever the level: their DEBUG is about themselves.
    `auto` is human on a terminal and a JSON object a line elsewhere; times are ISO 8601 in UTC.
    Each says which `worker` of several it is of.
    Only the entry of a process calls this: all else takes a logger and knows nothing of its form.
    """
    stream = stream or sys.stderr
    terminal = stream.isatty()
    human = form == "human" or (form == "auto" and terminal)
    both: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _tame,
        *([] if worker is None else [partial(_of_worker, worker)]),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *both, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(stream)
    handler.addFilter(_Pace())
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[*both, structlog.stdlib.ExtraAdder()],
            processors=[ProcessorFormatter.remove_processors_meta, *_rendering(human, terminal)],
        )
    )
    least = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(handlers=[handler], level=max(least, logging.INFO), force=True)
    logging.getLogger("pilothouse").setLevel(least)
    logging.captureWarnings(True)
    # They tell of every start, stop and changed file, of which we say ourselves what came of it.
    for library in ("uvicorn", "watchfiles"):
        logging.getLogger(library).setLevel(max(least, logging.WARNING))


def _of_worker(worker: int, _: object, __: str, event: EventDict) -> EventDict:
    return {"worker": worker, **event}


def _tame(_: object, __: str, event: EventDict) -> EventDict:
    """Texts as they can be shown: they may be what a client says of itself, of any length."""
    return {key: _shown(value) if isinstance(value, str) else value for key, value in event.items()}


def _shown(text: str) -> str:
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}..."
    return text if text.isprintable() else "".join(map(_character, text))


def _character(one: str) -> str:
    return one if one.isprintable() else one.encode("unicode_escape").decode("ascii")


class _Pace(logging.Filter):
    """Lets through a number of each event a second, of those that clients can cause, and counts the rest."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: Counter[_Kind] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(_CAUSED_BY_CLIENTS):
            return True
        event = record.msg.get("event") if isinstance(record.msg, dict) else record.msg
        kind = (record.name, str(event)[:_LONGEST])
        if kind not in self._seen and not self._watch(kind):
            return True
        self._seen[kind] += 1
        return self._seen[kind] <= _AT_ONCE

    def _watch(self, kind: _Kind) -> bool:
        """Whether there is an event loop, on which all that clients do happens."""
        try:
            asyncio.get_running_loop().call_later(_AT_ONCE_S, self._tell, kind)
        except RuntimeError:
            return False
        return True

    def _tell(self, kind: _Kind) -> None:
        more = self._seen.pop(kind) - _AT_ONCE
        if more > 0:
            log.warning("more of these were suppressed", of=kind[1], count=more)


def _rendering(human: bool, terminal: bool) -> list[Processor]:
    if human:
        # Plain tracebacks: the default formatter shows the values of local variables, keys among them.
        colors = terminal and "NO_COLOR" not in os.environ
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
