from __future__ import annotations

from textwrap import indent

import pytest

from pilothouse.kubernetes.objects.types import Key, Service
from pilothouse.model.services import Port, Protocol, Transport


def manifest(spec: str, metadata: str = "name: payments\nnamespace: shop") -> str:
    return (
        f"apiVersion: v1\nkind: Service\nmetadata:\n{indent(metadata, '  ')}\nspec:\n{indent(spec, '  ')}\n"
    )


def annotated(spec: str = "", **annotations: str) -> str:
    """A Service with these annotations of Pilothouse's own."""
    said = [f"  pilothouse.dev/{name.replace('_', '-')}: '{text}'" for name, text in annotations.items()]
    metadata = "\n".join(["name: payments", "namespace: shop", "annotations:", *(said or ["  {}"])])
    return manifest(f"ports: [{{port: 80}}]\n{spec}", metadata)


def test_a_service_keeps_what_routing_needs(parsed):
    text = manifest(
        "type: LoadBalancer\nclusterIP: 10.0.0.1\nselector: {app: payments}\nexternalIPs: [1.2.3.4]\n"
        "ports:\n- {name: http, port: 80, targetPort: 8080, nodePort: 30000}\n- {name: grpc, port: 90}\n"
        "- {name: dns, port: 90, protocol: UDP, targetPort: named}",
        "name: payments\nnamespace: shop\ncreationTimestamp: 2026-01-02T03:04:05Z\n"
        "annotations: {pilothouse.dev/weight: '7'}",
    )
    found = parsed(text)
    assert found.object == Service(
        "shop",
        "payments",
        (
            Port("http", 80, Protocol.HTTP, Transport.TCP, 8080),
            Port("grpc", 90, Protocol.GRPC, Transport.TCP, 90),
            Port("dns", 90, Protocol.TCP, Transport.UDP, None),
        ),
        ("10.0.0.1",),
        weight=7,
        created="2026-01-02T03:04:05Z",
        selects=True,
    )
    assert found.object.key == Key("Service", "shop", "payments")
    assert (found.ignored, found.warnings) == (None, ())


def test_the_default_namespace_is_called_default(parsed):
    assert parsed(manifest("ports: [{port: 80}]", "name: payments")).object.namespace == "default"


@pytest.mark.parametrize(
    ("spec", "vips", "headless"),
    [
        ("clusterIP: None", (), True),
        ("clusterIP: None\nclusterIPs: [None]", (), True),
        ("clusterIPs: ['None']", (), True),
        ("clusterIP: ''", (), False),
        ("clusterIP: null", (), False),
        ("clusterIP: 10.0.0.1\nclusterIPs: [10.0.0.1, 'FD00:0:0::1']", ("10.0.0.1", "fd00::1"), False),
        ("clusterIPs: [10.0.0.1, 10.0.0.1]", ("10.0.0.1",), False),
    ],
)
def test_virtual_addresses_are_canonical_and_none_is_headless(parsed, spec, vips, headless):
    service = parsed(manifest(f"{spec}\nports: [{{port: 80}}]")).object
    assert (service.vips, service.headless) == (vips, headless)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("0.0.0.0", "is the unspecified address"),
        ("::", "is the unspecified address"),
        ("127.0.0.1", "is the loopback address that local services use"),
        ("::1", "is the loopback address that local services use"),
        ("169.254.169.254", "is a link-local address"),
        ("fe80::1", "is a link-local address"),
        ("224.0.0.1", "is a multicast address"),
        ("239.1.2.3", "is a multicast address"),
        ("ff05::2", "is a multicast address"),
        ("255.255.255.255", "is the broadcast address"),
        ("::ffff:10.0.0.1", "is an IPv4 address written as an IPv6 address"),
        ("fd00::1%eth0", "has a scope id, which is of one machine"),
        ("010.0.0.1", "has leading zeros, which some programs read as octal"),
    ],
)
def test_a_virtual_ip_that_no_sidecar_may_listen_on_is_a_warning_and_the_service_goes_on(
    parsed, address, why
):
    found = parsed(manifest(f"clusterIPs: ['{address}', 10.0.0.2]\nports: [{{port: 80}}]"))
    assert "10.0.0.2" in found.object.vips
    (warning,) = found.warnings
    assert str(warning) == f'spec.clusterIPs[0]: "{address}" {why}; this virtual IP is left out'


@pytest.mark.parametrize("target", ["", ", targetPort: 0", ", targetPort: ''", ", targetPort: null"])
def test_without_a_target_port_it_is_the_port(parsed, target):
    (port,) = parsed(manifest(f"ports: [{{port: 80{target}}}]")).object.ports
    assert port.target == 80


def test_an_external_name_is_lower_case_without_a_trailing_dot(parsed):
    text = manifest("type: ExternalName\nexternalName: API.Example.com.\nclusterIP: 10.0.0.1")
    service = parsed(text).object
    assert (service.external_name, service.vips, service.ports) == ("api.example.com", (), ())


def test_an_external_name_of_another_type_means_nothing(parsed):
    assert parsed(manifest("externalName: x.example\nports: [{port: 80}]")).object.external_name == ""


def test_a_headless_service_can_do_without_ports(parsed):
    assert parsed(manifest("clusterIP: None")).object.ports == ()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("ports: []", "spec.ports: is required, except for a headless Service"),
        ("ports: [{port: 0}]", "spec.ports[0].port: 0 is not in 1..65535"),
        ("ports: [{port: 65536}]", "spec.ports[0].port: 65536 is not in 1..65535"),
        ("ports: [{port: -1}]", "spec.ports[0].port: -1 is not in 1..65535"),
        ("ports: [{name: http}]", "spec.ports[0].port: is required"),
        ("ports: [{port: '80'}]", 'spec.ports[0].port: is the string "80", not a whole number'),
        ("ports: 80", "spec.ports: is the number 80, not a list"),
        ("ports: [80]", "spec.ports[0]: is the number 80, not a mapping of fields"),
        ("ports: [{name: a, port: 1}, {port: 2}]", "spec.ports[1].name: is required if a Service has"),
        (
            "ports: [{name: a, port: 1}, {name: a, port: 2}]",
            'spec.ports[1].name: "a" is already the name of another',
        ),
        (
            "ports: [{name: a, port: 1}, {name: b, port: 1}]",
            "spec.ports[1].port: 1 is declared twice for TCP",
        ),
        ("ports: [{name: a_b, port: 1}]", 'spec.ports[0].name: "a_b" is not a DNS label'),
        ("ports: [{port: 1, protocol: tcp}]", 'spec.ports[0].protocol: "tcp" is not one of TCP, UDP, SCTP'),
        ("ports: [{port: 1, targetPort: '8080'}]", 'spec.ports[0].targetPort: "8080" in quotes is a name'),
        ("ports: [{port: 1, targetPort: 70000}]", "spec.ports[0].targetPort: 70000 is not in 1..65535"),
        ("ports: [{port: 1, targetPort: 1.5}]", "spec.ports[0].targetPort: is the number 1.5, not a whole"),
        ("clusterIP: nope\nports: [{port: 1}]", 'spec.clusterIP: "nope" is neither an IP address nor None'),
        ("clusterIP: 10.0.0.256\nports: [{port: 1}]", 'spec.clusterIP: "10.0.0.256" is neither an IP'),
        ("clusterIPs: [10.0.0.1, x]\nports: [{port: 1}]", 'spec.clusterIPs[1]: "x" is neither an IP address'),
        ("type: Cluster\nports: [{port: 1}]", 'spec.type: "Cluster" is not one of ClusterIP, NodePort'),
        ("type: ExternalName", "spec.externalName: is required"),
        ("type: ExternalName\nexternalName: 'a b'", 'spec.externalName: "a b" is not a DNS name'),
        (
            f"type: ExternalName\nexternalName: {'a' * 64}.example",
            f'spec.externalName: "{"a" * 64}.example" has a label of more than 63 characters',
        ),
    ],
)
def test_what_the_api_server_would_refuse_is_refused(refused, spec, message):
    assert refused(manifest(spec)).startswith(message)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ("labels: {}", "metadata.name: is required"),
        ("name: 5", "metadata.name: is the number 5, not a string: put it in quotes"),
        ("name: Payments", 'metadata.name: "Payments" is not a DNS name'),
        ("name: pay_ments", 'metadata.name: "pay_ments" is not a DNS name'),
        ("name: pay.ments", 'metadata.name: "pay.ments" is not a DNS label'),
        (f"name: {'a' * 64}", f'metadata.name: "{"a" * 64}" is not a DNS label'),
        ("name: 'payments\n\n'", "metadata.name: "),
        ("name: pay\nnamespace: a.b", 'metadata.namespace: "a.b" is not a DNS label'),
        ("name: pay\ncreationTimestamp: soon", 'metadata.creationTimestamp: "soon" is not an RFC 3339 time'),
        ("name: pay\ncreationTimestamp: 5", "metadata.creationTimestamp: is the number 5, not a string"),
        ("name: pay\nannotations: []", "metadata.annotations: is a list, not a mapping of fields"),
    ],
)
def test_metadata_that_the_api_server_would_refuse_is_refused(refused, metadata, message):
    assert refused(manifest("ports: [{port: 80}]", metadata)).startswith(message)


def test_a_service_that_ends_before_its_spec_is_refused(refused):
    assert refused("apiVersion: v1\nkind: Service\nmetadata: {name: pay}") == "spec: is required"


@pytest.mark.parametrize(
    ("written", "created"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("'2026-01-02T03:04:05Z'", "2026-01-02T03:04:05Z"),
        ("'2026-01-02T03:04:05.999+02:00'", "2026-01-02T01:04:05Z"),
        ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05Z"),
        ("null", ""),
    ],
)
def test_the_time_of_creation_has_one_form(parsed, written, created):
    metadata = f"name: pay\ncreationTimestamp: {written}"
    assert parsed(manifest("ports: [{port: 80}]", metadata)).object.created == created
