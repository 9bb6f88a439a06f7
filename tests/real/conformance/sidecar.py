"""A pod that calls: a network namespace of its own, and in it an Envoy that captures calls of virtual IPs."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from pilothouse.mesh.audience import Node
from pilothouse.sidecar.bootstrap import Sidecar, bootstrap
from pilothouse.structures.hostport import HostPort

from ..cluster import SERVICE_NETWORK
from ..process import Process, wait_until

_ENVOY = Path(sys.executable).with_name("envoy")
_CLIENT = shlex.join([sys.executable, str(Path(__file__).with_name("client.py"))])
#: Runs the suite's client in the network of the pod for which it is executed.
CLIENT = f"""#!/bin/sh
exec nsenter --net="$MESH_NETWORK" {_CLIENT} "$@"
"""
_EGRESS = "127.0.0.1:15001"


class Caller:
    """The sidecar of the callers in one namespace; `number` keeps their networks apart.

    A pair of virtual interfaces leads to the network that this process is in, where the pods listen. Virtual
    IPs are addresses of the caller's own network, so nothing but its sidecar can answer there.
    """

    def __init__(self, number: int, namespace: str, folder: Path) -> None:
        self.namespace = namespace
        self.hosts = folder / f"hosts-{namespace}"
        #: Where this process is found from within.
        self.outside = f"10.255.{number}.1"
        self._inside = f"10.255.{number}.2"
        self._link = f"caller{number}"
        self._folder = folder
        # It holds the network, and does nothing.
        self.holder = Process(f"network-{namespace}", ["unshare", "--net", "sleep", "infinity"], folder)
        self.envoy: Process | None = None

    def start(self, xds_port: int) -> None:
        """Make the network, and start the sidecar in it."""
        self.holder.start()
        own = Path("/proc/self/ns/net").readlink()
        wait_until(lambda: self._network.readlink() != own, "the network of a caller is there")
        _run("ip", "link", "add", self._link, "type", "veth", "peer", "eth0", "netns", str(self.holder.pid))
        _run("ip", "addr", "add", f"{self.outside}/24", "dev", self._link)
        _run("ip", "link", "set", self._link, "up")
        for words in (
            f"addr add {self._inside}/24 dev eth0",
            "link set lo up",
            "link set eth0 up",
            f"route add default via {self.outside}",
            f"route add local {SERVICE_NETWORK} dev lo",
        ):
            _run(*self._within("ip", *words.split()))
        self.envoy = self._envoy(xds_port)
        self.envoy.start()

    def stop(self) -> None:
        if self.envoy is not None:
            self.envoy.stop()
        self.holder.stop()

    @property
    def environment(self) -> dict[str, str]:
        """What `client` has to know in a pod of this namespace."""
        return {"MESH_NETWORK": str(self._network), "MESH_HOSTS": str(self.hosts)}

    def _envoy(self, xds_port: int) -> Process:
        metadata = {"namespace": self.namespace, "egress": _EGRESS, "capture": "vip"}
        node = Node(f"caller-{self.namespace}", metadata={"pilothouse": metadata})
        config = self._folder / f"envoy-{self.namespace}.json"
        config.write_text(bootstrap(Sidecar(node, self.namespace, HostPort(self.outside, xds_port))))
        flags = ["--concurrency", "1", "--disable-hot-restart", "-l", "warning"]
        command = self._within(_ENVOY, "-c", config, *flags)
        return Process(f"envoy-{self.namespace}", command, self._folder)

    @property
    def _network(self) -> Path:
        return Path(f"/proc/{self.holder.pid}/ns/net")

    def _within(self, *command: str | Path) -> list[str]:
        return ["nsenter", f"--net={self._network}", *map(str, command)]


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
