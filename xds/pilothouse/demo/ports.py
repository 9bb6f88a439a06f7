"""Chooses free ports before anybody listens on them, because several processes must know them in advance."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable

from pilothouse.config.settings import ConfigError

# Above the ports of well-known services, below those that the kernel gives to clients.
_RANGE = range(20_000, 32_000)
_TRIES = 500


class Ports:
    """Gives out ports, each once."""

    def __init__(self) -> None:
        self._given: set[int] = set()

    def free(self, addresses: Iterable[str] = ("127.0.0.1",)) -> int:
        """A port that is free at each of these addresses. Raises ConfigError if there is none."""
        wanted = list(addresses)
        reason = "they are all taken"
        for port in random.sample(_RANGE, _TRIES):
            if port in self._given:
                continue
            try:
                for address in wanted:
                    _bind(address, port)
            except OSError as error:
                reason = f"{address}: {error.strerror}"
                continue
            self._given.add(port)
            return port
        raise ConfigError("demo", f"there is no port to listen on at {', '.join(wanted)} ({reason})")


def _bind(address: str, port: int) -> None:
    with socket.socket() as probe:
        # Servers set this, too. Without it, the last connections of an earlier run would block the port for a
        # minute.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address, port))
