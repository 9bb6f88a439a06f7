"""The gRPC server around the discovery services: its address, its credentials, and the settings it needs."""

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
from pilothouse.server.descriptors import for_sidecars
from pilothouse.server.discovery import Discovery
from pilothouse.server.methods import SERVICES

#: In bytes, of a request. In Delta a client that comes back says the names of its load assignments, and again
#: with their versions: 270 + 3 and 270 + 16 + 8 bytes. For 10,000 of them that is 5.7 MB; its node has 61 KB.
LARGEST_REQUEST = 6 << 20
_STREAMS = 256
_DRAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Terms:
    """On which connections are served: encrypted or not, for how many seconds, on a port that is shared."""

    tls: Certificates | None = None
    max_age_s: float = 1800.0
    shared: bool = False


class Unavailable(OSError):
    """The address cannot be listened on."""


@asynccontextmanager
async def serving(discovery: Discovery, address: str, terms: Terms) -> AsyncIterator[int]:
    """Serve while the context is open; gives the port. At its end streams are ended, then the server."""
    server = grpc.aio.server(options=_options(terms))
    server.add_generic_rpc_handlers(discovery.handlers())
    alive = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(alive, server)
    names = ["", *(service.name for service in SERVICES)]
    reflection.enable_server_reflection([*names[1:], health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    port = _listen(server, address, terms.tls)
    await server.start()
    for name in names:
        await alive.set(name, health_pb2.HealthCheckResponse.SERVING)
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
    """gRPC asks at each handshake, on threads of its own, if there is something new."""
    used = certificates.tls

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal used
        if certificates.tls.contents == used.contents:
            return None
        used = certificates.tls
        return _configuration(used)

    required = used.client_ca is not None
    # The types do not know that None means that nothing is new.
    return grpc.dynamic_ssl_server_credentials(_configuration(used), renewed, required)  # type: ignore[arg-type]


def _configuration(tls: Tls) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(tls.key, tls.cert)], tls.client_ca)


def _options(terms: Terms) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", LARGEST_REQUEST),
        ("grpc.max_send_message_length", -1),
        # An Envoy has 1 to 10 streams. What is reset counts until it is forgotten, so that to open and reset
        # without pause (CVE-2023-44487) is refused beyond this as well.
        ("grpc.max_concurrent_streams", _STREAMS),
        ("grpc.http2.max_requests_per_read", 8),
        ("grpc.max_allowed_incoming_connections", for_sidecars()),
        # Who connects and says nothing goes after 120 s: in a herd of 10,000 many wait for more than 20.
        ("grpc.max_connection_idle_ms", 300_000),
        # The defaults refuse a herd: thousands of streams that connect at once were cancelled.
        ("grpc.server.max_pending_requests", 100_000),
        ("grpc.server.max_pending_requests_hard_limit", 200_000),
        # Envoy's connection_keepalive pings more often than gRPC's defence tolerates.
        ("grpc.http2.max_ping_strikes", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", 1000),
        ("grpc.keepalive_permit_without_calls", 1),
        # Half-open connections: without data nothing else would notice a peer that is gone.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.http2.ping_timeout_ms", 5_000),
        # Otherwise every write is followed by a ping that measures bandwidth.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.max_connection_age_ms", int(terms.max_age_s * 1000)),
        ("grpc.max_connection_age_grace_ms", 5_000),
        # Two processes on one port would each hold a part of the fleet without anybody having asked for it,
        # unless they are workers of one.
        ("grpc.so_reuseport", int(terms.shared)),
    ]
