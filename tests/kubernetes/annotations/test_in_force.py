"""What makes no sense in an annotation costs itself, and its warning says what is in force instead."""

from __future__ import annotations

import pytest

AFFINITY = "sessionAffinity: ClientIP"
BY_SLICE = "the weight is that of its slice or its Service, or 1"

SERVICE = [
    ("weight", "ten", "", "the weight is 1"),
    ("weight", "70000", "", "counts as 65535"),
    ("export-to", "., Data", "", "exported to shop"),
    ("export-to", "Data", "", "exported to no namespace"),
    ("allocate-virtual-ip", "no", "", "the Service may be given one"),
    ("hints", "off", "", "hints count"),
    ("overprovisioning-factor", "0", "", "it is 140"),
    ("failover", "eu=us; us", "", "this rule is ignored, 1 other in force"),
    ("failover", "us", "", "this rule is ignored, no other is in force"),
    ("distribute", "eu: eu/a=x; us: us=1; ap: ap=1", "", "this rule is ignored, 2 others in force"),
    ("load-balancing", "fastest", "", "it is round-robin"),
    ("load-balancing", "fastest", AFFINITY, "it is maglev"),
    ("load-balancing", "random", AFFINITY, "it is maglev"),
    ("hash-on", "ip", "", "round-robin hashes nothing"),
    ("hash-on", "ip", AFFINITY, "the client is hashed"),
    ("circuit-breaking", "max-requests=no", "", "max-requests is 1024, the default"),
    ("circuit-breaking", "max-requests=5, max-retries=no", "", "max-retries is 1024, the default"),
    (
        "circuit-breaking",
        "max-requests=5, max-requests=6",
        "",
        'is overridden by "max-requests=6" and is ignored',
    ),
    ("outlier-detection", "on", "", "the default is in force"),
    (
        "outlier-detection",
        "on, interval=1s",
        "",
        "is neither off nor key=value and is ignored; the rest counts",
    ),
    ("outlier-detection", "interval=1", "", "interval is 10s"),
    ("outlier-detection", "off, interval=1s", "", 'has no effect beside "off" and is ignored'),
    ("health-check", "ping", "", "endpoints are not checked"),
    ("health-check", "http, path=x", "", "path is /"),
    ("health-check", "tcp, timeout=x", "", "timeout is 1s"),
    ("slow-start", "30s, min-weight-percent=0", "", "min-weight-percent is 10"),
    ("slow-start", "min-weight-percent=5", "", "a new endpoint has its share at once"),
    ("slow-start", "30s", AFFINITY, "a new endpoint has its share at once"),
    ("tcp-keepalive", "x", "", "there is no keepalive"),
    ("tcp-keepalive", "60s, probes=0", "", "probes is that of the sidecar's system"),
    ("connect-timeout", "soon", "", "timeout is 2s"),
    ("subset-labels", "version, a b", "", "divided by version"),
    ("subset-labels", "-", "", "divided by nothing"),
    ("subset-labels", "a, b, c, d", "", "divided by a, b, c"),
    ("originate-tls", "yes", "", "sidecars speak no TLS"),
    ("originate-tls", "on, ca=x", "", "ca is /etc/ssl/certs/ca-certificates.crt"),
]


@pytest.mark.parametrize(("annotation", "text", "spec", "in_force"), SERVICE)
def test_a_service_says_what_is_in_force(parsed, annotation, text, spec, in_force):
    found = parsed(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  namespace: shop\n  annotations:\n"
        f"    pilothouse.dev/{annotation}: '{text}'\n"
        f"spec:\n  ports: [{{name: https, port: 443}}]\n  {spec}\n"
    )
    warning = str(found.warnings[0])
    assert warning.startswith(f"metadata.annotations[pilothouse.dev/{annotation}]: ")
    assert warning.endswith(in_force)
    assert len(found.warnings) == 1


@pytest.mark.parametrize(
    ("kind", "annotation", "text", "in_force"),
    [
        ("v1, kind: Pod", "weight", "ten", BY_SLICE),
        ("v1, kind: Pod", "locality", "a/b/c/d", "the locality is that of the slice and the node"),
        ("v1, kind: Endpoints", "weight", "ten", "the weight is that of its Service, or 1"),
        ("v1, kind: Endpoints", "endpoint-weights", "[]", "no address has a weight of its own"),
        (
            "v1, kind: Endpoints",
            "endpoint-weights",
            '{"10.0.0.1": "x", "10.0.0.2": 5}',
            "this address has no weight of its own",
        ),
        ("v1, kind: Namespace", "default-protocol", "udp", "it is http"),
        ("v1, kind: Namespace", "export-to", "., Data", "exported to a"),
    ],
)
def test_other_objects_say_what_is_in_force(parsed, kind, annotation, text, in_force):
    said = f"annotations: {{pilothouse.dev/{annotation}: '{text}'}}"
    found = parsed(f"{{apiVersion: {kind}, metadata: {{name: a, {said}}}}}")
    (warning,) = found.warnings
    assert str(warning).startswith(f"metadata.annotations[pilothouse.dev/{annotation}]: ")
    assert str(warning).endswith(in_force)
