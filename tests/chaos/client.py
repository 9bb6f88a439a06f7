"""A live Envoy, and what it was told."""

from __future__ import annotations

from typing import Any

from ..envoy.sidecar import Envoy
from ..envoy.tap import Tap
from ..wire.stream import read
from .ledger import Ledger


class Client:
    """An Envoy, and what it was told, as far as a tap has heard that."""

    def __init__(self, envoy: Envoy, tap: Tap | None, delta: bool) -> None:
        self.envoy, self.variant = envoy, "delta" if delta else "sotw"
        self.name = f"{self.variant}-{envoy.egress[1]}"
        self._tap = tap
        self._removed = self._rejected = self._start = 0

    async def connections(self) -> int:
        """How many it has opened to the control plane."""
        return (await self.envoy.stats("cluster.xds"))["cluster.xds.upstream_cx_total"]

    async def begin(self) -> None:
        """What is counted counts from here on."""
        self._removed, self._rejected = await self._counted()
        self._start = len(self._responses())

    async def told(self) -> tuple[int, int, int]:
        """Resources sent again, statements of absence, and rejected updates."""
        removed, rejected = await self._counted()
        again, gone = self._heard()
        return again, max(gone, removed - self._removed), rejected - self._rejected

    def _heard(self) -> tuple[int, int]:
        ledger = Ledger()
        said = [read(self.variant, response) for response in self._responses()]
        for response in said[: self._start]:
            ledger.take(response)
        again, gone = ledger.again, len(ledger.gone)
        for response in said[self._start :]:
            ledger.take(response)
        return ledger.again - again, len(ledger.gone) - gone

    def _responses(self) -> list[Any]:
        recordings = self._tap.recordings if self._tap else ()
        return [response for recording in recordings for response in recording.responses]

    async def _counted(self) -> tuple[int, int]:
        stats = await self.envoy.stats()
        removed = stats.get("cluster_manager.cluster_removed", 0)
        return removed, sum(n for name, n in stats.items() if name.endswith("update_rejected"))
