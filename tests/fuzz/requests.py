"""Clients that say anything: `python -m tests.fuzz.requests PORT SEED FOLDER`, until ended.

A conversation that the server ends as if it had failed itself is kept in the folder, as small as it gets.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import grpc

from ..wire.stream import VARIANTS, path
from ..wire.topics import CDS, EDS, LDS, RDS

_WORKERS = 4
_CHANNEL = [("grpc.use_local_subchannel_pool", 1)]
#: A status that says that the server did something wrong.
_WRONG = (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS)
#: What this side says of a write to a stream that has ended.
_OURS = "Internal error from Core"
_TOPICS = (CDS, EDS, LDS, RDS)
_HOSTS = ("payments.shop", "carts.shop", "db.shop", "old.data", "canary.shop", "nobody.shop")
_ODD = (
    "",
    "*",
    "**",
    " ",
    "/",
    "a\x00b",
    "\n",
    "é\u202e",
    "x" * 5000,
    "xdstp://a/b/c",
    "egress",
    "10.96.0.1_80",
    "[::1]:80",
)
_NAMES = (
    *_ODD,
    *(f"outbound|{port}||{host}.svc.cluster.local" for host in _HOSTS for port in (80, 8080, 443)),
)
_SAID: dict[str, Sequence[Any]] = {
    "namespace": ("shop", "data", "", "é", "x" * 300, None, 1, []),
    "egress": ("127.0.0.1:15001", "[::1]:1", "0.0.0.0:0", ":", "x", 1, None, "127.0.0.1:99999"),
    "capture": ("vip", "proxy", "redirect", "both", None, 1),
    "outbound": ("any", "registry-only", "none", None, 1),
    "families": (["ipv4"], ["ipv6", "ipv4"], [], ["ipv5"], "ipv4", [1]),
    "node": ("node-1", "", None, [], "x" * 1000),
    "dependencies": (
        ["shop/payments"], ["*"], ["shop/*", "!shop/db"], [], "*", [None], ["https://api.example.com"],
        [{"domain": "http://a:80"}],
        [{"service": "shop/payments", "subset": {"version": ["v2", "v1"]}, "fallback": True}], [{}],
        [{"service": 1}], ["x" * 5000],
        [f"shop/s{number}" for number in range(2000)],
    ),
    "dialect": ("grpc", "envoy", 1),
}  # fmt: skip


class Talker:
    """Draws conversations: a method, and the messages that are sent."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def conversation(self) -> tuple[str, list[bytes]]:
        variant = self._random.choice([*VARIANTS])
        topic = self._random.choice((None, None, *_TOPICS))
        count = self._random.choice((1, 2, 3, 10))
        return path(variant, topic), [self._message(variant, number == 0) for number in range(count)]

    def _message(self, variant: str, first: bool) -> bytes:
        request = VARIANTS[variant][1]()
        request.type_url = self._random.choice((*(topic.url for topic in _TOPICS * 3), "", "x", "é" * 300))
        if first or self._random.random() < 0.2:
            self._introduce(request.node)
        (self._sotw if variant == "sotw" else self._delta)(request)
        if self._random.random() < 0.2:
            request.error_detail.code = self._random.choice((0, 3, 2**31 - 1))
            request.error_detail.message = self._random.choice(_NAMES)
        return self._bytes(request.SerializeToString())

    def _introduce(self, node: Any) -> None:
        node.id = self._random.choice(
            ("web", "", "sidecar~10.1.2.3~web-0.shop~shop.svc.cluster.local", "x" * 5000, "a\nb")
        )
        node.locality.zone = self._random.choice(("eu-a", "", "\x00"))
        fields = self._random.sample([*_SAID], self._random.randint(0, 4))
        node.metadata.update({"pilothouse": {name: self._random.choice(_SAID[name]) for name in fields}})
        node.user_agent_name = self._random.choice(("envoy", "gRPC Python", ""))

    def _sotw(self, request: Any) -> None:
        request.resource_names.extend(self._names())
        request.version_info = self._random.choice(("", "", "1", "x" * 300))
        request.response_nonce = self._random.choice(("", "1", "2", "3", "x"))

    def _delta(self, request: Any) -> None:
        request.resource_names_subscribe.extend(self._names())
        request.resource_names_unsubscribe.extend(self._names())
        for name in self._names():
            request.initial_resource_versions[name] = self._random.choice(("", "1", "x" * 300))
        request.response_nonce = self._random.choice(("", "1", "2", "3", "x"))
        if self._random.random() < 0.1:
            request.resource_locators_subscribe.add(name=self._random.choice(_NAMES))

    def _names(self) -> list[str]:
        return self._random.choices(_NAMES, k=self._random.choice((0, 0, 1, 3, 30)))

    def _bytes(self, data: bytes) -> bytes:
        """Now and then not those of a message."""
        if self._random.random() > 0.1:
            return data
        at = self._random.randint(0, len(data))
        return (
            data[:at]
            + self._random.randbytes(self._random.choice((0, 1, 4)))
            + data[at + self._random.randint(0, 4) :]
        )


async def _ended(
    port: int, method: str, messages: Sequence[bytes], patience_s: float, pause_s: float = 0.0
) -> str:
    """The wrong status with which the server ends the stream, and its text; empty if it does not."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", _CHANNEL) as channel:
        call = channel.stream_stream(method)()
        reading = asyncio.create_task(_read(call))
        try:
            async with asyncio.timeout(patience_s):
                with suppress(grpc.RpcError, asyncio.InvalidStateError):
                    for message in messages:
                        await call.write(message)
                        await asyncio.sleep(pause_s)
                await reading
                code, details = await call.code(), await call.details()
                return f"{code}: {details}" if code in _WRONG and details != _OURS else ""
        except TimeoutError:
            return ""
        finally:
            reading.cancel()
            call.cancel()


async def _read(call: Any) -> None:
    with suppress(grpc.RpcError):
        while await call.read() is not grpc.aio.EOF:
            pass


async def _talk(port: int, random: Random, folder: Path, worker: int) -> None:
    talker, count = Talker(random), 0
    while True:
        method, messages = talker.conversation()
        if await _ended(port, method, messages, random.choice((0.02, 0.1, 0.5))) and (
            wrong := await _again(port, method, messages)
        ):
            messages = await _fewer(port, method, messages)
            kept = {"ended": wrong, "method": method, "messages": [message.hex() for message in messages]}
            (folder / f"conversation-{worker}-{count}.json").write_text(json.dumps(kept))
        count += 1
        if count % 50 == 0:
            print(f"{count * _WORKERS} conversations", flush=True)


async def _again(port: int, method: str, messages: Sequence[bytes]) -> str:
    """Whether it ends wrongly again. A client that writes on while it is refused may not hear why."""
    return await _ended(port, method, messages, 5.0, pause_s=0.05)


async def _fewer(port: int, method: str, messages: list[bytes]) -> list[bytes]:
    """Without those that the wrong end does not need."""
    for message in [*messages]:
        rest = [one for one in messages if one is not message]
        if rest and await _again(port, method, rest):
            messages = rest
    return messages


async def _main(port: int, seed: str, folder: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        for worker in range(_WORKERS):
            tasks.create_task(_talk(port, Random(f"{seed}/{worker}"), folder, worker))


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
