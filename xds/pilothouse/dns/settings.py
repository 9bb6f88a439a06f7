"""The settings of the DNS port."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import PlainValidator, model_validator

from pilothouse.dns.records import Labels, labels
from pilothouse.structures.hostport import HostPort
from pilothouse.structures.sections import LISTED, Address, Conflict, Flag, Section
from pilothouse.structures.written import named

_ZONE = re.compile(r"[A-Za-z0-9_]([-A-Za-z0-9_.]*[A-Za-z0-9_])?\.?")


class Upstream(NamedTuple):
    """A name server that is asked for the names of a zone. The root's is that of all names."""

    zone: Labels
    at: HostPort


def upstream(value: object) -> Upstream:
    """A name server as people write it. Raises ValueError."""
    if isinstance(value, Upstream):
        return value
    text = named(value)
    zone, _, at = text.rpartition("=")
    try:
        found = HostPort.parse(at)
    except ValueError:
        found = None
    if found is None or not found.port or (zone and not _ZONE.fullmatch(zone)):
        raise ValueError(
            f"{text!r} is not [ZONE=]HOST:PORT, such as 10.0.0.2:53 or corp.example=10.1.0.53:53"
        )
    return Upstream(labels(zone), found)


def by_zone(upstreams: Iterable[Upstream]) -> dict[Labels, list[HostPort]]:
    """The servers of each zone, in the order in which they are asked."""
    found = dict[Labels, list[HostPort]]()
    for each in upstreams:
        found.setdefault(each.zone, []).append(each.at)
    return found


def leads_to(at: HostPort, listening: HostPort) -> bool:
    """Whether a name server is the one that listens here, as far as that can be told from its address."""
    everywhere = listening.host in ("0.0.0.0", "::") and at.host in ("127.0.0.1", "::1", "localhost")
    return at.port == listening.port and (at.host == listening.host or everywhere)


class DnsSettings(Section):
    """Without `dns`, no names are answered. `dns_pods`: which names such as 10-1-7-9.shop.pod exist.

    `dns_forward` are the servers that are asked for other names, in this order, each for a zone or for all.
    """

    dns: Annotated[
        Address | None, Flag("DNS listen address, over UDP and TCP.", "HOST:PORT", default="no DNS")
    ] = None
    dns_forward: Annotated[
        tuple[Annotated[Upstream, PlainValidator(upstream)], ...],
        LISTED,
        Flag(
            "Name servers of other names, each HOST:PORT for all or ZONE=HOST:PORT.",
            "LIST",
            default="other names are refused",
        ),
    ] = ()
    dns_pods: Annotated[
        Literal["disabled", "insecure", "verified"],
        Flag(
            "DNS names of Pods' addresses: none, any, or those of known endpoints.",
            "disabled|insecure|verified",
        ),
    ] = "disabled"

    @model_validator(mode="after")
    def _of_use(self) -> Self:
        if self.dns is None:
            for name in ("dns_forward", "dns_pods"):
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise Conflict("is of no use without --dns", name)
        for each in self.dns_forward:
            if self.dns is not None and leads_to(each.at, self.dns):
                raise Conflict(f"{each.at} would ask itself", "dns_forward", "dns")
        return self
