"""Manifests are inspected as a whole: what each finding is about has a file and a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.cli.inspection import Severity, inspect
from pilothouse.kubernetes.roots import Root
from pilothouse.kubernetes.served import ServedCluster

PAY = """\
apiVersion: v1
kind: Service
metadata: {name: pay, namespace: shop}
spec: {ports: [{name: http, port: 80}]}
"""
SLICE = """\
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: pay-1, namespace: shop, labels: {kubernetes.io/service-name: %s}}
addressType: IPv4
ports: [{name: %s, port: 8080}]
endpoints: [%s]
"""
ROUTE = """\
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r, namespace: shop}
spec:
  parentRefs: [{%skind: Service, name: %s}]
  rules: [{backendRefs: [{name: %s, port: 80}]}]
"""
UNANSWERED = "HTTP requests are answered by 503"
SICK = "{addresses: [10.0.0.1], conditions: {ready: false}}"
GOOD = PAY + SLICE % ("pay", "http", "{addresses: [10.0.0.1]}")
TO_PAY = ROUTE % ('group: "", ', "pay", "pay")


@pytest.fixture
def found(tmp_path: Path):
    """Inspects a text and returns `line: severity: message [code]` of each finding."""

    def inspected(text: str) -> list[str]:
        (tmp_path / "f.yaml").write_text(text)
        return [
            f"{one.line}: {one.severity.value}: {one.message} [{one.code}]"
            for one in inspect([Root(tmp_path)], ServedCluster()).findings
        ]

    return inspected


def test_of_good_manifests_there_is_nothing_to_say(found) -> None:
    assert found(GOOD + TO_PAY) == []


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        (PAY, [f"1: left out: Service shop/pay: {UNANSWERED} [no-endpoints]"]),
        (
            PAY + SLICE % ("pay", "web", "{addresses: [10.0.0.1]}"),
            [
                "6: left out: EndpointSlice shop/pay-1: 10.0.0.1: the slice has no TCP port named 'http',"
                " as the Service's port 80 is [port-name-mismatch]"
            ],
        ),
        (
            PAY + SLICE % ("pay", "http", f"{SICK}, {{addresses: [10.0.0.2]}}"),
            ["6: left out: EndpointSlice shop/pay-1: 10.0.0.1:8080 [not-ready]"],
        ),
        (
            PAY + SLICE % ("pay", "http", "{addresses: [nonsense]}, {addresses: [10.0.0.2]}"),
            ["6: left out: EndpointSlice shop/pay-1: nonsense: is not an IP address [invalid-address]"],
        ),
        (
            GOOD + (SLICE % ("gone", "http", "")).replace("pay-1", "gone-1"),
            ["13: left out: EndpointSlice shop/gone-1: there is no Service shop/gone [no-owner]"],
        ),
        (
            GOOD + ROUTE % ('group: "", ', "gone", "pay"),
            ["13: left out: HTTPRoute shop/r: there is no Service shop/gone [no-such-parent]"],
        ),
        (
            GOOD + ROUTE % ('group: "", ', "pay, sectionName: web", "pay"),
            ["13: left out: HTTPRoute shop/r: port web of shop/pay [no-such-parent]"],
        ),
        (
            GOOD + ROUTE % ('group: "", ', "pay", "gone"),
            [
                "13: left out: HTTPRoute shop/r: shop/gone:80: there is no Service shop/gone"
                " [no-such-backend]"
            ],
        ),
        (
            GOOD + (ROUTE % ('group: "", ', "pay", "pay")).replace("port: 80", "port: 81"),
            [
                "13: left out: HTTPRoute shop/r: shop/pay:81: the Service has no TCP port 81"
                " [no-such-backend]"
            ],
        ),
        (
            GOOD + (SLICE % ("pay", "http", "{addresses: [10.0.0.1]}")).replace("pay-1", "pay-2"),
            [
                "6: left out: EndpointSlice shop/pay-1: 10.0.0.1:8080: is there twice [duplicate-loser]",
                "13: left out: EndpointSlice shop/pay-2: 10.0.0.1:8080: is there twice [duplicate-loser]",
            ],
        ),
        (
            GOOD.replace("spec: {", "spec: {clusterIP: 127.0.0.1, "),
            [
                '4: warning: "127.0.0.1" is the loopback address that local services use;'
                " this virtual IP is left out []"
            ],
        ),
        (
            GOOD + ROUTE % ("", "pay", "pay"),
            [
                "13: left out: HTTPRoute shop/r: no parentRefs of kind Service [no-such-parent]",
                '17: warning: is "gateway.networking.k8s.io" if it is not stated, which has no Service;'
                ' state group: "" []',
            ],
        ),
        (
            GOOD + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
            ["13: left out: ConfigMap of v1: plays no part in routing [unsupported-kind]"],
        ),
        (
            GOOD + "---\napiVersion: v1\nkind: Servce\nmetadata: {name: a}\n",
            ['14: warning: "Servce" is not a known kind of v1; did you mean "Service"? [unsupported-kind]'],
        ),
        (GOOD + TO_PAY.replace("port: 80", "port: 0"), ["18: error: 0 is not in 1..65535 []"]),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
            [
                "0: warning: declares no object of a kind that Pilothouse reads []",
                "1: left out: ConfigMap of v1: plays no part in routing [unsupported-kind]",
            ],
        ),
    ],
)  # fmt: skip
def test_a_finding_is_told_at_the_object_that_it_is_about(found, text, findings) -> None:
    assert found(text) == findings


def test_an_item_of_a_list_is_told_by_its_place(tmp_path: Path) -> None:
    item = PAY.strip().replace("\n", "\n  ")
    (tmp_path / "f.yaml").write_text(f"apiVersion: v1\nkind: List\nitems:\n- {item}\n- {item}\n")
    left_out, twice = inspect([Root(tmp_path)], ServedCluster()).findings
    assert (left_out.field, left_out.code) == ("items[0]", "no-endpoints")
    assert (twice.field, twice.severity) == ("items[1]", Severity.ERROR)


def test_two_declarations_of_one_object_are_an_error(found) -> None:
    (finding,) = found(GOOD + "---\n" + PAY)
    assert finding.startswith("13: error: Service shop/pay is declared in ")


def test_a_path_without_a_manifest_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no manifest")
    for path in (tmp_path / "empty", tmp_path):
        (finding,) = inspect([Root(path)], ServedCluster()).findings
        assert finding[:5] == (str(path), 0, 0, "", "holds no manifest (.yaml, .yml or .json)")
        assert finding.severity is Severity.ERROR


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "back\\slash \udcff"
    folder.mkdir()
    (folder / "f.yaml").write_text(GOOD)
    assert inspect([Root(folder)], ServedCluster()).findings == ()


def test_a_path_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (finding,) = inspect([Root(tmp_path / "nowhere")], ServedCluster()).findings
    assert (finding.file, finding.message) == (
        str(tmp_path / "nowhere"),
        "cannot be read: no such file or directory",
    )


def test_everything_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD + TO_PAY)
    (tmp_path / "b.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    found = inspect([Root(tmp_path)], ServedCluster())
    assert (found.files, found.documents, found.objects, found.services, found.endpoints) == (2, 4, 3, 1, 1)


def test_what_states_no_namespace_is_in_that_of_its_path(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD.replace(", namespace: shop", ""))
    (tmp_path / "b.yaml").write_text(TO_PAY)
    assert inspect([Root(tmp_path, "shop")], ServedCluster()).findings == ()
    assert len(inspect([Root(tmp_path)], ServedCluster()).findings) == 1


def test_an_excluded_namespace_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(PAY)
    found = inspect([Root(tmp_path)], ServedCluster(excluded=frozenset({"shop"})))
    assert [(one.line, one.code) for one in found.findings] == [(1, "excluded-namespace")]
