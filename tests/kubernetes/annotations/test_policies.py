"""What a Service says about how it is to be called."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.model.policy import (
    CLIENT,
    PLAIN,
    Balance,
    CircuitBreaking,
    HashOn,
    HealthCheck,
    Keepalive,
    OutlierDetection,
    Policy,
    SlowStart,
)

from ..objects.test_services import annotated


def policy(parsed, spec: str = "", **annotations: str) -> tuple[Policy, list[str]]:
    """What is read, and the warnings."""
    found = parsed(annotated(spec, **annotations))
    return found.object.policy, [str(warning) for warning in found.warnings]


def test_a_service_that_says_nothing_shares_the_plain_policy(parsed) -> None:
    assert policy(parsed)[0] is PLAIN
    assert policy(parsed, "sessionAffinity: None", load_balancing="round-robin")[0] is PLAIN


AFFINITY = "sessionAffinity: ClientIP\nsessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}"


@pytest.mark.parametrize(
    ("spec", "annotations", "balance", "hash_on"),
    [
        (AFFINITY, {}, Balance.MAGLEV, CLIENT),
        (AFFINITY, {"load_balancing": "ring-hash"}, Balance.RING_HASH, CLIENT),
        (AFFINITY, {"hash_on": "header:x-user"}, Balance.MAGLEV, HashOn("header", "x-user")),
        ("", {"load_balancing": "least-request"}, Balance.LEAST_REQUEST, None),
        ("", {"load_balancing": "random"}, Balance.RANDOM, None),
        ("", {"load_balancing": "maglev"}, Balance.MAGLEV, CLIENT),
        ("", {"hash_on": "client"}, Balance.MAGLEV, CLIENT),
        ("", {"hash_on": "header:X-User"}, Balance.MAGLEV, HashOn("header", "x-user")),
        ("", {"hash_on": "query:user"}, Balance.MAGLEV, HashOn("query", "user")),
        ("", {"hash_on": "cookie:sid"}, Balance.MAGLEV, HashOn("cookie", "sid")),
        ("", {"hash_on": "cookie:sid:1h30m"}, Balance.MAGLEV, HashOn("cookie", "sid", 5_400_000)),
        (
            "",
            {"hash_on": "cookie:sid:0s", "load_balancing": "ring-hash"},
            Balance.RING_HASH,
            HashOn("cookie", "sid", 0),
        ),
    ],
)
def test_what_chooses_an_endpoint(parsed, spec, annotations, balance, hash_on) -> None:
    assert policy(parsed, spec, **annotations) == (Policy(balance, hash_on), [])


@pytest.mark.parametrize(
    ("annotation", "text", "expected"),
    [
        (
            "circuit_breaking",
            "max-connections=100, max-pending-requests=5,max-requests=200, max-retries=0",
            {"circuit_breaking": CircuitBreaking(100, 5, 200, 0)},
        ),
        ("circuit_breaking", "max-requests=7", {"circuit_breaking": CircuitBreaking(max_requests=7)}),
        ("outlier_detection", "off", {"outliers": "off"}),
        ("outlier_detection", "false", {"outliers": "off"}),
        (
            "outlier_detection",
            "consecutive-5xx=3, interval=1s, base-ejection-time=1m, max-ejection-percent=100",
            {"outliers": OutlierDetection(3, 5, 1_000, 60_000, 100)},
        ),
        ("health_check", "tcp", {"health_check": HealthCheck("tcp")}),
        ("health_check", "http", {"health_check": HealthCheck("http", "/")}),
        (
            "health_check",
            "http, path=/healthz?full=1, interval=250ms, timeout=100ms, unhealthy=1, healthy=3",
            {"health_check": HealthCheck("http", "/healthz?full=1", 250, 100, 1, 3)},
        ),
        ("health_check", "grpc, service=shop.Pay", {"health_check": HealthCheck("grpc", "shop.Pay")}),
        ("slow_start", "30s", {"slow_start": SlowStart(30_000)}),
        ("slow_start", "window=1m, min-weight-percent=20", {"slow_start": SlowStart(60_000, 20)}),
        ("tcp_keepalive", "60s", {"keepalive": Keepalive(60_000)}),
        ("tcp_keepalive", "time=60s, interval=10s, probes=3", {"keepalive": Keepalive(60_000, 10_000, 3)}),
        ("connect_timeout", "250ms", {"connect_timeout_ms": 250}),
    ],
)
def test_each_annotation(parsed, annotation: str, text: str, expected: dict[str, Any]) -> None:
    assert policy(parsed, **{annotation: text}) == (Policy(**expected), [])


@pytest.mark.parametrize(
    ("annotation", "text", "field", "kept"),
    [
        ("load_balancing", "fastest", '"fastest" is not one of round-robin', PLAIN),
        ("hash_on", "header:", '"header:" is not one of client', PLAIN),
        ("hash_on", "header:a b", '"header:a b" is not one of client', PLAIN),
        ("hash_on", "ip", '"ip" is not one of client', PLAIN),
        ("hash_on", "cookie:sid:soon", "is not a duration such as 5s", PLAIN),
        (
            "circuit_breaking",
            "max-connections=many, max-requests=7",
            '"max-connections=many" is not a whole number',
            Policy(circuit_breaking=CircuitBreaking(max_requests=7)),
        ),
        ("circuit_breaking", "max-conections=1", '"max-conections" is not one of max-connections', PLAIN),
        ("circuit_breaking", "strict", '"strict" is not key=value', PLAIN),
        ("circuit_breaking", "max-connections=99999999999999999999", "is not a whole number", PLAIN),
        ("outlier_detection", "on", '"on" is neither off nor key=value', PLAIN),
        ("outlier_detection", "max-ejection-percent=101", "is not between 0 and 100", PLAIN),
        ("health_check", "ping", '"ping" is not one of http, tcp, grpc', PLAIN),
        ("health_check", "path=/x", '"" is not one of http, tcp, grpc', PLAIN),
        ("health_check", "tcp, path=/x", '"/x" is for http alone', Policy(health_check=HealthCheck("tcp"))),
        (
            "health_check",
            "http, path=x",
            '"path=x" is not a path',
            Policy(health_check=HealthCheck("http", "/")),
        ),
        ("health_check", "tcp, interval=0s", "is not between", Policy(health_check=HealthCheck("tcp"))),
        ("slow_start", "soon", '"window=soon" is not a duration', PLAIN),
        ("slow_start", "min-weight-percent=5", "has no window", PLAIN),
        ("tcp_keepalive", "yes", '"time=yes" is not a duration', PLAIN),
        ("connect_timeout", "5", '"timeout=5" is not a duration', PLAIN),
        ("connect_timeout", "0s", "is not between", PLAIN),
    ],
)
def test_what_makes_no_sense_is_named_and_the_rest_counts(parsed, annotation, text, field, kept) -> None:
    found, warnings = policy(parsed, **{annotation: text})
    assert found == kept
    place = f"metadata.annotations[pilothouse.dev/{annotation.replace('_', '-')}]: "
    assert warnings
    assert all(warning.startswith(place) for warning in warnings)
    assert field in warnings[0]


@pytest.mark.parametrize(
    ("spec", "annotations", "field", "kept"),
    [
        (
            AFFINITY,
            {"load_balancing": "random"},
            "does not keep a client at one endpoint",
            Policy(Balance.MAGLEV, CLIENT),
        ),
        ("", {"load_balancing": "random", "hash_on": "client"}, "hashes nothing", Policy(Balance.RANDOM)),
        (
            "",
            {"load_balancing": "maglev", "slow_start": "5s"},
            "supported by maglev",
            Policy(Balance.MAGLEV, CLIENT),
        ),
    ],
)
def test_what_contradicts_itself_is_named(parsed, spec, annotations, field, kept) -> None:
    found, warnings = policy(parsed, spec, **annotations)
    assert found == kept
    assert len(warnings) == 1
    assert field in warnings[0]
