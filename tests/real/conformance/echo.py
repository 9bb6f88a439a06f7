"""The application in every pod of the suite: it answers with its own name and with what it was asked."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import grpc

HTTP_PORT, GRPC_PORT = 8080, 7070


class Echo:
    """HTTP/1.1 and gRPC at the address of one pod."""

    def __init__(self, pod: str, address: str) -> None:
        handler = type("Pod", (_Handler,), {"pod": pod})
        self._http = http.server.ThreadingHTTPServer((address, HTTP_PORT), handler)
        self._http.daemon_threads = True
        self._grpc = grpc.server(ThreadPoolExecutor(4), handlers=[_Service(pod)])
        assert self._grpc.add_insecure_port(f"{address}:{GRPC_PORT}")

    def start(self) -> None:
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self._grpc.start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._grpc.stop(grace=None)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    pod = ""

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        said = {"Method": self.command, "URL": self.path, "Proto": self.request_version}
        said["Host"] = self.headers.get("host", "")
        body = _told(self.pod, self.client_address[0], said, self.headers.items())
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    # What BaseHTTPRequestHandler calls for each method.
    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = _answer

    def log_message(self, *_: object) -> None:
        """The suite says what it saw."""


class _Service(grpc.GenericRpcHandler):
    """Whatever method is called, in bytes: only our client asks."""

    def __init__(self, pod: str) -> None:
        self._pod = pod

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        metadata = [(key, str(value)) for key, value in handler_call_details.invocation_metadata]

        def answer(_: bytes, context: grpc.ServicerContext) -> bytes:
            return _told(self._pod, context.peer(), {"Proto": "GRPC"}, metadata)

        return grpc.unary_unary_rpc_method_handler(answer)


def _told(pod: str, caller: str, said: dict[str, str], headers: Iterable[tuple[str, str]]) -> bytes:
    """The lines that the suite reads."""
    lines = [f"Hostname={pod}", f"IP={caller}", *(f"{key}={value}" for key, value in said.items())]
    lines += [f"RequestHeader={name.title()}:{value}" for name, value in headers]
    return "".join(f"{line}\n" for line in lines).encode()
