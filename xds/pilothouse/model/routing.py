"""The nouns of traffic policy: which request goes where, as the Gateway API says it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, TypeAlias

#: Some labels of pods and their values, sorted.
Labels: TypeAlias = tuple[tuple[str, str], ...]


class RouteKind(Enum):
    """What a route is about. HTTPRoute and GRPCRoute act on requests, the others on connections."""

    HTTP = "HTTPRoute"
    GRPC = "GRPCRoute"
    TCP = "TCPRoute"
    TLS = "TLSRoute"

    @property
    def of_requests(self) -> bool:
        return self in (RouteKind.HTTP, RouteKind.GRPC)


class PathKind(Enum):
    """How a path is compared; a prefix is one of whole segments. The order is that of precedence."""

    EXACT = 0
    REGEX = 1
    PREFIX = 2


class Path(NamedTuple):
    kind: PathKind = PathKind.PREFIX
    value: str = "/"


class Field(NamedTuple):
    """A header (its name in lower case) or a query parameter, and what it has to be."""

    name: str
    value: str
    regex: bool = False


class Match(NamedTuple):
    """All of it has to be so.

    `call` is of a GRPCRoute: the number of characters of its service and its method, which decide on
    precedence there; a call's path is `/service/method`. If it is `unsupported`, the conditions that Envoy
    cannot compare are missing here.
    """

    path: Path = Path()
    method: str = ""
    headers: tuple[Field, ...] = ()
    query: tuple[Field, ...] = ()
    call: tuple[int, int] = (0, 0)
    unsupported: str = ""


class HeaderChange(NamedTuple):
    """`set` replaces what is there, `add` goes beside it; pairs of name and value."""

    set: tuple[tuple[str, str], ...] = ()
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()

    def then(self, later: HeaderChange) -> HeaderChange:
        """Both in one. What is removed goes first, then what is set comes, then what is added."""
        gone = {*later.remove, *(name for name, _ in later.set)}
        return HeaderChange(
            tuple(pair for pair in self.set if pair[0] not in gone) + later.set,
            tuple(pair for pair in self.add if pair[0] not in gone) + later.add,
            (*self.remove, *later.remove),
        )


AS_IT_IS = HeaderChange()


class Backend(NamedTuple):
    """A port of a service, and its share of the requests.

    `granted` says whether a ReferenceGrant lets the route lead there. The share of one that is `unsupported`
    fails.
    """

    namespace: str
    name: str
    port: int
    weight: int = 1
    granted: bool = False
    request: HeaderChange = AS_IT_IS
    response: HeaderChange = AS_IT_IS
    unsupported: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}:{self.port}"


class PathChange(NamedTuple):
    """What takes the place of the whole path, or of the prefix that matched."""

    value: str
    whole: bool


class Redirect(NamedTuple):
    status: int = 302
    scheme: str = ""
    host: str = ""
    port: int = 0
    path: PathChange | None = None


class Mirror(NamedTuple):
    """To where a copy goes, of so many in a million requests."""

    backend: Backend
    parts_per_million: int = 1_000_000


class Retry(NamedTuple):
    """GEP-1731: `attempts` beside the first one, after `backoff_ms`, when one of `codes` is the answer."""

    codes: tuple[int, ...] = ()
    attempts: int = 0
    backoff_ms: int = 0


class Origin(NamedTuple):
    """From where a page is that calls, such as `https://www.example.com`, or an expression for several."""

    value: str
    regex: bool = False


class Cors(NamedTuple):
    """From where browsers may call, and what a page may do (GEP-1767); `*` stands for any."""

    origins: tuple[Origin, ...] = (Origin(".*", regex=True),)
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    visibility: tuple[str, ...] = ()
    credentials: bool = False
    max_age_s: int = 5


class Session(NamedTuple):
    """GEP-1619: what a client sends back to come to the same endpoint again, a cookie or a header.

    Without a lifetime the cookie ends with the client.
    """

    name: str = ""
    by_header: bool = False
    lifetime_s: int = 0


class Filters(NamedTuple):
    """What a rule does to its requests beside choosing a backend. Times are in ms; None is no limit."""

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
    """One rule of a route. What asks for something `unsupported` may not act as if it did not.

    `subset` are labels that the endpoints of its backends have to have.
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
    """A route as it is attached to a service: to one of its ports, or to all of them (0)."""

    kind: RouteKind
    namespace: str
    name: str
    rules: tuple[Rule, ...]
    port: int = 0
    created: str = ""

    @property
    def backends(self) -> list[Backend]:
        """All that its rules lead to, mirrors included."""
        found = [backend for rule in self.rules for backend in rule.backends]
        return found + [mirror.backend for rule in self.rules for mirror in rule.filters.mirrors]

    def __str__(self) -> str:
        return f"{self.kind.value} {self.namespace}/{self.name}"
