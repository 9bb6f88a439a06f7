"""A collector: it takes OTLP over gRPC, as OpenTelemetry's own message definitions have it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"


def plain(value: AnyValue) -> Any:
    """An attribute as Python has it."""
    if value.WhichOneof("value") == "array_value":
        return [plain(each) for each in value.array_value.values]
    return getattr(value, value.WhichOneof("value") or "string_value")


def attributes(pairs: Any) -> dict[str, Any]:
    return {one.key: plain(one.value) for one in pairs}


@dataclass
class Collector:
    """What has come: spans as they were sent, with the attributes of what sent them, and headers."""

    scheme: str
    port: int = 0
    spans: list[Any] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, Any]] = field(default_factory=list)
    #: How many requests have come; and what each has to wait for before it is answered.
    requests: int = 0
    go: threading.Event = field(default_factory=threading.Event)
    #: The status to answer with.
    status: grpc.StatusCode = grpc.StatusCode.OK

    @property
    def endpoint(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def traces(self) -> dict[int, list[Any]]:
        """The spans of each change, by its number. The first one is the root."""
        roots = {each.trace_id: each for each in list(self.spans) if each.name == "change"}
        found: dict[int, list[Any]] = {}
        for trace, root in roots.items():
            rest = [each for each in list(self.spans) if each.trace_id == trace and each is not root]
            found[attributes(root.attributes)["pilothouse.change.number"]] = [root, *rest]
        return found

    def export(self, request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:
        self.requests += 1
        self.go.wait(60)
        if self.status is not grpc.StatusCode.OK:
            context.abort(self.status, "the collector says no")
        self.headers.append(dict(context.invocation_metadata()))
        for each in request.resource_spans:
            self.resources.append(attributes(each.resource.attributes))
            for scope in each.scope_spans:
                self.spans.extend(scope.spans)
        return ExportTraceServiceResponse()


@contextmanager
def collecting(
    port: int = 0, answers: bool = True, tls: grpc.ServerCredentials | None = None
) -> Iterator[Collector]:
    """A collector on a port of this machine. Unless it `answers`, requests wait."""
    found = Collector(scheme="https" if tls else "http")
    if answers:
        found.go.set()
    method: Callable[..., Any] = grpc.unary_unary_rpc_method_handler
    handler = method(
        found.export,
        request_deserializer=ExportTraceServiceRequest.FromString,
        response_serializer=ExportTraceServiceResponse.SerializeToString,
    )
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Export": handler}),))
    address = f"127.0.0.1:{port}"
    found.port = server.add_secure_port(address, tls) if tls else server.add_insecure_port(address)
    server.start()
    try:
        yield found
    finally:
        found.go.set()
        server.stop(0).wait()
