"""The conditions of a route, from manifests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pilothouse.kubernetes.objects.types import Key
from pilothouse.model.services import ServiceName
from pilothouse.status.conditions import CONTROLLER, PROGRAMMED
from pilothouse.structures.turns import at_once

from .town import GROUP, LATER, NOW, Town

SERVICES = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{name: http, port: 80}, {name: tcp-db, port: 5432, appProtocol: tcp}]}
---
apiVersion: v1
kind: Service
metadata: {name: blue}
spec: {ports: [{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: Service
metadata: {name: outside}
spec: {type: ExternalName, externalName: example.com}
---
apiVersion: v1
kind: Service
metadata: {name: ledger, namespace: bank, annotations: {pilothouse.dev/export-to: .}}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: open, namespace: bank}
spec: {ports: [{name: tcp-db, port: 5432, appProtocol: tcp}]}
"""
ACCEPTED, RESOLVED = ("Accepted", "True", "Accepted"), ("ResolvedRefs", "True", "ResolvedRefs")
GOOD = [ACCEPTED, RESOLVED, (PROGRAMMED, "True", "Programmed")]


def route(
    rules: str, parent: str = "name: web", kind: str = "HTTPRoute", name: str = "r", **meta: str
) -> str:
    extra = "".join(f", {field}: {value}" for field, value in meta.items())
    return f"""
apiVersion: {GROUP}
kind: {kind}
metadata: {{name: {name}{extra}}}
spec:
  parentRefs: [{{group: "", kind: Service, {parent}}}]
  rules: {rules}
"""


def told(town: Town, kind: str = "HTTPRoute", name: str = "r") -> list[tuple[str, str, str]]:
    (entry,) = town.told(name, kind)
    return [(each["type"], each["status"], each["reason"]) for each in entry["conditions"]]


def message(town: Town, type: str, kind: str = "HTTPRoute", name: str = "r") -> str:
    (entry,) = town.told(name, kind)
    return next(each["message"] for each in entry["conditions"] if each["type"] == type)


IMPORT = """
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceImport
metadata: {name: web}
spec: {type: ClusterSetIP, ports: [{name: http, port: 80}]}
"""


def test_a_route_of_an_import_is_told_what_came_of_it_there(town: Town) -> None:
    """The Service of the same name is another parent."""
    of_import = 'group: "multicluster.x-k8s.io", kind: ServiceImport, name: web'
    text = route("[{backendRefs: [{name: blue, port: 80}]}]").replace(
        'group: "", kind: Service, name: web', of_import
    )
    town.apply(SERVICES)
    town.apply(text)
    assert told(town) == [("Accepted", "False", "NoMatchingParent")]
    assert message(town, "Accepted") == "there is no ServiceImport shop/web"
    town.apply(IMPORT)
    assert told(town) == GOOD


BAD_MATCH = "matches: [{path: {type: RegularExpression, value: '(a'}}]"


@pytest.mark.parametrize(
    ("rules", "parent", "wanted", "why"),
    [
        ("[{backendRefs: [{name: blue, port: 80}]}]", "name: web", GOOD, ""),
        ("[{backendRefs: [{name: blue, port: 80}]}]", "name: web, port: 80", GOOD, ""),
        ("[{backendRefs: [{name: blue, port: 80}]}]", "name: web, sectionName: http", GOOD, ""),
        (
            "[]",
            "name: nobody",
            [("Accepted", "False", "NoMatchingParent")],
            "there is no Service shop/nobody",
        ),
        (
            "[]",
            "name: web, port: 81",
            [("Accepted", "False", "NoMatchingParent")],
            "the Service shop/web has no port 81",
        ),
        (
            "[]",
            "name: web, sectionName: grpc",
            [("Accepted", "False", "NoMatchingParent")],
            "the Service shop/web has no port grpc",
        ),
        (
            "[]",
            "name: outside",
            [("Accepted", "False", "NoMatchingParent")],
            "shop/outside is an ExternalName, which has no requests of its own",
        ),
        (
            "[]",
            "name: web, port: 5432",
            [("Accepted", "False", "RouteConflict"), RESOLVED],
            "port 5432 speaks tcp",
        ),
        (
            f"[{{{BAD_MATCH}, backendRefs: [{{name: blue, port: 80}}]}}]",
            "name: web",
            [("Accepted", "False", "UnsupportedValue"), RESOLVED, GOOD[2]],
            "is not a regular expression that Envoy takes",
        ),
        (
            "[{filters: [{type: ExtensionRef, extensionRef: {group: a.b, kind: C, name: d}}]}]",
            "name: web",
            [("Accepted", "False", "UnsupportedValue"), RESOLVED, GOOD[2]],
            "the filter ExtensionRef is not supported",
        ),
    ],
)
def test_a_route_is_accepted_or_it_is_said_why_not(
    town: Town, rules: str, parent: str, wanted: list[tuple[str, str, str]], why: str
) -> None:
    town.apply(SERVICES)
    town.apply(route(rules, parent))
    assert told(town) == wanted
    assert why in message(town, "Accepted")


@pytest.mark.parametrize(
    ("backend", "reason", "why"),
    [
        ("{name: nobody, port: 80}", "BackendNotFound", "there is no Service shop/nobody"),
        ("{name: nobody, port: 80, weight: 0}", "BackendNotFound", "there is no Service shop/nobody"),
        ("{name: blue, port: 81}", "BackendNotFound", "the Service has no TCP port 81"),
        ("{name: blue, port: 53}", "UnsupportedProtocol", "the Service has no TCP port 53"),
        (
            "{name: ledger, namespace: bank, port: 80}",
            "RefNotPermitted",
            "a ReferenceGrant in bank, has to allow it",
        ),
        ("{name: b, kind: Bucket, group: s3.io}", "InvalidKind", "a backend cannot be a Bucket of s3.io"),
    ],
)
def test_a_backend_that_cannot_be_called_is_told(town: Town, backend: str, reason: str, why: str) -> None:
    town.apply(SERVICES)
    town.apply(route(f"[{{backendRefs: [{{name: blue, port: 80}}, {backend}]}}]"))
    assert told(town) == [ACCEPTED, ("ResolvedRefs", "False", reason), GOOD[2]]
    assert why in message(town, "ResolvedRefs")


def test_a_mirror_is_a_reference_as_well(town: Town) -> None:
    town.apply(SERVICES)
    mirror = "{type: RequestMirror, requestMirror: {backendRef: {name: nobody, port: 80}}}"
    town.apply(route(f"[{{filters: [{mirror}], backendRefs: [{{name: blue, port: 80}}]}}]"))
    assert told(town)[1] == ("ResolvedRefs", "False", "BackendNotFound")


def test_of_several_reasons_one_is_the_reason_and_all_are_in_the_message(town: Town) -> None:
    town.apply(SERVICES)
    refs = "{name: nobody, port: 80}, {name: ledger, namespace: bank, port: 80}"
    town.apply(route(f"[{{backendRefs: [{refs}]}}]"))
    assert told(town)[1] == ("ResolvedRefs", "False", "RefNotPermitted")
    assert "bank/ledger:80: " in message(town, "ResolvedRefs")
    assert "shop/nobody:80: " in message(town, "ResolvedRefs")


def test_a_grant_lets_a_route_lead_to_another_namespace(town: Town) -> None:
    town.apply(SERVICES)
    town.apply(route("[{backendRefs: [{name: ledger, namespace: bank, port: 80}]}]"))
    assert told(town)[1] == ("ResolvedRefs", "False", "RefNotPermitted")
    grant = f"""
apiVersion: {GROUP}
kind: ReferenceGrant
metadata: {{name: g, namespace: bank}}
spec:
  from: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop}}]
  to: [{{group: "", kind: Service}}]
"""
    assert town.apply(grant) == {Key("HTTPRoute", "shop", "r")}
    assert told(town) == GOOD


def test_rules_that_are_dropped_beside_others_make_it_partially_invalid(town: Town) -> None:
    town.apply(SERVICES)
    good = "{backendRefs: [{name: blue, port: 80}]}"
    town.apply(route(f"[{good}, {{{BAD_MATCH}, backendRefs: [{{name: blue, port: 80}}]}}]"))
    assert told(town) == [ACCEPTED, RESOLVED, ("PartiallyInvalid", "True", "UnsupportedValue"), GOOD[2]]
    assert message(town, "PartiallyInvalid").startswith("Dropped Rule 1 (")


def test_a_backend_with_a_filter_that_is_not_supported_drops_a_part_of_its_rule(town: Town) -> None:
    town.apply(SERVICES)
    backend = "{name: blue, port: 80, filters: [{type: URLRewrite, urlRewrite: {hostname: a}}]}"
    town.apply(route(f"[{{backendRefs: [{{name: blue, port: 80}}, {backend}]}}]"))
    assert told(town) == [ACCEPTED, RESOLVED, ("PartiallyInvalid", "True", "UnsupportedValue"), GOOD[2]]


def test_a_route_that_an_older_one_displaces_is_not_accepted(town: Town) -> None:
    town.apply(SERVICES)
    town.apply(
        route("[{backendRefs: [{name: open, namespace: bank, port: 5432}]}]", kind="TCPRoute", name="a")
    )
    town.apply(route("[{backendRefs: [{name: blue, port: 80}]}]", kind="TCPRoute", name="b"))
    assert told(town, "TCPRoute", "a") == GOOD
    assert told(town, "TCPRoute", "b")[0] == ("Accepted", "False", "RouteConflict")
    assert "has port 5432" in message(town, "Accepted", "TCPRoute", "b")


def test_a_grpc_route_displaces_an_http_route_at_its_port(town: Town) -> None:
    town.apply(SERVICES)
    town.apply(route("[{backendRefs: [{name: blue, port: 80}]}]", kind="GRPCRoute", name="g"))
    town.apply(route("[{backendRefs: [{name: blue, port: 80}]}]", name="h"))
    assert told(town, "GRPCRoute", "g") == GOOD
    assert told(town, name="h")[0] == ("Accepted", "False", "RouteConflict")


def test_a_tcp_route_of_another_namespace_is_not_supported(town: Town) -> None:
    town.apply(SERVICES)
    town.apply(route("[]", "name: open, namespace: bank", kind="TCPRoute"))
    assert told(town, "TCPRoute") == [("Accepted", "False", "UnsupportedValue")]


def test_a_route_that_cannot_be_read_is_not_accepted(town: Town) -> None:
    town.apply(SERVICES)
    town.apply(route("[{backendRefs: [{name: blue, port: 99999}]}]"))
    assert told(town) == [("Accepted", "False", "UnsupportedValue")]
    assert "spec.rules[0].backendRefs[0].port: 99999 is not in" in message(town, "Accepted")


def test_a_route_that_the_registry_does_not_have_yet_is_pending(town: Town) -> None:
    town.apply(SERVICES)
    town.apply(route("[]"))
    before = town.services[ServiceName("shop", "web")]
    town.services[ServiceName("shop", "web")] = replace(before, spec=replace(before.spec, routes=()))
    town.board.forget()
    assert told(town) == [("Accepted", "Unknown", "Pending")]


def test_a_quarantine_is_told_with_what_stays(town: Town) -> None:
    town.apply(SERVICES)
    town.apply(route("[{backendRefs: [{name: blue, port: 80}]}]"))
    assert told(town) == GOOD
    name = ServiceName("shop", "web")
    town.catalogue._accepted._quarantine(name, ValueError("a field is too long"))
    assert town.board.quarantine_moved() == {name}
    assert town.board.quarantine_moved() == set()
    assert at_once(town.board.stirred([name])) == {Key("HTTPRoute", "shop", "r")}
    assert told(town)[2] == (PROGRAMMED, "False", "Quarantined")
    assert message(town, PROGRAMMED) == (
        "the newest version of the Service is not accepted, so the last good version stays in force: "
        "a field is too long"
    )


def test_a_rejection_is_told_with_the_number_of_proxies(town: Town) -> None:
    town.apply(SERVICES)
    town.rejected[ServiceName("shop", "web")] = (3, "bad " * 1000)
    town.apply(route("[{backendRefs: [{name: blue, port: 80}]}]"))
    assert told(town)[2] == (PROGRAMMED, "False", "Rejected")
    text = message(town, PROGRAMMED)
    assert text.startswith("3 proxies reject it and go on as before: bad bad")
    assert len(text) == 1000


def test_each_parent_has_an_entry_and_a_gateway_has_none_of_ours(town: Town) -> None:
    town.apply(SERVICES)
    two = 'name: web}, {group: "", kind: Service, name: blue}, {name: gate'
    town.apply(route("[]", two))
    assert [each["parentRef"]["name"] for each in town.told("r")] == ["web", "blue"]
    assert {each["controllerName"] for each in town.told("r")} == {CONTROLLER}


def test_the_time_of_a_transition_stays_while_the_status_does(town: Town) -> None:
    town.apply(SERVICES)
    town.apply(route("[{backendRefs: [{name: nobody, port: 80}]}]"))
    town.write("r")
    assert town.due("r") is None
    town.apply(SERVICES.replace("name: blue", "name: nobody"))
    due = town.write("r", LATER)
    assert due is not None
    (entry,) = due.body["status"]["parents"]
    times = {each["type"]: each["lastTransitionTime"] for each in entry["conditions"]}
    assert times == {"Accepted": NOW, "ResolvedRefs": LATER, PROGRAMMED: NOW}
    assert [(one.type, before and before.status) for one, before in due.turned] == [("ResolvedRefs", "False")]


def test_a_new_generation_is_observed_although_nothing_else_has_changed(town: Town) -> None:
    town.apply(SERVICES)
    text = route("[{backendRefs: [{name: blue, port: 80}]}]")
    town.apply(text)
    town.write("r")
    status = town.shown.get(Key("HTTPRoute", "shop", "r"))
    assert status is not None
    town.shown.put(Key("HTTPRoute", "shop", "r"), replace(status, generation=2, version="7"))
    due = town.due("r", now=LATER)
    assert due is not None
    assert due.body["metadata"]["resourceVersion"] == "7"
    (entry,) = due.body["status"]["parents"]
    assert {each["observedGeneration"] for each in entry["conditions"]} == {2}
    assert {each["lastTransitionTime"] for each in entry["conditions"]} == {NOW}
    assert due.turned == []


OTHERS = """
status:
  parents:
  - parentRef: {name: gate}
    controllerName: example.com/other
    conditions: [{type: Accepted, status: "True", reason: Accepted, message: "", lastTransitionTime: x}]
"""


def test_entries_of_others_stay_as_they_are(town: Town) -> None:
    town.apply(SERVICES)
    town.apply(route("[]") + OTHERS)
    other, ours = town.told("r")
    assert (other["controllerName"], ours["controllerName"]) == ("example.com/other", CONTROLLER)
    town.write("r")
    assert town.due("r") is None


def test_an_entry_goes_with_its_parent(town: Town) -> None:
    town.apply(SERVICES)
    town.apply(route("[]") + OTHERS)
    town.write("r")
    key = Key("HTTPRoute", "shop", "r")
    status = town.shown.get(key)
    assert status is not None
    town.shown.put(key, replace(status, refs=()))
    assert [each["controllerName"] for each in town.told("r")] == ["example.com/other"]


def test_a_route_that_is_gone_or_was_never_ours_is_not_written(town: Town) -> None:
    town.apply(SERVICES)
    town.apply(route("[]"))
    town.remove(Key("HTTPRoute", "shop", "r"))
    assert town.due("r") is None
    town.apply(route("[]").replace('group: "", kind: Service, ', ""))
    assert town.due("r") is None
