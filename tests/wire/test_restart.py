"""A control plane that starts, dies and comes back, and clients that say nothing of themselves but an id."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from .manifests import Namespace, manifest
from .plane import ControlPlane
from .scene import dialled, ends
from .sidecar import Sidecar
from .stream import VARIANTS, Stream, node
from .talks import Delta, Sotw
from .topics import CDS, EDS, LDS, RDS, Topic

MANY = 2000


@pytest.fixture
def namespace(own_control_plane: ControlPlane) -> Namespace:
    return Namespace(own_control_plane.manifests)


def _put(namespace: Namespace, topic: Topic, **contents: int) -> None:
    for word, n in contents.items():
        namespace.save(word, topic.made(n))


def _dial(channel: grpc.aio.Channel, variant: str, topic: Topic, namespace: Namespace) -> Any:
    kind = Sotw if variant == "sotw" else Delta
    return kind(Stream(channel, variant, None), topic, _naming(topic, namespace), node=node())


def _naming(topic: Topic, namespace: Namespace) -> Any:
    return lambda word: word if word == "*" else topic.name(namespace, word)


async def _crash(control_plane: ControlPlane) -> None:
    await asyncio.to_thread(control_plane.kill)


async def _start(control_plane: ControlPlane) -> None:
    await asyncio.to_thread(control_plane.start)


async def test_R_RESTART_what_changed_while_it_was_away_is_sent(
    own_control_plane: ControlPlane, namespace: Namespace
) -> None:
    """Whatever versions and nonces were before, and however often: they may not be taken for others."""
    clients = [Client(variant, topic) for variant in ("sotw", "delta") for topic in (CDS, EDS)]
    for n in (1, 2, 1, 1):
        for topic in (CDS, EDS):
            _put(namespace, topic, **{f"{topic.label.lower()}-a": n, f"{topic.label.lower()}-b": 1})
        await _start(own_control_plane)
        async with dialled(own_control_plane) as channel:
            await asyncio.gather(*(client.catches_up(channel, namespace, n) for client in clients))
        await _crash(own_control_plane)


class Client:
    """Of one type, by name. It remembers over streams what it has, and the last versions and nonce."""

    def __init__(self, variant: str, topic: Topic) -> None:
        self._variant, self._topic = variant, topic
        self._has: dict[str, int] = {}
        self._first: dict[str, Any] = {}

    async def catches_up(self, channel: grpc.aio.Channel, namespace: Namespace, n: int) -> None:
        """Connect, and go on until what it has is what it should have."""
        words = [f"{self._topic.label.lower()}-{which}" for which in "ab"]
        talk = _dial(channel, self._variant, self._topic, namespace)
        await talk.ask(*words, **self._first)
        while self._has != talk.named(dict(zip(words, (n, 1), strict=True))):
            said = await talk.hear()
            talk.absorb(self._has, said)
            if self._variant == "sotw":
                self._first = {"version_info": said.version, "response_nonce": said.nonce}
            else:
                self._first = {"has": {**self._first.get("has", {}), **said.versions}}
            await talk.ack()
        talk.stream.cancel()


async def test_R_RESTART_sidecars_end_with_what_is_true_now(
    own_control_plane: ControlPlane, namespace: Namespace
) -> None:
    _put(namespace, RDS, a=1, b=1)
    _put(namespace, CDS, c=1)
    await _start(own_control_plane)
    sidecars = {variant: Sidecar(node()) for variant in VARIANTS}
    async with dialled(own_control_plane) as channel:
        for variant, sidecar in sidecars.items():
            sidecar.connect(Stream(channel, variant, None))
            await ends(namespace, sidecar, capture=False)
            await sidecar.close()
    await _crash(own_control_plane)
    namespace.delete("b")
    _put(namespace, EDS, a=7)
    _put(namespace, CDS, c=2)
    await _start(own_control_plane)
    async with dialled(own_control_plane) as channel:
        for variant, sidecar in sidecars.items():
            sidecar.connect(Stream(channel, variant, None))
            await ends(namespace, sidecar, capture=False)
            await sidecar.close()


def _many(namespace: Namespace) -> None:
    """2000 services in 20 files."""
    for file in range(20):
        names = [f"s{file}-{n}" for n in range(MANY // 20)]
        one = RDS.made(1)
        vips = {name: f"10.96.{file}.{n}" for n, name in enumerate(names)}
        namespace.write(f"many-{file}", [manifest(namespace.name, name, vips[name], one) for name in names])


async def test_R_COLD_nobody_is_sent_less_than_everything_while_it_starts(
    own_control_plane: ControlPlane, namespace: Namespace
) -> None:
    """Clients knock from before it starts, and again after a crash; the first answer is the whole."""
    _many(namespace)
    await _start(own_control_plane)
    for _ in range(2):
        await _crash(own_control_plane)
        own_control_plane.launch()
        knocking = [_first(own_control_plane, variant, topic) for variant in VARIANTS for topic in (CDS, LDS)]
        assert await asyncio.gather(*knocking) == [MANY, 1, MANY, 1]


async def _first(control_plane: ControlPlane, variant: str, topic: Topic) -> int:
    """How many resources there are in the first response that anybody gives."""
    async with asyncio.timeout(60):
        while True:
            async with dialled(control_plane) as channel:
                stream = Stream(channel, variant, None)
                try:
                    await stream.send(type_url=topic.url, node=node())
                    return len((await stream.hear()).messages)
                except (AssertionError, asyncio.InvalidStateError, grpc.aio.AioRpcError):
                    assert await stream.status() is grpc.StatusCode.UNAVAILABLE
                    stream.cancel()
                    await asyncio.sleep(0.02)
