"""`pilothouse dns-agent` as a process, beside a control plane."""

from __future__ import annotations

import subprocess
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import httpx

from ..ports import free_port
from .plane import PROGRAM


class DnsAgent:
    """An agent of a namespace. It is asked as an application's resolver would ask it."""

    def __init__(self, folder: Path, control_plane: str, *flags: str, namespace: str = "shop") -> None:
        self.port, self.probes = free_port(), free_port()
        self._log = folder / f"agent-{namespace}-{self.port}.log"
        command: list[str | Path] = [
            PROGRAM,
            "dns-agent",
            "--node",
            f"{namespace}-dns",
            "--namespace",
            namespace,
        ]
        command += ["--control-plane", control_plane, "--dns", f"127.0.0.1:{self.port}"]
        command += ["--probes", f"127.0.0.1:{self.probes}", "--log-format", "json", *flags]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def stop(self) -> None:
        self.process.terminate()
        try:
            assert self.process.wait(20) == 0, self.log()
        finally:
            self.process.kill()

    def log(self) -> str:
        return self._log.read_text()

    def ask(self, name: str, type: str = "A") -> dns.message.Message:
        query = dns.message.make_query(name, type)
        return dns.query.udp(query, "127.0.0.1", port=self.port, timeout=10)

    def get(self, name: str, type: str = "A") -> str:
        """The data of the last record, or the code: of nothing, while it does not listen yet."""
        try:
            found = self.ask(name, type)
        except (dns.exception.Timeout, OSError):
            return ""
        if not found.answer:
            return dns.rcode.to_text(found.rcode())
        return str(found.answer[-1][-1])

    def page(self, path: str) -> tuple[int, str]:
        try:
            found = httpx.get(f"http://127.0.0.1:{self.probes}{path}", trust_env=False, timeout=10)
        except httpx.TransportError:
            return 0, ""
        return found.status_code, found.text

    def metric(self, line: str) -> float:
        """The value of a line such as `pilothouse_dns_services`. 0 if there is no such line."""
        _, text = self.page("/metrics")
        values = [each.rpartition(" ")[2] for each in text.splitlines() if each.rpartition(" ")[0] == line]
        return float(values[0]) if values else 0.0
