"""A toy client for compose.yaml: it sends requests through the sidecar beside it and shows who answered.

`/` is a page for browsers that reloads itself, `/shares` the same as JSON for curl. The one argument is
the host name of the service to ask.
"""

from __future__ import annotations

import json
import socket
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from html import escape
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

REQUESTS, AT_ONCE = 100, 10
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="2"><title>{client}</title>
<style>body {{font: 1.2em sans-serif; margin: 3em}} td {{padding: .3em 1em}} meter {{width: 20em}}
.failed {{color: #b00}}</style>
<h1>{client}: who answers for {service}?</h1>
<p>{requests} requests through its sidecar, just now:</p>
<table>{rows}</table></html>
"""
ROW = '<tr><td>{answer}<td><meter max="{requests}" value="{count}"></meter><td>{count}'
# With these bounds a browser paints whatever is more than none as bad as it can be: red, not green.
FAILED = (
    '<tr class="failed"><td>{answer}'
    '<td><meter max="{requests}" low="0" high="0" optimum="0" value="{count}"></meter><td>{count}'
)


class Answer(NamedTuple):
    """What a request comes back with: the name of a backend, or why there is none."""

    text: str
    failed: bool


def answer(service: str) -> Answer:
    """What one request through the sidecar comes back with, be it an error."""
    connection = HTTPConnection("127.0.0.1", 15001, timeout=10)
    try:
        connection.request("GET", "/", headers={"Host": service})
        response = connection.getresponse()
        text = response.read().decode(errors="replace").strip()
    except (OSError, HTTPException) as error:
        return Answer(f"no answer: {str(error) or type(error).__name__}", failed=True)
    finally:
        connection.close()
    if response.status == 200:
        return Answer(text, failed=False)
    return Answer(f"{response.status} {text}", failed=True)


def shares(service: str) -> dict[Answer, int]:
    """How often each answer came, in order of the answers."""
    with ThreadPoolExecutor(AT_ONCE) as workers:
        return dict(sorted(Counter(workers.map(answer, [service] * REQUESTS)).items()))


def page(service: str) -> str:
    rows = (
        (FAILED if failed else ROW).format(answer=escape(text), count=count, requests=REQUESTS)
        for (text, failed), count in shares(service).items()
    )
    client = escape(socket.gethostname())
    return PAGE.format(client=client, service=escape(service), requests=REQUESTS, rows="".join(rows))


class Client(BaseHTTPRequestHandler):
    service = ""

    def do_GET(self) -> None:
        if self.path == "/shares":
            found = {text: count for (text, _), count in shares(self.service).items()}
            self._reply("application/json", json.dumps(found) + "\n")
        elif self.path == "/":
            self._reply("text/html; charset=utf-8", page(self.service))
        else:
            self.send_error(404)

    def _reply(self, kind: str, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Quiet, as the backends are."""


if __name__ == "__main__":
    Client.service = sys.argv[1]
    ThreadingHTTPServer(("0.0.0.0", 8080), Client).serve_forever()
