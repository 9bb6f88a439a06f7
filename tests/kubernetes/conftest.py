"""Manifests as people write them, read for the tests of each kind."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pilothouse.kubernetes.fields import FieldError, Fields
from pilothouse.kubernetes.parse import Parsed, parse
from pilothouse.kubernetes.text.loading import load


@pytest.fixture
def parsed() -> Callable[[str], Parsed]:
    """Reads one manifest; raises the first mistake of one that is refused."""

    def read(text: str) -> Parsed:
        found = parse(Fields(load(text)[0]))
        if found.errors:
            raise found.errors[0]
        return found

    return read


@pytest.fixture
def refused(parsed) -> Callable[[str], str]:
    """Reads one manifest that must be refused; returns field and message."""

    def refuse(text: str) -> str:
        with pytest.raises(FieldError) as caught:
            parsed(text)
        return str(caught.value)

    return refuse
