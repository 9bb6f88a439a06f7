"""The command `capture`, which puts in and takes out what leads an application's connections to its sidecar.

It has to run in the network namespace of the application.
"""

from __future__ import annotations

import ipaddress
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from enum import Enum
from typing import Annotated, NamedTuple, TypeVar, cast, get_args

import typer

from pilothouse.agent.resolv_conf import ResolvConf
from pilothouse.cli.output import printing
from pilothouse.config.settings import ConfigError
from pilothouse.model.services import Family
from pilothouse.sidecar.rules import DNS, Network, Ports, Redirect, iptables, nftables

_TIMEOUT_S = 30.0
_PERMISSION = ("Operation not permitted", "Permission denied")

_OF_FAMILIES: Mapping[Family, str] = {"ipv4": "iptables", "ipv6": "ip6tables"}

_T = TypeVar("_T")


class Action(Enum):
    INSTALL = "install"
    REMOVE = "remove"


class Tool(Enum):
    """What speaks to the kernel. One is enough; where there are both, `nft` is preferred."""

    NFT = "nft"
    IPTABLES = "iptables"


class _Step(NamedTuple):
    """A program with its arguments, and what it reads."""

    command: tuple[str, ...]
    text: str


What = Annotated[
    Action,
    typer.Argument(
        metavar="install|remove", help="Install the rules, in place of those that are there; or remove them."
    ),
]
Uid = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=0,
        max=2**32 - 2,
        help="User id of Envoy, whose connections are not redirected. Required to install.",
    ),
]
EgressPort = Annotated[
    int,
    typer.Option(metavar="PORT", min=1, max=65535, help="Port of the sidecar, as in `bootstrap --egress`."),
]
Families = Annotated[
    list[str] | None,
    typer.Option("--family", metavar="ipv4|ipv6", help="As in `bootstrap`. Repeatable.  [default: ipv4]"),
]
ExcludedPorts = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude-port",
        metavar="PORT",
        help="Do not redirect connections to this port, or to a range, such as 6000-6010. Repeatable.",
    ),
]
ExcludedRanges = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude-range", metavar="CIDR", help="Do not redirect connections to these addresses. Repeatable."
    ),
]
DnsPort = Annotated[
    int | None,
    typer.Option(
        metavar="PORT",
        min=1,
        max=65535,
        help="Redirect what asks name servers (port 53, UDP and TCP) to this port of `dns-agent`.  "
        "[default: none]",
    ),
]
Chosen = Annotated[
    Tool | None, typer.Option("--tool", help="Program that changes the rules.  [default: nft, else iptables]")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the rules, and change nothing.")]


def capture(  # noqa: PLR0913  (a flag each: typer reads them from the signature)
    *,
    action: What,
    uid: Uid = None,
    egress_port: EgressPort = 15001,
    family: Families = None,
    exclude_port: ExcludedPorts = None,
    exclude_range: ExcludedRanges = None,
    dns_port: DnsPort = None,
    tool: Chosen = None,
    dry_run: DryRun = False,
) -> None:
    """Redirect TCP connections of this network namespace to its sidecar (see `bootstrap --capture redirect`).

    DNS, UDP, the loopback interface and the connections of Envoy itself are not redirected; with --dns-port,
    questions to name servers are. Needs NET_ADMIN.
    """
    redirect = None
    if action is Action.INSTALL:
        if uid is None:
            raise ConfigError(
                "--uid", "is needed: without it, the connections of Envoy itself would be redirected"
            )
        redirect = Redirect(
            port=egress_port,
            uid=uid,
            families=families(family) or ("ipv4",),
            ports=_excluded_ports(exclude_port, dns_port),
            networks=tuple(_each("--exclude-range", exclude_range, _network)),
            dns_port=dns_port,
            dns_here=any(map(_is_here, _name_servers())),
        )
    tools = [tool] if tool else _installed()
    if dry_run:
        for step in _steps((tools or [Tool.NFT])[0], redirect, lambda _: ""):
            with printing():
                typer.echo(f"# {' '.join(step.command)}\n{step.text}", nl=False)
        return
    if not tools:
        raise ConfigError("capture", "there is neither nft nor iptables; install one of them")
    if redirect is not None:
        _install(tools[0], redirect)
        return
    for each in tools:  # whichever put them in
        _make(each, None)


def _install(tool: Tool, redirect: Redirect) -> None:
    _make(tool, redirect)
    # What the other tool has put in would count beside it. One that cannot be used here has put in nothing.
    for other in set(_installed()) - {tool}:
        with suppress(ConfigError):
            _make(other, None)


def _make(tool: Tool, redirect: Redirect | None) -> None:
    """Let just these rules of ours be there, or none, of those that the tool knows. Raises ConfigError."""
    for step in _steps(tool, redirect, lambda program: _run(_Step((program,), ""))):
        _run(step)


def _installed() -> list[Tool]:
    return [tool for tool in Tool if shutil.which(tool.value)]


def _steps(tool: Tool, redirect: Redirect | None, saved: Callable[[str], str]) -> Iterable[_Step]:
    """What to run. `saved` is what a program prints that tells of the rules that are there."""
    if tool is Tool.NFT:
        yield _Step(("nft", "-f", "-"), nftables(redirect))
        return
    for family, program in _OF_FAMILIES.items():
        text = iptables(redirect, family, saved(f"{program}-save"))
        if text:
            yield _Step((f"{program}-restore", "--noflush"), text)


def _run(step: _Step) -> str:
    """What it prints. Raises ConfigError, whatever it fails for."""
    program = step.command[0]
    try:
        done = subprocess.run(
            step.command, input=step.text, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except FileNotFoundError:
        raise ConfigError("--tool", f"there is no {program} here") from None
    except subprocess.TimeoutExpired:
        raise ConfigError(program, f"has not ended within {_TIMEOUT_S:.0f} s") from None
    except OSError as error:
        raise ConfigError(program, error.strerror or str(error)) from None
    if not done.returncode:
        return done.stdout
    complaint = done.stderr.strip().partition("\n")[0] or f"exit status {done.returncode}"
    if any(text in done.stderr for text in _PERMISSION):
        raise ConfigError("capture", f"needs the capability NET_ADMIN, as root has: {complaint}")
    # A module of the kernel, mostly, and then the other tool may have its own.
    raise ConfigError(program, f"{complaint}; if the kernel lacks a module, another --tool may do")


def _name_servers() -> list[str]:
    """Whom the applications of this namespace ask: if nothing is said, a name server of this machine."""
    return [server.host for server in ResolvConf.read().servers] or ["127.0.0.1"]


def _is_here(server: str) -> bool:
    """Whether a name server is on this machine. Only then can its address be bound."""
    if ipaddress.ip_address(server).is_loopback:
        return True
    try:
        with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((server, 0))
    except OSError:
        return False
    return True


def families(said: list[str] | None) -> tuple[Family, ...]:
    """What `--family` says, in its order, each once. Raises ConfigError."""
    known: tuple[Family, ...] = get_args(Family)
    if any(each not in known for each in said or ()):
        raise ConfigError("--family", f"must be a list out of {', '.join(known)}")
    return tuple(cast(Family, each) for each in dict.fromkeys(said or ()))


def _excluded_ports(said: list[str] | None, dns_port: int | None) -> tuple[Ports, ...]:
    found = tuple(_each("--exclude-port", said, Ports.parse))
    if dns_port is not None and any(each.hold(DNS) for each in found):
        raise ConfigError("--exclude-port", f"holds port {DNS}, which --dns-port redirects")
    return found


def _network(text: str) -> Network:
    return ipaddress.ip_network(text)


def _each(flag: str, said: list[str] | None, parse: Callable[[str], _T]) -> Iterable[_T]:
    for text in said or ():
        try:
            yield parse(text)
        except ValueError as error:
            raise ConfigError(flag, str(error)) from None
