"""The rules of a kernel that lead an application's TCP connections to its sidecar, as texts for its tools.

They redirect what is begun in a network namespace to the port of the egress listener, at 127.0.0.1 or ::1.
UDP, DNS, the loopback interface, what the sidecar itself begins, and what is excluded they let alone.

If the sidecar answers names, they also lead questions to port 53, over UDP and TCP, to its port for them:
those to name servers on the loopback interface, too.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from pilothouse.model.services import Family

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

#: The chains of ours among those of iptables, and the table of nftables.
CHAIN, DNS_CHAIN, TABLE = "PILOTHOUSE", "PILOTHOUSE_DNS", "pilothouse"
#: The port of name servers.
DNS = 53
# What is redirected over UDP is followed (conntrack) apart from everything else. The sidecar may ask a name
# server from a port from which an application has just asked the same one: its question would be taken for
# one more of the application's, and be led back to it. TCP says itself where a connection begins and ends.
_ZONE = 53
# A name server at such an address is asked from one, and what comes from one gets no answer from ::1.
_LINK_LOCAL = ipaddress.IPv6Network("fe80::/10")


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

    def hold(self, port: int) -> bool:
        return self.first <= port <= self.last

    def written(self, between: str) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first}{between}{self.last}"


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where connections are led: to `port`, except for those of the user `uid`, to these ports or networks.

    Only those of these families: a sidecar listens at ::1 if its node says that it can call IPv6. Questions
    to port 53 are led to `dns_port`, if there is one. If a name server is on this machine, such as that of
    systemd (127.0.0.53) or of Docker (127.0.0.11), let only those be led that stay here (`dns_here`): it asks
    others itself, under a user that nobody knows, and would get its own questions back.
    """

    port: int
    uid: int
    families: tuple[Family, ...] = ("ipv4",)
    ports: tuple[Ports, ...] = ()
    networks: tuple[Network, ...] = ()
    dns_port: int | None = None
    dns_here: bool = False

    @property
    def excluded_ports(self) -> list[Ports]:
        """Each port once, in order; with that of DNS, which is asked by TCP where an answer is long."""
        found: list[Ports] = []
        for ports in sorted((Ports(DNS, DNS), *self.ports)):
            if found and ports.first <= found[-1].last + 1:
                found[-1] = Ports(found[-1].first, max(found[-1].last, ports.last))
            else:
                found.append(ports)
        return found

    def excluded_networks(self, family: Family, *more: Network) -> list[str]:
        """Each address once, in order; with those of `more`."""
        networks = (*self.networks, *more)
        of_ipv4 = [each for each in networks if isinstance(each, ipaddress.IPv4Network)]
        of_ipv6 = [each for each in networks if isinstance(each, ipaddress.IPv6Network)]
        collapse = ipaddress.collapse_addresses
        return [str(each) for each in (collapse(of_ipv6) if family == "ipv6" else collapse(of_ipv4))]


def nftables(redirect: Redirect | None) -> str:
    """What `nft -f -` makes these rules of, or none, whatever is there: all of them at once, or nothing."""
    # To delete a table that is not there would be an error.
    lines = [f"add table inet {TABLE}", f"delete table inet {TABLE}"]
    if redirect is not None:
        lines.append(f"table inet {TABLE} {{")
        for chain, rules in _nftables(redirect):
            lines += [f"    chain {chain} {{", *(f"        {rule}" for rule in rules), "    }"]
        lines.append("}")
    return "\n".join([*lines, ""])


def iptables(redirect: Redirect | None, family: Family, saved: str) -> str:
    """What `iptables-restore --noflush` (of IPv6: `ip6tables-restore`) makes just these rules, or none, of.

    It does all of a table, or nothing. `saved` is what `iptables-save` says is there. Empty if nothing is to
    do.
    """
    if redirect is not None and family not in redirect.families:
        redirect = None
    wanted = [] if redirect is None else [*_iptables(redirect, family)]
    lines: list[str] = []
    for table in dict.fromkeys(chain.table for chain in _CHAINS):
        there = saved.partition(f"*{table}\n")[2].partition("COMMIT")[0].splitlines()
        declared, changed = [], []
        for chain in (each for each in _CHAINS if each.table == table):
            jumps = there.count(f"-A {chain.jump}")
            rules = [rule for of, rule in wanted if of == chain]
            if not rules and not jumps and not any(line.startswith(f":{chain.name} ") for line in there):
                continue
            # A chain that is declared is made, or emptied.
            declared.append(f":{chain.name} - [0:0]")
            changed += [f"-D {chain.jump}"] * jumps
            changed += [f"-A {chain.name} {rule}" for rule in rules] or [f"-X {chain.name}"]
            if rules:
                changed.append(f"-{chain.place} {chain.jump}")
        if declared:
            lines += [f"*{table}", *declared, *changed, "COMMIT"]
    return "\n".join([*lines, ""]) if lines else ""


def _nftables(redirect: Redirect) -> Iterator[tuple[str, list[str]]]:
    """Each chain with its rules."""
    families = [f"meta nfproto != {family} accept" for family in redirect.families]
    if len(families) > 1:
        families = []
    sidecar = f"meta skuid {redirect.uid} accept"

    def networks(*more: Network) -> Iterator[str]:
        for family in redirect.families:
            if excluded := redirect.excluded_networks(family, *more):
                yield f"{'ip6' if family == 'ipv6' else 'ip'} daddr {{ {', '.join(excluded)} }} accept"

    ports = ", ".join(ports.written("-") for ports in redirect.excluded_ports)
    yield (
        "output",
        [
            "type nat hook output priority -100; policy accept;",
            "meta l4proto != tcp accept",
            *families,
            'oifname "lo" accept',
            sidecar,
            f"tcp dport {{ {ports} }} accept",
            *networks(),
            f"meta l4proto tcp redirect to :{redirect.port}",
        ],
    )
    if redirect.dns_port is None:
        return
    elsewhere = ['oifname != "lo" accept'] if redirect.dns_here else []
    alone = [*families, sidecar, *networks(_LINK_LOCAL), *elsewhere]
    # Before the kernel looks which flow a datagram is of; and before Docker redirects to its name server.
    yield (
        "dns_zone",
        [
            "type filter hook output priority -300; policy accept;",
            f'oifname "lo" udp sport {redirect.dns_port} ct zone set {_ZONE} accept',
            *alone,
            f"udp dport {DNS} ct zone set {_ZONE}",
        ],
    )
    yield (
        "dns",
        [
            "type nat hook output priority -101; policy accept;",
            *alone,
            f"meta l4proto {{ tcp, udp }} th dport {DNS} redirect to :{redirect.dns_port}",
        ],
    )


class _Chain(NamedTuple):
    """A chain of ours, and what leads to it: `A`t the end of others' rules, or `I`n front of them."""

    table: str
    name: str
    place: str
    jump: str


_ZONES = _Chain("raw", DNS_CHAIN, "I", f"OUTPUT -p udp -j {DNS_CHAIN}")
# In front of what Docker redirects to its name server.
_QUESTIONS = _Chain("nat", DNS_CHAIN, "I", f"OUTPUT -j {DNS_CHAIN}")
_CONNECTIONS = _Chain("nat", CHAIN, "A", f"OUTPUT -p tcp -j {CHAIN}")
_CHAINS = (_ZONES, _QUESTIONS, _CONNECTIONS)


def _iptables(redirect: Redirect, family: Family) -> Iterator[tuple[_Chain, str]]:
    """Each rule with its chain."""
    sidecar = f"-m owner --uid-owner {redirect.uid} -j RETURN"

    def networks(*more: Network) -> list[str]:
        return [f"-d {network} -j RETURN" for network in redirect.excluded_networks(family, *more)]

    ports = [f"-p tcp --dport {each.written(':')} -j RETURN" for each in redirect.excluded_ports]
    to_sidecar = f"-p tcp -j REDIRECT --to-ports {redirect.port}"
    for rule in ("-o lo -j RETURN", sidecar, *ports, *networks(), to_sidecar):
        yield _CONNECTIONS, rule
    if redirect.dns_port is None:
        return
    alone = [sidecar, *networks(_LINK_LOCAL), *(["! -o lo -j RETURN"] if redirect.dns_here else [])]
    yield _ZONES, f"-o lo -p udp --sport {redirect.dns_port} -j CT --zone {_ZONE}"
    for rule in (*alone, f"-p udp --dport {DNS} -j CT --zone {_ZONE}"):
        yield _ZONES, rule
    asked = [
        f"-p {protocol} --dport {DNS} -j REDIRECT --to-ports {redirect.dns_port}"
        for protocol in ("udp", "tcp")
    ]
    for rule in (*alone, *asked):
        yield _QUESTIONS, rule


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise ValueError(f"{text!r} is no port between 1 and 65535")
    return int(text)
