"""What runs in the pods of the suite, and what their names resolve to."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from ..api import Api
from .echo import Echo

_LOOK_S = 0.1
_DOMAIN = "cluster.local"


class Pods:
    """An echo server at the address of each pod of some namespaces, and a hosts file for each namespace."""

    def __init__(self, api: Api, hosts: Mapping[str, Path]) -> None:
        self._api, self._hosts = api, hosts
        self._running: dict[str, Echo] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="pods", daemon=True)

    def start(self) -> None:
        for file in self._hosts.values():
            file.write_text("")
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        for echo in self._running.values():
            echo.stop()

    def _follow(self) -> None:
        while not self._over.wait(_LOOK_S):
            self._serve()
            self._name()

    def _serve(self) -> None:
        for pod in self._api.list("Pod"):
            meta, address = pod["metadata"], pod["status"].get("podIP")
            if address and meta["namespace"] in self._hosts and meta["uid"] not in self._running:
                self._running[meta["uid"]] = echo = Echo(meta["name"], address)
                echo.start()

    def _name(self) -> None:
        """As the DNS of a cluster answers a pod: the shortest names are those of its own namespace."""
        services = [
            (service["spec"]["clusterIP"], service["metadata"]["name"], service["metadata"]["namespace"])
            for service in self._api.list("Service")
        ]
        for namespace, file in self._hosts.items():
            lines = []
            for address, name, home in services:
                names = [f"{name}.{home}{rest}" for rest in ("", ".svc", f".svc.{_DOMAIN}")]
                lines.append(" ".join([address, *([name] if home == namespace else []), *names]))
            fresh = file.with_suffix(".new")
            fresh.write_text("\n".join(lines))
            fresh.replace(file)
