"""The setting of virtual IPs for services that have none."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, PlainValidator

from pilothouse.kubernetes.served import Network, network
from pilothouse.structures.sections import LISTED, Flag, Section
from pilothouse.structures.written import named

_FEWEST = 8  # addresses of a network
# What no sidecar can listen on.
_NEVER = {
    network(text): name
    for name, texts in {
        "unspecified": ("0.0.0.0/8", "::/128"),
        "loopback": ("127.0.0.0/8", "::1/128"),
        "link-local": ("169.254.0.0/16", "fe80::/10"),
        "multicast": ("224.0.0.0/4", "ff00::/8"),
        "broadcast": ("255.255.255.255/32",),
        "IPv4-mapped": ("::ffff:0:0/96",),
    }.items()
    for text in texts
}


def _network(value: object) -> Network:
    found = network(named(value))
    if found.num_addresses < _FEWEST:
        raise ValueError(f"'{found}' has fewer than {_FEWEST} addresses")
    for never, name in _NEVER.items():
        if found.overlaps(never):
            raise ValueError(f"'{found}' has {name} addresses ({never})")
    return found


def _one_of_a_family(networks: tuple[Network, ...]) -> tuple[Network, ...]:
    by_family: dict[int, Network] = {}
    for each in networks:
        other = by_family.setdefault(each.version, each)
        if other is not each:
            raise ValueError(f"'{other}' and '{each}' are both IPv{each.version}; give one network of each")
    return networks


class VirtualIpSettings(Section):
    """`virtual_ips` are the networks of addresses for services that have none, at most one of a family."""

    virtual_ips: Annotated[
        tuple[Annotated[Network, PlainValidator(_network)], ...],
        LISTED,
        AfterValidator(_one_of_a_family),
        Flag(
            "Networks of addresses for services that need one, such as 240.240.0.0/16.",
            "LIST",
            default="no addresses",
        ),
    ] = ()
