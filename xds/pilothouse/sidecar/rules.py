"""The rules of a kernel that lead an application's TCP connections to its sidecar, as texts for its tools.

They redirect what is begun in a network namespace to the port of the egress listener, at 127.0.0.1 or ::1.
UDP, DNS, the loopback interface, what the sidecar itself begins, and what is excluded they let alone.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from pilothouse.model.services import Family

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

#: The chain of ours among those of iptables, and the table of nftables.
CHAIN, TABLE = "PILOTHOUSE", "pilothouse"
_DNS = 53
_JUMP = f"OUTPUT -p tcp -j {CHAIN}"


class Ports(NamedTuple):
    """All ports from the first to the last."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> Ports:
        """Of `5432` or `6000-6010`. Raises ValueError."""
        first, dash, last = text.partition("-")
        ports = cls(_port(first), _port(last if dash else first))
        if ports.first > ports.last:
            raise ValueError(f"{text!r} ends before it begins")
        return ports

    def written(self, between: str) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first}{between}{self.last}"


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where connections are led: to `port`, except for those of the user `uid`, to these ports or networks.

    Only those of these families: a sidecar listens at ::1 if its node says that it can call IPv6.
    """

    port: int
    uid: int
    families: tuple[Family, ...] = ("ipv4",)
    ports: tuple[Ports, ...] = ()
    networks: tuple[Network, ...] = ()

    @property
    def excluded_ports(self) -> list[Ports]:
        """Each port once, in order; with that of DNS, which is asked by TCP where an answer is long."""
        found: list[Ports] = []
        for ports in sorted((Ports(_DNS, _DNS), *self.ports)):
            if found and ports.first <= found[-1].last + 1:
                found[-1] = Ports(found[-1].first, max(found[-1].last, ports.last))
            else:
                found.append(ports)
        return found

    def excluded_networks(self, family: Family) -> list[str]:
        """Each address once, in order."""
        of_ipv4 = [each for each in self.networks if isinstance(each, ipaddress.IPv4Network)]
        of_ipv6 = [each for each in self.networks if isinstance(each, ipaddress.IPv6Network)]
        collapse = ipaddress.collapse_addresses
        return [str(each) for each in (collapse(of_ipv6) if family == "ipv6" else collapse(of_ipv4))]


def nftables(redirect: Redirect | None) -> str:
    """What `nft -f -` makes these rules of, or none, whatever is there: all of them at once, or nothing."""
    # To delete a table that is not there would be an error.
    lines = [f"add table inet {TABLE}", f"delete table inet {TABLE}"]
    if redirect is not None:
        rules = [f"        {rule}" for rule in _nftables(redirect)]
        lines += [f"table inet {TABLE} {{", "    chain output {", *rules, "    }", "}"]
    return "\n".join([*lines, ""])


def iptables(redirect: Redirect | None, family: Family, saved: str) -> str:
    """What `iptables-restore --noflush` (of IPv6: `ip6tables-restore`) makes just these rules, or none, of.

    It does all of it, or nothing. `saved` is what `iptables-save` says is there. Empty if nothing is to do.
    """
    if redirect is not None and family not in redirect.families:
        redirect = None
    there = saved.partition("*nat\n")[2].partition("COMMIT")[0].splitlines()
    jumps = there.count(f"-A {_JUMP}")
    if redirect is None and not jumps and not any(line.startswith(f":{CHAIN} ") for line in there):
        return ""
    # A chain that is declared is made, or emptied.
    lines = ["*nat", f":{CHAIN} - [0:0]", *[f"-D {_JUMP}"] * jumps]
    if redirect is None:
        lines.append(f"-X {CHAIN}")
    else:
        lines += [f"-A {CHAIN} {rule}" for rule in _iptables(redirect, family)]
        lines.append(f"-A {_JUMP}")
    return "\n".join([*lines, "COMMIT", ""])


def _nftables(redirect: Redirect) -> Iterator[str]:
    yield "type nat hook output priority -100; policy accept;"
    yield "meta l4proto != tcp accept"
    if len(redirect.families) == 1:
        yield f"meta nfproto != {redirect.families[0]} accept"
    yield 'oifname "lo" accept'
    yield f"meta skuid {redirect.uid} accept"
    yield f"tcp dport {{ {', '.join(ports.written('-') for ports in redirect.excluded_ports)} }} accept"
    for family in redirect.families:
        networks = redirect.excluded_networks(family)
        if networks:
            yield f"{'ip6' if family == 'ipv6' else 'ip'} daddr {{ {', '.join(networks)} }} accept"
    yield f"meta l4proto tcp redirect to :{redirect.port}"


def _iptables(redirect: Redirect, family: Family) -> Iterator[str]:
    yield "-o lo -j RETURN"
    yield f"-m owner --uid-owner {redirect.uid} -j RETURN"
    for ports in redirect.excluded_ports:
        yield f"-p tcp --dport {ports.written(':')} -j RETURN"
    for network in redirect.excluded_networks(family):
        yield f"-d {network} -j RETURN"
    yield f"-p tcp -j REDIRECT --to-ports {redirect.port}"


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise ValueError(f"{text!r} is no port between 1 and 65535")
    return int(text)
