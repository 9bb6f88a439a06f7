"""A pod and what is beyond it, for the tests of a module; its sidecars speak one variant, then the other."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .mesh import Mesh, mesh
from .namespaces import lacking


@pytest.fixture(scope="module", params=["delta", "sotw"])
def ground(request: pytest.FixtureRequest) -> Iterator[Mesh]:
    if why := lacking():
        pytest.skip(why)
    beside = Path(sys.executable).with_name("envoy")
    envoy = os.environ.get("ENVOY_BIN") or (beside if beside.exists() else shutil.which("envoy"))
    assert envoy, "no envoy: install the extra `demo`, or set ENVOY_BIN"
    with (
        tempfile.TemporaryDirectory() as folder,
        mesh(Path(folder), Path(envoy), request.param == "delta") as found,
    ):
        yield found
