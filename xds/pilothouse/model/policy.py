"""How clients are to call a service: what spreads requests, what limits them, what watches endpoints.

What is None is as it is for every service. Durations are in milliseconds, percentages 0..100.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal, NamedTuple, TypeAlias


class Balance(Enum):
    """What chooses an endpoint. The last two need something to hash."""

    ROUND_ROBIN = "round-robin"
    LEAST_REQUEST = "least-request"
    RANDOM = "random"
    RING_HASH = "ring-hash"
    MAGLEV = "maglev"

    @property
    def by_hash(self) -> bool:
        return self in (Balance.RING_HASH, Balance.MAGLEV)


class HashOn(NamedTuple):
    """What of a request is hashed. With a `ttl_ms` a cookie is set where there is none."""

    kind: Literal["client", "header", "cookie", "query"] = "client"
    name: str = ""
    ttl_ms: int | None = None


#: The client itself, whoever it calls for.
CLIENT = HashOn()


class CircuitBreaking(NamedTuple):
    """Of one sidecar, for all endpoints of a port together."""

    max_connections: int | None = None
    max_pending_requests: int | None = None
    max_requests: int | None = None
    max_retries: int | None = None


class OutlierDetection(NamedTuple):
    """When a sidecar lets an endpoint rest, because of what it answers. 0 failures: never."""

    consecutive_5xx: int = 0
    consecutive_gateway_failures: int = 5
    interval_ms: int = 10_000
    base_ejection_ms: int = 30_000
    max_ejection_percent: int = 50


#: Of health checks.
CheckProtocol: TypeAlias = Literal["http", "tcp", "grpc"]


class HealthCheck(NamedTuple):
    """What each sidecar asks each endpoint, by itself. `asks_for` is a path of HTTP, or a service of gRPC."""

    protocol: CheckProtocol
    asks_for: str = ""
    interval_ms: int = 5_000
    timeout_ms: int = 1_000
    unhealthy: int = 3
    healthy: int = 2


class SlowStart(NamedTuple):
    """How an endpoint that is new gets its share little by little."""

    window_ms: int
    min_weight_percent: int | None = None


class Keepalive(NamedTuple):
    """TCP's own, on connections to endpoints. None leaves it to the system."""

    time_ms: int | None = None
    interval_ms: int | None = None
    probes: int | None = None


Outliers: TypeAlias = OutlierDetection | Literal["off"] | None


@dataclass(frozen=True, slots=True)
class Policy:
    """All of this for one service. `hash_on` is None unless requests are balanced by a hash.

    `subset_labels` are the labels of pods that divide its endpoints into subsets which can be asked for.
    """

    balance: Balance = Balance.ROUND_ROBIN
    hash_on: HashOn | None = None
    circuit_breaking: CircuitBreaking | None = None
    outliers: Outliers = None
    health_check: HealthCheck | None = None
    slow_start: SlowStart | None = None
    keepalive: Keepalive | None = None
    connect_timeout_ms: int | None = None
    subset_labels: tuple[str, ...] = ()


#: As most services have it; told apart by identity where every microsecond counts.
PLAIN = Policy()
