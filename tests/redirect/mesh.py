"""A pod with a real Envoy under a user of its own. Beyond are name server, control plane and backends."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..envoy.manifests import Manifests, endpoint_slice, service
from .namespaces import AS_ENVOY, PILOTHOUSE, UID, Namespace, networks, wait_for

CONTROL_PLANE = "10.1.0.1:18000"
DOMAIN = "svc.cluster.local"
PAYMENTS, DB, GREETER, SECURE, SIX = "10.96.0.21", "10.96.0.22", "10.96.0.23", "10.96.0.24", "fd00:96::26"
#: Beyond the pod, and not all of it in the registry.
SERVERS = (
    *(f"http=10.2.0.{n}=8080=a{n}" for n in (1, 2)),
    "http=10.2.0.3=8080=b3",
    "tcp=10.2.0.4=5432=db",
    "grpc=10.2.0.5=50051=one",
    "grpc=10.2.0.7=50051=two",
    "tcp=10.2.0.6=8443=secure",
    "http=fd00:2::6=8080=six",
    "tcp=10.2.0.9=9999=elsewhere",
    "tcp=fd00:2::9=9999=elsewhere",
    "http=10.2.0.9=80=website",
    "http=10.2.0.9=15001=website",
    "udp=10.2.0.9=9999=datagram",
    f"dns=10.1.0.1=53=payments.shop.{DOMAIN}={PAYMENTS}",
    f"dns=10.1.0.1=53=db-0.db.shop.{DOMAIN}=10.2.0.4",
)
GRPC = [{"name": "grpc", "port": 50051}]
WEB = [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "http-alt", "port": 8080}]


def save(manifests: Manifests) -> None:
    """Backends of weights 1 and 3 in the pod's zone, one in another zone, and a service of each protocol."""

    def web(host: int, weight: int, zone: str) -> dict[str, object]:
        found = endpoint_slice("payments", f"10.2.0.{host}", 8080, weight=weight, zone=zone)
        found["ports"].append({"name": "http-alt", "port": 8080})
        return found

    slices = web(1, 1, "a"), web(2, 3, "a"), web(3, 100, "b")
    greeters = [endpoint_slice("greeter", f"10.2.0.{n}", 50051, port_name="grpc") for n in (5, 7)]
    manifests.save("greeter", service("greeter", clusterIP=GREETER, ports=GRPC), *greeters)
    manifests.save("payments", service("payments", clusterIP=PAYMENTS, ports=WEB), *slices)
    for name, vip, port, host, at in (
        ("db", DB, {"name": "tcp", "port": 5432}, "10.2.0.4", 5432),
        ("secure", SECURE, {"name": "tls", "port": 443, "appProtocol": "tls"}, "10.2.0.6", 8443),
        ("six", SIX, {"name": "http", "port": 8080}, "fd00:2::6", 8080),
    ):
        owned = endpoint_slice(name, host, at, port_name=port["name"])
        manifests.save(name, service(name, clusterIP=vip, ports=[port]), owned)


@dataclass
class Mesh:
    """What is running: manifests may be saved, the pod may run commands."""

    pod: Namespace
    manifests: Manifests
    folder: Path
    envoy: Path
    delta: bool

    def capture(self, *arguments: str) -> None:
        self.pod.must(PILOTHOUSE, "capture", *arguments)

    def start_sidecar(self, *flags: str) -> subprocess.Popen[bytes]:
        """Start Envoy, and wait until it takes requests."""
        variant = () if self.delta else ("--sotw",)
        said = ("--node", "web-0", "--namespace", "shop", "--locality", "eu/a", "--capture", "redirect")
        text = self.pod.must(
            PILOTHOUSE, "bootstrap", *said, "--control-plane", CONTROL_PLANE, *variant, *flags
        )
        config = self.folder / "bootstrap.json"
        config.write_text(text)
        lean = ("--concurrency", "1", "--disable-hot-restart", "-l", "warning", "--drain-time-s", "1")
        process = self.pod.start(
            *AS_ENVOY, str(self.envoy), "-c", str(config), *lean, log=self.folder / "envoy"
        )
        wait_for(lambda: self._live(process))
        return process

    def stop_sidecar(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()

    def stats(self) -> dict[str, int]:
        """Counters and gauges by name."""
        lines = self.pod.curl("http://127.0.0.1:19000/stats").out.splitlines()
        found = (line.partition(": ") for line in lines)
        return {name: int(value) for name, _, value in found if value.isdigit()}

    def listeners(self) -> set[str]:
        """Where it listens, by name."""
        said = json.loads(self.pod.curl("http://127.0.0.1:19000/listeners?format=json").out)
        return {each["name"] for each in said.get("listener_statuses", ())}

    def refused(self) -> dict[str, int]:
        """How often it refused what it was sent."""
        return {name: n for name, n in self.stats().items() if name.endswith("update_rejected") and n}

    def shares(self, url: str, requests: int = 40) -> Counter[str]:
        """Who answers so many requests of a plain curl."""
        lines = self.pod.must(
            "sh", "-c", f"for n in $(seq {requests}); do curl -sfg --max-time 10 '{url}' && echo; done"
        )
        return Counter(lines.split())

    def _live(self, process: subprocess.Popen[bytes]) -> bool:
        assert process.poll() is None, (self.folder / "envoy").read_text()
        return self.pod.curl("http://127.0.0.1:19000/ready").out == "LIVE\n"


@contextmanager
def mesh(folder: Path, envoy: Path, delta: bool, *flags: str) -> Iterator[Mesh]:
    """Everything but the sidecar. `flags` are the control plane's."""
    manifests = Manifests(folder / "manifests")
    save(manifests)
    resolvers = folder / "resolv.conf"
    resolvers.write_text(f"nameserver 10.1.0.1\nsearch shop.{DOMAIN} {DOMAIN}\n")
    with networks() as (pod, beyond):
        pod.must("mount", "--bind", str(resolvers), "/etc/resolv.conf")
        servers, log = folder / "servers", folder / "log"
        beyond.start(sys.executable, "-m", "tests.redirect.servers", *SERVERS, log=servers)
        said = ("--manifests", str(manifests.folder), "--xds", CONTROL_PLANE, "--admin", "127.0.0.1:18001")
        more = flags or ("--no-state",)
        beyond.start(PILOTHOUSE, "serve", *said, *more, "--log-format", "json", log=log)
        wait_for(lambda: '"serving"' in log.read_text())
        wait_for(lambda: servers.read_text() == "ready\n")
        found = Mesh(pod, manifests, folder, envoy, delta)
        found.capture("install", "--uid", str(UID), "--family", "ipv4", "--family", "ipv6")
        yield found
