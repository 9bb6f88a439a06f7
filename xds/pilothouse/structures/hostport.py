"""An address to listen on or to call, as operators write it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_HOST = re.compile(
    r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?|\[[0-9A-Fa-f.]*(:[0-9A-Fa-f.]*)+(%[A-Za-z0-9]+)?\]|\[[0-9.]+\]"
)


@dataclass(frozen=True, slots=True)
class HostPort:
    """A host name or IP address without brackets, and a port of 0..65535. Port 0 means any free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> HostPort:
        """Parse `host:port` or `[::1]:port`. Raises ValueError.

        Any address may be in brackets: who writes `[$(POD_IP)]:port` need not know of which family it is.

        The host is required: an empty one would mean every interface, and that must be asked for explicitly.
        """
        host, _, port = text.rpartition(":")
        if not (_HOST.fullmatch(host) and port.isascii() and port.isdigit() and int(port) <= 65535):
            raise ValueError(f"{text!r} is not HOST:PORT, such as 127.0.0.1:18000 or [::1]:18000")
        return cls(host.strip("[]"), int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def plus(self, offset: int) -> HostPort:
        """The port with this offset. Port 0 stays 0."""
        return HostPort(self.host, self.port + offset) if self.port else self


def here(host: str) -> str:
    """The address by which this machine reaches a process of its own that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
