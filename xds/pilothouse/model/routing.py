"""The nouns of routing: which request goes where, in the terms of the Gateway API."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, TypeAlias

#: Pod labels and their values, sorted.
Labels: TypeAlias = tuple[tuple[str, str], ...]


class RouteKind(Enum):
    """The kind of a route. HTTPRoute and GRPCRoute act on requests, the others on connections."""

    HTTP = "HTTPRoute"
    GRPC = "GRPCRoute"
    TCP = "TCPRoute"
    TLS = "TLSRoute"

    @property
    def of_requests(self) -> bool:
        return self in (RouteKind.HTTP, RouteKind.GRPC)


class PathKind(Enum):
    """How a path is compared. A prefix consists of whole segments. The order is the order of precedence."""

    EXACT = 0
    REGEX = 1
    PREFIX = 2


class Path(NamedTuple):
    kind: PathKind = PathKind.PREFIX
    value: str = "/"


class Field(NamedTuple):
    """A header (name in lower case) or a query parameter, and the value that it must have."""

    name: str
    value: str
    regex: bool = False


class Match(NamedTuple):
    """A request matches if it meets all of these conditions.

    For a GRPCRoute, `path` is `/service/method`, and `call` is the length of the service and of the method in
    characters, which decide precedence. If `unsupported` is set, it names conditions that Envoy cannot
    compare; those conditions are not in the other fields.
    """

    path: Path = Path()
    method: str = ""
    headers: tuple[Field, ...] = ()
    query: tuple[Field, ...] = ()
    call: tuple[int, int] = (0, 0)
    unsupported: str = ""


class HeaderChange(NamedTuple):
    """Changes to headers, as pairs of name and value. `set` replaces a header, `add` adds another value."""

    set: tuple[tuple[str, str], ...] = ()
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()

    def then(self, later: HeaderChange) -> HeaderChange:
        """Both changes as one. Envoy applies `remove` first, then `set`, then `add`."""
        gone = {*later.remove, *(name for name, _ in later.set)}
        return HeaderChange(
            tuple(pair for pair in self.set if pair[0] not in gone) + later.set,
            tuple(pair for pair in self.add if pair[0] not in gone) + later.add,
            (*self.remove, *later.remove),
        )


AS_IT_IS = HeaderChange()


class Backend(NamedTuple):
    """A port of a service, and its share of the requests. `imported`: the service is that of a cluster set.

    `granted`: a ReferenceGrant allows the route to lead there. If `unsupported` is set, the share fails, and
    the text says why.
    """

    namespace: str
    name: str
    port: int
    weight: int = 1
    granted: bool = False
    request: HeaderChange = AS_IT_IS
    response: HeaderChange = AS_IT_IS
    unsupported: str = ""
    imported: bool = False

    def __str__(self) -> str:
        kind = "ServiceImport " if self.imported else ""
        return f"{kind}{self.namespace}/{self.name}:{self.port}"


class PathChange(NamedTuple):
    """The replacement for the whole path (`whole`) or for the prefix that matched."""

    value: str
    whole: bool


class Redirect(NamedTuple):
    status: int = 302
    scheme: str = ""
    host: str = ""
    port: int = 0
    path: PathChange | None = None


class Mirror(NamedTuple):
    """Where copies of requests go, and how many of a million requests are copied."""

    backend: Backend
    parts_per_million: int = 1_000_000


class Retry(NamedTuple):
    """GEP-1731: retry up to `attempts` times, `backoff_ms` apart, if the answer has one of `codes`."""

    codes: tuple[int, ...] = ()
    attempts: int = 0
    backoff_ms: int = 0


class Origin(NamedTuple):
    """The origin of a web page, such as `https://www.example.com`, or an expression that matches several."""

    value: str
    regex: bool = False


class Cors(NamedTuple):
    """Which pages may call from a browser, and what they may do (GEP-1767). `*` stands for any."""

    origins: tuple[Origin, ...] = (Origin(".*", regex=True),)
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    visibility: tuple[str, ...] = ()
    credentials: bool = False
    max_age_s: int = 5


class Session(NamedTuple):
    """GEP-1619: a cookie or header by which a client comes back to the same endpoint.

    Without a lifetime, the cookie is a session cookie.
    """

    name: str = ""
    by_header: bool = False
    lifetime_s: int = 0


class Filters(NamedTuple):
    """What a rule does to requests, apart from choosing a backend."""

    request: HeaderChange = AS_IT_IS
    response: HeaderChange = AS_IT_IS
    redirect: Redirect | None = None
    host: str = ""
    path: PathChange | None = None
    mirrors: tuple[Mirror, ...] = ()
    cors: Cors | None = None


NO_FILTERS = Filters()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a route. Timeouts are in milliseconds; None means no limit.

    If `unsupported` is set, the rule asks for something that Pilothouse cannot do, and the whole rule fails.
    `subset`: only the endpoints with these labels are called.
    """

    matches: tuple[Match, ...] = (Match(),)
    backends: tuple[Backend, ...] = ()
    filters: Filters = NO_FILTERS
    timeout_ms: int | None = None
    attempt_timeout_ms: int | None = None
    retry: Retry | None = None
    unsupported: str = ""
    subset: Labels = ()
    session: Session | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A route that is attached to a service: to one of its ports, or to all of them (`port` 0)."""

    kind: RouteKind
    namespace: str
    name: str
    rules: tuple[Rule, ...]
    port: int = 0
    created: str = ""

    @property
    def backends(self) -> list[Backend]:
        """The backends of all rules, mirrors included."""
        found = [backend for rule in self.rules for backend in rule.backends]
        return found + [mirror.backend for rule in self.rules for mirror in rule.filters.mirrors]

    def __str__(self) -> str:
        return f"{self.kind.value} {self.namespace}/{self.name}"
