"""How the processes of a control plane take signals while no event loop does."""

from __future__ import annotations

import os
import signal

STOPPING = (signal.SIGTERM, signal.SIGINT)
#: Of these a parent tells its workers.
PASSED_ON = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
HEEDED = (*STOPPING, *PASSED_ON)


def until_the_loop_heeds_them() -> None:
    """Until then nothing has begun: there is nothing to end with care, and nothing to read again."""
    for number in STOPPING:
        signal.signal(number, lambda *_: os._exit(0))
    for number in PASSED_ON:
        signal.signal(number, signal.SIG_IGN)
