"""Fields that the API does not have are warned of by place; those that it has never are."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.kubernetes.documents import read
from pilothouse.kubernetes.schema import SHAPES, guess
from pilothouse.model.reasons import Reason

SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: payments, namespace: shop%s}
spec:
  ports: [{name: http, port: 80%s}]
  %s
"""
ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: %s
metadata: {name: more, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: payments}]
  %s
  rules:
  - backendRefs: [{name: payments, port: 80}]
    %s
"""
SLICE = """\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: payments-1, namespace: shop, labels: {kubernetes.io/service-name: payments}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints:
- {addresses: [10.0.0.1]}
- {addresses: [10.0.0.2], %s}
"""


def warned(text: str) -> list[tuple[int, str, str]]:
    """Line, field and the name that is guessed, of each warning."""
    contents = read(text.encode())
    assert not contents.errors
    return [(place.line, place.field, _guessed(message)) for place, message, *_ in contents.warnings]


def _guessed(message: str) -> str:
    return message.partition('did you mean "')[2].removesuffix('"?')


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (SERVICE % ("", "", "clusterIp: 10.96.0.1"), [(6, "spec.clusterIp", "clusterIP")]),
        (SERVICE % ("", "", "port: 80"), [(6, "spec.port", "ports")]),
        (SERVICE % ("", ", prot: TCP", ""), [(5, "spec.ports[0].prot", "port")]),
        (SERVICE % (", lables: {a: b}", "", ""), [(3, "metadata.lables", "labels")]),
        (SERVICE % ("", "", "xyz: 1"), [(6, "spec.xyz", "")]),
        (
            SERVICE % ("", "", "sessionAffinityConfig: {clientIp: {}}"),
            [(6, "spec.sessionAffinityConfig.clientIp", "clientIP")],
        ),
        (ROUTE % ("HTTPRoute", "", "timeout: {request: 1s}"), [(9, "spec.rules[0].timeout", "timeouts")]),
        (ROUTE % ("GRPCRoute", "", "retry: {attempts: 1}"), [(9, "spec.rules[0].retry", "")]),
        (ROUTE % ("HTTPRoute", "hostname: a", ""), [(6, "spec.hostname", "hostnames")]),
        (ROUTE % ("TCPRoute", "rule: []", ""), [(6, "spec.rule", "rules")]),
        (SLICE % "condition: {ready: false}", [(8, "endpoints[1].condition", "conditions")]),
        (SLICE % "conditions: {redy: false}", [(8, "endpoints[1].conditions.redy", "ready")]),
        (SERVICE % ("", "", "5: 1"), [(6, "spec.5", "")]),
    ],
)
def test_an_unknown_field_is_warned_of_with_its_line_its_path_and_what_may_be_meant(text, found) -> None:
    assert warned(text) == found


def test_all_unknown_fields_of_a_document_are_named() -> None:
    found = warned(SERVICE % (", lables: {}", ", prot: TCP", "clusterIp: 10.96.0.1\n  port: 1"))
    assert [field for _, field, _ in found] == [
        "metadata.lables",
        "spec.ports[0].prot",
        "spec.clusterIp",
        "spec.port",
    ]


def test_an_unknown_field_of_an_item_of_a_list_has_the_path_and_line_of_the_item() -> None:
    item = (SERVICE % ("", "", "port: 80")).replace("\n", "\n  ")
    assert warned(f"apiVersion: v1\nkind: List\nitems:\n- {item}") == [(9, "items[0].spec.port", "ports")]


def test_nothing_that_kubectl_writes_is_warned_of() -> None:
    contents = read(Path(__file__).with_name("from_cluster.yaml").read_bytes())
    assert (contents.errors, contents.warnings) == ((), ())
    assert {declared.object.key.kind for declared in contents.declared} == SHAPES.keys() - {"Endpoints"}


def test_no_field_that_is_read_is_unknown() -> None:
    contents = read(Path(__file__).with_name("everything.yaml").read_bytes())
    assert not [remark for remark in contents.warnings if "not a known field" in remark.message]


def test_an_unknown_field_does_no_harm() -> None:
    (declared,) = read((SERVICE % ("", ", prot: TCP", "")).encode()).declared
    assert declared == read((SERVICE % ("", "", "")).encode()).declared[0]


def test_a_field_that_is_not_acted_on_has_a_reason() -> None:
    text = ROUTE % ("HTTPRoute", "hostnames: [a.example]", "sessionPersistence: {sessionName: a}")
    found = read(text.encode()).warnings
    assert [(remark.place.field, remark.reason) for remark in found] == [
        ("spec.hostnames", Reason.UNSUPPORTED_FIELD)
    ]


def test_a_parent_of_kind_service_without_a_group_is_warned_of() -> None:
    text = (ROUTE % ("HTTPRoute", "", "")).replace('group: "", ', "")
    contents = read(text.encode())
    (warning,) = contents.warnings
    assert (warning.place.line, warning.place.field) == (5, "spec.parentRefs[0].group")
    assert 'state group: ""' in warning.message
    (ignored,) = contents.ignored
    assert ignored.omission.reason is Reason.NO_SUCH_PARENT


def test_a_document_of_unknown_fields_alone_is_not_listed_without_end() -> None:
    many = "\n  ".join(f"field{number}: 1" for number in range(1_000))
    assert len(warned(SERVICE % ("", "", many))) == 50


@pytest.mark.parametrize(
    ("name", "meant"), [("clusterip", "clusterIP"), ("port", "ports"), ("qqq", ""), ("p" * 10_000, "")]
)
def test_a_name_is_guessed_only_if_one_is_close(name, meant) -> None:
    assert _guessed(guess(name, frozenset({"clusterIP", "ports", "type"}))) == meant
