"""resolv.conf as machines have it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.agent.resolv_conf import ResolvConf
from pilothouse.structures.hostport import HostPort

POD = """\
search shop.svc.cluster.local svc.cluster.local cluster.local corp.example.
nameserver 10.96.0.10
options ndots:5
"""


def test_that_of_a_pod() -> None:
    found = ResolvConf.parse(POD)
    assert found.servers == (HostPort("10.96.0.10", 53),)
    assert found.search[0] == ("shop", "svc", "cluster", "local")
    assert found.search[-1] == ("corp", "example")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n; nothing\n",
        "nameserver\nnameserver here\nsearch\n",
        "options edns0 trust-ad\nsortlist 1.2.3.4\n\x00\n",
    ],
)
def test_what_says_nothing(text: str) -> None:
    assert ResolvConf.parse(text) == ResolvConf()


def test_the_last_search_list_counts_and_three_servers_do() -> None:
    text = "domain a.example\nsearch b.example .\n" + "".join(f"nameserver 10.0.0.{n}\n" for n in range(5))
    found = ResolvConf.parse(text + "nameserver fe80::1%eth0\n")
    assert found.search == (("b", "example"),)
    assert [each.host for each in found.servers] == ["10.0.0.0", "10.0.0.1", "10.0.0.2"]


def test_without_a_file_nothing_is_said(tmp_path: Path) -> None:
    assert ResolvConf.read(tmp_path / "resolv.conf") == ResolvConf()
