"""The walk from a name to endpoints."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pilothouse.admin.api.views.base import PlaceView, View, Why
from pilothouse.admin.api.views.changes import ChangeView
from pilothouse.admin.api.views.services import AskedBy, PortView

#: How far a resource has come. `older`: the proxy has another version. `wanted`: a client would get it.
Delivered: TypeAlias = Literal[
    "acknowledged", "unanswered", "rejected", "older", "not asked for", "wanted", "none"
]


class StepView(View, frozen=True):
    """A resource that a call goes through, and how far it has come at the proxy.

    `wanted` is its version now, `held` the one that the proxy was sent.
    """

    type: str
    name: str
    state: Delivered
    wanted: str | None = None
    held: str | None = None
    since: str | None = None


class ToView(View, frozen=True):
    """Where a part of the requests goes. `share` is in percent.

    `refused` says that it goes nowhere, and `status` with which HTTP status the proxy itself answers it.
    """

    share: float
    cluster: str | None = None
    weight: int | None = None
    refused: str | None = None
    status: int | None = None


class RouteView(View, frozen=True):
    """A rule: which requests, and where they go. Rules are tried in order."""

    match: str
    to: tuple[ToView, ...]
    route: str | None = None
    left_out: tuple[Why, ...] = ()


class TargetView(View, frozen=True):
    """An endpoint behind a cluster. `share` is its wanted part of the cluster's requests, in percent.

    `reason` says why it gets none, or gets some later than others.
    """

    address: str
    state: str
    share: float
    weight: int
    locality: PlaceView
    port: int | None = None
    priority: int | None = None
    reason: Why | None = None


class LocalityView(View, frozen=True):
    """A locality at one priority: a part of its requests by weight, less what has failed. All in percent.

    `counted` are the endpoints that do not drain. `trusted` is the part of its load that the `healthy` ones
    can take: theirs, times the overprovisioning factor. `share` is of all requests to the cluster.
    """

    locality: PlaceView
    weight: int
    healthy: int
    counted: int
    trusted: float
    share: float


class PriorityView(View, frozen=True):
    """A priority: how much its health lets it take, what it gets, and how its localities divide that."""

    priority: int
    healthy: int
    counted: int
    trusted: float
    share: float
    localities: tuple[LocalityView, ...] = ()


class HostView(View, frozen=True):
    """A host name behind a cluster that the proxy looks up in DNS, and the port that it calls there."""

    host: str
    port: int
    weight: int


class ClusterView(View, frozen=True):
    """A cluster, and how its requests are shared. `endpoints` has the first of `total`.

    `arithmetic` says line by line how the shares come about, and `priorities` has its numbers.
    `overprovisioning` is the factor.

    `reached`: some requests get to an endpoint; if one is asked for, to that one. It is absent if the proxy
    looks the hosts `by_dns` up itself: only its Envoy knows what it finds.
    """

    name: str
    arithmetic: tuple[str, ...]
    total: int
    endpoints: tuple[TargetView, ...]
    reached: bool | None = None
    by_dns: tuple[HostView, ...] = ()
    priorities: tuple[PriorityView, ...] = ()
    overprovisioning: float | None = None
    service: str | None = None
    problem: Why | None = None


class AskedName(View, frozen=True):
    """An absolute name that a resolver asks for.

    `exists` is absent if it is no name of the cluster, so that only other DNS servers know.
    """

    name: str
    exists: bool | None = None


class DnsView(View, frozen=True):
    """What the resolver of a Pod in the client's namespace asks for, one after the other (`ndots:5`).

    `queries` counts one for A and one for AAAA each. `shortest` is the shortest name for which the resolver
    asks first for what exists, or for what may exist outside of the cluster.
    """

    asked: tuple[AskedName, ...]
    queries: int
    shortest: str | None = None


class DnsAnswer(View, frozen=True):
    """What a resolver of Pilothouse answers for a name: `serve --dns`, or a `dns-agent` of the client's
    namespace.

    `code` is NOERROR, NODATA, NXDOMAIN or SERVFAIL. `records` are addresses, and the targets of aliases.
    """

    resolver: str
    name: str
    code: str
    records: tuple[str, ...] = ()


class ExplainView(View, frozen=True):
    """The walk from a name to endpoints, for one client.

    If `found` is false, `problem` says why the name leads nowhere. `reaches`: some requests get to an
    endpoint; if one is asked for, to that one. It is absent if that depends on what the proxy finds in DNS.
    `read_as` says how the name is read if it is a URL or the
    address of an endpoint. `notes` are about other services that would have the name. `last_change` is
    that of a service which had the name and has gone, if it is remembered. `left_out` is what of
    the service this client does not get. `dns` is what a Pod asks the name server of the cluster, by the
    names that the cluster has. It is absent for an address, and for a client without a namespace.
    `answers` are those of Pilothouse's own resolvers, which do not know what is not exported to whoever asks.
    """

    name: str
    asked_by: AskedBy
    found: bool
    reaches: bool | None = None
    read_as: str | None = None
    service: str | None = None
    answered_by: str | None = None
    place: str | None = None
    virtual_ips: tuple[str, ...] = ()
    port: PortView | None = None
    steps: tuple[StepView, ...] = ()
    routes: tuple[RouteView, ...] = ()
    clusters: tuple[ClusterView, ...] = ()
    left_out: tuple[Why, ...] = ()
    notes: tuple[Why, ...] = ()
    problem: Why | None = None
    near: tuple[str, ...] = ()
    last_change: ChangeView | None = None
    dns: DnsView | None = None
    answers: tuple[DnsAnswer, ...] = ()
