"""Addresses: their one canonical form, which of them an API server takes, and which lead out of a network."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

# Nearly all addresses are such, and to parse one takes three times as long.
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_DOTTED = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}", re.ASCII)
_ORDINARY = re.compile(rf"(?!(?:0|127|169|22[4-9]|2[345][0-9])\.){_OCTET}(?:\.{_OCTET}){{3}}", re.ASCII)
_IPV4_LIKE = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20}){3}", re.ASCII)
_BROADCAST = IPv4Address("255.255.255.255")
# What the hosts files of Linux distributions call the own machine, beside what RFC 6761 reserves.
_LOCAL = frozenset({"localhost", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback"})


def canonical_address(text: str) -> str:
    """An IP address in its one canonical form; any other text as it is."""
    if _DOTTED.fullmatch(text):
        return text
    try:
        return str(canonical_ip(text))
    except ValueError:
        return text


def is_address(text: str) -> bool:
    """Whether it is an IP address that means the same on every machine."""
    if _DOTTED.fullmatch(text):
        return True
    try:
        canonical_ip(text)
    except ValueError:
        return False
    return True


def canonical_ip(text: str) -> IPv4Address | IPv6Address:
    """ValueError where the text is no IP address that everybody reads alike, on every machine.

    Some programs read an IPv4-mapped IPv6 address as IPv4, others as IPv6; a scope id is of one machine.
    """
    address = ip_address(text)
    why = _ambiguity(address)
    if why:
        raise ValueError(f"{text} {why}")
    return address


@lru_cache(maxsize=1 << 16)  # a slice that changes has nearly the addresses that it had
def objection(text: str, loopback: bool = False) -> str:
    """Why no sidecar can call, or listen on, an IP address; empty if it can, or if the text is none at all.

    The rules are those of the API server for endpoints, which also keep clients away from what answers on
    every machine, such as the metadata service of a cloud. `loopback` lets addresses of that range through.
    """
    if _ORDINARY.fullmatch(text):
        return ""
    try:
        address = ip_address(text)
    except ValueError:
        return "has leading zeros, which some programs read as octal" if _has_leading_zeros(text) else ""
    return _ambiguity(address) or _special(address, loopback)


def _ambiguity(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv6Address):
        if address.scope_id:
            return "has a scope id, which is of one machine"
        if address.ipv4_mapped:
            return "is an IPv4 address written as an IPv6 address"
    return ""


def _special(address: IPv4Address | IPv6Address, loopback: bool) -> str:
    if address.is_unspecified:
        return "is the unspecified address"
    if address.is_loopback:
        return "" if loopback else "is a loopback address (see --allow-loopback-endpoints)"
    if address.is_link_local:
        return "is a link-local address"
    if address.is_multicast:
        return "is a multicast address"
    return "is the broadcast address" if address == _BROADCAST else ""


def _has_leading_zeros(text: str) -> bool:
    if not _IPV4_LIKE.fullmatch(text):
        return False
    return all(len(part.lstrip("0")) <= 3 and int(part) <= 255 for part in text.split("."))


def is_public(host: str) -> bool:
    """Whether a host name or IP address (lower case) is none of the sidecar's own machine or network."""
    if host.endswith(".localhost") or host.removesuffix(".localdomain") in _LOCAL:
        return False
    try:
        address = ip_address(host)
    except ValueError:
        return not looks_like_address(host)
    return address.is_global and not address.is_multicast


def looks_like_address(host: str) -> bool:
    """Resolvers read 127.1, 2130706433 and 0x7f000001 as addresses, too; no domain has such a last label."""
    last = host.rpartition(".")[2]
    return last.isdigit() or last.startswith("0x")
