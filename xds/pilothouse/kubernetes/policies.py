"""How clients are to call a Service, as its annotations say. What makes no sense counts as absent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import get_args

from pilothouse.kubernetes.fields import annotation_error
from pilothouse.kubernetes.overrides import Warn
from pilothouse.kubernetes.settings import Read, Settings, duration, whole
from pilothouse.kubernetes.subsets import SUBSET_LABELS, subset_labels
from pilothouse.policy import (
    CLIENT,
    PLAIN,
    Balance,
    CircuitBreaking,
    HashOn,
    HealthCheck,
    Keepalive,
    Kind,
    OutlierDetection,
    Outliers,
    Policy,
    SlowStart,
)

LOAD_BALANCING = "pilothouse.dev/load-balancing"
HASH_ON = "pilothouse.dev/hash-on"
CIRCUIT_BREAKING = "pilothouse.dev/circuit-breaking"
OUTLIER_DETECTION = "pilothouse.dev/outlier-detection"
HEALTH_CHECK = "pilothouse.dev/health-check"
SLOW_START = "pilothouse.dev/slow-start"
TCP_KEEPALIVE = "pilothouse.dev/tcp-keepalive"
CONNECT_TIMEOUT = "pilothouse.dev/connect-timeout"

_ANNOTATIONS = frozenset(
    {
        LOAD_BALANCING,
        HASH_ON,
        CIRCUIT_BREAKING,
        OUTLIER_DETECTION,
        HEALTH_CHECK,
        SLOW_START,
        TCP_KEEPALIVE,
        CONNECT_TIMEOUT,
        SUBSET_LABELS,
    }
)

# As RFC 9110, 5.6.2 has it; what Envoy refuses in a name is none of these either.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}", re.ASCII)
_PATH = re.compile(r"/[!-~]{0,1023}")
_MOST_TTL_MS = 365 * 24 * 3_600_000
_SLOWLY = (Balance.ROUND_ROBIN, Balance.LEAST_REQUEST)
_COUNT = whole(1, 2**31 - 1)

_LIMITS: dict[str, tuple[str, Read[int]]] = {
    "max-connections": ("max_connections", _COUNT),
    "max-pending-requests": ("max_pending_requests", _COUNT),
    "max-requests": ("max_requests", _COUNT),
    "max-retries": ("max_retries", whole(0, 2**31 - 1)),
}
_OUTLIERS: dict[str, tuple[str, Read[int]]] = {
    "consecutive-5xx": ("consecutive_5xx", whole(0, 1_000_000)),
    "consecutive-gateway-failures": ("consecutive_gateway_failures", whole(0, 1_000_000)),
    "interval": ("interval_ms", duration(100)),
    "base-ejection-time": ("base_ejection_ms", duration(100)),
    "max-ejection-percent": ("max_ejection_percent", whole(0, 100)),
}
_CHECKS: dict[str, tuple[str, Read[int]]] = {
    "interval": ("interval_ms", duration(100)),
    "timeout": ("timeout_ms", duration(10)),
    "unhealthy": ("unhealthy", whole(1, 100)),
    "healthy": ("healthy", whole(1, 100)),
}
_SLOW: dict[str, tuple[str, Read[int]]] = {
    "window": ("window_ms", duration()),
    "min-weight-percent": ("min_weight_percent", whole(1, 100)),
}
_PROBES: dict[str, tuple[str, Read[int]]] = {
    "time": ("time_ms", duration(1_000)),
    "interval": ("interval_ms", duration(1_000)),
    "probes": ("probes", whole(1, 100)),
}
_TIMEOUT: dict[str, tuple[str, Read[int]]] = {"timeout": ("timeout_ms", duration(1, 3_600_000))}


def policy(affinity: bool, annotations: Mapping[str, str], warn: Warn) -> Policy:
    """Read what a Service says; `affinity` is whether its clients are to stay at an endpoint."""
    if not affinity and _ANNOTATIONS.isdisjoint(annotations):
        return PLAIN  # as of most
    balance, hash_on = _spread(affinity, annotations, warn)
    found = Policy(
        balance=balance,
        hash_on=hash_on,
        circuit_breaking=_circuit_breaking(annotations, warn),
        outliers=_outliers(annotations, warn),
        health_check=_health_check(annotations, warn),
        slow_start=_slow_start(annotations, balance, warn),
        keepalive=_keepalive(annotations, warn),
        connect_timeout_ms=_connect_timeout(annotations, warn),
        subset_labels=subset_labels(annotations, warn),
    )
    return PLAIN if found == PLAIN else found


def _spread(affinity: bool, annotations: Mapping[str, str], warn: Warn) -> tuple[Balance, HashOn | None]:
    """What chooses an endpoint, and by what. Affinity, or something to hash, means: by a hash."""
    hash_on = _hash_on(annotations, warn)
    balance = _balance(annotations, warn)
    if affinity and balance is not None and not balance.by_hash:
        why = f'"{balance.value}" keeps nobody at an endpoint, as sessionAffinity wants it, and is ignored'
        warn(annotation_error(LOAD_BALANCING, why))
        balance = None
    if balance is None:
        balance = Balance.MAGLEV if affinity or hash_on else Balance.ROUND_ROBIN
    if balance.by_hash:
        return balance, hash_on or CLIENT
    if hash_on is not None:
        warn(annotation_error(HASH_ON, f'"{balance.value}" hashes nothing; this is ignored'))
    return balance, None


def _balance(annotations: Mapping[str, str], warn: Warn) -> Balance | None:
    text = annotations.get(LOAD_BALANCING)
    known = {balance.value: balance for balance in Balance}
    if text is not None and text.strip() not in known:
        warn(annotation_error(LOAD_BALANCING, f'"{text}" is none of {", ".join(known)} and is ignored'))
    return known.get((text or "").strip())


def _hash_on(annotations: Mapping[str, str], warn: Warn) -> HashOn | None:
    """`client`, `header:NAME`, `query:NAME`, `cookie:NAME` or `cookie:NAME:TTL`."""
    text = annotations.get(HASH_ON)
    if text is None:
        return None
    try:
        return _hashed(text.strip())
    except ValueError as error:
        warn(annotation_error(HASH_ON, f'"{text}" {error} and is ignored'))
        return None


def _hashed(text: str) -> HashOn:
    kind, _, name = text.partition(":")
    if text == "client":
        return CLIENT
    if kind == "cookie":
        name, colon, ttl = name.partition(":")
        if _TOKEN.fullmatch(name):
            return HashOn("cookie", name, duration(0, _MOST_TTL_MS)(ttl) if colon else None)
    elif _TOKEN.fullmatch(name):
        if kind == "header":
            return HashOn("header", name.lower())
        if kind == "query":
            return HashOn("query", name)
    raise ValueError("is none of client, header:NAME, query:NAME, cookie:NAME, cookie:NAME:TTL")


def _circuit_breaking(annotations: Mapping[str, str], warn: Warn) -> CircuitBreaking | None:
    found = Settings(annotations, CIRCUIT_BREAKING, warn).read(_LIMITS)
    return CircuitBreaking(**found) if found else None


def _outliers(annotations: Mapping[str, str], warn: Warn) -> Outliers:
    settings = Settings(annotations, OUTLIER_DETECTION, warn, "switch")
    switch = settings.take("switch")
    if switch in ("off", "false"):  # to YAML, the same word
        return "off"
    if switch:
        settings.reject(switch, "is neither off nor key=value")
    found = settings.read(_OUTLIERS)
    return OutlierDetection(**found) if found else None


def _health_check(annotations: Mapping[str, str], warn: Warn) -> HealthCheck | None:
    """`http, path=/healthz`, `tcp` or `grpc, service=NAME`, and how often."""
    if HEALTH_CHECK not in annotations:
        return None
    settings = Settings(annotations, HEALTH_CHECK, warn, "kind")
    word, path, service = settings.take("kind"), settings.take("path"), settings.take("service")
    kind = next((kind for kind in get_args(Kind) if kind == word), None)
    if kind is None:
        settings.reject(word, "is none of http, tcp, grpc")
        return None
    if kind == "http" and path and not _PATH.fullmatch(path):
        settings.reject(f"path={path}", "is no path")
        path = ""
    for other, text in (("http", path), ("grpc", service)):
        if text and kind != other:
            settings.reject(text, f"is for {other} alone")
    target = {"http": path or "/", "grpc": service, "tcp": ""}[word]
    return HealthCheck(kind, target, **settings.read(_CHECKS))


def _slow_start(annotations: Mapping[str, str], balance: Balance, warn: Warn) -> SlowStart | None:
    """`30s`, or `window=30s, min-weight-percent=10`."""
    if SLOW_START not in annotations:
        return None
    settings = Settings(annotations, SLOW_START, warn, "window")
    if balance not in _SLOWLY:
        settings.reject(annotations[SLOW_START], f"does not go with {balance.value}")
        return None
    found = settings.read(_SLOW)
    if "window_ms" in found:
        return SlowStart(**found)
    settings.reject(annotations[SLOW_START], "has no window such as 30s")
    return None


def _keepalive(annotations: Mapping[str, str], warn: Warn) -> Keepalive | None:
    """`60s`, or `time=60s, interval=10s, probes=3`."""
    found = Settings(annotations, TCP_KEEPALIVE, warn, "time").read(_PROBES)
    return Keepalive(**found) if found else None


def _connect_timeout(annotations: Mapping[str, str], warn: Warn) -> int | None:
    return Settings(annotations, CONNECT_TIMEOUT, warn, "timeout").read(_TIMEOUT).get("timeout_ms")
