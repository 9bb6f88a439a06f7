"""A steady flow of requests to one address, as a program: `flow HOST PORT`, until it is killed.

It prints a line for each request: what the answer said, or what there was instead of one. Every request is
sent once, over one of a few connections that are kept.
"""

from __future__ import annotations

import asyncio
import sys
import time

from pilothouse.demo.traffic import Connection

_CONNECTIONS = 10
_EACH_PER_S = 15.0


async def _drive(host: str, port: int) -> None:
    connection = Connection(host, port)
    due = time.monotonic()
    while True:
        print(await _outcome(connection, host), flush=True)
        due += 1 / _EACH_PER_S
        await asyncio.sleep(due - time.monotonic())


async def _outcome(connection: Connection, host: str) -> str:
    try:
        answer = await connection.get(host)
    except (OSError, EOFError, ValueError, LookupError) as error:
        return f"lost: {error!r}"
    said = answer.body.decode()
    return said if answer.status == 200 else f"lost: {answer.status} {said}"


async def _flow(host: str, port: int) -> None:
    async with asyncio.TaskGroup() as connections:
        for _ in range(_CONNECTIONS):
            connections.create_task(_drive(host, port))


if __name__ == "__main__":
    asyncio.run(_flow(sys.argv[1], int(sys.argv[2])))
