"""The proxies, and what each has."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

from pilothouse.admin.api.views.base import PlaceView, SyncState, View

#: The same for a proxy, the state that needs most attention first. REFUSED: a request of its was not allowed,
#: and no stream of its was accepted since. GONE: the stream has ended.
ProxyState: TypeAlias = Literal["REFUSED", "NACKED", "STALE", "GONE", "SENDING", "SYNCED", "IDLE"]
NEED_ATTENTION: tuple[ProxyState, ...] = ("REFUSED", "NACKED", "STALE")
PROXY_STATES: tuple[ProxyState, ...] = get_args(ProxyState)

#: How a resource that a proxy was sent differs from what it should have.
Difference: TypeAlias = Literal["missing", "older", "extra", "rejected", "unanswered"]


class SubscriptionState(View, frozen=True):
    """The state of one type on one stream."""

    type: str
    state: SyncState


class LagView(View, frozen=True):
    """The changes that a proxy does not have yet: how many, and when a source told of the first of them."""

    changes: int
    since: str


class ProxyRow(View, frozen=True):
    """A stream of a proxy. `state` is that of the type that needs most attention.

    `lag` is about the changes that the client has not answered at all of its types. It is absent without any.
    A client that is refused has one row, with the `reason`: `refused` counts its refused streams, of which
    the first began at `connected`, and the last ended at `gone`. What it says of itself is not believed, so
    it has no namespace; without a node id, `node` is empty.
    """

    node: str
    peer: str
    namespace: str
    variant: str
    stream: str
    state: ProxyState
    connected: str
    types: tuple[SubscriptionState, ...] = ()
    gone: str | None = None
    reason: str | None = None
    lag: LagView | None = None
    refused: int | None = None


class ProxyList(View, frozen=True):
    items: tuple[ProxyRow, ...]
    next: str | None = None


class NackView(View, frozen=True):
    """A NACK of a stream: its text, when it came, and the nonce that it is about."""

    text: str
    at: str
    nonce: str


class SubscriptionView(View, frozen=True):
    """One type on one stream.

    SYNCED: the last response is acknowledged. SENDING: it is not answered yet. STALE: it has not been
    answered for long. NACKED: the client has rejected the last response that it answered. IDLE: nothing was
    sent.

    `asked` counts the names that the client asks for, if it does not ask for all. `last_nack` stays after the
    client has accepted something.

    `change_sent` is the last change that was in force when the last response was made, `change_acknowledged`
    when the last acknowledged one was. Nothing is sent for later changes that do not concern the client.
    `lag` is about those that do and that it has not answered. It is absent if there are none.
    """

    type: str
    state: SyncState
    wildcard: bool
    asked: int
    held: int
    nonce_sent: str | None = None
    version_sent: str | None = None
    change_sent: int | None = None
    sent: str | None = None
    nonce_acknowledged: str | None = None
    version_acknowledged: str | None = None
    change_acknowledged: int | None = None
    lag: LagView | None = None
    in_flight_since: str | None = None
    last_nack: NackView | None = None


class StreamView(View, frozen=True):
    """One stream of a proxy. `identity` has the URIs that its certificate proves.

    `unknown` are dependencies that do not exist.
    """

    peer: str
    stream: str
    variant: str
    dialect: str
    namespace: str
    locality: PlaceView
    connected: str
    types: tuple[SubscriptionView, ...]
    identity: tuple[str, ...] = ()
    on_node: str | None = None
    capture: str | None = None
    depends_on: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


class UnansweredView(View, frozen=True):
    """A response that the client had not answered when it went."""

    type: str
    since: str


class GoneView(View, frozen=True):
    """A stream that has ended, and why. `nacked` has what the client had rejected at its end, by type."""

    since: str
    why: str
    peer: str
    stream: str
    connected: str
    unanswered: tuple[UnansweredView, ...] = ()
    nacked: dict[str, str] | None = None


class RefusalView(View, frozen=True):
    """Why a client is refused that states this node id: how often, since when, and its last stream."""

    count: int
    first: str
    last: str
    why: str
    peer: str
    stream: str
    variant: str


class ProxyView(View, frozen=True):
    """A proxy: its open streams, or how the last ones ended.

    `refused` beside open streams is about somebody else who states the same node id.
    """

    node: str
    state: ProxyState
    streams: tuple[StreamView, ...]
    gone: tuple[GoneView, ...] = ()
    refused: RefusalView | None = None


class ResourceRow(View, frozen=True):
    """A resource. The version of one that a proxy holds is absent if only the proxy knows it.

    `services` are those that it is about, if it is about few, and `change` is the latest change of one of
    them that is remembered. `content` is Envoy's message, without keys and passwords.
    """

    type: str
    name: str
    version: str | None = None
    services: tuple[str, ...] = ()
    change: int | None = None
    content: dict[str, Any] | None = None


class WouldGetView(View, frozen=True):
    """The resources that a client would get, and how its node is understood.

    `unknown` are dependencies that do not exist.
    """

    node: str
    namespace: str
    locality: PlaceView
    dialect: str
    capture: str
    items: tuple[ResourceRow, ...]
    next: str | None = None
    on_node: str | None = None
    depends_on: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


class DiffRow(View, frozen=True):
    """A resource that a proxy should have in the version `wanted`, and was sent in the version `held`.

    `missing`: it was not sent. `older`: it was sent in another version. `extra`: it should be gone.
    `rejected`, `unanswered`: it was sent in the right version, and the proxy has not acknowledged that.

    `wanted_content` and `held_content` are the messages of these versions, without keys and passwords. One
    is absent if there is none, and `held_content` also if only the proxy knows it.
    """

    type: str
    name: str
    state: Difference
    wanted: str | None = None
    held: str | None = None
    services: tuple[str, ...] = ()
    wanted_content: dict[str, Any] | None = None
    held_content: dict[str, Any] | None = None


class DiffView(View, frozen=True):
    """How what a proxy was sent differs from what it should have. `in_sync`: nothing differs, and it has
    accepted everything.
    """

    node: str
    in_sync: bool
    types: tuple[SubscriptionState, ...]
    items: tuple[DiffRow, ...]
    next: str | None = None


class ResourceList(View, frozen=True):
    items: tuple[ResourceRow, ...]
    next: str | None = None
