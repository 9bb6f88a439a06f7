"""The protocol of a Service port: from appProtocol, else from the port's name, else from its number."""

from __future__ import annotations

from pilothouse.model.services import Protocol, Transport

_NAMED = {
    "http": Protocol.HTTP,
    "http2": Protocol.HTTP2,
    "h2c": Protocol.HTTP2,
    "grpc": Protocol.GRPC,
    # gRPC-Web is designed to pass through HTTP/1.1.
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

# The protocol inside of TLS, by the word that names it.
_INSIDE_TLS = {
    "https": Protocol.HTTPS,
    "tls": Protocol.TCP,
    "kubernetes.io/wss": Protocol.HTTP,
}

# SMTP, DNS, MySQL, MongoDB: whatever the port is called, the server speaks first or does not speak HTTP.
_KNOWN_NUMBERS = frozenset({25, 53, 3306, 27017})


def spoken(transport: Transport, app_protocol: str, name: str, number: int) -> Protocol | None:
    """The protocol of a Service port. None if nothing states it. Words are compared in any case."""
    if transport is not Transport.TCP:
        return Protocol.TCP
    word = _word(app_protocol, name)
    stated = _STANDARD.get(word) or _NAMED.get(word)
    return stated or (Protocol.TCP if number in _KNOWN_NUMBERS else None)


def inside_tls(app_protocol: str, name: str) -> Protocol:
    """The protocol inside of TLS, for a Service port that speaks TLS."""
    return _INSIDE_TLS[_word(app_protocol, name)]


def _word(app_protocol: str, name: str) -> str:
    """The word that decides: appProtocol, else the beginning of the name."""
    word = app_protocol.lower()
    # Words with a domain belong to somebody; an unknown one may mean HTTP. Other words are IANA's.
    if word in _STANDARD or (word and "/" not in word):
        prefix = _prefix(word)
        return prefix if prefix in _NAMED else word if word in _STANDARD else "tcp"
    return _prefix(name.lower())


def _prefix(name: str) -> str:
    # The only known word that contains a dash.
    if name == "grpc-web" or name.startswith("grpc-web-"):
        return "grpc-web"
    return name.partition("-")[0]
