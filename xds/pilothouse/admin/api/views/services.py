"""The services and their endpoints."""

from __future__ import annotations

from pilothouse.admin.api.views.base import PlaceView, View, Why
from pilothouse.model.reasons import Called


class PortView(View, frozen=True):
    """A port of a service."""

    number: int
    protocol: str
    transport: str
    name: str | None = None


class ServiceRow(View, frozen=True):
    """A service. `left_out` counts what reaches no client, by reason code.

    `called` counts the endpoints that are called at some port, `ready` those that say that they are ready.
    """

    namespace: str
    name: str
    ports: tuple[PortView, ...]
    endpoints: int
    ready: int
    called: int
    left_out: dict[str, int]
    quarantined: bool
    source: str | None = None
    place: str | None = None


class ServiceList(View, frozen=True):
    items: tuple[ServiceRow, ...]
    next: str | None = None


class QuarantineView(View, frozen=True):
    """Why the newest version of a service is not in force. `served`: an earlier version is."""

    reason: str
    since: str
    served: bool


class EndpointCounts(View, frozen=True):
    """How many endpoints there are, are ready, and may be called at all."""

    total: int
    ready: int
    callable: int


class ServiceView(View, frozen=True):
    """A service in short. `exported_to` is absent if all namespaces may see it.

    `place` is where the backend declares it, `changed` when it has changed last. `policy` has what differs
    from the default. `left_out` is what reaches no client, each with its reason.
    """

    namespace: str
    name: str
    ports: tuple[PortView, ...]
    virtual_ips: tuple[str, ...]
    hosts: tuple[str, ...]
    routes: tuple[str, ...]
    policy: dict[str, str]
    endpoints: EndpointCounts
    left_out: tuple[Why, ...]
    exported_to: tuple[str, ...] | None = None
    answered_by: str | None = None
    external_name: str | None = None
    quarantined: QuarantineView | None = None
    source: str | None = None
    place: str | None = None
    changed: str | None = None


class EndpointRow(View, frozen=True):
    """An endpoint of a service, whether clients call it, and if not, why.

    `called` is about a client of which nothing is known but that it may see the service. `ports` are numbers
    by the name of the slice's port, `-` if it has none.
    """

    service: str
    address: str
    ports: dict[str, int]
    state: str
    weight: int
    locality: PlaceView
    called: Called
    reasons: tuple[Why, ...]
    on_node: str | None = None
    workload: str | None = None


class EndpointList(View, frozen=True):
    items: tuple[EndpointRow, ...]
    next: str | None = None
