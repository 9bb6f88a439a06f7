"""What becomes of questions to name servers in a real kernel, if `capture` sends them to an agent."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .namespaces import AS_ENVOY, PILOTHOUSE, UID, Namespace, lacking, networks, wait_for

TOOLS = ["nft", "iptables"]
AGENT = (
    "udp=127.0.0.1=15053=agent",
    "tcp=127.0.0.1=15053=agent",
    "udp=::1=15053=agent",
    "tcp=::1=15053=agent",
)
#: As systemd has it, and as Docker has it, which redirects port 53 of 127.0.0.11 itself.
LOCAL = (
    *(f"{kind}=127.0.0.53=53=systemd" for kind in ("udp", "tcp")),
    *(f"{kind}=127.0.0.11=36541=docker" for kind in ("udp", "tcp")),
)
BEYOND = tuple(
    f"{kind}={host}=53=server"
    for kind in ("udp", "tcp")
    for host in ("10.1.0.1", "10.2.0.7", "fd00:2::1", "fe80::53%eth0")
)
DOCKER = """\
*nat
:DOCKER_OUTPUT - [0:0]
:DOCKER_POSTROUTING - [0:0]
-A OUTPUT -d 127.0.0.11/32 -j DOCKER_OUTPUT
-A POSTROUTING -d 127.0.0.11/32 -j DOCKER_POSTROUTING
-A DOCKER_OUTPUT -d 127.0.0.11/32 -p tcp --dport 53 -j DNAT --to-destination 127.0.0.11:36541
-A DOCKER_OUTPUT -d 127.0.0.11/32 -p udp --dport 53 -j DNAT --to-destination 127.0.0.11:36541
-A DOCKER_POSTROUTING -s 127.0.0.11/32 -p tcp --sport 36541 -j SNAT --to-source :53
-A DOCKER_POSTROUTING -s 127.0.0.11/32 -p udp --sport 36541 -j SNAT --to-source :53
COMMIT
"""
INSTALL = ("install", "--uid", str(UID), "--dns-port", "15053")
BOTH = ("--family", "ipv4", "--family", "ipv6")
ENDPOINTS = 200


@pytest.fixture(scope="module", params=TOOLS)
def tool(request: pytest.FixtureRequest) -> str:
    if why := lacking():
        pytest.skip(why)
    return request.param


def serve(side: Namespace, log: Path, *servers: str) -> None:
    side.start(sys.executable, "-m", "tests.redirect.servers", *servers, log=log)
    wait_for(lambda: log.read_text() == "ready\n")


@pytest.fixture(scope="module")
def resolvers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is /etc/resolv.conf in the pod."""
    return tmp_path_factory.mktemp("etc") / "resolv.conf"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory, resolvers: Path, tool: str) -> Iterator[Namespace]:
    folder = tmp_path_factory.mktemp("ground")
    resolvers.touch()
    with networks() as (found, beyond):
        found.must("mount", "--bind", str(resolvers), "/etc/resolv.conf")
        beyond.must("ip", "addr", "add", "fe80::53/64", "dev", "eth0", "nodad")
        serve(found, folder / "pod", *AGENT, *LOCAL)
        serve(beyond, folder / "beyond", *BEYOND)
        yield found


@pytest.fixture
def pod(ground: Namespace, resolvers: Path) -> Iterator[Namespace]:
    """Without a rule, and with a name server beyond."""
    resolvers.write_text("search shop.svc.cluster.local\nnameserver 10.1.0.1\noptions ndots:5\n")
    yield ground
    clean(ground)


def clean(pod: Namespace) -> None:
    pod.must("nft", "flush", "ruleset")
    for each in ("iptables", "ip6tables"):
        for table in ("nat", "raw"):
            pod.must("sh", "-c", f"{each} -t {table} -F && {each} -t {table} -X")


@pytest.fixture
def capture(pod: Namespace, tool: str):
    def run(*arguments: str) -> None:
        pod.must(PILOTHOUSE, "capture", *arguments, "--tool", tool)

    return run


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_whichever_name_server_is_asked_the_agent_answers_in_its_place(pod, capture, kind) -> None:
    capture(*INSTALL, *BOTH)
    for server in ("10.1.0.1", "10.9.9.9", "127.0.0.53", "127.0.0.1", "fd00:2::1", "fd00:9::9", "::1"):
        # Of a datagram from elsewhere than from whom it has asked, this client would hear nothing.
        assert pod.hears(kind, server, 53) == "agent", server


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_what_the_agent_asks_goes_where_it_is_sent(pod, capture, kind) -> None:
    capture(*INSTALL, *BOTH)
    for server, name in (("10.1.0.1", "server"), ("fd00:2::1", "server"), ("127.0.0.53", "systemd")):
        assert pod.hears(kind, server, 53, *AS_ENVOY) == name


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_a_family_or_a_network_that_is_not_captured_is_let_alone(pod, capture, kind) -> None:
    capture(*INSTALL, "--exclude-range", "10.2.0.6/31")
    assert pod.hears(kind, "fd00:2::1", 53) == "server"
    assert pod.hears(kind, "10.2.0.7", 53) == "server"
    assert pod.hears(kind, "10.1.0.1", 53) == "agent"


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_a_name_server_at_a_link_local_address_is_let_alone(pod, capture, kind) -> None:
    capture(*INSTALL, *BOTH)
    assert pod.hears(kind, "fe80::53%eth0", 53) == "server", "the agent could not answer who asks from one"


def test_the_agent_may_ask_from_the_port_from_which_an_application_has_just_asked(pod, capture) -> None:
    capture(*INSTALL, *BOTH)
    for server, source in (("10.1.0.1", "10.1.0.2"), ("fd00:2::1", "fd00:1::2")):
        assert pod.hears("udp", server, 53, source=(source, 40000)) == "agent"
        assert pod.hears("udp", server, 53, *AS_ENVOY, source=(source, 40000)) == "server"
        assert pod.hears("udp", server, 53, source=(source, 40000)) == "agent", "and the other way round"


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_a_name_server_of_this_machine_asks_others_and_not_the_agent(pod, capture, resolvers, kind) -> None:
    resolvers.write_text("nameserver 127.0.0.53\n")
    capture(*INSTALL)
    assert pod.hears(kind, "127.0.0.53", 53) == "agent"
    assert pod.hears(kind, "10.1.0.1", 53) == "server", "as systemd's asks it, under whatever user"
    resolvers.write_text("nameserver 10.1.0.2\n")
    capture(*INSTALL)
    assert pod.hears(kind, "10.1.0.1", 53) == "server", "its address need not be a loopback address"
    resolvers.write_text("")
    capture(*INSTALL)
    assert pod.hears(kind, "10.1.0.1", 53) == "server", "without any, that of this machine is asked"


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_what_docker_redirects_to_its_name_server_comes_to_the_agent(pod, capture, resolvers, kind) -> None:
    pod.must("sh", "-c", f"printf %s '{DOCKER}' | iptables-restore --noflush")
    assert pod.hears(kind, "127.0.0.11", 53) == "docker"
    resolvers.write_text("nameserver 127.0.0.11\n")
    capture(*INSTALL)
    assert pod.hears(kind, "127.0.0.11", 53) == "agent"
    assert pod.hears(kind, "127.0.0.11", 53, *AS_ENVOY) == "docker", "which the agent forwards to"
    assert pod.hears(kind, "10.1.0.1", 53) == "server", "as Docker's asks it, as root"
    capture("remove")
    assert pod.hears(kind, "127.0.0.11", 53) == "docker"


def test_to_install_again_changes_nothing_and_without_the_port_it_is_as_before(pod, capture, tool) -> None:
    def rules() -> str:
        saved = (pod.must(program) for program in ("iptables-save", "ip6tables-save"))
        # Without what iptables has counted.
        said = [
            line.partition(" [")[0]
            for text in saved
            for line in text.splitlines()
            if not line.startswith("#")
        ]
        return "\n".join([pod.must("nft", "--stateless", "list", "ruleset"), *said])

    capture("install", "--uid", str(UID), *BOTH)
    before = rules()
    capture(*INSTALL, *BOTH)
    installed = rules()
    capture(*INSTALL, *BOTH)
    assert rules() == installed
    capture("install", "--uid", str(UID), *BOTH)
    assert "15053" not in rules()
    assert "dns" not in rules().lower()
    assert set(before.splitlines()) <= set(rules().splitlines())
    assert pod.hears("udp", "10.1.0.1", 53) == pod.hears("tcp", "10.1.0.1", 53) == "server"


def test_what_is_removed_leaves_no_question_to_the_agent(pod, capture, tool) -> None:
    other = next(each for each in TOOLS if each != tool)
    capture(*INSTALL)
    assert pod.hears("udp", "10.1.0.1", 53, source=("10.1.0.2", 40001)) == "agent"
    pod.must(PILOTHOUSE, "capture", "install", "--uid", str(UID), "--tool", other)
    assert pod.hears("udp", "10.1.0.1", 53) == "server", "nor where the other tool has replaced it"
    capture(*INSTALL)
    capture("remove")
    assert pod.hears("udp", "10.1.0.1", 53, source=("10.1.0.2", 40001)) == "server", "at once"
    assert pod.hears("tcp", "10.1.0.1", 53) == "server"
