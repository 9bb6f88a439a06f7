"""What resolv.conf says: which name servers there are, and in which domains names are searched."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from pilothouse.dns.records import Labels, labels
from pilothouse.structures.hostport import HostPort

PATH = Path("/etc/resolv.conf")
_PORT = 53
_MOST_SERVERS = 3  # as in the C library


class ResolvConf(NamedTuple):
    """The name servers, and the search domains."""

    servers: tuple[HostPort, ...] = ()
    search: tuple[Labels, ...] = ()

    @classmethod
    def read(cls, path: Path = PATH) -> ResolvConf:
        """Nothing if there is no such file."""
        try:
            return cls.parse(path.read_text(errors="replace"))
        except OSError:
            return cls()

    @classmethod
    def parse(cls, text: str) -> ResolvConf:
        """The last `search` counts, and lines that nobody understands do not (resolv.conf(5))."""
        servers, search = list[HostPort](), tuple[Labels, ...]()
        for line in text.splitlines():
            match line.split():
                case ["nameserver", address, *_] if _is_address(address):
                    servers.append(HostPort(address, _PORT))
                case ["search" | "domain", *domains]:
                    search = tuple(filter(None, map(labels, domains)))
                case _:
                    pass
        return cls(tuple(servers[:_MOST_SERVERS]), search)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
