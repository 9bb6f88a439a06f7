from __future__ import annotations

from dataclasses import replace

import pytest

from pilothouse.kubernetes.join import Cluster
from pilothouse.kubernetes.objects.protocols import spoken
from pilothouse.kubernetes.objects.types import Key
from pilothouse.model.services import Protocol, ServiceName, Transport

from .test_services import manifest

HTTP, HTTP2, GRPC, TLS, TCP = Protocol.HTTP, Protocol.HTTP2, Protocol.GRPC, Protocol.TLS, Protocol.TCP


@pytest.mark.parametrize(
    ("app_protocol", "name", "number", "protocol"),
    [
        # appProtocol wins, whatever the name says.
        ("https", "http-x", 80, TLS),
        ("HTTP", "tcp-x", 80, HTTP),
        ("http", "", 3306, HTTP),
        ("tls", "", 80, TLS),
        ("tcp", "http", 80, TCP),
        ("grpc", "", 80, GRPC),
        ("grpc-web", "", 80, HTTP),
        ("http2", "", 80, HTTP2),
        ("kubernetes.io/h2c", "http", 80, HTTP2),
        ("kubernetes.io/H2C", "http", 80, HTTP2),
        ("kubernetes.io/ws", "tcp", 80, HTTP),
        ("kubernetes.io/wss", "http", 80, TLS),
        ("mysql", "http", 80, TCP),
        ("http-own", "tcp", 80, HTTP),
        # One of IANA that is not known here is not HTTP; somebody's own says nothing.
        ("postgresql", "http-x", 80, TCP),
        ("amqp", "web", 80, TCP),
        ("example.com/own", "grpc-x", 80, GRPC),
        ("example.com/own", "", 80, HTTP),
        # The name, up to its first dash.
        ("", "http", 80, HTTP),
        ("", "HTTP-web", 80, HTTP),
        ("", "http2-x", 80, HTTP2),
        ("", "h2c", 80, HTTP2),
        ("", "grpc", 80, GRPC),
        ("", "gRPC-api", 80, GRPC),
        ("", "grpc-web", 80, HTTP),
        ("", "grpc-web-api", 80, HTTP),
        ("", "grpc-webby", 80, GRPC),
        ("", "https-x", 443, TLS),
        ("", "tls", 443, TLS),
        ("", "tcp-x", 80, TCP),
        ("", "mongo", 80, TCP),
        ("", "redis-x", 80, TCP),
        ("", "mysql", 80, TCP),
        ("", "udp-x", 80, TCP),
        ("", "http", 3306, HTTP),
        # What only begins like a known word is not that word.
        ("", "httptest", 3306, TCP),
        ("", "grpcweb-x", 80, HTTP),
        ("", "tcpish", 80, HTTP),
        # The number, where servers speak first.
        ("", "", 25, TCP),
        ("", "db", 53, TCP),
        ("", "db", 3306, TCP),
        ("", "db", 27017, TCP),
        # Nothing known.
        ("", "", 443, HTTP),
        ("", "admin", 9090, HTTP),
    ],
)
def test_what_is_spoken_on_a_tcp_port(app_protocol, name, number, protocol):
    # Where nothing says it, the namespace does.
    assert (spoken(Transport.TCP, app_protocol, name, number) or HTTP) is protocol


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.SCTP])
def test_another_transport_is_opaque_whatever_its_name(transport):
    assert spoken(transport, "http", "http", 80) is Protocol.TCP


NAMESPACE = (
    "apiVersion: v1\nkind: Namespace\n"
    "metadata: {name: shop, annotations: {pilothouse.dev/default-protocol: %s}}"
)
PORTS = (
    "ports: [{name: a, port: 80}, {name: http, port: 81}, {name: dns, port: 53}, "
    "{name: b, port: 82, protocol: UDP}]"
)


def test_a_namespace_says_what_is_spoken_where_nothing_else_does(parsed) -> None:
    cluster, name = Cluster(), ServiceName("shop", "payments")
    declared = parsed(manifest(PORTS)).object

    def protocols() -> list[Protocol]:
        return [port.protocol for port in cluster.service(name).spec.ports]

    cluster.apply([declared, replace(declared, namespace="data")])
    assert protocols() == [HTTP, HTTP, TCP, TCP]
    for word, wanted in (("tcp", TCP), ("http", HTTP), ("TCP", TCP)):
        assert cluster.apply([parsed(NAMESPACE % word).object]) == {name}
        assert protocols() == [wanted, HTTP, TCP, TCP]
    # It is the same once the port itself says so, and stays when the namespace goes.
    cluster.apply([parsed(manifest(PORTS.replace("{name: a", "{name: a, appProtocol: http"))).object])
    assert protocols() == [HTTP, HTTP, TCP, TCP]
    cluster.apply([declared])
    assert protocols()[0] is TCP
    assert cluster.apply([], [Key("Namespace", "", "shop")]) == {name}
    assert protocols()[0] is HTTP


def test_a_default_that_is_no_protocol_is_named(parsed) -> None:
    found = parsed(NAMESPACE % "udp")
    assert found.object.protocol is HTTP
    place = "metadata.annotations[pilothouse.dev/default-protocol]"
    assert [str(each) for each in found.warnings] == [
        f'{place}: "udp" is neither http nor tcp and is ignored; it is http'
    ]
