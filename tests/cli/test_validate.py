"""The validate command: a line for each fault that an editor can jump to, and an exit status for CI."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

GOOD = """\
apiVersion: v1
kind: Service
metadata: {name: payments, namespace: shop}
spec:
  clusterIP: 10.96.0.21
  ports: [{name: http, port: 8080}]
"""


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    (tmp_path / "good.yaml").write_text(GOOD)
    return tmp_path


@pytest.fixture
def broken(manifests: Path) -> Path:
    """A file whose second document has a port that is none, in line 12."""
    file = manifests / "broken.yaml"
    file.write_text(
        GOOD.replace("payments", "carts")
        + "---\n"
        + GOOD.replace("payments", "orders").replace("8080", "80800")
    )
    return file


def test_good_manifests_exit_0_and_say_how_many_files_were_read(pilothouse, manifests) -> None:
    (manifests / "notes.txt").write_text("not a manifest")
    outcome = pilothouse("validate", manifests)
    assert (outcome.status, outcome.out, outcome.err) == (0, "no faults; files read: 1\n", "")
    (manifests / "empty").mkdir()
    assert pilothouse("validate", manifests / "empty").out == "no faults; files read: 0\n"


def test_each_fault_is_a_line_with_its_place_and_exits_1(pilothouse, manifests, broken) -> None:
    outcome = pilothouse("validate", manifests)
    assert (outcome.status, outcome.err) == (1, "")
    (line,) = outcome.out.splitlines()
    assert line.startswith(f"{broken}:")
    assert "document 2 spec.ports[0].port: " in line


def test_programs_get_the_same_as_json(pilothouse, manifests, broken) -> None:
    outcome = pilothouse("validate", "-o", "json", manifests)
    assert (outcome.status, outcome.err) == (1, "")
    (fault,) = json.loads(outcome.out)["faults"]
    assert (fault["file"], fault["document"], fault["field"]) == (str(broken), 2, "spec.ports[0].port")
    assert fault["line"] > 7
    broken.unlink()
    assert json.loads(pilothouse("validate", "-o", "json", manifests).out) == {"faults": []}
