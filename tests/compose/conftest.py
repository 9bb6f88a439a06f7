"""compose.yaml, read as YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml


@pytest.fixture(scope="session")
def mesh(project: Path) -> dict[str, Any]:
    """The document of compose.yaml, its anchors resolved."""
    return yaml.safe_load((project / "compose.yaml").read_text())


@pytest.fixture(scope="session")
def services(mesh: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return mesh["services"]
