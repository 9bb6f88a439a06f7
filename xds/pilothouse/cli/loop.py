"""How a command that goes on runs on an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from pilothouse.config.settings import ConfigError


def to_its_end(main: Coroutine[None, None, None], command: str) -> None:
    """Run what a command does. An OSError, alone or out of a task group, is an address that cannot be
    listened on: raises ConfigError.
    """
    refused: BaseExceptionGroup[OSError] | None = None
    try:
        _on_the_fastest_loop(main)
    except* OSError as group:
        refused = group
    if refused:
        error = refused.exceptions[0]
        raise ConfigError(command, getattr(error, "strerror", None) or str(error))


def _on_the_fastest_loop(main: Coroutine[None, None, None]) -> None:
    """uvloop takes a sixth off the cost of a push; it does not exist for Windows."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)
