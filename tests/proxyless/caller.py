"""A gRPC client that finds its servers by itself, and calls without end.

It is a process, because gRPC reads GRPC_XDS_BOOTSTRAP once, when it is imported. As a program it
prints a line for each call: the name of who answered, or `!` and why nobody did.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

SECONDS = 15.0
#: So many answers in a row, of round robin among a few, show everybody who is called.
ROUND = 12


class Caller:
    """The process, and what its calls came to."""

    def __init__(self, folder: Path, control_plane: str, target: str, **node: Any) -> None:
        self.answers: list[str] = []
        self._target = target
        self._bootstrap = folder / "bootstrap.json"
        self._bootstrap.write_text(
            json.dumps(
                {
                    "xds_servers": [
                        {
                            "server_uri": control_plane,
                            "channel_creds": [{"type": "insecure"}],
                            "server_features": ["xds_v3"],
                        }
                    ],
                    "node": {"id": "caller", **node},
                }
            )
        )

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            __file__,
            f"xds:///{self._target}",
            env={**os.environ, "GRPC_XDS_BOOTSTRAP": str(self._bootstrap)},
            stdout=asyncio.subprocess.PIPE,
        )

    async def reaches(self, *names: str) -> None:
        """Wait until calls are answered by just these. Fails if a call does."""
        latest: list[str] = []
        async with asyncio.timeout(SECONDS):
            while set(latest) != set(names) or len(latest) < ROUND:
                latest = [*latest, await self._answer()][-ROUND:]

    async def goes_on(self, calls: int = ROUND) -> list[str]:
        """Who answers so many more calls, none of which may fail."""
        async with asyncio.timeout(SECONDS):
            return [await self._answer() for _ in range(calls)]

    async def stop(self) -> None:
        self._process.kill()
        await self._process.communicate()

    async def _answer(self) -> str:
        assert self._process.stdout is not None
        answer = (await self._process.stdout.readline()).decode().strip()
        assert answer, "the caller has ended"
        assert not answer.startswith("!"), answer
        return answer


def main(target: str) -> None:
    import grpc

    with grpc.insecure_channel(target) as channel:
        greet = channel.unary_unary("/greeter.Greeter/Greet")
        while True:
            try:
                print(greet(b"", timeout=10, wait_for_ready=False).decode(), flush=True)
            except grpc.RpcError as error:
                print("!", error.code(), " ".join(error.details().split()), flush=True)
            time.sleep(0.01)


if __name__ == "__main__":
    main(sys.argv[1])
