"""Reads the names in the certificate that a client has presented."""

from __future__ import annotations

from typing import Any

import grpc

from pilothouse.mesh.identity import Certificate

# Addresses as gRPC writes them. Some versions escape the brackets of IPv6.
_LOCAL = ("ipv4:127.", "ipv6:[::1]:", "ipv6:%5B::1%5D:", "ipv6:[::ffff:127.", "ipv6:%5B::ffff:127.", "unix:")


def presented(context: grpc.aio.ServicerContext[Any, Any]) -> Certificate:
    """The names in the certificate, which gRPC has verified. Empty without a certificate."""
    found = context.auth_context()
    # `x509_subject_alternative_name` does not say of which type a name is.
    return Certificate(_texts(found.get("peer_uri", ())), _texts(found.get("peer_dns", ())))


def is_local(context: grpc.aio.ServicerContext[Any, Any]) -> bool:
    """Whether the client connects from this machine."""
    return context.peer().startswith(_LOCAL)


def is_verified(context: grpc.aio.ServicerContext[Any, Any]) -> bool:
    """Whether the client has presented a certificate, which gRPC has verified."""
    return bool(context.auth_context().get("x509_pem_cert"))


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(value.decode(errors="replace") for value in values)
