"""A pod that calls: a network namespace of its own, whose connections are redirected to the Envoy in it."""

from __future__ import annotations

import shlex
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from ...redirect.namespaces import AS_ENVOY, PILOTHOUSE, UID, Namespace
from ..process import wait_until

_ENVOY = Path(sys.executable).with_name("envoy")
_CLIENT = shlex.join([sys.executable, str(Path(__file__).with_name("client.py"))])
#: Runs the suite's client in the network of the pod for which it is executed.
CLIENT = f"""#!/bin/sh
exec nsenter --net="$MESH_NETWORK" {_CLIENT} "$@"
"""


class Caller:
    """The sidecar of the callers in one namespace; `number` keeps their networks apart.

    A pair of virtual interfaces leads to the network that this process is in, where the pods listen. Virtual
    IPs lead nowhere there, so nothing but the sidecar can answer at them. Commands of the product make its
    configuration and the rules that redirect to it.
    """

    def __init__(self, number: int, namespace: str, folder: Path) -> None:
        self.namespace = namespace
        self.hosts = folder / f"hosts-{namespace}"
        self._outside = f"10.255.{number}.1"
        self._inside = f"10.255.{number}.2"
        self._link = f"caller{number}"
        self._folder = folder
        self._pod = Namespace()
        self._cleanup = ExitStack()

    def start(self, xds_port: int) -> None:
        """Make the network, and start the sidecar in it; returns when it takes connections."""
        self._cleanup.enter_context(self._pod)
        self._connect()
        said = ("--node", f"caller-{self.namespace}", "--namespace", self.namespace, "--capture", "redirect")
        plane = ("--control-plane", f"{self._outside}:{xds_port}")
        config = self._folder / f"envoy-{self.namespace}.json"
        config.write_text(self._pod.must(PILOTHOUSE, "bootstrap", *said, *plane))
        flags = ("--concurrency", "1", "--disable-hot-restart", "-l", "warning")
        log = self._folder / f"envoy-{self.namespace}.log"
        envoy = self._pod.start(*AS_ENVOY, str(_ENVOY), "-c", str(config), *flags, log=log)
        wait_until(lambda: self._live(envoy, log), f"the sidecar of {self.namespace} is live")
        self._pod.must(PILOTHOUSE, "capture", "install", "--uid", str(UID))

    def run(self, *words: str, log: Path) -> subprocess.Popen[bytes]:
        """A plain process in the pod, which ends with it at the latest."""
        return self._pod.start(*words, log=log)

    def stop(self) -> None:
        self._cleanup.close()

    @property
    def environment(self) -> dict[str, str]:
        """What `client` has to know in a pod of this namespace."""
        return {"MESH_NETWORK": f"/proc/{self._pod.pid}/ns/net", "MESH_HOSTS": str(self.hosts)}

    def _connect(self) -> None:
        """Everything leads to this process's network, as from a pod to its node."""
        _run("ip", "link", "add", self._link, "type", "veth", "peer", "eth0", "netns", str(self._pod.pid))
        _run("ip", "addr", "add", f"{self._outside}/24", "dev", self._link)
        _run("ip", "link", "set", self._link, "up")
        self._pod.must("ip", "addr", "add", f"{self._inside}/24", "dev", "eth0")
        self._pod.must("ip", "link", "set", "eth0", "up")
        self._pod.must("ip", "route", "add", "default", "via", self._outside)

    def _live(self, envoy: subprocess.Popen[bytes], log: Path) -> bool:
        assert envoy.poll() is None, log.read_text()
        return self._pod.curl("http://127.0.0.1:19000/ready").out == "LIVE\n"


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
