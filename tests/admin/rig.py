"""The API with its parts, to be given orders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from pilothouse.admin.access.gate import Gate
from pilothouse.admin.access.rules import Terms
from pilothouse.admin.access.tokens import read
from pilothouse.admin.api.events import Events
from pilothouse.admin.api.pages import PREFIX
from pilothouse.admin.http import admin
from pilothouse.admin.orders.keeping import Keeper, Kept
from pilothouse.admin.orders.operator import Operator
from pilothouse.admin.orders.passing import Passing
from pilothouse.admin.reading.following import Following
from pilothouse.admin.reading.reader import Reader
from pilothouse.admin.reading.services import Parts
from pilothouse.journal.journal import Journal
from pilothouse.model.services import ServiceName
from pilothouse.registry.merged import Registry
from pilothouse.server.discovery import Discovery
from pilothouse.serving.catalogue import Catalogue
from pilothouse.serving.census import Census

ALICE, READER = {"authorization": f"Bearer {'w' * 32}"}, {"authorization": f"Bearer {'r' * 32}"}
TOKENS = read(f"alice:{'w' * 32}\nreader:{'r' * 32}:read")
CART = ServiceName("shop", "cart")


class Rig:
    """The API with its parts."""

    def __init__(self, registry: Registry, kept: Path | None, workers: int) -> None:
        catalogue = Catalogue()
        self.registry, self.discovery = registry, Discovery(catalogue)
        self.keeper = Keeper(registry, Kept(kept) if kept else None, shared=workers > 1)
        passing = Passing(kept / "passed") if kept and workers > 1 else None
        self.operator = operator = Operator(registry, self.discovery, self.keeper, workers, passing)
        parts = Parts(registry, catalogue, Census(catalogue, registry.services))
        events = Events(Following(self._unasked, parts, self.discovery))
        reader: Any = Reader(self._unasked, parts, self.discovery, events, Journal())
        self.terms = Terms("127.0.0.1", TOKENS)
        app = Gate(admin(self._unasked, lambda: reader, operator), lambda: self.terms)
        transport = httpx.ASGITransport(app=app)
        self.client = httpx.AsyncClient(
            transport=transport, base_url=f"http://127.0.0.1{PREFIX}", verify=False, headers=ALICE
        )

    def _unasked(self) -> Any:
        raise AssertionError("nothing here asks for the status")

    async def order(self, path: str, status: int = 200, **body: Any) -> Any:
        answer = await self.client.post(path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def out(self) -> set[str]:
        return {each.address for each in self.registry.services[CART].endpoints if each.weight == 0}
