"""Ports for processes that have to be told where to listen. Each worker of pytest-xdist has its own range."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator

# Below those that the demo takes, and below those that the kernel lends to clients and for port 0.
_ALL = range(10_000, 20_000)


def _own() -> range:
    """The share of this worker. Without pytest-xdist there is one worker."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    index = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    share = len(_ALL) // workers
    return _ALL[index * share : (index + 1) * share]


def _rounds() -> Iterator[int]:
    """The ports of this worker, over and over. The start is random, since several checkouts may be tested."""
    own = _own()
    at = random.SystemRandom().randrange(len(own))
    while True:
        yield own[at % len(own)]
        at += 1


_next = _rounds()


def free_port() -> int:
    """A port that nobody has. It is given out again only after all others of this worker."""
    return free_ports(1)


def free_ports(count: int) -> int:
    """The first of so many ports in a row that nobody has."""
    found: list[int] = []
    while len(found) < count:
        port = next(_next)
        if found and port != found[-1] + 1:
            found.clear()
        if _is_free(port):
            found.append(port)
        else:
            found.clear()
    return found[0]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do, or a port would count as taken for a minute after its last connection.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
