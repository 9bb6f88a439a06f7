"""Fixtures of other folders, and the example source as a module."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..cli.conftest import pilothouse
from ..sources.conftest import running

__all__ = ["pilothouse", "running"]


@pytest.fixture(scope="module")
def phonebook(project: Path) -> Any:
    """The module of the example, which is in no package."""
    found = importlib.util.spec_from_file_location("phonebook", project / "examples/source/phonebook.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture
def document(tmp_path: Path) -> str:
    """Where the document is that the source reads."""
    return str(tmp_path / "phonebook.json")


@pytest.fixture
def write(document: str) -> Callable[..., None]:
    """Write the document: `write({"shop/payments": ["10.0.0.1:8080"]})`, or a text that is none."""

    def run(content: object) -> None:
        Path(document).write_text(content if isinstance(content, str) else json.dumps(content))

    return run
