"""A kubelet whose containers are HTTP servers of this process.

It does things in the order of real ones, which matters where requests are sent to pods. A pod is ready when
it serves. When it is deleted it serves on for as long as its preStop hook sleeps. Then it ends, with every
connection to it, and then its object is gone. kwok says that a pod is ready before anything can listen there.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator

from ..envoy.tcp_server import TcpServer
from .api import Api, Object
from .namespace import Namespace

_LOOK_S = 0.05
_PORT = 8080
_ANSWER_S = 0.05


def _addresses() -> Iterator[str]:
    """Of the network of pods, none twice, and none that kwok gives."""
    return (f"10.244.{high}.{low}" for high in range(128, 255) for low in range(1, 255))


class Application(TcpServer):
    """What runs in a pod: it takes 50 ms to answer a request with the pod's name."""

    port = _PORT

    def __init__(self, pod: str, address: str) -> None:
        super().__init__()
        self.host = address
        self._answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(pod), pod.encode())

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(_ANSWER_S)
            writer.write(self._answer)
            await writer.drain()


class Kubelet:
    """Runs the pods of one namespace that are bound to a node, until it is cancelled."""

    def __init__(self, api: Api, namespace: Namespace) -> None:
        self._api, self._namespace = api, namespace
        self._addresses = itertools.cycle(_addresses())
        self._deleted: dict[str, asyncio.Event] = {}

    async def run(self) -> None:
        async with asyncio.TaskGroup() as containers:
            while True:
                for pod in await asyncio.to_thread(self._api.list, "Pod", self._namespace.name):
                    metadata = pod["metadata"]
                    if metadata["uid"] not in self._deleted:
                        self._deleted[metadata["uid"]] = deleted = asyncio.Event()
                        containers.create_task(self._live(pod, deleted))
                    if "deletionTimestamp" in metadata:
                        self._deleted[metadata["uid"]].set()
                await asyncio.sleep(_LOOK_S)

    async def _live(self, pod: Object, deleted: asyncio.Event) -> None:
        name, address = pod["metadata"]["name"], next(self._addresses)
        application = Application(name, address)
        await application.start()
        try:
            await asyncio.to_thread(self._namespace.report, name, address)
            await deleted.wait()
            await asyncio.sleep(_pre_stop_s(pod))
        finally:
            await application.stop()
        await asyncio.to_thread(self._namespace.remove_pod, name)


def _pre_stop_s(pod: Object) -> float:
    """How long the application is left alone after the pod was deleted."""
    (container,) = pod["spec"]["containers"]
    return float(container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0))
