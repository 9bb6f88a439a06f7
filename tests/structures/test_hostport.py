"""Addresses as operators write them."""

from __future__ import annotations

import pytest

from pilothouse.structures.hostport import HostPort


@pytest.mark.parametrize(
    "text", ["127.0.0.1:18000", "[::1]:0", "[fe80::1%eth0]:1", "localhost:65535", "a-b.c_d:1"]
)
def test_an_address_reads_as_it_is_written(text: str) -> None:
    assert str(HostPort.parse(text)) == text


def test_any_address_may_be_in_brackets() -> None:
    assert HostPort.parse("[10.1.2.3]:80") == HostPort("10.1.2.3", 80)


@pytest.mark.parametrize(
    "text",
    ["", ":1", "a", "a:", "::1:1", "[::1]", "a:-1", "a:65536", "a:1x", "a:¹", "[a]:1", "a b:1", "http://a:1"],
)
def test_an_address_without_a_host_and_a_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not HOST:PORT"):
        HostPort.parse(text)
