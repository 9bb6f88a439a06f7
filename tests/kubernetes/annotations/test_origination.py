"""Which ports of a Service a sidecar is to speak TLS to, and what becomes of what is said wrongly."""

from __future__ import annotations

import pytest

from pilothouse.model.services import SYSTEM_CA, Port, Protocol, UpstreamTls

from ..objects.test_services import manifest

PORTS = (
    "ports: [{name: https, port: 443}, {name: tls-db, port: 5432}, "
    "{name: chat, port: 8443, appProtocol: kubernetes.io/WSS}, {name: http, port: 80}, "
    "{name: https-udp, port: 443, protocol: UDP}]"
)


def read(parsed, says: str | None, ports: str = PORTS) -> tuple[tuple[Port, ...], list[str]]:
    """The ports, and the warnings."""
    metadata = "name: payments\nnamespace: shop"
    if says is not None:
        metadata += f"\nannotations: {{pilothouse.dev/originate-tls: '{says}'}}"
    found = parsed(manifest(ports, metadata))
    return found.object.ports, [str(warning) for warning in found.warnings]


def test_it_is_the_ports_that_speak_tls_and_what_is_inside_shows(parsed) -> None:
    ports, warnings = read(parsed, "on")
    assert [(port.protocol, port.tls) for port in ports] == [
        (Protocol.HTTPS, UpstreamTls()),
        (Protocol.TCP, UpstreamTls()),
        (Protocol.HTTP, UpstreamTls()),
        (Protocol.HTTP, None),
        (Protocol.TCP, None),
    ]
    assert warnings == []


def test_without_being_asked_tls_is_left_unopened(parsed) -> None:
    ports, warnings = read(parsed, None)
    assert [port.protocol for port in ports[:3]] == [Protocol.TLS] * 3
    assert not any(port.tls for port in ports)
    assert warnings == []


@pytest.mark.parametrize(
    ("says", "tls"),
    [
        ("on", UpstreamTls("", SYSTEM_CA)),
        ("true", UpstreamTls("", SYSTEM_CA)),
        ("server-name=API.example.com.", UpstreamTls("api.example.com")),
        ("on, ca=/etc/own ca.pem", UpstreamTls("", "/etc/own ca.pem")),
        ("ca=/own.pem,server-name=10.0.0.1", UpstreamTls("10.0.0.1", "/own.pem")),
        ("server-name=FD00:0:0::1", UpstreamTls("fd00::1")),
    ],
)
def test_who_is_trusted(parsed, says: str, tls: UpstreamTls) -> None:
    ports, warnings = read(parsed, says)
    assert (ports[0].tls, warnings) == (tls, [])


@pytest.mark.parametrize(
    ("says", "tls", "warning"),
    [
        ("yes", None, '"yes" is neither on nor key=value and is ignored; sidecars speak no TLS'),
        ("", None, None),
        (
            "server-name=a_b",
            None,
            '"server-name=a_b" is neither a DNS name nor an IP address and is ignored; sidecars speak no TLS',
        ),
        (
            "ca=own.pem, server-name=a.example",
            UpstreamTls("a.example"),
            '"ca=own.pem" is not the absolute path of a file on the sidecar\'s machine and is ignored; '
            "ca is /etc/ssl/certs/ca-certificates.crt",
        ),
        ("on, sni=a", UpstreamTls(), '"sni" is not one of server-name, ca and is ignored'),
        ("on, a.example", UpstreamTls(), '"a.example" is not key=value and is ignored'),
    ],
)
def test_what_makes_no_sense_is_named_and_absent(parsed, says: str, tls, warning: str | None) -> None:
    ports, warnings = read(parsed, says)
    assert ports[0].tls == tls
    assert ports[0].protocol is (Protocol.HTTPS if tls else Protocol.TLS)
    place = "metadata.annotations[pilothouse.dev/originate-tls]"
    assert warnings == ([f"{place}: {warning}"] if warning else [])


def test_a_service_without_such_a_port_is_told(parsed) -> None:
    ports, (warning,) = read(parsed, "on", "ports: [{name: http, port: 443}]")
    assert ports == (Port("http", 443, target=443),)
    assert "no port speaks TLS" in warning
