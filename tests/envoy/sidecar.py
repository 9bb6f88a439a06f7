"""A real Envoy beside an application that does not exist, and what its admin interface tells of it."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx

from pilothouse.sidecar.bootstrap import CONTROL_PLANE

from .load import ask

LEAN = ["--concurrency", "1", "--disable-hot-restart", "-l", "warning"]


class Envoy:
    """One process. `egress` is where its application would send HTTP requests."""

    def __init__(self, egress: int) -> None:
        self.egress = ("127.0.0.1", egress)

    def launch(self, binary: Path, bootstrap: str, folder: Path) -> None:
        """Start the process; `live` tells when it is there."""
        folder.mkdir()
        config, self._admin_at, self._log = folder / "bootstrap.json", folder / "admin", folder / "log"
        config.write_text(bootstrap)
        command = [str(binary), "-c", str(config), *LEAN, "--admin-address-path", str(self._admin_at)]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self._admin = httpx.AsyncClient(trust_env=False, verify=False)  # to load the CAs takes 50 ms

    @property
    def admin(self) -> str:
        """Where its admin interface listens."""
        return self._admin_at.read_text()

    async def live(self) -> bool:
        """Whether it has got its first configuration and takes requests."""
        assert self._process.poll() is None, self._log.read_text()
        return await self.state() == "LIVE"

    async def state(self) -> str:
        """LIVE, PRE_INITIALIZING, ...; empty until the admin interface answers."""
        if not self._admin_at.exists() or not self._admin_at.read_text():
            return ""
        return str((await self._get("/server_info"))["state"])

    async def stats(self, prefix: str = "") -> dict[str, int]:
        """Counters and gauges by name."""
        listed = (await self._get(f"/stats?format=json&type=All&filter=^{prefix}"))["stats"]
        return {stat["name"]: stat["value"] for stat in listed if "value" in stat}

    async def rejected(self) -> dict[str, int]:
        """How often it refused what it was sent, by statistic; empty if never."""
        return {name: n for name, n in (await self.stats()).items() if name.endswith("update_rejected") and n}

    async def connected(self) -> bool:
        """Whether it has a stream to a control plane."""
        return (await self.stats("control_plane"))["control_plane.connected_state"] == 1

    async def clusters(self) -> dict[str, dict[int, int]]:
        """The clusters that came over xDS, and the weight of each endpoint by its port."""
        found = (await self._get("/clusters?format=json"))["cluster_statuses"]
        return {
            cluster["name"]: {
                host["address"]["socket_address"]["port_value"]: host["weight"]
                for host in cluster.get("host_statuses", [])
            }
            for cluster in found
            if cluster["name"] != CONTROL_PLANE
        }

    async def listeners(self) -> set[str]:
        """The names of the listeners that are active."""
        return {one["name"] for one in (await self._get("/listeners?format=json"))["listener_statuses"]}

    async def runtime(self) -> dict[str, str]:
        """The values of its runtime that are in force, by key."""
        entries = (await self._get("/runtime"))["entries"]
        return {key: entry["final_value"] for key, entry in entries.items()}

    async def config(self) -> list[dict[str, Any]]:
        """All that it runs with, section by section."""
        return list((await self._get("/config_dump"))["configs"])

    async def has_clusters(self, *names: str) -> bool:
        """Whether it has just these clusters."""
        return (await self.clusters()).keys() == set(names)

    async def has_listeners(self, *names: str) -> bool:
        """Whether it has just these listeners."""
        return await self.listeners() == set(names)

    async def answers(self, host: str, status: int, body: str) -> bool:
        """Whether that is the answer to a request for a host."""
        return await ask(self.egress, host) == (status, body)

    async def server_of(self, host: str) -> str | None:
        """The backend that answers a request for a host; None if none does."""
        answer = await ask(self.egress, host)
        return answer.body if answer.status == 200 else None

    def pause(self) -> None:
        """Stop it as a machine that hangs would: it reads and answers nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    async def close(self) -> None:
        await self._admin.aclose()
        self._process.kill()
        self._process.wait()

    async def _get(self, path: str) -> dict[str, Any]:
        answer = await self._admin.get(f"http://{self._admin_at.read_text()}{path}")
        return dict(answer.json())
