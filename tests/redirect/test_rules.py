"""What the rules do to connections in a real kernel, and what `capture` says where it cannot put them in.

Nobody is a sidecar here: `caught` listens where its egress listener would.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from .namespaces import AS_ENVOY, PILOTHOUSE, UID, Namespace, lacking, networks, wait_for

TOOLS = ["nft", "iptables"]
CAUGHT = (
    "tcp=127.0.0.1=15001=caught",
    "tcp=::1=15001=caught",
    "tcp=127.0.0.1=7000=loopback",
    "tcp=10.1.0.2=7000=self",
)
BEYOND = (
    "tcp=10.2.0.1=9999=beyond",
    "tcp=fd00:2::1=9999=beyond",
    "tcp=10.2.0.1=7000=excluded",
    "tcp=10.2.0.1=53=dns",
    "udp=10.2.0.1=9999=datagram",
    "tcp=10.2.0.7=9999=excluded",
    "tcp=fd00:2::7=9999=excluded",
)
INSTALL = ("install", "--uid", str(UID), "--exclude-port", "6990-7000", "--exclude-range", "10.2.0.6/31")
SIX = ("--family", "ipv6", "--exclude-range", "fd00:2::7/128")


@pytest.fixture(scope="module", params=TOOLS)
def tool(request: pytest.FixtureRequest) -> str:
    if why := lacking():
        pytest.skip(why)
    return request.param


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory, tool: str) -> Iterator[Namespace]:
    folder = tmp_path_factory.mktemp("ground")
    with networks() as (found, beyond):
        for side, servers in ((found, CAUGHT), (beyond, BEYOND)):
            log = folder / str(side.pid)
            side.start(sys.executable, "-m", "tests.redirect.servers", *servers, log=log)
            wait_for(lambda log=log: log.read_text() == "ready\n")
        yield found


@pytest.fixture
def pod(ground: Namespace) -> Iterator[Namespace]:
    """Without a rule."""
    yield ground
    ground.must("nft", "flush", "ruleset")
    for each in ("iptables", "ip6tables"):
        ground.must("sh", "-c", f"{each} -t nat -F && {each} -t nat -X")


def rules(pod: Namespace) -> str:
    """All that the kernel has."""
    return pod.must("nft", "--stateless", "list", "ruleset") + "".join(
        line
        for program in ("iptables-save", "ip6tables-save")
        for line in pod.must(program).splitlines(keepends=True)
        if not line.startswith("#")
    )


@pytest.fixture
def capture(pod: Namespace, tool: str):
    def run(*arguments: str) -> None:
        pod.must(PILOTHOUSE, "capture", *arguments, "--tool", tool)

    return run


def test_connections_are_led_to_the_sidecar_and_nothing_else_is(pod, capture) -> None:
    capture(*INSTALL)
    assert pod.hears("tcp", "10.2.0.1", 9999) == "caught"
    assert pod.hears("tcp", "10.9.9.9", 1) == "caught", "whether or not anybody is there"
    assert pod.hears("tcp", "10.2.0.1", 9999, *AS_ENVOY) == "beyond", "what Envoy begins"
    assert pod.hears("tcp", "10.2.0.1", 7000) == "excluded"
    assert pod.hears("tcp", "10.2.0.7", 9999) == "excluded"
    assert pod.hears("tcp", "10.2.0.1", 53) == "dns"
    assert pod.hears("udp", "10.2.0.1", 9999) == "datagram"
    assert pod.hears("tcp", "127.0.0.1", 7000) == "loopback"
    assert pod.hears("tcp", "10.1.0.2", 7000) == "self"
    assert pod.hears("tcp", "fd00:2::1", 9999) == "beyond", "a family that the sidecar does not listen for"


def test_each_family_is_captured_if_that_is_said(pod, capture) -> None:
    capture(*INSTALL, *SIX)
    assert pod.hears("tcp", "fd00:2::1", 9999) == "caught"
    assert pod.hears("tcp", "fd00:2::1", 9999, *AS_ENVOY) == "beyond"
    assert pod.hears("tcp", "fd00:2::7", 9999) == "excluded"
    assert pod.hears("tcp", "10.2.0.1", 9999) == "beyond"
    capture(*INSTALL, *SIX, "--family", "ipv4")
    assert pod.hears("tcp", "fd00:2::1", 9999) == pod.hears("tcp", "10.2.0.1", 9999) == "caught"


def test_to_install_again_changes_nothing_and_to_remove_leaves_nothing(pod, capture, tool) -> None:
    capture("remove")
    before = rules(pod)
    capture(*INSTALL, *SIX, "--family", "ipv4")
    installed = rules(pod)
    assert installed != before
    capture(*INSTALL, *SIX, "--family", "ipv4")
    assert rules(pod) == installed
    capture("install", "--uid", "1", "--egress-port", "7000")
    assert pod.hears("tcp", "10.2.0.1", 9999) == "loopback", "just the rules of the last time"
    assert pod.hears("tcp", "fd00:2::1", 9999) == "beyond"
    capture("remove")
    capture("remove")
    assert "15001" not in rules(pod)
    assert "pilothouse" not in rules(pod).lower()
    assert pod.hears("tcp", "10.2.0.1", 9999) == "beyond"


def test_what_the_other_tool_has_installed_is_taken_out(pod, capture, tool) -> None:
    other = next(each for each in TOOLS if each != tool)
    pod.must(PILOTHOUSE, "capture", "install", "--uid", "1", "--egress-port", "7000", "--tool", other)
    assert pod.hears("tcp", "10.2.0.1", 9999) == "loopback"
    capture(*INSTALL)
    assert pod.hears("tcp", "10.2.0.1", 9999) == "caught"
    capture("remove")
    assert pod.hears("tcp", "10.2.0.1", 9999) == "beyond"


def test_rules_of_others_stay(pod, capture) -> None:
    pod.must("iptables", "-t", "nat", "-A", "OUTPUT", "-p", "tcp", "--dport", "1", "-j", "ACCEPT")
    before = rules(pod)
    capture(*INSTALL)
    assert pod.hears("tcp", "10.2.0.1", 9999) == "caught"
    capture("remove")
    assert rules(pod) == before


def test_what_is_only_printed_is_what_the_tool_takes(pod, tool) -> None:
    printed = pod.must(PILOTHOUSE, "capture", *INSTALL, "--tool", tool, "--dry-run")
    assert pod.hears("tcp", "10.2.0.1", 9999) == "beyond"
    reader = printed.partition("\n")[0].removeprefix("# ")
    pod.must("sh", "-c", f'printf %s "$1" | {reader}', "sh", printed)
    assert pod.hears("tcp", "10.2.0.1", 9999) == "caught"


@pytest.mark.parametrize("action", [("install", "--uid", "1"), ("remove",)])
def test_who_may_not_is_told_so_in_one_line(pod, tool, action) -> None:
    refused = pod.run(*AS_ENVOY, PILOTHOUSE, "capture", *action, "--tool", tool)
    assert refused.status == 2
    assert refused.err.startswith("pilothouse: capture: needs the capability NET_ADMIN, as root has: ")
    assert len(refused.err.splitlines()) == 1
