"""`pilothouse dns-agent`, the resolver beside an application, with and without its control plane."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..authority import Authority, replace
from ..conftest import Eventually
from ..dns.upstream import address, upstream
from ..ports import free_port
from .agents import DnsAgent
from .plane import PROGRAM, Plane, service

NAME = "cart.shop.svc.cluster.local."


def virtual(name: str, address: str, *, namespace: str = "shop", export_to: str = "*") -> str:
    """A manifest of a Service with a virtual IP."""
    found = service(name, namespace=namespace, annotations={"pilothouse.dev/export-to": export_to})
    return found.replace('"spec": {', f'"spec": {{"clusterIP": "{address}", ')


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    """A control plane that is not started, with `shop/cart`."""
    found = Plane(tmp_path)
    found.write("cart.json", virtual("cart", "10.96.0.22"))
    try:
        yield found
    finally:
        found.stop()


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[Callable[..., DnsAgent]]:
    """Starts agents."""
    found: list[DnsAgent] = []

    def begin(control_plane: str, *flags: str, namespace: str = "shop") -> DnsAgent:
        found.append(DnsAgent(tmp_path, control_plane, *flags, namespace=namespace))
        return found[-1]

    yield begin
    for each in found:
        each.stop()


async def test_an_application_calls_services_by_short_names(
    plane: Plane, begun: Callable[..., DnsAgent], eventually: Eventually
) -> None:
    plane.start()
    agent = begun(plane.xds)
    await eventually(lambda: agent.get("cart") == "10.96.0.22")
    assert agent.page("/readyz") == (200, "ready\n")
    assert agent.get("cart.shop") == "10.96.0.22"
    assert agent.get("cart.shop.shop.svc.cluster.local") == "10.96.0.22"
    assert agent.get(NAME, "AAAA") == "NOERROR"
    assert agent.metric("pilothouse_dns_searches_saved_total") == 1
    assert agent.metric("pilothouse_dns_services") == 1
    plane.write("cart.json", virtual("cart", "10.96.0.23"))
    await eventually(lambda: agent.get("cart") == "10.96.0.23")
    (plane.manifests / "cart.json").unlink()
    await eventually(lambda: agent.get(NAME) == "NXDOMAIN")


async def test_what_is_not_exported_to_a_namespace_does_not_exist_there(
    plane: Plane, begun: Callable[..., DnsAgent], eventually: Eventually
) -> None:
    plane.write("ledger.json", virtual("ledger", "10.96.0.30", namespace="bank", export_to="."))
    plane.start()
    near, far = begun(plane.xds, namespace="bank"), begun(plane.xds)
    await eventually(lambda: near.get("ledger") == "10.96.0.30")
    await eventually(lambda: far.get("cart") == "10.96.0.22")
    for name in ("ledger.bank.svc.cluster.local", "30.0.96.10.in-addr.arpa"):
        assert far.get(name, "PTR" if "arpa" in name else "A") != near.get(
            name, "PTR" if "arpa" in name else "A"
        )
    assert far.get("ledger.bank.svc.cluster.local") == "NXDOMAIN"
    plane.write("ledger.json", virtual("ledger", "10.96.0.30", namespace="bank", export_to="shop"))
    await eventually(lambda: far.get("ledger.bank") == "10.96.0.30")
    await eventually(lambda: near.get("ledger") != "10.96.0.30")


async def test_while_the_control_plane_is_away_its_last_word_counts(
    plane: Plane, begun: Callable[..., DnsAgent], eventually: Eventually
) -> None:
    plane.start()
    agent = begun(plane.xds)
    await eventually(lambda: agent.get("cart") == "10.96.0.22")
    plane.stop()
    await eventually(lambda: agent.metric("pilothouse_dns_control_plane_connected") == 0)
    await eventually(lambda: "the control plane is away" in agent.log())
    assert agent.get("cart") == "10.96.0.22"
    assert agent.get("gone.shop.svc.cluster.local") == "NXDOMAIN"
    # Applications need no other sidecar because of that.
    assert agent.page("/readyz")[0] == 200
    assert agent.log().count("the control plane is away") == 1


async def test_a_control_plane_that_comes_back_is_followed_again(
    tmp_path: Path, begun: Callable[..., DnsAgent], eventually: Eventually
) -> None:
    port = free_port()
    plane = Plane(tmp_path, "--xds", f"127.0.0.1:{port}")
    plane.write("cart.json", virtual("cart", "10.96.0.22"))
    plane.write("old.json", virtual("old", "10.96.0.40"))
    try:
        plane.start()
        agent = begun(plane.xds)
        await eventually(lambda: agent.get("old") == "10.96.0.40")
        plane.stop()
        (plane.manifests / "old.json").unlink()
        plane.write("cart.json", virtual("cart", "10.96.0.29"))
        plane.start()
        await eventually(lambda: agent.get("cart") == "10.96.0.29")
        await eventually(lambda: agent.get("old.shop.svc.cluster.local") == "NXDOMAIN")
    finally:
        plane.stop()


async def test_a_control_plane_that_hangs_changes_no_answer(
    plane: Plane, begun: Callable[..., DnsAgent], eventually: Eventually
) -> None:
    plane.start()
    agent = begun(plane.xds)
    await eventually(lambda: agent.get("cart") == "10.96.0.22")
    plane.signal(signal.SIGSTOP)
    try:
        await eventually(lambda: agent.metric("pilothouse_dns_control_plane_connected") == 0)
        assert agent.get("cart") == "10.96.0.22"
    finally:
        plane.signal(signal.SIGCONT)
    await eventually(lambda: agent.metric("pilothouse_dns_control_plane_connected") == 1)


async def test_before_the_control_plane_was_heard_no_name_is_absent(
    begun: Callable[..., DnsAgent], eventually: Eventually
) -> None:
    agent = begun(f"127.0.0.1:{free_port()}")
    await eventually(lambda: agent.get(NAME) == "SERVFAIL")
    await eventually(lambda: "Connection refused" in agent.page("/readyz")[1])
    status, why = agent.page("/readyz")
    assert (status, why.partition(":")[0]) == (503, "the control plane has not told of names yet")
    assert agent.page("/healthz") == (200, "alive\n")


async def test_other_names_are_asked_for_elsewhere(
    plane: Plane, begun: Callable[..., DnsAgent], eventually: Eventually
) -> None:
    plane.start()
    async with upstream(address("203.0.113.5")) as elsewhere, upstream(address("203.0.113.6")) as corporate:
        forward = ("--dns-forward", str(elsewhere.at), "--dns-forward", f"corp.example={corporate.at}")
        agent = begun(plane.xds, *forward)

        async def gets(name: str) -> str:
            """The upstreams answer on this loop meanwhile."""
            return await asyncio.to_thread(agent.get, name)

        await asyncio.to_thread(_listens, agent)
        await eventually(lambda: agent.page("/readyz")[0] == 200)
        assert await gets("cart") == "10.96.0.22"
        assert await gets("api.example.com") == "203.0.113.5"
        assert await gets("wiki.corp.example") == "203.0.113.6"
        assert await gets("api.example.org.shop.svc.cluster.local") == "203.0.113.5"
    assert {*elsewhere.asked} == {"api.example.com.", "api.example.org."}


def secured(folder: Path, authority: Authority) -> tuple[str, ...]:
    """The flags of a control plane that wants certificates of this authority."""
    certificate, key = authority.issue("127.0.0.1").write(folder, "tls")
    ca = replace(folder / "ca.crt", authority.pem)
    return "--tls-cert", str(certificate), "--tls-key", str(key), "--client-ca", str(ca)


async def test_a_certificate_says_of_which_namespace_an_agent_is(
    tmp_path: Path, begun: Callable[..., DnsAgent], eventually: Eventually
) -> None:
    authority = Authority()
    plane = Plane(tmp_path, *secured(tmp_path, authority))
    plane.write("cart.json", virtual("cart", "10.96.0.22", export_to="."))
    certificate, key = authority.issue("spiffe://mesh.test/ns/shop/sa/web").write(tmp_path, "agent")
    mine = ("--tls-ca", str(tmp_path / "ca.crt"), "--tls-cert", str(certificate), "--tls-key", str(key))
    try:
        plane.start()
        agent, liar = begun(plane.xds, *mine), begun(plane.xds, *mine, namespace="bank")
        nobody = begun(plane.xds, *mine[:2], namespace="data")
        await eventually(lambda: agent.get("cart") == "10.96.0.22")
        await eventually(lambda: "its certificate is of shop" in liar.log())
        await eventually(lambda: "the control plane is away" in nobody.log())
        assert liar.get(NAME) == nobody.get(NAME) == "SERVFAIL"
    finally:
        plane.stop()


async def test_a_control_plane_of_another_authority_is_not_believed(
    tmp_path: Path, begun: Callable[..., DnsAgent], eventually: Eventually
) -> None:
    plane = Plane(tmp_path, *secured(tmp_path, Authority())[:4])
    plane.write("cart.json", virtual("cart", "10.96.0.22"))
    other = replace(tmp_path / "other.crt", Authority().pem)
    try:
        plane.start()
        agent = begun(plane.xds, "--tls-ca", str(other))
        await eventually(lambda: "the control plane is away" in agent.log())
        assert agent.get(NAME) == "SERVFAIL"
    finally:
        plane.stop()


async def test_agents_are_seen_among_the_proxies(
    plane: Plane, begun: Callable[..., DnsAgent], eventually: Eventually
) -> None:
    plane.start()
    agent = begun(plane.xds)
    await eventually(lambda: agent.get("cart") == "10.96.0.22")
    [row] = plane.get("proxies")["items"]
    assert (row["node"], row["state"]) == ("shop-dns", "SYNCED")
    assert "shop-dns" in plane.run("proxies")


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (("--namespace", ""), "--namespace: is empty"),
        (("--namespace", "No Such"), "--namespace: "),
        (("--dns", "15053"), "--dns: '15053' is not HOST:PORT"),
        (("--dns", "127.0.0.1:1", "--dns", "127.0.0.1:1"), "--dns: has an address twice"),
        (("--control-plane", "127.0.0.1:0"), "--control-plane: '127.0.0.1:0' has no port"),
        (("--dns-forward", "corp=here"), "--dns-forward: 'corp=here' is not [ZONE=]HOST:PORT"),
        (("--dns", "127.0.0.1:5", "--dns-forward", "127.0.0.1:5"), "--dns-forward: 127.0.0.1:5 is --dns"),
        (("--tls-cert", "a"), "--tls-key: is required"),
        (("--tls-ca", "/no/such/file"), "--tls-ca: /no/such/file: No such file"),
        (("--tls-ca", "/dev/null", "--tls-san", "spiffe://a/b"), "--tls-san: 'spiffe://a/b' is no DNS name"),
        (("--probes", "nowhere"), "--probes: 'nowhere' is not HOST:PORT"),
        (("--dns", "192.0.2.1:15053"), "--dns 192.0.2.1:15053: "),
    ],
)
def test_a_wrong_flag_is_one_line(flags: tuple[str, ...], complaint: str) -> None:
    command: list[str | Path] = [
        PROGRAM,
        "dns-agent",
        "--node",
        "web",
        "--namespace",
        "shop",
        "--log-format",
        "human",
        *flags,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert complaint in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_one_line(begun: Callable[..., DnsAgent]) -> None:
    first = begun(f"127.0.0.1:{free_port()}")
    command: list[str | Path] = [
        PROGRAM,
        "dns-agent",
        "--node",
        "web",
        "--namespace",
        "shop",
        "--probes",
        "127.0.0.1:0",
    ]
    # Whoever comes second is refused, whichever of the two that is.
    done = (
        subprocess.run(
            [*command, "--dns", f"127.0.0.1:{first.port}"], capture_output=True, text=True, timeout=60
        )
        if _listens(first)
        else None
    )
    assert done is not None
    assert done.returncode == 2
    assert f"--dns 127.0.0.1:{first.port}: Address already in use" in done.stderr.splitlines()[-1]


def _listens(agent: DnsAgent) -> bool:
    while not agent.get(NAME):
        assert agent.process.poll() is None, agent.log()
    return True
