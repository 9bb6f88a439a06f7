"""Which routes are looked at when something changes, and at what cost."""

from __future__ import annotations

from pilothouse.kubernetes.objects.types import Key
from pilothouse.model.services import ServiceName
from pilothouse.status import board as module
from pilothouse.status.findings import findings

from .test_conditions import SERVICES, route
from .town import Town

R, OTHER = Key("HTTPRoute", "shop", "r"), Key("HTTPRoute", "shop", "other")
TO_BLUE = "[{backendRefs: [{name: blue, port: 80}]}]"
SLICE = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.1.1.1]}]
"""


def test_only_the_routes_of_what_has_changed_are_looked_at(town: Town) -> None:
    town.apply(SERVICES)
    town.apply(route(TO_BLUE))
    town.apply(route("[]", "name: blue", name="other"))
    for name in ("r", "other"):
        town.write(name)
    assert town.apply(SERVICES) == set()
    web, *_ = SERVICES.split("---")
    assert town.apply(web.replace("5432", "5433")) == {R}


def test_a_backend_that_appears_concerns_the_routes_that_lead_to_it(town: Town) -> None:
    town.apply(SERVICES)
    town.apply(route("[{backendRefs: [{name: late, port: 80}]}]"))
    town.write("r")
    late = "apiVersion: v1\nkind: Service\nmetadata: {name: late}\nspec: {ports: [{port: 80}]}\n"
    assert town.apply(late) == {R}
    assert town.write("r") is not None
    assert town.remove(Key("Service", "shop", "late")) == {R}


def test_a_parent_that_appears_or_goes_concerns_its_routes(town: Town) -> None:
    town.apply(route("[]", "name: late"))
    town.write("r")
    late = "apiVersion: v1\nkind: Service\nmetadata: {name: late}\nspec: {ports: [{port: 80}]}\n"
    assert town.apply(late) == {R}
    assert town.write("r") is not None
    assert town.remove(Key("Service", "shop", "late")) == {R}


def test_churn_of_endpoints_translates_nothing(town: Town, monkeypatch) -> None:
    asked = []

    def counted(resolved):
        asked.append(resolved)
        return findings(resolved)

    monkeypatch.setattr(module, "findings", counted)
    town.apply(SERVICES)
    town.apply(route(TO_BLUE))
    town.write("r")
    assert len(asked) == 1
    for number in range(5):
        assert town.apply(SLICE.replace("10.1.1.1", f"10.1.1.{number}")) == set()
    assert len(asked) == 1


def test_a_parent_without_routes_is_forgotten(town: Town) -> None:
    town.apply(SERVICES)
    town.apply(route(TO_BLUE))
    town.write("r")
    town.remove(R)
    town.apply(SERVICES.replace("5432", "5433"))
    assert not town.board._known


def test_a_service_that_is_in_trouble_is_told_once_and_once_when_it_is_mended(town: Town) -> None:
    town.apply(SERVICES)
    blue = ServiceName("shop", "blue")

    def turned() -> list[tuple[ServiceName, str, str]]:
        return [(name, now.status, now.reason) for name, now, _ in town.board.turned([blue])]

    assert turned() == []
    town.rejected[blue] = (1, "no")
    assert turned() == [(blue, "False", "Rejected")]
    town.rejected[blue] = (2, "no")
    assert turned() == []
    del town.rejected[blue]
    assert turned() == [(blue, "True", "Programmed")]
    town.catalogue._accepted._quarantine(blue, ValueError("too long"))
    assert turned() == [(blue, "False", "Quarantined")]
    town.remove(Key("Service", "shop", "blue"))
    assert turned() == []


def test_a_service_of_another_source_is_not_told_of(town: Town) -> None:
    town.apply(SERVICES)
    blue = ServiceName("shop", "blue")
    town.rejected[blue] = (1, "no")
    town.board._ours = lambda name: False
    assert [*town.board.turned([blue])] == []


def test_routes_of_parents_that_never_were_leave_nothing_behind(town: Town) -> None:
    for number in range(20):
        name = f"r{number}"
        town.apply(route("[]", f"name: missing{number}", name=name))
        town.write(name)
        town.remove(Key("HTTPRoute", "shop", name))
    assert not town.board._known
