"""The dependencies that a sidecar states: services, namespaces, exclusions, and domains outside of the
mesh.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pilothouse.mesh.names import in_cluster
from pilothouse.model.addresses import is_public
from pilothouse.model.services import SYSTEM_CA, ServiceName
from pilothouse.structures.cache import interned

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9][-a-z0-9]{0,62}\*")
_URL = re.compile(r"(https?)://([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)(?::([0-9]{1,5}))?/?", re.IGNORECASE)
_EVERYTHING = "*"


class Domain(NamedTuple):
    """A host outside of the mesh.

    With a `ca`, the sidecar speaks TLS and trusts that file on its own disk.
    """

    host: str
    port: int
    ca: str = ""


class Preference(NamedTuple):
    """Which endpoints of a service a sidecar prefers, by a label.

    The first of `values` that a ready endpoint has is used. If no ready endpoint has any of them, `fallback`
    allows all endpoints.
    """

    label: str
    values: tuple[str, ...]
    fallback: bool = False


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Dependencies:
    """The dependencies of one sidecar.

    `services`: None means all. A service named `*` stands for all services of its namespace.
    `excluded`: exceptions to a `*`. A name in it may end in `*`.
    `preferences`: which endpoints are wanted of some services.
    `named`: services that are named beside a `*` for everything. They are wanted even if they are excluded.
    """

    services: frozenset[ServiceName] | None = None
    excluded: frozenset[ServiceName] = frozenset()
    domains: frozenset[Domain] = frozenset()
    preferences: frozenset[tuple[ServiceName, Preference]] = frozenset()
    named: frozenset[ServiceName] = frozenset()
    # The same as indexes, because each push looks them up for each service.
    _exclusions: Mapping[str, Exclusions] = field(init=False, compare=False, repr=False)
    _preferences: Mapping[ServiceName, Preference] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_exclusions", _by_namespace(self.excluded))
        object.__setattr__(self, "_preferences", dict(self.preferences))

    def preference(self, name: ServiceName) -> Preference | None:
        """Which endpoints of a service are wanted. None for all."""
        return self._preferences.get(name)

    def want(self, name: ServiceName) -> bool:
        """Whether a service is a dependency. That of a cluster set is if that of the cluster is."""
        if name.imported:
            name = ServiceName(name.namespace, name.name)
        if name in self.named:
            return True
        if self.services is not None:
            if name in self.services:
                return True
            if ServiceName(name.namespace, "*") not in self.services:
                return False
        exclusions = self._exclusions.get(name.namespace)
        return exclusions is None or not exclusions.match(name.name)


class Exclusions(NamedTuple):
    """Excluded names, and excluded prefixes of names, sorted. No prefix begins with another one."""

    names: frozenset[str]
    prefixes: tuple[str, ...]

    def match(self, name: str) -> bool:
        if name in self.names:
            return True
        at = bisect_right(self.prefixes, name)
        return at > 0 and name.startswith(self.prefixes[at - 1])


def _by_namespace(excluded: Iterable[ServiceName]) -> Mapping[str, Exclusions]:
    names: dict[str, list[str]] = {}
    for each in sorted(excluded):
        names.setdefault(each.namespace, []).append(each.name)
    return {namespace: _exclusions(found) for namespace, found in names.items()}


def _exclusions(names: Iterable[str]) -> Exclusions:
    prefixes: list[str] = []
    for prefix in sorted(name[:-1] for name in names if name.endswith("*")):
        if not (prefixes and prefix.startswith(prefixes[-1])):
            prefixes.append(prefix)
    return Exclusions(frozenset(name for name in names if not name.endswith("*")), tuple(prefixes))


#: The dependencies of a sidecar that states none.
EVERYTHING = interned(Dependencies())

#: The greatest number of items in the list, many times what one application calls.
MOST = 5000
_MOST_VALUES = 100  # values of a subset, which are compared at each push

#: Makes an error from the path of an item, such as `[2].domain`, and what is wrong with it.
Refuse = Callable[[str, str], Exception]


class _Item(NamedTuple):
    """One dependency as it was written, and the keys beside it."""

    place: str
    text: str
    ca: str = ""
    preference: Preference | None = None


#: The keys that are allowed beside `service` and beside `domain`.
_BESIDE = {"service": ("subset", "fallback"), "domain": ("ca",)}


def dependencies(
    items: Sequence[object], refuse: Refuse, cluster_domain: str = "cluster.local"
) -> Dependencies:
    """Parse a list of dependencies.

    An item is a text such as `shop/payments`, `data/*`, `*`, `!data/legacy-*` or `https://api.example.com`.
    It may also be a mapping of `service` or `domain` to such a text. A `service` may have a `subset` beside
    it, and a `domain` a `ca`.

    Raises what `refuse` returns.
    """
    if len(items) > MOST:
        raise refuse("", f"has more than {MOST} items")
    services: set[ServiceName] = set()
    excluded: set[ServiceName] = set()
    domains: dict[tuple[str, int], Domain] = {}
    preferences: dict[ServiceName, Preference] = {}
    everything = False
    for index, item in enumerate(items):
        place, text, ca, preference = _item(item, f"[{index}]", refuse)
        if text == _EVERYTHING:
            everything = True
        elif "://" in text:
            domain = _domain(text, ca, place, refuse, cluster_domain)
            if domains.setdefault(domain[:2], domain) != domain:
                raise refuse(
                    place, f"{domain.host}:{domain.port} has different TLS settings elsewhere in the list"
                )
        elif text.startswith("!"):
            excluded.add(_service(text[1:], place, refuse, prefix=True))
        else:
            service = _service(text, place, refuse)
            services.add(service)
            if preference and preferences.setdefault(service, preference) != preference:
                raise refuse(place, f"{text} is stated twice, with different subsets")
    return interned(
        Dependencies(
            None if everything else frozenset(services),
            frozenset(excluded),
            frozenset(domains.values()),
            frozenset(preferences.items()),
            frozenset(services) if everything else frozenset(),
        )
    )


def _item(item: object, place: str, refuse: Refuse) -> _Item:
    if isinstance(item, str):
        return _Item(place, item)
    said = dict(item) if isinstance(item, Mapping) else {}
    for key, others in _BESIDE.items():
        text = said.get(key)
        if isinstance(text, str) and said.keys() <= {key, *others}:
            if ("://" in text) != (key == "domain"):
                raise refuse(f"{place}.{key}", f"{text!r} is no {key}")
            ca = _ca(said["ca"], f"{place}.ca", refuse) if "ca" in said else ""
            preference = _preference(said, place, refuse)
            if preference and (text.startswith("!") or text.endswith("*")):
                raise refuse(f"{place}.subset", f"{text!r} is no single service")
            return _Item(f"{place}.{key}", text, ca, preference)
    raise refuse(
        place, "must be a text such as shop/payments, or a mapping that has either service or domain"
    )


def _preference(said: Mapping[object, object], place: str, refuse: Refuse) -> Preference | None:
    """Parse for example `"subset": {"version": ["v2", "v1"]}, "fallback": true`."""
    subset, fallback = said.get("subset"), said.get("fallback", False)
    if not isinstance(fallback, bool) or (fallback and subset is None):
        raise refuse(f"{place}.fallback", "must be true or false, beside a subset")
    if subset is None:
        return None
    if isinstance(subset, Mapping) and len(subset) == 1:
        ((label, values),) = subset.items()
        if label and values and isinstance(values, list) and all(v and isinstance(v, str) for v in values):
            if len(values) > _MOST_VALUES:
                raise refuse(f"{place}.subset", f"has more than {_MOST_VALUES} values")
            return Preference(label, tuple(values), fallback)
    raise refuse(f"{place}.subset", 'must be a label and its values such as {"version": ["v2", "v1"]}')


def _service(text: str, place: str, refuse: Refuse, prefix: bool = False) -> ServiceName:
    namespace, slash, name = text.partition("/")
    named = name == "*" or _LABEL.fullmatch(name) or (prefix and _PREFIX.fullmatch(name))
    if not slash or not _LABEL.fullmatch(namespace) or not named:
        raise refuse(place, f"{text!r} is not namespace/name or namespace/*")
    return ServiceName(namespace, name)


def _ca(value: object, place: str, refuse: Refuse) -> str:
    if isinstance(value, str) and value.startswith("/"):
        return value
    raise refuse(place, "must be the absolute path of a file beside the sidecar")


def _domain(text: str, ca: str, place: str, refuse: Refuse, cluster_domain: str) -> Domain:
    found = _URL.fullmatch(text)
    if found is None or ".." in text:
        raise refuse(place, f"{text!r} is not a domain such as https://api.example.com:8443")
    scheme, host, number = found[1].lower(), found[2].lower(), found[4]
    port = int(number) if number else 443 if scheme == "https" else 80
    if not 0 < port < 65536:
        raise refuse(place, f"{port} is not a port between 1 and 65535")
    if in_cluster(host, cluster_domain):
        # DNS would bypass what is exported, and might lead to what had the name before.
        raise refuse(place, f"{host!r} is a name of the cluster: say namespace/name")
    if not is_public(host):
        raise refuse(place, f"{host!r} leads into the sidecar's own machine or network")
    if scheme == "https":
        return Domain(host, port, ca or SYSTEM_CA)
    if ca:
        raise refuse(place, f"{text!r} cannot have a ca: only https can")
    return Domain(host, port)
