"""Why something is left out: one list of codes for endpoints, ports, services, routes and documents."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Literal, NamedTuple, TypeAlias

#: Whether an endpoint is called: at all ports, at all ports but after others, at some ports only, or at none.
Called: TypeAlias = Literal["yes", "late", "partly", "no"]


class Reason(Enum):
    """Why something in the registry reaches no sidecar. The value is the code that users see."""

    NOT_READY = "not-ready"
    TERMINATING = "terminating"
    MAINTENANCE = "maintenance"  # weight 0
    DRAINED = "drained"
    INVALID_ADDRESS = "invalid-address"
    INVALID_PORT = "invalid-port"
    INVALID_ENDPOINT = "invalid-endpoint"
    PORT_NAME_MISMATCH = "port-name-mismatch"
    DUPLICATE_LOSER = "duplicate-loser"
    UNSUPPORTED_TRANSPORT = "unsupported-transport"
    DAMPED = "damped"
    QUARANTINED = "quarantined"
    OUT_OF_SCOPE = "out-of-scope"
    NOT_EXPORTED = "not-exported"
    EXCLUDED_NAMESPACE = "excluded-namespace"
    UNSUPPORTED_KIND = "unsupported-kind"
    UNSUPPORTED_FIELD = "unsupported-field"
    UNSUPPORTED_ADDRESSES = "unsupported-addresses"
    ALIAS_LOOP = "alias-loop"
    UNKNOWN_TARGET = "unknown-target"
    REFUSED_NAME = "refused-name"
    DECLARED_BUT_UNKNOWN = "declared-but-unknown"
    NO_PORTS = "no-ports"
    NO_ENDPOINTS = "no-endpoints"
    NAME_TAKEN = "name-taken"
    VIP_TAKEN = "vip-taken"
    NO_VIRTUAL_IP = "no-virtual-ip"
    VIP_NOT_GIVEN = "vip-not-given"
    SERVER_NAME_TAKEN = "server-name-taken"
    NO_SUCH_PARENT = "no-such-parent"
    NO_SUCH_BACKEND = "no-such-backend"
    UNSUPPORTED_RULE = "unsupported-rule"
    ROUTE_CONFLICT = "route-conflict"
    CONSUMER_ROUTE = "consumer-route"
    IMPORTED = "imported"
    NO_OWNER = "no-owner"
    NOT_MIRRORED = "not-mirrored"
    EGRESS_ADDRESS = "egress-address"
    OTHER_NODE = "other-node"
    UNKNOWN_NODE = "unknown-node"
    FAMILY = "family"
    SUBSET = "subset"
    HINT = "hint"
    FAILOVER = "failover"
    DISTRIBUTE = "distribute"


#: Each reason in words, for people. `docs/reference/reasons.md` says more.
WORDS: Mapping[Reason, str] = {
    Reason.NOT_READY: "the endpoint is not ready",
    Reason.TERMINATING: "the endpoint is terminating",
    Reason.MAINTENANCE: "the endpoint has weight 0",
    Reason.DRAINED: "drained by an operator",
    Reason.INVALID_ADDRESS: "the address may not be called, or listened on",
    Reason.INVALID_PORT: "the port is not in 1 to 65535",
    Reason.INVALID_ENDPOINT: "the endpoint cannot be read",
    Reason.PORT_NAME_MISMATCH: "the name of the slice's port differs from the name of the Service's port",
    Reason.DUPLICATE_LOSER: "another endpoint has the same address and port, or is the same workload",
    Reason.UNSUPPORTED_TRANSPORT: "the port is neither TCP nor something that runs over it",
    Reason.DAMPED: "its readiness has changed too often, so it has to wait",
    Reason.QUARANTINED: "the newest version breaks a rule or is rejected; the last good one stays in force",
    Reason.OUT_OF_SCOPE: "the proxy depends neither on the Service nor on another that leads to it",
    Reason.NOT_EXPORTED: "the Service is not exported to the client's namespace",
    Reason.EXCLUDED_NAMESPACE: "the namespace is not served",
    Reason.UNSUPPORTED_KIND: "Pilothouse does not read this kind",
    Reason.UNSUPPORTED_FIELD: "Pilothouse ignores this field",
    Reason.UNSUPPORTED_ADDRESSES: "the slice has host names, and another slice has IP addresses",
    Reason.ALIAS_LOOP: "ExternalNames lead to each other",
    Reason.UNKNOWN_TARGET: "the ExternalName names an unknown Service",
    Reason.REFUSED_NAME: "the ExternalName leads to where no name may lead",
    Reason.DECLARED_BUT_UNKNOWN: "the proxy depends on a Service that does not exist",
    Reason.NO_PORTS: "the Service has no ports",
    Reason.NO_ENDPOINTS: "the Service has no endpoint that can be called",
    Reason.NAME_TAKEN: "another Service has that host name",
    Reason.VIP_TAKEN: "an older Service has that virtual IP",
    Reason.NO_VIRTUAL_IP: "the port can be called by virtual IP only, and the Service has none:"
    " state its clusterIP, or give one by --virtual-ips",
    Reason.VIP_NOT_GIVEN: "the Service needs a virtual IP and was given none",
    Reason.SERVER_NAME_TAKEN: "another TLS port has the Service's names",
    Reason.NO_SUCH_PARENT: "the route's Service, or its port, does not exist",
    Reason.NO_SUCH_BACKEND: "the backend of the route is no port of a known Service",
    Reason.UNSUPPORTED_RULE: "the rule asks for something that Pilothouse does not support",
    Reason.ROUTE_CONFLICT: "the port's protocol does not fit the route, or another route has the port",
    Reason.CONSUMER_ROUTE: "the route is in another namespace than its Service",
    Reason.IMPORTED: "the slice has endpoints of another cluster",
    Reason.NO_OWNER: "the slice's Service does not exist",
    Reason.NOT_MIRRORED: "Kubernetes does not mirror this Endpoints",
    Reason.EGRESS_ADDRESS: "the proxy's egress listener has that address",
    Reason.OTHER_NODE: "internalTrafficPolicy is Local, and the endpoint is on another node",
    Reason.UNKNOWN_NODE: "the client states no node, so internalTrafficPolicy Local counts as Cluster",
    Reason.FAMILY: "the client cannot call an address of this family",
    Reason.SUBSET: "the proxy wants other endpoints of the Service",
    Reason.HINT: "the endpoint has hints for other clients, and is called only if theirs fail",
    Reason.FAILOVER: "a failover rule forbids this place to the client",
    Reason.DISTRIBUTE: "the endpoint's place has no share of the client's requests",
}


#: Reasons that depend on the client. Other clients may get the same thing, so nobody has made a mistake.
OF_CLIENTS = frozenset(
    {
        Reason.OUT_OF_SCOPE,
        Reason.DECLARED_BUT_UNKNOWN,
        Reason.OTHER_NODE,
        Reason.UNKNOWN_NODE,
        Reason.FAMILY,
        Reason.SUBSET,
        Reason.HINT,
        Reason.FAILOVER,
        Reason.DISTRIBUTE,
    }
)


class Omission(NamedTuple):
    """One thing that is left out. `what` names it within its service or file; `why` adds detail."""

    reason: Reason
    what: str
    why: str = ""
