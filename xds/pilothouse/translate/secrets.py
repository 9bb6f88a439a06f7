"""Certificates and validation contexts as Envoy's messages (SDS)."""

from __future__ import annotations

from pilothouse._pb.envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from pilothouse.encoding.resources import Resource, checked
from pilothouse.encoding.types import ResourceType


def certificate(name: str, chain: bytes, key: bytes) -> Resource:
    """A certificate chain and its key, in PEM.

    They are sent inline, because a sidecar cannot see our files.
    """
    message = secret_pb2.Secret(name=name)
    message.tls_certificate.certificate_chain.inline_bytes = chain
    message.tls_certificate.private_key.inline_bytes = key
    return Resource(ResourceType.SECRET, name, checked(message))


def validation(name: str, authorities: bytes) -> Resource:
    """The CAs that a sidecar trusts, in PEM."""
    message = secret_pb2.Secret(name=name)
    message.validation_context.trusted_ca.inline_bytes = authorities
    return Resource(ResourceType.SECRET, name, checked(message))
