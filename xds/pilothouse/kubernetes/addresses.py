"""IP addresses in their one canonical form, so that equal addresses are equal texts."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address


def canonical_address(text: str) -> str:
    """An IP address in its one canonical form; any other text as it is."""
    try:
        return str(canonical_ip(text))
    except ValueError:
        return text


def is_address(text: str) -> bool:
    """Whether it is an IP address that means the same on every machine."""
    try:
        canonical_ip(text)
    except ValueError:
        return False
    return True


def canonical_ip(text: str) -> IPv4Address | IPv6Address:
    """ValueError where the text is no IP address that means the same on every machine (no scope id).

    An IPv4-mapped IPv6 address becomes the IPv4 one: Python versions do not agree how to write it.
    """
    address = ip_address(text)
    if getattr(address, "scope_id", None):
        raise ValueError(f"{text} has a scope id")
    return getattr(address, "ipv4_mapped", None) or address
