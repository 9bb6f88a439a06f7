"""The gRPC server of the discovery services: its address, its credentials and its options."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from pilothouse.feeds.pem import Tls
from pilothouse.server.certificates import Certificates
from pilothouse.server.client_status import SERVICE as CLIENT_STATUS
from pilothouse.server.descriptors import for_sidecars
from pilothouse.server.discovery import Discovery
from pilothouse.server.methods import SERVICES

#: The largest request, in bytes. A Delta client that reconnects sends the names of its load assignments
#: twice, the second time with their versions: 270 + 3 and 270 + 16 + 8 bytes. For 10,000 of them that is 5.7
#: MB. Its node takes another 61 KB.
LARGEST_REQUEST = 6 << 20
_STREAMS = 256
_DRAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Terms:
    """How to serve connections: with or without TLS, for how many seconds, and on a shared port or not."""

    tls: Certificates | None = None
    max_age_s: float = 1800.0
    shared: bool = False


class Unavailable(OSError):
    """The server cannot listen on the address."""


@asynccontextmanager
async def serving(discovery: Discovery, address: str, terms: Terms) -> AsyncIterator[int]:
    """Serve while the context is open, and yield the port. At the end, streams end before the server."""
    server = grpc.aio.server(options=_options(terms))
    server.add_generic_rpc_handlers(discovery.handlers())
    alive = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(alive, server)
    names = ["", *(service.name for service in SERVICES), CLIENT_STATUS]
    reflection.enable_server_reflection([*names[1:], health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    port = _listen(server, address, terms.tls)
    await server.start()
    for name in names:
        await alive.set(name, health_pb2.HealthCheckResponse.SERVING)
    discovery.listening = True
    try:
        with terms.tls.watched() if terms.tls else nullcontext():
            yield port
    finally:
        await alive.enter_graceful_shutdown()
        discovery.drain()
        await server.stop(_DRAIN_S)


def _listen(server: grpc.aio.Server, address: str, tls: Certificates | None) -> int:
    try:
        if tls is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, _credentials(tls))
    except RuntimeError as error:
        raise Unavailable(f"cannot listen for xDS on {address}: {_reason(address) or error}") from None


def _reason(address: str) -> str:
    """Why nobody can listen there, as the system says it: gRPC says which variable shows more."""
    host, _, port = address.rpartition(":")
    try:
        family, kind, _, _, place = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.bind(place)
    except OSError as error:
        return error.strerror or ""
    return ""


def _credentials(certificates: Certificates) -> grpc.ServerCredentials:
    """gRPC asks at each handshake, on its own threads, whether there are new credentials."""
    used = certificates.tls

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal used
        if certificates.tls.contents == used.contents:
            return None
        used = certificates.tls
        return _configuration(used)

    required = used.client_ca is not None
    # According to the type stubs, the callback cannot return None. It can, and that means "nothing new".
    return grpc.dynamic_ssl_server_credentials(_configuration(used), renewed, required)  # type: ignore[arg-type]


def _configuration(tls: Tls) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(tls.key, tls.cert)], tls.client_ca)


def _options(terms: Terms) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", LARGEST_REQUEST),
        ("grpc.max_send_message_length", -1),
        # An Envoy has 1 to 10 streams. A reset stream counts until gRPC forgets it, so this limit also
        # refuses clients that open and reset streams without pause (CVE-2023-44487).
        ("grpc.max_concurrent_streams", _STREAMS),
        ("grpc.http2.max_requests_per_read", 8),
        ("grpc.max_allowed_incoming_connections", for_sidecars()),
        # A connection without a request is closed after 120 s. In a herd of 10,000, many wait more than 20 s.
        ("grpc.max_connection_idle_ms", 300_000),
        # With the defaults, a herd is refused: thousands of streams that connected at once were cancelled.
        ("grpc.server.max_pending_requests", 100_000),
        ("grpc.server.max_pending_requests_hard_limit", 200_000),
        # Envoy's connection_keepalive pings more often than gRPC allows by default.
        ("grpc.http2.max_ping_strikes", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", 1000),
        ("grpc.keepalive_permit_without_calls", 1),
        # Detects half-open connections. Without data, nothing else would notice that a peer is gone.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.http2.ping_timeout_ms", 5_000),
        # Otherwise, a ping that measures bandwidth follows every write.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.max_connection_age_ms", int(terms.max_age_s * 1000)),
        ("grpc.max_connection_age_grace_ms", 5_000),
        # Two processes on one port would each get a part of the fleet. Nobody wants that unless they are
        # workers of one control plane.
        ("grpc.so_reuseport", int(terms.shared)),
    ]
