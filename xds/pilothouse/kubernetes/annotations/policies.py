"""Annotations for the policy of a Service. An invalid value counts as absent, with a warning."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import get_args

from pilothouse.kubernetes.annotations.overrides import Warn
from pilothouse.kubernetes.annotations.subsets import SUBSET_LABELS, subset_labels
from pilothouse.kubernetes.annotations.syntax import Setting, Settings, duration, whole
from pilothouse.kubernetes.fields import annotation_error
from pilothouse.model.policy import (
    CLIENT,
    PLAIN,
    Balance,
    CheckProtocol,
    CircuitBreaking,
    HashOn,
    HealthCheck,
    Keepalive,
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

# A token of RFC 9110, 5.6.2. Envoy refuses no name that is one.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}", re.ASCII)
_PATH = re.compile(r"/[!-~]{0,1023}")
_MOST_TTL_MS = 365 * 24 * 3_600_000
_SLOWLY = (Balance.ROUND_ROBIN, Balance.LEAST_REQUEST)
_COUNT = whole(1, 2**31 - 1)

_UNLIMITED = "1024, the default"
_LIMITS = {
    "max-connections": Setting("max_connections", _COUNT, _UNLIMITED),
    "max-pending-requests": Setting("max_pending_requests", _COUNT, _UNLIMITED),
    "max-requests": Setting("max_requests", _COUNT, _UNLIMITED),
    "max-retries": Setting("max_retries", whole(0, 2**31 - 1), _UNLIMITED),
}
_OUTLIERS = {
    "consecutive-5xx": Setting("consecutive_5xx", whole(0, 1_000_000), "0"),
    "consecutive-gateway-failures": Setting("consecutive_gateway_failures", whole(0, 1_000_000), "5"),
    "interval": Setting("interval_ms", duration(100), "10s"),
    "base-ejection-time": Setting("base_ejection_ms", duration(100), "30s"),
    "max-ejection-percent": Setting("max_ejection_percent", whole(0, 100), "50"),
}
_CHECKS = {
    "interval": Setting("interval_ms", duration(100), "5s"),
    "timeout": Setting("timeout_ms", duration(10), "1s"),
    "unhealthy": Setting("unhealthy", whole(1, 100), "3"),
    "healthy": Setting("healthy", whole(1, 100), "2"),
}
_SLOW = {
    "window": Setting("window_ms", duration(), "not set"),
    "min-weight-percent": Setting("min_weight_percent", whole(1, 100), "10"),
}
_AT_ONCE = "a new endpoint has its share at once"
_BY_SYSTEM = "that of the sidecar's system"
_PROBES = {
    "time": Setting("time_ms", duration(1_000), _BY_SYSTEM),
    "interval": Setting("interval_ms", duration(1_000), _BY_SYSTEM),
    "probes": Setting("probes", whole(1, 100), _BY_SYSTEM),
}
_TIMEOUT = {"timeout": Setting("timeout_ms", duration(1, 3_600_000), "2s")}


def policy(affinity: bool, annotations: Mapping[str, str], warn: Warn) -> Policy:
    """The policy of a Service. `affinity`: sessionAffinity asks to keep each client at one endpoint."""
    if not affinity and _ANNOTATIONS.isdisjoint(annotations):
        return PLAIN  # most Services
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
    """The load-balancing policy, and what it hashes. Affinity and `hash-on` both imply a hash."""
    text, hash_on, why = annotations.get(HASH_ON), None, "is ignored"
    try:
        hash_on = _hashed(text.strip()) if text is not None else None
    except ValueError as error:
        why = f"{error} and is ignored"
    balance = _balance(affinity or hash_on is not None, affinity, annotations, warn)
    if text is not None and (hash_on is None or not balance.by_hash):
        rest = "the client is hashed" if balance.by_hash else f"{balance.value} hashes nothing"
        warn(annotation_error(HASH_ON, f'"{text}" {why}; {rest}'))
    return balance, (hash_on or CLIENT) if balance.by_hash else None


def _balance(hashes: bool, affinity: bool, annotations: Mapping[str, str], warn: Warn) -> Balance:
    """The policy that the annotation names. Without one, the default for the other settings."""
    otherwise = Balance.MAGLEV if hashes else Balance.ROUND_ROBIN
    text = annotations.get(LOAD_BALANCING)
    if text is None:
        return otherwise
    known = {balance.value: balance for balance in Balance}
    found, why = known.get(text.strip()), f"is not one of {', '.join(known)}"
    if found is not None and (found.by_hash or not affinity):
        return found
    if found is not None:
        why = "does not keep a client at one endpoint, as sessionAffinity asks,"
    warn(annotation_error(LOAD_BALANCING, f'"{text}" {why} and is ignored; it is {otherwise.value}'))
    return otherwise


def _hashed(text: str) -> HashOn:
    """`client`, `header:NAME`, `query:NAME`, `cookie:NAME` or `cookie:NAME:TTL`. Raises ValueError."""
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
    raise ValueError("is not one of client, header:NAME, query:NAME, cookie:NAME, cookie:NAME:TTL")


def _circuit_breaking(annotations: Mapping[str, str], warn: Warn) -> CircuitBreaking | None:
    found = Settings(annotations, CIRCUIT_BREAKING, warn).read(_LIMITS)
    return CircuitBreaking(**found) if found else None


def _outliers(annotations: Mapping[str, str], warn: Warn) -> Outliers:
    settings = Settings(annotations, OUTLIER_DETECTION, warn, "switch")
    switch = settings.take("switch")
    if switch in ("off", "false"):  # YAML reads both as the same word
        settings.reject_rest(f'has no effect beside "{switch}"')
        return "off"
    found = settings.read(_OUTLIERS)
    if switch:
        otherwise = "the rest counts" if found else "the default is in force"
        settings.reject(switch, "is neither off nor key=value", otherwise)
    return OutlierDetection(**found) if found else None


def _health_check(annotations: Mapping[str, str], warn: Warn) -> HealthCheck | None:
    """`http, path=/healthz`, `tcp` or `grpc, service=NAME`, and then the intervals and thresholds."""
    if HEALTH_CHECK not in annotations:
        return None
    settings = Settings(annotations, HEALTH_CHECK, warn, "kind")
    word, path, service = settings.take("kind"), settings.take("path"), settings.take("service")
    kind = next((kind for kind in get_args(CheckProtocol) if kind == word), None)
    if kind is None:
        settings.reject(word, "is not one of http, tcp, grpc", "endpoints are not checked")
        return None
    if kind == "http" and path and not _PATH.fullmatch(path):
        settings.reject(f"path={path}", "is not a path", "path is /")
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
        settings.reject(annotations[SLOW_START], f"is not supported by {balance.value}", _AT_ONCE)
        return None
    found = settings.read(_SLOW)
    if "window_ms" in found:
        return SlowStart(**found)
    settings.reject(annotations[SLOW_START], "has no window such as 30s", _AT_ONCE)
    return None


def _keepalive(annotations: Mapping[str, str], warn: Warn) -> Keepalive | None:
    """`60s`, or `time=60s, interval=10s, probes=3`."""
    found = Settings(annotations, TCP_KEEPALIVE, warn, "time").read(_PROBES, "there is no keepalive")
    return Keepalive(**found) if found else None


def _connect_timeout(annotations: Mapping[str, str], warn: Warn) -> int | None:
    return Settings(annotations, CONNECT_TIMEOUT, warn, "timeout").read(_TIMEOUT).get("timeout_ms")
