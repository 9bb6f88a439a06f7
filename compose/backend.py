"""A toy backend for compose.yaml: whatever it is asked, it answers with the name of its host."""

from __future__ import annotations

import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME = f"{socket.gethostname()}\n".encode()


class Backend(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # the body would wait 40 ms for the head's acknowledgement

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(NAME)))
        self.end_headers()
        self.wfile.write(NAME)

    def log_message(self, *_: object) -> None:
        """Quiet: one line a request would bury what the control plane logs."""


if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", 8080), Backend).serve_forever()
