"""Which EndpointSlices and Endpoints of a Service count, and which of their addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from pilothouse.kubernetes.objects.types import Endpoints, EndpointSlice, Entry, Service
from pilothouse.kubernetes.served import ServedCluster
from pilothouse.model.addresses import objection, ordinary
from pilothouse.model.reasons import Omission, Reason

Backing: TypeAlias = EndpointSlice | Endpoints


def entries(found: Backing) -> list[Entry]:
    return [entry for each in found.slices for entry in each.entries]


def callable_in(served: ServedCluster, found: Backing) -> Backing:
    """A copy without the addresses that no sidecar can call. Each of these is left out with a reason."""
    if isinstance(found, EndpointSlice):
        return _callable(served, found)
    slices = tuple([_callable(served, each) for each in found.slices])
    return found if slices == found.slices else replace(found, slices=slices)


def counted(
    backings: Sequence[Backing], declared: Service
) -> tuple[list[EndpointSlice], tuple[Omission, ...]]:
    """The slices of a Service that count, and what is left out.

    An Endpoints counts as the slices that Kubernetes would mirror it into. If the Service has a selector,
    there are none. If Kubernetes has mirrored it already, the mirrored slices count instead.
    """
    mirrored = any(isinstance(each, EndpointSlice) and each.mirrored for each in backings)
    found: list[EndpointSlice] = []
    left_out: list[Omission] = []
    for each in backings:
        if isinstance(each, Endpoints) and (declared.selects or mirrored):
            why = "its Service has a selector" if declared.selects else "its mirrored EndpointSlices count"
            left_out.append(Omission(Reason.NOT_MIRRORED, str(each.key), why))
            continue
        found += each.slices
        left_out += each.left_out
    left_out += [omission for each in found for omission in each.left_out]
    if any(each.fqdn for each in found) and not all(each.fqdn for each in found):
        left_out += [_beside_addresses(each) for each in found if each.fqdn]
        found = [each for each in found if not each.fqdn]
    return found, tuple(left_out)


def _callable(served: ServedCluster, found: EndpointSlice) -> EndpointSlice:
    if found.fqdn or ordinary([entry.address for entry in found.entries]):
        return found
    loopback = served.allow_loopback
    refused = {entry.address: why for entry in found.entries if (why := objection(entry.address, loopback))}
    if not refused:
        return found
    rest = tuple(entry for entry in found.entries if entry.address not in refused)
    omissions = tuple(Omission(Reason.INVALID_ADDRESS, address, why) for address, why in refused.items())
    return replace(found, entries=rest, left_out=found.left_out + omissions)


def _beside_addresses(found: EndpointSlice) -> Omission:
    return Omission(Reason.UNSUPPORTED_ADDRESSES, str(found.key), "host names beside IP addresses")
