"""IP addresses and host names: their canonical form, and which of them a sidecar may call."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

#: The DNS domain of the services of a cluster set (KEP-1645).
CLUSTER_SET = "clusterset.local"

# A fast path: nearly all addresses are ordinary, and parsing takes three times as long as this match.
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_DOTTED = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}", re.ASCII)
_ORDINARY = re.compile(rf"(?!(?:0|127|169|22[4-9]|2[345][0-9])\.){_OCTET}(?:\.{_OCTET}){{3}}", re.ASCII)
_IPV4_LIKE = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20}){3}", re.ASCII)
_BROADCAST = IPv4Address("255.255.255.255")
# Names of the local machine in the hosts files of Linux distributions. RFC 6761 reserves only `localhost`.
_LOCAL = frozenset({"localhost", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback"})


def canonical_address(text: str) -> str:
    """An IP address in canonical form. Any other text is returned unchanged."""
    if _DOTTED.fullmatch(text):
        return text
    try:
        return str(canonical_ip(text))
    except ValueError:
        return text


def packed(address: str) -> bytes:
    """The four or sixteen bytes of an IP address. Empty for a host name."""
    if _DOTTED.fullmatch(address):
        return bytes(map(int, address.split(".")))
    try:
        return ip_address(address).packed
    except ValueError:
        return b""


def is_address(text: str) -> bool:
    """Whether the text is an IP address that means the same on every machine."""
    if _DOTTED.fullmatch(text):
        return True
    try:
        canonical_ip(text)
    except ValueError:
        return False
    return True


def canonical_ip(text: str) -> IPv4Address | IPv6Address:
    """The parsed address. Raises ValueError if not all programs on all machines read the text as the same
    one.

    Some programs read an IPv4-mapped IPv6 address as IPv4, others as IPv6. A scope id has a meaning on one
    machine only.
    """
    address = ip_address(text)
    why = _ambiguity(address)
    if why:
        raise ValueError(f"{text} {why}")
    return address


def ordinary(texts: Iterable[str]) -> bool:
    """Whether all are IPv4 addresses to which nobody objects, as nearly all are."""
    return all(map(_ORDINARY.fullmatch, texts))


@lru_cache(maxsize=1 << 16)  # when a slice changes, most of its addresses stay the same
def objection(text: str, loopback: bool = False) -> str:
    """Why no sidecar can call this IP address or listen on it. Empty if it can, or if the text is no address.

    The rules are those of the API server for endpoints. They also keep clients away from what answers on
    every machine, such as the metadata service of a cloud. `loopback` allows loopback addresses.
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
    """Whether a host name or IP address (lower case) leads out of the sidecar's own machine and network."""
    if host.endswith(".localhost") or host.removesuffix(".localdomain") in _LOCAL:
        return False
    try:
        address = ip_address(host)
    except ValueError:
        return not looks_like_address(host)
    return address.is_global and not address.is_multicast


def looks_like_address(host: str) -> bool:
    """Whether a resolver treats the text as an IP address. Besides 127.0.0.1, that is 127.1 or 0x7f000001."""
    last = host.rpartition(".")[2]
    return last.isdigit() or last.startswith("0x")


def in_cluster_set(host: str) -> bool:
    """Whether a DNS name in lower case is one of a cluster set, whether or not a service has it."""
    return host == CLUSTER_SET or host.endswith(f".{CLUSTER_SET}")
