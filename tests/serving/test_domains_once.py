"""Whatever services are called, no client is sent a domain twice: Envoy would refuse all of its routes."""

from __future__ import annotations

from typing import Any

from hypothesis import given, note, settings
from hypothesis import strategies as st

from pilothouse.mesh.audience import EGRESS, Capture
from pilothouse.mesh.dependencies import Dependencies, Domain
from pilothouse.mesh.visibility import Scope
from pilothouse.model.addresses import CLUSTER_SET
from pilothouse.model.services import Port, Protocol, Service, ServiceName, ServiceSpec
from pilothouse.serving.catalogue import Catalogue

from .test_pod_names import opened_hosts
from .test_server_names import opened_chains

WORDS = ("a", "b", "svc", "local")
SUFFIXES = ((), (".a",), (".svc",), (".a.b",), (".svc.local",), (".a", ".b.svc"), (".b", ".a.b", ".a.b.svc"))
PORTS = (Port("http", 80), Port("https", 443, Protocol.TLS))
HOSTS = ("a", "a.b", "a.b.svc", "a.b.svc.local", "a.svc.local", "b.a.b.svc")


@st.composite
def services(draw: Any) -> list[Service]:
    words = st.sampled_from(WORDS)
    names = draw(st.lists(st.builds(ServiceName, words, words, st.booleans()), unique=True, max_size=5))
    suffixes = draw(st.sampled_from(SUFFIXES))
    found = []
    for name in names:
        pods = () if name.imported else draw(st.sets(words, max_size=2))
        spec = ServiceSpec(
            name,
            PORTS,
            headless=True,
            hostnames=tuple(sorted(pods)),
            suffixes=() if name.imported else suffixes,
            cluster_domain=CLUSTER_SET if name.imported else "local",
        )
        found.append(Service(spec))
    return found


@settings(max_examples=300, derandomize=True, database=None, deadline=None)
@given(services(), st.sampled_from(WORDS), st.sets(st.sampled_from(HOSTS), max_size=2))
def test_no_domain_and_no_server_name_comes_twice(
    found: list[Service], namespace: str, hosts: set[str]
) -> None:
    for service in found:
        note(f"{service.name} {service.spec.hostnames} {service.spec.suffixes}")
    catalogue, known = Catalogue(), {}
    for service in found:  # one by one, since each may take a name from another
        known[service.name] = service
        catalogue.apply([service.name], known)
    domains = frozenset(Domain(host, 80) for host in hosts)
    scope = Scope(Dependencies(domains=domains), namespace)
    routes = opened_hosts(catalogue.routes(scope, Capture.PROXY).resources["egress"])
    chains = opened_chains(catalogue.listeners(scope, EGRESS, Capture.PROXY).resources["egress"])
    for service in found:  # what is called by its full name is itself
        full = service.spec.hostname
        assert routes[full].name == f"{full}:80"
        assert chains[full].name == f"{full}:443"
