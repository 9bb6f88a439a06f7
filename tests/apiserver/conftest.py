"""An API server that is a fake."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .fake import FakeApi


@pytest.fixture
def api() -> Iterator[FakeApi]:
    made = FakeApi()
    yield made
    made.close()
