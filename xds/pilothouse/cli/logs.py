"""What the process logs, its libraries included: one event a line on stderr, for people or for programs."""

from __future__ import annotations

import logging
import os
import sys
from typing import Literal, TextIO

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import Processor


def configure(form: Literal["auto", "human", "json"], stream: TextIO | None = None) -> None:
    """Sends records of structlog and of the standard library, INFO and up, to `stream` (default stderr).

    `auto` is human on a terminal and a JSON object a line elsewhere; times are ISO 8601 in UTC.
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
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *both, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[*both, structlog.stdlib.ExtraAdder()],
            processors=[ProcessorFormatter.remove_processors_meta, *_rendering(human, terminal)],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.captureWarnings(True)
    # They tell of every start, stop and changed file, of which we say ourselves what came of it.
    for library in ("uvicorn", "watchfiles"):
        logging.getLogger(library).setLevel(logging.WARNING)


def _rendering(human: bool, terminal: bool) -> list[Processor]:
    if human:
        # Plain tracebacks: the default formatter shows the values of local variables, keys among them.
        colors = terminal and "NO_COLOR" not in os.environ
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
