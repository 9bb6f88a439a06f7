"""The version command: right, and quick, as `bootstrap` is, because neither imports anything heavy."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata

import pytest

HEAVY = {"grpc", "envoy_data_plane", "pilothouse._pb", "pilothouse.app", "uvicorn", "rich"}


def test_version_is_for_people_or_for_programs(pilothouse) -> None:
    text, programs = pilothouse("version"), pilothouse("version", "-o", "json")
    assert (text.status, text.err, programs.status, programs.err) == (0, "", 0, "")
    versions = json.loads(programs.out)
    assert list(versions) == ["pilothouse", "python", "grpcio", "protobuf"]
    assert versions["pilothouse"] == metadata.version("pilothouse")
    assert text.out.splitlines() == [f"{name} {number}" for name, number in versions.items()]


@pytest.mark.parametrize(
    "command", [(), ("version",), ("bootstrap", "--node", "web-0", "--namespace", "shop")]
)
def test_what_quick_commands_import_is_light(command) -> None:
    script = """
import sys, pilothouse.cli
try:
    pilothouse.cli.main()
finally:
    print(*sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, *command], capture_output=True, text=True, timeout=30, check=True
    )
    assert "pilothouse.cli.sidecar" in done.stdout
    assert HEAVY.isdisjoint(done.stdout.split())
