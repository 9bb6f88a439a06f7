"""Why something is left out: one list of codes for endpoints, ports, services, routes and documents."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Reason(Enum):
    """Why something in the registry reaches no sidecar. The value is the code that users see."""

    NOT_READY = "not-ready"
    TERMINATING = "terminating"
    MAINTENANCE = "maintenance"  # weight 0
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
