"""The host names of services and their endpoints: from where each is understood, and which service owns it.

Everything that needs names reads them here: virtual hosts, TLS by server name, the targets of gRPC clients,
and the check that domains hide no service. The text after a service's name is the same for all services of a
namespace, so it is kept once for each namespace.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from pilothouse.model.addresses import CLUSTER_SET, in_cluster_set
from pilothouse.model.services import ServiceName, ServiceSpec

_NAMESPACES = 1 << 12  # namespaces of services, which are few; those that clients state are unbounded


class Form(NamedTuple):
    """The text after a service's name in one of its host names, as two parts.

    For example `shop` and `.svc.cluster.local`, `shop` and nothing, or nothing and `.mesh`. Without a
    namespace, the host name is understood in the service's own namespace only.
    """

    namespace: str
    ending: str

    @property
    def text(self) -> str:
        return f".{self.namespace}{self.ending}" if self.namespace else self.ending


class ClusterZone(NamedTuple):
    """The DNS domain of a cluster, and which of the services in it are served.

    Without `included`, those of all namespaces are, except of `excluded` ones. `selected`: not all of these.
    """

    domain: str = "cluster.local"
    included: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    selected: bool = False

    def has_all(self, namespace: str) -> bool:
        """Whether a service of a namespace that is not served does not exist."""
        served = namespace not in self.excluded and (not self.included or namespace in self.included)
        return served and not self.selected


class HostName(NamedTuple):
    """A host name in lower case, and whether it means the same in every namespace."""

    text: str
    everywhere: bool

    def below(self, label: str) -> HostName:
        """The name with one more label in front."""
        return HostName(f"{label}.{self.text}", self.everywhere)


@lru_cache(_NAMESPACES)
def _forms(namespace: str, cluster_domain: str, suffixes: tuple[str, ...]) -> Mapping[str, Form]:
    """The forms of the host names of a namespace's services, by their text, most specific first.

    A single label is a name only within its own namespace. A trailing dot makes an absolute DNS name, which
    some clients send.
    """
    zone = f".svc.{cluster_domain}"
    found: dict[str, Form] = {}
    endings = [(namespace, each) for each in (zone, f"{zone}.", ".svc", "")]
    for form in map(Form._make, [*endings, ("", ""), *((n, s) for s in suffixes for n in (namespace, ""))]):
        text = form.text.lower()
        if text not in found or form.namespace:
            found[text] = form
    return found


@lru_cache(_NAMESPACES)
def _imported_forms(namespace: str) -> Mapping[str, Form]:
    """As `_forms`, for the services of a cluster set. They have no short names."""
    zone = f".svc.{CLUSTER_SET}"
    return {form.text: form for form in (Form(namespace, zone), Form(namespace, f"{zone}."))}


@dataclass(frozen=True, slots=True)
class Names:
    """The host names of one service, and of its endpoints that can be called one by one (`endpoints`).

    `taken` are host names that it would have if they were not the names of other services.
    """

    spec: ServiceSpec
    taken: frozenset[str] = frozenset()
    endpoints: tuple[str, ...] = ()

    def of_service(self, own_namespace: bool = True) -> list[HostName]:
        """The names of the service for clients in its own namespace, or in others, most specific first."""
        found = [host for host in self._all() if own_namespace or host.everywhere]
        return [host for host in found if host.text not in self.taken] if self.taken else found

    def authorities(self) -> list[HostName]:
        """The hosts, without ports, by which a Host header means the service: its names, then its virtual
        IPs.
        """
        addresses = (f"[{vip}]" if ":" in vip else vip for vip in self.spec.vips)
        return [*self.of_service(), *(HostName(address.lower(), True) for address in addresses)]

    def of_endpoints(self, own_namespace: bool = True) -> Iterator[tuple[str, list[HostName]]]:
        """Each label of an endpoint, and the endpoint's names: the label in front of the service's names."""
        if not self.endpoints:
            return
        # With an extra suffix, such a name means a service in the client's namespace.
        before = [
            host
            for host in self.of_service(own_namespace)
            if not (host.everywhere and f".{host.text}" in self.spec.suffixes)
        ]
        # The endpoint `db` of the service `db` in the namespace `db` is not `db.db`.
        others = self.taken.union(host.text for host in self._all())
        for label in self.endpoints:
            found = (host.below(label) for host in before)
            yield label, [host for host in found if host.text not in others]

    def has(self, host: str, own_namespace: bool) -> bool:
        """Whether a host in lower case is a name of the service, for clients in its namespace or in
        others.
        """
        name = self.spec.name.name.lower()
        form = self._forms.get(host[len(name) :]) if host.startswith(name) else None
        return form is not None and (own_namespace or form.namespace != "") and host not in self.taken

    def has_endpoint(self, host: str, own_namespace: bool) -> bool:
        """As `has`, for the names of its endpoints."""
        label = host.partition(".")[0]
        named = self.of_endpoints(own_namespace) if label in self.endpoints else ()
        return any(host == each.text for _, found in named for each in found)

    @property
    def _forms(self) -> Mapping[str, Form]:
        if self.spec.name.imported:
            return _imported_forms(self.spec.name.namespace)
        return _forms(self.spec.name.namespace, self.spec.cluster_domain, self.spec.suffixes)

    def _all(self) -> list[HostName]:
        name = self.spec.name.name.lower()
        return [HostName(name + text, form.namespace != "") for text, form in self._forms.items()]


def owners(host: str, namespace: str) -> Iterator[ServiceName]:
    """The services that a host may mean to a client in this namespace. Their `Names` say whether it does.

    A name with a namespace in it takes precedence over one without.
    """
    name, _, rest = host.partition(".")
    if in_cluster_set(host.removesuffix(".")):
        yield ServiceName(rest.partition(".")[0], name, imported=True)
        return
    for each in dict.fromkeys((rest.partition(".")[0], namespace)):
        yield ServiceName(each, name)


def endpoint_owners(host: str, namespace: str) -> Iterator[ServiceName]:
    """As `owners`, for a host that may be the name of an endpoint."""
    return owners(host.partition(".")[2], namespace)


def in_cluster(host: str, cluster_domain: str) -> bool:
    """Whether a host is a name of the cluster, whether or not a service has it.

    `.svc` belongs to the cluster, too, because of the search path of its resolvers. So do the names of its
    cluster set.
    """
    return host.endswith((".svc", f".{cluster_domain}")) or in_cluster_set(host)


def contested(spec: ServiceSpec) -> Iterator[tuple[str, ServiceName]]:
    """The host names that a service or its endpoints have unless another service exists, and that service.

    A service's name with a namespace in it takes precedence over one without, and both over an endpoint's
    name. For example, `db-0.db` is an endpoint of the service `db`, unless there is a service `db-0` in the
    namespace `db`. With the suffix `.mesh`, `payments.mesh` is the service `payments` of the client's
    namespace, unless there is a service `payments` in the namespace `mesh`.
    """
    name = spec.name
    for suffix in spec.suffixes:
        for namespace in _namespaces(suffix, spec) - {name.namespace}:
            yield f"{name.name}{suffix}", ServiceName(namespace, name.name)
    for host, _ in Names(spec).of_service() if spec.hostnames else ():
        namespaces = _namespaces(f".{host}", spec)
        if f".{host}" in spec.suffixes:
            namespaces.add(name.namespace)
        for owner in (ServiceName(namespace, label) for namespace in namespaces for label in spec.hostnames):
            if owner != name:
                yield f"{owner.name}.{host}", owner


def _namespaces(after: str, spec: ServiceSpec) -> set[str]:
    """The namespaces whose services have host names that end in `after`: `mesh` for `.mesh.svc`."""
    endings = ("", ".svc", f".svc.{spec.cluster_domain}", *spec.suffixes)
    found = {after[1:].removesuffix(ending) for ending in endings if after.endswith(ending)}
    return {namespace for namespace in found if namespace and "." not in namespace}


#: The options of a Pod's resolver: a name with fewer dots is looked for in the search domains first.
NDOTS = 5


def searched(host: str, namespace: str, cluster_domain: str) -> list[str]:
    """The names that the resolver of a Pod asks for, one after the other, until one exists.

    This is what the kubelet writes into resolv.conf for dnsPolicy ClusterFirst, without the search domains of
    the node. An absolute name, which ends in a dot, is asked for alone.
    """
    if host.endswith("."):
        return [host]
    domains = (f"{namespace}.svc.{cluster_domain}", f"svc.{cluster_domain}", cluster_domain)
    inside = [f"{host}.{domain}." for domain in domains]
    alone = f"{host}."
    return [alone, *inside] if host.count(".") >= NDOTS else [*inside, alone]


def shortest(absolute: str, namespace: str, cluster_domain: str) -> str:
    """The shortest name for which a Pod's resolver asks first for this absolute name."""
    first_domain = f".{namespace}.svc.{cluster_domain}."
    short = absolute.removesuffix(first_domain)
    if short != absolute and short.count(".") < NDOTS:
        return short
    plain = absolute.removesuffix(".")
    return plain if plain.count(".") >= NDOTS else absolute


def in_dns(host: str, spec: ServiceSpec) -> bool:
    """Whether the DNS of the cluster has this absolute name for a service or one of its endpoints.

    It has the whole names only. The shorter ones come about by search domains.
    """
    name = spec.name
    whole = f"{name.name}.{name.namespace}.svc.{spec.cluster_domain}.".lower()
    label, _, rest = host.partition(".")
    return host == whole or (spec.headless and rest == whole and label in spec.hostnames)
