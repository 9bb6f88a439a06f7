"""The services and their endpoints."""

from __future__ import annotations

from pilothouse.admin.api.views.base import PlaceView, SyncState, View, Why
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
    """How many endpoints there are, say that they are ready, and are called at some port."""

    total: int
    ready: int
    called: int


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


class AskedBy(View, frozen=True):
    """The client for which something is answered.

    `state` is that of a connected proxy (see `ProxyRow`). If it is neither SYNCED nor absent, the proxy may
    do something else than what is said here. `streams` and `peer` are there if several clients state its node
    id: how many they are, and which one this is about.
    """

    namespace: str
    locality: PlaceView
    proxy: str | None = None
    on_node: str | None = None
    state: SyncState | None = None
    peer: str | None = None
    streams: int | None = None


class ShareView(View, frozen=True):
    """What a client gives an endpoint at one port of its service.

    `share` is the wanted part of the requests to the port, in percent. `priority` is absent if the endpoint
    is not in the client's load assignment.
    """

    port: int
    share: float
    weight: int
    priority: int | None = None


class EndpointRow(View, frozen=True):
    """An endpoint of a service, whether clients call it, and if not, why.

    `called` is about the client for which the list is made; without one, about a client of which nothing is
    known but that it may see the service. `ports` are numbers by the name of the slice's port, `-` if it has
    none. `shares` are those of the client, by port.
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
    shares: tuple[ShareView, ...] = ()


class EndpointList(View, frozen=True):
    """Endpoints by service. `asked_by` is the client, if the list is made for one."""

    items: tuple[EndpointRow, ...]
    next: str | None = None
    asked_by: AskedBy | None = None
