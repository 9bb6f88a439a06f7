"""The control plane that the tests share: the process, over a folder that they write to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .plane import ControlPlane


@pytest.fixture(scope="session")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    found = ControlPlane(tmp_path_factory.mktemp("wire"))
    found.start()
    try:
        yield found
        found.stop()
    finally:
        found.kill()


@pytest.fixture(scope="module")
def control_plane(_shared: ControlPlane) -> Iterator[ControlPlane]:
    """Serves all the time, and whatever the tests of a module did to it, without trouble of its own."""
    before = len(_shared.troubles)
    yield _shared
    assert _shared.serving
    assert _shared.troubles[before:] == []


@pytest.fixture
def own_control_plane(tmp_path: Path) -> Iterator[ControlPlane]:
    """For one test, which starts it."""
    found = ControlPlane(tmp_path)
    yield found
    found.kill()
