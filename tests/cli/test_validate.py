"""The validate command: a line for each finding that an editor can jump to, and an exit status for CI."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("pilothouse")
GOOD = """\
apiVersion: v1
kind: Service
metadata: {name: payments, namespace: shop}
spec:
  clusterIP: 10.96.0.21
  ports: [{name: http, port: 8080}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: payments-1, namespace: shop, labels: {kubernetes.io/service-name: payments}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.0.0.1]}]
"""
ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r, namespace: front}
spec:
  parentRefs: [{group: "", kind: Service, name: payments, namespace: shop}]
  rules: [{backendRefs: [{name: payments, namespace: shop, port: 8080}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: g, namespace: shop}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: front}]
  to: [{group: "", kind: Service}]
"""
SERVICE = GOOD.partition("---")[0]
ALL_GOOD = "1 file, 2 documents, 2 objects, 1 service, 1 endpoint: no faults, no warnings, nothing left out\n"


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    (tmp_path / "good.yaml").write_text(GOOD)
    return tmp_path


@pytest.fixture
def broken(manifests: Path) -> Path:
    """A file whose second document has a port that is none."""
    file = manifests / "broken.yaml"
    file.write_text(SERVICE + "---\n" + SERVICE.replace("payments", "orders").replace("8080", "80800"))
    return file


@pytest.fixture
def doubtful(manifests: Path) -> Path:
    """A file with something of each kind that is no fault."""
    file = manifests / "doubtful.yaml"
    file.write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n"
        + SERVICE.replace("payments", "orders").replace("clusterIP", "clusterIp")
    )
    return file


def test_good_manifests_exit_0_and_the_last_line_says_what_was_read(pilothouse, manifests) -> None:
    (manifests / "notes.txt").write_text("not a manifest")
    outcome = pilothouse("validate", manifests)
    assert (outcome.status, outcome.out, outcome.err) == (0, ALL_GOOD, "")


def test_each_finding_is_a_line_with_its_place_its_severity_and_its_code(
    pilothouse, manifests, doubtful
) -> None:
    (manifests / "good.yaml").unlink()
    outcome = pilothouse("validate", manifests)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.splitlines() == [
        f"{doubtful}:1: left out: ConfigMap of v1: plays no part in routing [unsupported-kind]",
        f"{doubtful}:5: left out: Service shop/orders: HTTP requests are answered by 503 [no-endpoints]",
        f"{doubtful}:9: warning: spec.clusterIp: is not a known field and is ignored;"
        ' did you mean "clusterIP"?',
        "1 file, 2 documents, 1 object, 1 service, no endpoints: no faults, 1 warning, 2 left out"
        " (1 no-endpoints, 1 unsupported-kind)",
    ]


def test_the_last_line_counts_just_the_lines_above_it(pilothouse, manifests, doubtful) -> None:
    (manifests / "servce.yaml").write_text("apiVersion: v1\nkind: Servce\nmetadata: {name: a}\n")
    *lines, summary = pilothouse("validate", manifests).out.splitlines()
    assert any("warning: " in line and "[unsupported-kind]" in line for line in lines)
    assert sum(" left out: " in line for line in lines) == 2
    assert summary.endswith("no faults, 2 warnings, 2 left out (1 no-endpoints, 1 unsupported-kind)")


def test_a_fault_exits_1(pilothouse, manifests, broken) -> None:
    outcome = pilothouse("validate", manifests)
    assert (outcome.status, outcome.err) == (1, "")
    assert f"{broken}:13: error: spec.ports[0].port: 80800 is not in 1..65535" in outcome.out.splitlines()


def test_a_folder_without_manifests_exits_1(pilothouse, manifests) -> None:
    (manifests / "empty").mkdir()
    outcome = pilothouse("validate", manifests / "empty")
    assert outcome.status == 1
    assert f"{manifests}/empty: error: holds no manifest" in outcome.out


def test_programs_get_the_same_as_json(pilothouse, manifests, broken, doubtful) -> None:
    outcome = pilothouse("validate", "-o", "json", manifests)
    assert (outcome.status, outcome.err) == (1, "")
    found = json.loads(outcome.out)
    assert found["faults"] == [
        {
            "file": str(broken),
            "line": 13,
            "document": 2,
            "field": "spec.ports[0].port",
            "message": "80800 is not in 1..65535",
            "severity": "error",
            "code": "",
        },
        *found["faults"][1:],
    ]
    assert [(one["line"], one["field"]) for one in found["warnings"]] == [(9, "spec.clusterIp")]
    assert {one["code"] for one in found["left_out"]} == {"unsupported-kind", "no-endpoints"}
    assert found["left_out_by_reason"] == {"no-endpoints": 1, "unsupported-kind": 1}
    assert (found["files"], found["documents"], found["services"]) == (3, 6, 2)


def test_json_of_good_manifests_has_the_same_keys(pilothouse, manifests) -> None:
    assert json.loads(pilothouse("validate", "-o", "json", manifests).out) == {
        "files": 1,
        "documents": 2,
        "objects": 2,
        "services": 1,
        "endpoints": 1,
        "faults": [],
        "warnings": [],
        "left_out": [],
        "left_out_by_reason": {},
    }


def test_a_path_can_say_the_namespace_of_what_states_none(pilothouse, manifests) -> None:
    (manifests / "good.yaml").write_text(GOOD.replace(", namespace: shop", "") + "---\n" + ROUTE)
    assert pilothouse("validate", f"{manifests}=shop").out.count("left out:") == 0
    assert "there is no Service shop/payments [no-such-parent]" in pilothouse("validate", manifests).out


def test_a_path_that_is_not_there_is_one_line_and_exit_2(pilothouse, manifests) -> None:
    nowhere = f"{manifests}/nowhere"
    assert pilothouse("validate", f"{nowhere}=shop").refused(
        f"Invalid value for 'PATH...': path '{nowhere}=shop' does not exist."
    )
    assert pilothouse("validate", f"{manifests}=Shop").status == 2


def test_no_text_in_a_manifest_or_a_name_makes_a_line_of_its_own(pilothouse, manifests) -> None:
    (manifests / "a\n\x1b[31mb.yaml").write_text(
        '{apiVersion: v1, kind: "S\\n\\e[1mervice", metadata: {name: a}}'
    )
    lines = pilothouse("validate", manifests).out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"{manifests}/a\\x0a\\x1b[31mb.yaml:1: warning: kind: ")
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize(("setting", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_gets_colours_unless_they_are_not_wanted(manifests, doubtful, setting, coloured) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", **setting}
    done = subprocess.run([PROGRAM, "validate", manifests], stdout=theirs, env=environment, timeout=60)
    os.close(theirs)
    assert done.returncode == 0
    assert (b"\x1b[" in os.read(ours, 1 << 16)) is coloured


def test_a_reader_that_has_gone_is_one_line_and_exit_2(manifests) -> None:
    for form in ("text", "json"):
        command = [PROGRAM, "validate", "-o", form, manifests]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        process.stdout.close()
        assert process.stderr.read() == "pilothouse: stdout: the program that reads it has gone\n"
        assert process.wait(timeout=60) == 2
        process.stderr.close()
