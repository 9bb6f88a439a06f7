"""From the connection of a client to the names in the certificate that it presented."""

from __future__ import annotations

from typing import Any

import grpc

from pilothouse.mesh.identity import Certificate

# As gRPC writes addresses; in some versions the brackets of IPv6 are escaped.
_LOCAL = ("ipv4:127.", "ipv6:[::1]:", "ipv6:%5B::1%5D:", "ipv6:[::ffff:127.", "ipv6:%5B::ffff:127.", "unix:")


def presented(context: grpc.aio.ServicerContext[Any, Any]) -> Certificate:
    """Verified by gRPC. Without one there are no names."""
    found = context.auth_context()
    # `x509_subject_alternative_name` does not say of which kind a name is.
    return Certificate(_texts(found.get("peer_uri", ())), _texts(found.get("peer_dns", ())))


def is_local(context: grpc.aio.ServicerContext[Any, Any]) -> bool:
    """Whether a client connects from this machine."""
    return context.peer().startswith(_LOCAL)


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(value.decode(errors="replace") for value in values)
