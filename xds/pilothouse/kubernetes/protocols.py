"""What is spoken on a port of a Service: appProtocol, else the port's name, else its number."""

from __future__ import annotations

from pilothouse.model import Protocol, Transport

_NAMED = {
    "http": Protocol.HTTP,
    "http2": Protocol.HTTP2,
    "h2c": Protocol.HTTP2,
    "grpc": Protocol.GRPC,
    # gRPC-Web is made to pass through HTTP/1.1.
    "grpc-web": Protocol.HTTP,
    "https": Protocol.TLS,
    "tls": Protocol.TLS,
    "tcp": Protocol.TCP,
    "udp": Protocol.TCP,
    "mongo": Protocol.TCP,
    "mysql": Protocol.TCP,
    "redis": Protocol.TCP,
}

# KEP-3726. A WebSocket begins as an HTTP/1.1 request.
_STANDARD = {
    "kubernetes.io/h2c": Protocol.HTTP2,
    "kubernetes.io/ws": Protocol.HTTP,
    "kubernetes.io/wss": Protocol.TLS,
}

# SMTP, DNS, MySQL, MongoDB: the server speaks first, or not in HTTP, whatever the port is called.
_KNOWN_NUMBERS = frozenset({25, 53, 3306, 27017})


def spoken(transport: Transport, app_protocol: str, name: str, number: int) -> Protocol | None:
    """The protocol of a service port; None if nothing says it. Words are compared without regard to case."""
    if transport is not Transport.TCP:
        return Protocol.TCP
    word = app_protocol.lower()
    stated = _STANDARD.get(word) or _NAMED.get(word) or _NAMED.get(_prefix(name.lower()))
    return stated or (Protocol.TCP if number in _KNOWN_NUMBERS else None)


def _prefix(name: str) -> str:
    # The one known word with a dash in it.
    if name == "grpc-web" or name.startswith("grpc-web-"):
        return "grpc-web"
    return name.partition("-")[0]
