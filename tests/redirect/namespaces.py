"""Networks of their own: one for an application with its sidecar, and one for all that it calls."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

ROOT = Path(__file__).resolve().parents[2]
PILOTHOUSE = str(Path(sys.executable).with_name("pilothouse"))
#: Who Envoy is in these tests.
UID = 1337
_WITHIN_S, _AGAIN_S = 30.0, 0.02
# Envoy may have to read what lies in folders of root's.
_CAPABILITIES = "+dac_override,+dac_read_search"
AS_ENVOY = (
    *("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"),
    *(f"--inh-caps={_CAPABILITIES}", f"--ambient-caps={_CAPABILITIES}"),
)
#: Says what comes from a TCP port, or in answer to a datagram; `refused` if nobody is there.
_CLIENT = """
import socket, sys
kind, host, port, *source = sys.argv[1:]
family = socket.AF_INET6 if ":" in host else socket.AF_INET
with socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as one:
    one.settimeout(10)
    try:
        if source:
            one.bind((source[0], int(source[1])))
        # With its scope, if it has one.
        one.connect(socket.getaddrinfo(host, int(port), family, one.type)[0][4])
        if kind == "udp":
            one.send(b"?")
        print(one.recv(1000).decode().strip() or "closed")
    except ConnectionRefusedError:
        print("refused")
    except ConnectionError:
        print("closed")
"""

T = TypeVar("T")


class Said(NamedTuple):
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str


class Namespace:
    """A network and mounts, held by a process that ends with this one."""

    def __init__(self) -> None:
        inside = "ip link set lo up && echo ready && exec cat"
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-c", inside], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline(), "no network namespace"
        self._cleanup = ExitStack()

    @property
    def pid(self) -> int:
        return self._holder.pid

    def run(self, *words: str, within: float = _WITHIN_S) -> Said:
        """Run a command there."""
        command = self._inside(words)
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=within, stdin=subprocess.DEVNULL
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def must(self, *words: str) -> str:
        """What a command prints that must not fail."""
        said = self.run(*words)
        assert said.status == 0, f"{' '.join(words)}: {said.err}"
        return said.out

    def start(self, *words: str, log: Path) -> subprocess.Popen[bytes]:
        """A process that ends with the namespace, at the latest."""
        with log.open("wb") as out:
            process = subprocess.Popen(self._inside(words), stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        self._cleanup.callback(process.wait)
        self._cleanup.callback(process.kill)
        return process

    def hears(
        self, kind: str, host: str, port: int, *before: str, source: tuple[str, int] | None = None
    ) -> str:
        """What a plain client there is told first by `tcp` or `udp`; `closed` or `refused` if nothing."""
        words = (kind, host, port, *(source or ()))
        return self.must(*before, sys.executable, "-c", _CLIENT, *map(str, words)).strip()

    def curl(self, *arguments: str) -> Said:
        return self.run("curl", "--silent", "--show-error", "--max-time", "10", *arguments)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()
        self._holder.kill()
        self._holder.communicate()

    def _inside(self, words: Sequence[str]) -> list[str]:
        namespaces = [
            f"--{kind}=/proc/{self.pid}/ns/{name}" for kind, name in (("net", "net"), ("mount", "mnt"))
        ]
        return ["nsenter", *namespaces, f"--wd={ROOT}", "--", *words]


def lacking() -> str:
    """Why there can be no such namespaces here; empty if there can."""
    for program in ("unshare", "nsenter", "setpriv", "mount", "ip", "ss", "curl", "nft", "iptables"):
        if not shutil.which(program):
            return f"there is no {program} here"
    if os.geteuid():
        return "only root has users beside itself"
    modules = "ip link add type veth && nft add table inet probe && iptables -t nat -S && ip6tables -t nat -S"
    done = subprocess.run(
        ["unshare", "--net", "--mount", "sh", "-c", modules], capture_output=True, text=True, check=False
    )
    return done.stderr.strip() if done.returncode else ""


@contextmanager
def networks() -> Iterator[tuple[Namespace, Namespace]]:
    """The pod, and what is beyond, which has 10.1.0.1, 10.2.0.0/24, fd00:1::1 and fd00:2::1 to fd00:2::9.

    Everything leads there, as to the router of a cluster, which refuses connections to the virtual IPs,
    10.96.0.0/16. The pod is 10.1.0.2 and fd00:1::2.
    """
    with Namespace() as pod, Namespace() as beyond:
        pod.must(
            "ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", str(beyond.pid)
        )
        for side, host in ((beyond, 1), (pod, 2)):
            side.must("ip", "addr", "add", f"10.1.0.{host}/24", "dev", "eth0")
            side.must("ip", "addr", "add", f"fd00:1::{host}/64", "dev", "eth0", "nodad")
            side.must("ip", "link", "set", "eth0", "up")
        for network in ("10.2.0.0/24", "10.96.0.0/16"):
            beyond.must("ip", "route", "add", "local", network, "dev", "lo")
        for host in range(1, 10):
            beyond.must("ip", "addr", "add", f"fd00:2::{host}/128", "dev", "lo", "nodad")
        pod.must("ip", "route", "add", "default", "via", "10.1.0.1")
        pod.must("ip", "-6", "route", "add", "default", "via", "fd00:1::1")
        yield pod, beyond


def wait_for(check: Callable[[], T]) -> T:
    """The first true value of `check`, asked again and again."""
    deadline = time.monotonic() + _WITHIN_S
    while not (found := check()):
        assert time.monotonic() < deadline, f"not within {_WITHIN_S} s"
        time.sleep(_AGAIN_S)
    return found
