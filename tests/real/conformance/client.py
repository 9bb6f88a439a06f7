"""What the suite runs in a pod: `client URL --method=GET -H NAME:VALUE --count=N`. It prints as Istio's does.

A plain client: it looks a name up in the hosts file $MESH_HOSTS, connects to the address, and knows no proxy.
"""

from __future__ import annotations

import argparse
import http.client
import os
import sys
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

_TIMEOUT_S = 10
_ECHO = "/proto.EchoTestService/Echo"


class Answer(NamedTuple):
    head: list[str]
    body: str


def main() -> int:
    parser = argparse.ArgumentParser(prog="client")
    parser.add_argument("url")
    parser.add_argument("--method", default="GET")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("--count", type=int, default=1)
    said = parser.parse_args()
    url = urllib.parse.urlsplit(said.url)
    headers = [(name, value) for name, _, value in (text.partition(":") for text in said.headers)]
    host, port = _address(url.hostname or ""), url.port or 80
    calls = {"http": _http, "grpc": _grpc}
    answers = calls[url.scheme](url, host, port, said.method, headers, said.count)
    for number, answer in enumerate(answers):
        for line in (f"Url={said.url}", *answer.head):
            print(f"[{number}] {line}")
        for line in answer.body.splitlines():
            print(f"[{number} body] {line}")
        # Responses are told apart by empty lines.
        print()
    return 0


def _address(name: str) -> str:
    """An address of a name; what is an address stays one."""
    for line in Path(os.environ["MESH_HOSTS"]).read_text().splitlines():
        address, *names = line.split()
        if name in names:
            return address
    return name


Headers = list[tuple[str, str]]


def _http(
    url: urllib.parse.SplitResult, host: str, port: int, method: str, headers: Headers, count: int
) -> Iterator[Answer]:
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    for _ in range(count):
        connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        if not any(name.lower() == "host" for name, _ in headers):
            connection.putheader("Host", url.netloc)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        head = [f"StatusCode={response.status}"]
        head += [f"ResponseHeader={name.title()}:{value}" for name, value in response.getheaders()]
        yield Answer(head, response.read().decode())
        connection.close()


def _grpc(
    url: urllib.parse.SplitResult, host: str, port: int, method: str, headers: Headers, count: int
) -> Iterator[Answer]:
    import grpc

    raw: Callable[[bytes], bytes] = bytes
    metadata = tuple((name.lower(), value) for name, value in headers)
    options = [("grpc.default_authority", url.netloc)]
    with grpc.insecure_channel(f"{host}:{port}", options) as channel:
        call = channel.unary_unary(_ECHO, request_serializer=raw, response_deserializer=raw)
        for _ in range(count):
            body = call(b"", timeout=_TIMEOUT_S, metadata=metadata, wait_for_ready=True).decode()
            # The suite knows gRPC's OK as HTTP's.
            yield Answer(["StatusCode=200"], body)


if __name__ == "__main__":
    sys.exit(main())
