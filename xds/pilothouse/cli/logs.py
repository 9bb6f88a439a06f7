"""The log of the process and its libraries: one event a line on stderr, for people or for programs."""

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
_CAUSED_BY_CLIENTS = (
    "pilothouse.admin.access",
    "pilothouse.server",
    "pilothouse.webhook.reviewing",
    "grpc",
    "uvicorn",
    "asyncio",
)
# At most this many lines of one kind in this many seconds.
_AT_ONCE, _AT_ONCE_S = 10, 1.0

#: A logger and an event, without the values that are filled in.
_Kind: TypeAlias = tuple[str, str]


def configure(
    form: Literal["auto", "human", "json"],
    stream: TextIO | None = None,
    level: Literal["debug", "info", "warning", "error"] = "info",
    worker: int | None = None,
) -> None:
    """Send log records, `level` and up, to `stream` (default stderr), from structlog and the standard
    library.

    Libraries log nothing below INFO at any level, because their DEBUG is about themselves.
    `auto` is human-readable on a terminal, and one JSON object a line elsewhere. Times are ISO 8601 in UTC.
    `worker` is the number of this process, if there are several workers. Only the entry point of a process
    calls this. All other modules take a logger and do not know its format.
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
    # Silence their lines about each start, stop and changed file. Our own events report the results.
    for library in ("uvicorn", "watchfiles"):
        logging.getLogger(library).setLevel(max(least, logging.WARNING))


def _of_worker(worker: int, _: object, __: str, event: EventDict) -> EventDict:
    return {"worker": worker, **event}


def _tame(_: object, __: str, event: EventDict) -> EventDict:
    """Make values safe to print. A client may have chosen them, at any length."""
    return {key: _shown(value) if isinstance(value, str) else value for key, value in event.items()}


def _shown(text: str) -> str:
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}..."
    return text if text.isprintable() else "".join(map(_character, text))


def _character(one: str) -> str:
    return one if one.isprintable() else one.encode("unicode_escape").decode("ascii")


class _Pace(logging.Filter):
    """Lets some lines of each kind pass in a second, and counts the rest, if clients can cause them."""

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
        """Whether an event loop runs here. Everything that clients do happens on one."""
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
        # Plain tracebacks. The default formatter shows the values of local variables, which may be keys.
        colors = terminal and "NO_COLOR" not in os.environ
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
