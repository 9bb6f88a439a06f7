"""TLS from a sidecar to endpoints, on behalf of an application that speaks plain text to the sidecar."""

from __future__ import annotations

from pilothouse._pb.envoy.config.core.v3.base_pb2 import TransportSocket
from pilothouse._pb.envoy.extensions.transport_sockets.tls.v3.common_pb2 import SubjectAltNameMatcher
from pilothouse._pb.envoy.extensions.transport_sockets.tls.v3.tls_pb2 import UpstreamTlsContext
from pilothouse.encoding.resources import packed
from pilothouse.model.addresses import is_address


def tls_to(name: str, ca: str) -> TransportSocket:
    """TLS to this host only.

    The sidecar sends the name as SNI, and the certificate has to match name or address.
    """
    by_address = is_address(name)
    context = UpstreamTlsContext(sni="" if by_address else name)
    validation = context.common_tls_context.validation_context
    validation.trusted_ca.filename = ca
    kind = SubjectAltNameMatcher.IP_ADDRESS if by_address else SubjectAltNameMatcher.DNS
    known = validation.match_typed_subject_alt_names.add(san_type=kind)
    known.matcher.exact = name
    return TransportSocket(name="envoy.transport_sockets.tls", typed_config=packed(context))
