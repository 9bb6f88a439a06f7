"""How clients call a service: how they spread requests, what limits these, and how they judge endpoints.

None means the default that every service has. Durations are in milliseconds, percentages are 0..100.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal, NamedTuple, TypeAlias


class Balance(Enum):
    """The load-balancing policy. The last two hash something of the request (see `HashOn`)."""

    ROUND_ROBIN = "round-robin"
    LEAST_REQUEST = "least-request"
    RANDOM = "random"
    RING_HASH = "ring-hash"
    MAGLEV = "maglev"

    @property
    def by_hash(self) -> bool:
        return self in (Balance.RING_HASH, Balance.MAGLEV)


class HashOn(NamedTuple):
    """What of a request is hashed. With `ttl_ms`, the sidecar sets the cookie if the request has none."""

    kind: Literal["client", "header", "cookie", "query"] = "client"
    name: str = ""
    ttl_ms: int | None = None


#: Hash the client itself, that is the sidecar.
CLIENT = HashOn()


class CircuitBreaking(NamedTuple):
    """Limits of one sidecar for all endpoints of a port together."""

    max_connections: int | None = None
    max_pending_requests: int | None = None
    max_requests: int | None = None
    max_retries: int | None = None


class OutlierDetection(NamedTuple):
    """When a sidecar ejects an endpoint because of its answers. A threshold of 0 never ejects."""

    consecutive_5xx: int = 0
    consecutive_gateway_failures: int = 5
    interval_ms: int = 10_000
    base_ejection_ms: int = 30_000
    max_ejection_percent: int = 50


#: The protocol of a health check.
CheckProtocol: TypeAlias = Literal["http", "tcp", "grpc"]


class HealthCheck(NamedTuple):
    """How each sidecar checks each endpoint. `asks_for` is an HTTP path or the name of a gRPC service."""

    protocol: CheckProtocol
    asks_for: str = ""
    interval_ms: int = 5_000
    timeout_ms: int = 1_000
    unhealthy: int = 3
    healthy: int = 2


class SlowStart(NamedTuple):
    """How a new endpoint gets its share gradually."""

    window_ms: int
    min_weight_percent: int | None = None


class Keepalive(NamedTuple):
    """TCP keepalive on connections to endpoints. None leaves the value to the operating system."""

    time_ms: int | None = None
    interval_ms: int | None = None
    probes: int | None = None


Outliers: TypeAlias = OutlierDetection | Literal["off"] | None


@dataclass(frozen=True, slots=True)
class Policy:
    """The whole policy of one service. `hash_on` is None unless `balance` is by hash.

    `subset_labels` are the Pod labels by which routes and sidecars can choose a subset of the endpoints.
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


#: The policy of most services. Hot code compares with it by identity, which is fast.
PLAIN = Policy()
