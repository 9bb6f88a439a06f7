"""Names beside CoreDNS: the same objects in one API server, thousands of questions to both.

Every difference has a reason, which is stated here, or is a mistake.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.reversename
import pytest

from ..ports import free_port
from .cluster import Cluster
from .namespace import Namespace
from .plane import Plane
from .process import Process, wait_until

_ZONE = "cluster.local."
_TYPES = ("A", "AAAA", "SRV", "CNAME", "TXT", "MX", "PTR", "NS", "SOA", "HTTPS")
_QUESTIONS = 4000

_COREFILE = """
.:{port} {{
    bind 127.0.0.1
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig}
        zonal
        pods insecure
    }}
    errors
}}
"""


class Asked(NamedTuple):
    name: str
    type: str


class Said(NamedTuple):
    """An answer in comparable form: its code, its records, what comes with them, and who says so."""

    rcode: str
    answer: frozenset[str]
    additional: frozenset[str]
    authority: frozenset[str]


def ask(port: int, asked: Asked) -> Said:
    query = dns.message.make_query(asked.name, asked.type, use_edns=0, payload=1232)
    found, _ = dns.query.udp_with_fallback(query, "127.0.0.1", port=port, timeout=10)
    answer = _records(found.answer)
    # An address that is in the answer need not come with it once more.
    additional = _records(found.additional) - answer
    return Said(dns.rcode.to_text(found.rcode()), answer, additional, _kinds(found.authority))


def _records(section: Iterable[dns.rrset.RRset]) -> frozenset[str]:
    return frozenset(
        f"{rrset.name.to_text().lower()} {rrset.ttl} {rrset.rdtype.name} {rdata.to_text().lower()}"
        for rrset in section
        for rdata in rrset
        if rrset.rdtype not in (dns.rdatatype.SOA, dns.rdatatype.NS)
    )


def _kinds(section: Iterable[dns.rrset.RRset]) -> frozenset[str]:
    return frozenset(rrset.rdtype.name for rrset in section)


def objects(namespace: Namespace) -> None:
    """Services of all kinds."""
    http, metrics = {"name": "http", "port": 80}, {"name": "metrics", "port": 9090}
    namespace.service("payments", [http, metrics])
    namespace.service("lonely")
    namespace.service("unnamed", [{"port": 80}])
    namespace.service(
        "names", [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53}]
    )
    for name, spec in (("cart", {}), ("eager", {"publishNotReadyAddresses": True}), ("starting", {})):
        namespace.service(name, [http, metrics], clusterIP="None", **spec)
    namespace.service("portless", [], clusterIP="None")
    namespace.service("manual", [http], selector=None, clusterIP="None")
    for number, app in enumerate(("payments", "cart", "cart", "eager", "portless", "unnamed", "names")):
        namespace.pod(f"{app}-{number}", app, f"n{number % 3 + 1}", f"10.9.1.{number + 1}")
    namespace.pod("cart-x", "cart", "n1", "10.9.2.1", hostname="first", subdomain="cart")
    for name, app in (("cart-y", "cart"), ("eager-y", "eager"), ("starting-y", "starting")):
        namespace.pod(name, app, "n2", f"10.9.3.{len(name)}")
        namespace.report(name, ready=False)
    _manual(namespace)
    inside = f"payments.{namespace}.svc.cluster.local"
    for name, target in (("inside", inside), ("nowhere", f"gone.{namespace}.svc.cluster.local")):
        _external(namespace, name, target)
    _external(namespace, "outside", "api.example.com")


def _external(namespace: Namespace, name: str, target: str) -> None:
    spec = {"type": "ExternalName", "externalName": target}
    namespace.api.create(namespace.object("Service", name, spec=spec))


def _manual(namespace: Namespace) -> None:
    """Endpoints that somebody else has written: of both families, with zones and host names."""
    for family, addresses in (("IPv4", ["10.9.4.1", "10.9.4.2"]), ("IPv6", ["fd00:9::1", "fd00:9::2"])):
        endpoints = [
            {"addresses": [address], "zone": zone, "hostname": hostname}
            for address, zone, hostname in zip(addresses, ("a", "b.east"), ("twin", "twin"), strict=True)
        ]
        namespace.api.create(
            namespace.object(
                "EndpointSlice",
                f"manual-{family.lower()}",
                "discovery.k8s.io/v1",
                labels={"kubernetes.io/service-name": "manual"},
                addressType=family,
                endpoints=endpoints,
                ports=[{"name": "http", "port": 8080, "protocol": "TCP"}],
            )
        )


def names(namespace: Namespace) -> Iterator[str]:
    """Names that exist, and more that do not, of every shape."""
    services = [each["metadata"]["name"] for each in namespace.api.list("Service", namespace.name)]
    before = ["", "first.", "twin.", "10-9-1-2.", "10-9-4-1.", "fd00-9--1.", "10-9-3-6.", "x.", "a.b."]
    ports, protocols = ("http", "metrics", "dns", "dns-tcp", "none", ""), ("tcp", "udp", "sctp", "zone")
    before += [f"_{port}._{protocol}." for port, protocol in product(ports, protocols)]
    before += [
        f"{zone}.{which}._zone." for zone in ("a", "b.east", "c", "q") for which in ("pin", "prefer", "x")
    ]
    before += ["_tcp.", "_http.", "http.tcp.", "_zone.", "pin._zone.", "a.b.c.d."]
    for service, label in product([*services, "gone"], before):
        yield f"{label}{service}.{namespace}.svc.{_ZONE}"
    yield from (f"{each}.{namespace}.pod.{_ZONE}" for each in ("10-9-1-1", "1-2-3-4", "fd00--1", "x", "a.b"))
    for middle in ("", "svc.", "pod.", f"{namespace}.svc.", f"{namespace}.pod.", "gone.svc.", "x.gone.svc."):
        yield f"{middle}{_ZONE}"
    yield from (f"{each}.{_ZONE}" for each in ("dns-version", "x", "x.y", "payments", "a.any", "dns"))


def addresses(namespace: Namespace) -> Iterator[str]:
    """Names of addresses, of services, of endpoints and of nobody."""
    for service in namespace.api.list("Service", namespace.name):
        yield from (each for each in service["spec"].get("clusterIPs") or () if each != "None")
    for piece in namespace.api.list("EndpointSlice", namespace.name):
        yield from (each for endpoint in piece.get("endpoints") or () for each in endpoint["addresses"])
    yield from ("10.9.99.99", "fd00:99::99")


def questions(namespace: Namespace) -> list[Asked]:
    rng = random.Random(13)
    found = [Asked(name, type) for name, type in product(dict.fromkeys(names(namespace)), _TYPES)]
    found += [
        Asked(dns.reversename.from_address(each).to_text(), type)
        for each in dict.fromkeys(addresses(namespace))
        for type in ("PTR", "A")
    ]
    chosen = rng.sample(found, _QUESTIONS)
    return [Asked(_in_any_case(rng, each.name), each.type) for each in chosen]


def _in_any_case(rng: random.Random, name: str) -> str:
    return "".join(rng.choice((each.lower(), each.upper())) for each in name)


class Case(NamedTuple):
    """A question that both answer differently. `existing` is CoreDNS' code for an A record of that name."""

    asked: Asked
    theirs: Said
    ours: Said
    existing: str

    @property
    def labels(self) -> list[str]:
        return self.asked.name.lower().split(".")

    @property
    def nothing(self) -> bool:
        """Whether both have no record."""
        return not self.theirs.answer and not self.ours.answer

    @property
    def of_an_address(self) -> bool:
        return self.labels[-2] == "arpa"


def _of_an_alias(case: Case) -> bool:
    return case.labels[0] in ("inside", "nowhere", "outside") and " CNAME " in "".join(case.ours.answer)


def _above_others(case: Case) -> bool:
    above = case.labels[0] in ("_tcp", "_udp", "_zone") or case.labels[1] == "_zone"
    return case.nothing and case.ours.rcode == "NOERROR" and above


def _for_some_types(case: Case) -> bool:
    there = case.of_an_address or case.labels[0] == "dns-version"
    return case.nothing and case.ours.rcode == ("NOERROR" if there else case.existing)


def _without_underscore(case: Case) -> bool:
    return case.labels[:2] == ["http", "tcp"] and case.ours.rcode == "NXDOMAIN"


#: Why both may differ; the first that holds. What remains is a mistake.
REASONS: dict[str, Callable[[Case], bool]] = {
    "an address that is not known here is somebody else's: RFC 1034, 4.3.1": lambda case: (
        case.of_an_address and case.nothing and case.ours.rcode == "REFUSED"
    ),
    "an alias answers every type, whether or not its target exists: RFC 1034, 3.6.2": _of_an_alias,
    "the labels of a port begin with an underscore: RFC 2782": _without_underscore,
    "a port without a name has no record: DNSSPEC, 2.3.2. To CoreDNS, it is any port": lambda case: (
        case.labels[0] == "_" and case.ours.rcode == "NXDOMAIN"
    ),
    "the name of a Pod has no port: DNSSPEC has no such record": lambda case: (
        case.labels[2] == "pod" and case.asked.type == "SRV" and not case.ours.answer
    ),
    "a name exists for all types or for none: RFC 2308, 2.2. CoreDNS looks for some only": _for_some_types,
    "a name above others exists: RFC 8020": _above_others,
    "each is its own name server": lambda case: (case.asked.name.lower(), case.asked.type) == (_ZONE, "NS"),
}


@pytest.fixture
def both(cluster: Cluster, coredns: Path, namespace: Namespace, tmp_path: Path) -> Iterator[tuple[int, int]]:
    """The ports of CoreDNS and of Pilothouse, which follow the same API server."""
    theirs, ours = free_port(), free_port()
    corefile = tmp_path / "Corefile"
    corefile.write_text(_COREFILE.format(port=theirs, kubeconfig=cluster.kubeconfig))
    process = Process("coredns", [coredns, "-conf", corefile], tmp_path)
    flags = ["--kubeconfig", str(cluster.kubeconfig), "--dns", f"127.0.0.1:{ours}", "--dns-pods", "insecure"]
    plane = Plane(tmp_path, flags)
    try:
        process.start()
        plane.start()
        yield theirs, ours
    finally:
        process.stop()
        plane.process.stop()


def test_answers_are_those_of_coredns(
    both: tuple[int, int], namespace: Namespace, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs, ours = both
    objects(namespace)
    _wait_for_the_same(both, namespace)
    reasons, mistakes = Counter[str](), []
    asked = questions(namespace)
    for each in asked:
        said = ask(theirs, each), ask(ours, each)
        if said[0] == said[1]:
            continue
        case = Case(each, *said, existing=ask(theirs, Asked(each.name, "A")).rcode)
        why = next((why for why, holds in REASONS.items() if holds(case)), "no reason")
        reasons[why] += 1
        if why == "no reason":
            mistakes.append(f"{each}\n  CoreDNS    {case.theirs}\n  Pilothouse {case.ours}")
    with capsys.disabled():
        print(f"\n{len(asked)} questions, {len(asked) - reasons.total()} answered as by CoreDNS")
        for why, count in reasons.most_common():
            print(f"{count:6} {why}")
    assert not mistakes, f"{len(mistakes)} differences:\n" + "\n".join(mistakes[:20])


def _wait_for_the_same(both: tuple[int, int], namespace: Namespace) -> None:
    """Wait until both have heard of the last objects."""
    last = f".{namespace}.svc.{_ZONE}"

    def heard(port: int) -> bool:
        try:
            found = [
                ask(port, Asked(f"{name}{last}", "A")).answer
                for name in ("manual", "cart", "eager", "portless")
            ]
        except (dns.exception.DNSException, OSError):
            return False
        return [len(each) for each in found] == [2, 3, 2, 1]

    def both_heard() -> bool:
        return all(map(heard, both))

    wait_until(both_heard, "both have heard of everything", 60)
