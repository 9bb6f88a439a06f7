"""How the processes of a control plane handle signals before an event loop does."""

from __future__ import annotations

import os
import signal

STOPPING = (signal.SIGTERM, signal.SIGINT)
#: A parent passes these on to its workers.
PASSED_ON = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
HEEDED = (*STOPPING, *PASSED_ON)


def until_the_loop_heeds_them() -> None:
    """Default handling of signals until the event loop handles them. Nothing has started that needs care."""
    for number in STOPPING:
        signal.signal(number, lambda *_: os._exit(0))
    for number in PASSED_ON:
        signal.signal(number, signal.SIG_IGN)
