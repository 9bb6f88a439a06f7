"""Short names and search lists: what an application gets, and what its resolver need not ask."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import dns.message
import dns.rcode
import pytest

from pilothouse.agent.learned import Learned
from pilothouse.agent.resolver import Resolver
from pilothouse.dns.answers import Answer, Question
from pilothouse.dns.records import Address, Rcode, Record, labels
from pilothouse.dns.responder import Onward, Responder
from pilothouse.mesh.names import ClusterZone
from pilothouse.model.services import Endpoint, Port, Service, ServiceName, ServiceSpec
from pilothouse.translate.naming import names, zone

from .test_learned import learn

PAYMENTS = "payments.shop.svc.cluster.local. 10.96.0.21"
_WHOLE = ClusterZone()
_HTTP = (Port("http", 8080),)


def spec(name: str, namespace: str = "shop", **fields: Any) -> ServiceSpec:
    return replace(ServiceSpec(ServiceName(namespace, name), _HTTP), **fields)


SERVICES = [
    Service(spec("payments", vips=("10.96.0.21",))),
    Service(spec("cart", vips=("10.96.0.22",), suffixes=(".mesh",))),
    Service(spec("orders", "data", vips=("10.96.0.31",))),
    Service(spec("db", headless=True), (Endpoint("10.1.0.1", (("http", 8080),), hostname="db-0"),)),
    Service(spec("bank", external_name="bank.example.com")),
]


class Elsewhere:
    """Other name servers, which have these names. `asked` are the names that they were asked for."""

    def __init__(self, *there: str) -> None:
        self.there = {labels(each) for each in there}
        self.asked: list[str] = []

    async def __call__(self, onward: Onward) -> Answer:
        name = onward.answer.elsewhere if onward.answer else onward.query.question.name
        self.asked.append(".".join(name))
        before = onward.answer.records if onward.answer else ()
        if name not in self.there:
            return Answer(Rcode.NXDOMAIN, before, authoritative=False)
        return Answer(
            records=(*before, Record(name, 60, Address(bytes((203, 0, 113, 1))))), authoritative=False
        )


class Application:
    """An application in the namespace `shop`, whose resolver asks the agent."""

    def __init__(
        self,
        elsewhere: Elsewhere | None,
        search: Sequence[str] = (),
        complete: bool = True,
        cluster: ClusterZone = _WHOLE,
    ) -> None:
        self.learned = Learned()
        learn(self.learned, zone(cluster, complete), *map(names, SERVICES))
        self.resolver = Resolver(self.learned, "shop", [*map(labels, search)], elsewhere)
        self.responder = Responder(self.resolver, forwards=elsewhere is not None)

    def ask(self, name: str, type: str = "A") -> dns.message.Message:
        query = dns.message.make_query(name, type)
        found = self.responder.respond(query.to_wire(), datagram=True)
        if isinstance(found, Onward):
            answer = asyncio.run(self.resolver.elsewhere(found))
            found = self.responder.finished(found.query, answer, datagram=True)
        response = dns.message.from_wire(found)
        assert query.is_response(response)
        return response

    def get(self, name: str, type: str = "A") -> str:
        """The last name of the chain and its data, or one word: NODATA or the code."""
        found = self.ask(name, type)
        if found.rcode() != dns.rcode.NOERROR:
            return dns.rcode.to_text(found.rcode())
        texts = [f"{rrset.name} {rdata}" for rrset in found.answer for rdata in rrset if rrset.rdtype != 5]
        return texts[-1] if texts else "NODATA"


@pytest.mark.parametrize(
    "name",
    [
        "payments",
        "payments.shop",
        "payments.shop.svc",
        "payments.shop.svc.cluster.local",
        "PayMents.Shop",
        "payments.shop.svc.cluster.local.shop.svc.cluster.local",
        "payments.shop.svc.shop.svc.cluster.local",
        "payments.shop.shop.svc.cluster.local",
    ],
)
@pytest.mark.parametrize("elsewhere", [None, Elsewhere("payments", "payments.shop", "payments.shop.svc")])
def test_each_form_of_a_services_name_is_answered_at_once(name: str, elsewhere: Elsewhere | None) -> None:
    assert Application(elsewhere).get(name) == PAYMENTS
    assert elsewhere is None or not elsewhere.asked


def test_an_alias_leads_to_the_whole_name() -> None:
    [alias, address] = Application(None).ask("payments.shop").answer
    assert str(alias) == "payments.shop. 5 IN CNAME payments.shop.svc.cluster.local."
    assert str(address) == "payments.shop.svc.cluster.local. 5 IN A 10.96.0.21"


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("orders.data", "orders.data.svc.cluster.local. 10.96.0.31"),
        ("orders", "NXDOMAIN"),  # it is in another namespace
        ("db", "db.shop.svc.cluster.local. 10.1.0.1"),
        ("db-0.db", "db-0.db.shop.svc.cluster.local. 10.1.0.1"),
        ("db-0.db.shop", "db-0.db.shop.svc.cluster.local. 10.1.0.1"),
        ("cart.mesh", "cart.shop.svc.cluster.local. 10.96.0.22"),
        ("cart.shop.mesh", "cart.shop.svc.cluster.local. 10.96.0.22"),
        ("bank", "bank.example.com. 203.0.113.1"),
        ("bank.shop.shop.svc.cluster.local", "bank.example.com. 203.0.113.1"),
        ("shop", "NXDOMAIN"),  # a namespace is no service
        ("svc", "NXDOMAIN"),
    ],
)
def test_other_names(name: str, answer: str) -> None:
    assert Application(Elsewhere("bank.example.com")).get(name) == answer


def test_ports_have_short_names_too() -> None:
    found = Application(None).ask("_http._tcp.payments", "SRV")
    assert str(found.answer[-1][0]) == "0 100 8080 payments.shop.svc.cluster.local."


def test_another_family_of_a_service_is_not_looked_for_elsewhere() -> None:
    elsewhere = Elsewhere("payments.shop", "payments")
    assert Application(elsewhere).get("payments.shop", "AAAA") == "NODATA"
    assert elsewhere.asked == []


@pytest.mark.parametrize(
    ("name", "saved"),
    [
        ("payments.shop.svc.cluster.local", 0),  # what the resolver asks for `payments` first
        ("payments.shop.shop.svc.cluster.local", 1),
        ("payments.shop.svc.shop.svc.cluster.local", 2),
        ("payments.shop.svc.cluster.local.shop.svc.cluster.local", 3),
        ("api.example.com.shop.svc.cluster.local", 3),
        ("gone.example.com.shop.svc.cluster.local", 0),
        ("payments.shop", 0),  # from a machine without search domains
        ("api.example.com", 0),
    ],
)
def test_questions_that_a_resolver_need_not_ask_are_counted(name: str, saved: int) -> None:
    application = Application(Elsewhere("api.example.com"))
    application.get(name)
    assert application.resolver.saved == saved


def test_a_name_from_elsewhere_is_found_with_the_first_question() -> None:
    elsewhere = Elsewhere("api.example.com")
    assert (
        Application(elsewhere).get("api.example.com.shop.svc.cluster.local") == "api.example.com. 203.0.113.1"
    )
    assert elsewhere.asked == ["api.example.com"]


def test_the_search_domains_of_the_machine_come_before_the_name_itself() -> None:
    elsewhere = Elsewhere("wiki.it.corp.example", "wiki.it")
    application = Application(elsewhere, ["shop.svc.cluster.local", "corp.example"])
    assert application.get("wiki.it.shop.svc.cluster.local") == "wiki.it.corp.example. 203.0.113.1"
    assert elsewhere.asked == ["wiki.it.corp.example"]
    assert application.resolver.saved == 3


def test_a_name_that_nobody_has_does_not_exist() -> None:
    elsewhere = Elsewhere()
    found = Application(elsewhere).ask("gone.example.com.shop.svc.cluster.local")
    assert (found.rcode(), found.answer) == (dns.rcode.NXDOMAIN, [])
    assert [str(each.name) for each in found.authority] == ["cluster.local."]
    assert elsewhere.asked == ["gone.example.com"]


def test_one_label_is_not_asked_for_elsewhere_unless_the_application_does() -> None:
    elsewhere = Elsewhere("redis")
    application = Application(elsewhere)
    assert application.get("redis.shop.svc.cluster.local") == "NXDOMAIN"
    assert elsewhere.asked == []
    assert application.get("redis") == "redis. 203.0.113.1"


def test_an_endpoint_that_is_gone_is_not_looked_for_elsewhere() -> None:
    elsewhere = Elsewhere("db-9.db")
    assert Application(elsewhere).get("db-9.db.shop.svc.cluster.local") == "NXDOMAIN"
    assert elsewhere.asked == []


def test_the_first_question_in_another_namespace_says_nothing_of_a_search_list() -> None:
    elsewhere = Elsewhere("api.example.com")
    assert Application(elsewhere).get("api.example.com.data.svc.cluster.local") == "NXDOMAIN"
    assert elsewhere.asked == []


def test_what_is_not_known_yet_is_not_absent() -> None:
    elsewhere = Elsewhere("api.example.com", "gone.shop", "gone.shop.svc")
    application = Application(elsewhere, complete=False)
    for name in ("gone.shop.svc.cluster.local", "gone", "gone.shop", "gone.shop.shop.svc.cluster.local"):
        assert application.get(name) == "SERVFAIL", name
    # Nor is it asked for at strangers, who may have such a name.
    assert elsewhere.asked == []
    assert application.get("wiki.example.com") == "SERVFAIL"
    learn(application.learned, zone(ClusterZone(), complete=True))
    assert application.get("gone.shop.svc.cluster.local") == "NXDOMAIN"
    assert application.get("wiki.example.com") == "NXDOMAIN"


def test_what_is_known_is_found_before_all_is_known() -> None:
    application = Application(Elsewhere("api.example.com"), complete=False)
    for name in ("payments", "payments.shop", "payments.shop.shop.svc.cluster.local"):
        assert application.get(name) == PAYMENTS, name
    for name in ("api.example.com", "api.example.com.shop.svc.cluster.local"):
        assert application.get(name) == "api.example.com. 203.0.113.1", name


@pytest.mark.parametrize(
    ("cluster", "name"),
    [
        (ClusterZone(excluded=frozenset({"bank"})), "ledger.bank.svc.cluster.local"),
        (ClusterZone(included=frozenset({"shop"})), "ledger.bank.svc.cluster.local"),
        (ClusterZone(included=frozenset({"shop"})), "a.b.ledger.bank.svc.cluster.local"),
        (ClusterZone(selected=True), "ledger.shop.svc.cluster.local"),
        (ClusterZone(), "10-1-0-7.payments.shop.svc.cluster.local"),  # an endpoint behind a virtual IP
        (ClusterZone(), "10-1-0-1.shop.pod.cluster.local"),
        (ClusterZone(), "web.shop.svc.clusterset.local"),  # and no import is known
    ],
)
def test_what_is_not_served_is_asked_for_at_the_name_server_of_the_cluster(
    cluster: ClusterZone, name: str
) -> None:
    elsewhere = Elsewhere(name)
    assert Application(elsewhere, cluster=cluster).get(name) == f"{name}. 203.0.113.1"
    assert Application(None, cluster=cluster).get(name) == "NXDOMAIN"


def test_what_is_served_and_not_there_is_asked_for_nowhere() -> None:
    elsewhere = Elsewhere(
        "gone.shop.svc.cluster.local", "db-9.db.shop.svc.cluster.local", "gone.svc.cluster.local"
    )
    application = Application(elsewhere, cluster=ClusterZone(excluded=frozenset({"bank"})))
    for name in ("gone.shop", "db-9.db.shop", "gone"):
        assert application.get(f"{name}.svc.cluster.local") == "NXDOMAIN"
    assert elsewhere.asked == []


def test_once_a_service_of_the_cluster_set_is_known_its_names_are_known() -> None:
    elsewhere = Elsewhere("web.shop.svc.clusterset.local")
    application = Application(elsewhere)
    web = ServiceSpec(ServiceName("shop", "api", imported=True), _HTTP, vips=("10.200.0.1",))
    learn(application.learned, names(Service(web)))
    assert application.get("api.shop.svc.clusterset.local") == "api.shop.svc.clusterset.local. 10.200.0.1"
    assert application.get("web.shop.svc.clusterset.local") == "NXDOMAIN"


def test_a_name_that_would_become_too_long_is_looked_for_elsewhere_as_it_is() -> None:
    label = "a" * 60
    name = f"{label}.{label}.{label}.example"
    elsewhere = Elsewhere(name)
    application = Application(elsewhere, [f"{label}.example"])
    assert application.get(f"{name}.shop.svc.cluster.local") == f"{name}. 203.0.113.1"
    assert elsewhere.asked == [name]


def test_a_name_that_comes_into_being_is_found_before_what_a_search_went_on_to() -> None:
    application = Application(None)
    name = "payments.shop.shop.svc.cluster.local"
    assert application.get(name) == PAYMENTS
    shop = Service(spec("shop", headless=True), (Endpoint("10.1.0.9", (("http", 1),), hostname="payments"),))
    learn(application.learned, names(shop))
    assert application.get(name) == "payments.shop.shop.svc.cluster.local. 10.1.0.9"


def test_the_domain_of_the_cluster_is_what_the_control_plane_says() -> None:
    application = Application(None)
    learn(application.learned, zone(ClusterZone("corp.internal"), complete=True))
    learn(
        application.learned,
        names(Service(spec("payments", vips=("10.96.0.21",), cluster_domain="corp.internal"))),
    )
    assert application.get("payments") == "payments.shop.svc.corp.internal. 10.96.0.21"
    assert application.get("payments.shop.svc.cluster.local") == "REFUSED"


def test_questions_have_types_that_a_resolver_may_ask_for() -> None:
    question = Question(labels("payments"), 65)  # HTTPS
    found = Application(None).resolver.answer(question)
    assert found is not None
    assert [each.data.type for each in found.records] == [5]
