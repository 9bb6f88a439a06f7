"""Addresses as text, and as the bytes that records have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.model.addresses import packed

pytestmark = pytest.mark.quick


@given(st.ip_addresses())
def test_an_address_is_its_bytes(address):
    assert packed(str(address)) == address.packed


@pytest.mark.parametrize(
    "text", ["", "db.example.com", "10.0.0", "10.0.0.256", "10.0.0.01", "10.0.0.1\n", "::g"]
)
def test_what_is_no_address_has_none(text):
    assert packed(text) == b""
