"""What is left out is counted beside everything else that the event loop does."""

from __future__ import annotations

import asyncio
from typing import Any

from pilothouse.model.reasons import Reason
from pilothouse.model.services import ServiceName
from pilothouse.server import publishing
from pilothouse.serving.census import Census
from pilothouse.structures.dirty import DirtySet


async def test_all_that_changed_is_counted_and_others_get_their_turns_meanwhile(
    town: Any, make_service: Any, eventually: Any
) -> None:
    services = [make_service(f"shop/s{number}") for number in range(300)]
    town.put(*services)
    census, uncounted = Census(town.catalogue, town.services), DirtySet[ServiceName]()
    counting = asyncio.create_task(publishing.count(uncounted, census))
    uncounted.mark(service.name for service in services)
    seen = set()

    def all_counted() -> bool:
        seen.add(census.by_reason[Reason.NO_ENDPOINTS])
        return census.by_reason[Reason.NO_ENDPOINTS] == 300

    assert await eventually(all_counted)
    assert len(seen) > 2, "nobody else had a turn before all was counted"
    town.put(make_service("shop/s0", "10.0.0.1"))
    uncounted.mark([services[0].name])
    assert await eventually(lambda: census.by_reason[Reason.NO_ENDPOINTS] == 299)
    counting.cancel()
