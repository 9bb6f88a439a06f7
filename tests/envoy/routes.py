"""Gateway API routes as documents, backends that say what they were asked, and requests through a sidecar."""

from __future__ import annotations

import asyncio
from typing import Any

from .backends import Backend

_HEAD_END = b"\r\n\r\n"


class Teller(Backend):
    """Answers with its name and the head of the request; with a status, or late, if the path says so."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.heads: list[str] = []

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(_HEAD_END)).decode().lower()
            self.heads.append(head)
            if "/slow" in head:
                await asyncio.sleep(2)
            # Every second request fails, so that one retry is enough.
            status = "503 No" if "/flaky" in head and len(self.heads) % 2 else "200 OK"
            body = f"{self.name}\n{head}".encode()
            writer.write(f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()


class Answer:
    """What came back for a request, and what the backend had been asked."""

    def __init__(self, head: str, body: str) -> None:
        self.head = head
        self.status = int(head.split()[1])
        self.text = body
        self.backend, _, self.request = body.partition("\n")


async def request(
    sidecar, host: str, path: str = "/", method: str = "GET", keep_case: bool = False, **headers: str
) -> Answer:
    """Ask, and tell the head of the answer in lower case unless its values matter."""
    reader, writer = await asyncio.open_connection(*sidecar.egress)
    fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    writer.write(f"{method} {path} HTTP/1.1\r\nhost: {host}\r\n{fields}\r\n".encode())
    said = (await reader.readuntil(_HEAD_END)).decode()
    head = said if keep_case else said.lower()
    length = head.partition("content-length: ")[2].partition("\r\n")[0]
    body = await reader.readexactly(int(length or 0))
    writer.close()
    return Answer(head, body.decode())


def route(*rules: dict, kind: str = "HTTPRoute", parent: str = "web") -> dict:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": f"{parent}-{kind.lower()}", "namespace": "shop"},
        "spec": {"parentRefs": [{"group": "", "kind": "Service", "name": parent}], "rules": list(rules)},
    }


def to(name: str, weight: int = 1) -> dict:
    return {"name": name, "port": 8080, "weight": weight}


def under(path: str, *backends: dict, **fields: Any) -> dict:
    return {
        "matches": [{"path": {"type": "PathPrefix", "value": path}}],
        "backendRefs": list(backends),
        **fields,
    }
