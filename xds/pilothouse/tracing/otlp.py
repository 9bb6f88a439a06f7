"""Traces on their way to a collector, by OTLP over gRPC. Only this module imports OpenTelemetry's SDK.

The SDK goes by its standard variables: names and attributes of the resource, sampler, headers, certificates,
and how much is sent at a time. It sends on a thread of its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence

import structlog
from opentelemetry.exporter.otlp.proto.grpc import exporter as sending
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.environment_variables import (
    OTEL_BSP_EXPORT_TIMEOUT,
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE,
    OTEL_BSP_MAX_QUEUE_SIZE,
    OTEL_BSP_SCHEDULE_DELAY,
)
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags, format_trace_id

from pilothouse import __version__
from pilothouse.structures.threads import on_a_thread
from pilothouse.tracing.spans import Span, trace_id

log = structlog.get_logger(__name__)

#: So many spans wait, unless the SDK's variable says otherwise.
_MOST_WAITING = 2048
#: So many are sent at a time.
_BATCH = 512
#: What a number in one of the SDK's variables may be. It does not look, and fails on its thread.
_LEAST, _LARGEST = 1, 10_000_000
#: How long the end of the process waits for the last traces, in seconds.
_END_S = 2.0
_LONGEST = 500
_IDS, _SCOPE = RandomIdGenerator(), InstrumentationScope("pilothouse", __version__)
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class Unusable(Exception):
    """The SDK cannot be used as its variables say. The text says why, in one line."""


class Otlp:
    """A `Sender`. `instance` tells this process from all others."""

    def __init__(self, endpoint: str, instance: str) -> None:
        """Raises Unusable. Nothing is sent before something is offered."""
        self._instance, said = instance, _Said()
        self._offered = self._refused = 0
        try:
            self._most = _number(OTEL_BSP_MAX_QUEUE_SIZE, _MOST_WAITING)
            for each in (OTEL_BSP_SCHEDULE_DELAY, OTEL_BSP_EXPORT_TIMEOUT):
                _number(each, _LEAST)
            # Sent when half of what may wait does: before it were all, the next trace would be refused.
            batch = min(_number(OTEL_BSP_MAX_EXPORT_BATCH_SIZE, _BATCH), max(1, self._most // 2))
            self._counted = _Counted(OTLPSpanExporter(endpoint=endpoint), said)
            provider = TracerProvider(resource=_resource(instance), shutdown_on_exit=False)
            if said.error:
                raise ValueError(said.error)
            self._processor = BatchSpanProcessor(
                self._counted, max_queue_size=self._most, max_export_batch_size=batch
            )
        except (ValueError, LookupError, RuntimeError, sending.InvalidCompressionValueException) as wrong:
            raise Unusable(" ".join(str(wrong).split())) from None
        self._resource, self._sampler = provider.resource, provider.sampler

    @property
    def sent(self) -> int:
        return self._counted.sent

    @property
    def lost(self) -> int:
        return self._counted.lost + self._refused

    @property
    def failure(self) -> str:
        return self._counted.failure

    def traced(self, number: int) -> str:
        """The id of the trace that the change with this number has, or gets; empty if it is not sampled."""
        found = trace_id(self._instance, number)
        decision = self._sampler.should_sample(None, found, "change").decision
        return format_trace_id(found) if decision is Decision.RECORD_AND_SAMPLE else ""

    def offer(self, number: int, trace: Span) -> None:
        found = self.traced(number)
        if not found:
            return
        # A whole trace is lost, before the SDK would drop parts of some.
        if self._offered - self._counted.settled + trace.size > self._most:
            self._refused += 1
            return
        self._put(trace, int(found, 16), None)

    def _put(self, span: Span, trace: int, parent: SpanContext | None) -> None:
        """Hand a span over, and those in it. To begin and end each would take 20 times as long."""
        context = SpanContext(trace, _IDS.generate_span_id(), is_remote=False, trace_flags=_SAMPLED)
        for each in span.children:
            self._put(each, trace, context)
        self._offered += 1
        self._processor.on_end(
            ReadableSpan(
                span.name,
                context,
                parent,
                self._resource,
                span.attributes,
                status=Status(StatusCode.ERROR, span.error) if span.error else Status(),
                start_time=span.begun,
                end_time=span.ended,
                instrumentation_scope=_SCOPE,
            )
        )

    async def close(self) -> None:
        waiting = on_a_thread(self._processor.shutdown, "traces")
        try:
            await asyncio.wait_for(asyncio.shield(waiting), _END_S)
        except TimeoutError:
            log.warning("the last traces are lost: the collector gives no answer")
            self._counted.shutdown()  # ends what the thread waits for


class _Counted(SpanExporter):
    """Counts what becomes of spans, on the thread that sends them."""

    def __init__(self, exporter: SpanExporter, said: _Said) -> None:
        self._exporter, self._said = exporter, said
        #: Traces, by their first span.
        self.sent = self.lost = 0
        #: Spans that are sent or lost.
        self.settled = 0
        self.failure = ""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            traces = sum(each.parent is None for each in spans)
            if result is SpanExportResult.SUCCESS:
                self.sent, self.failure = self.sent + traces, ""
            else:
                self.lost, self.failure = self.lost + traces, self._said.last or "the SDK does not say why"
            self.settled += len(spans)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


class _Said(logging.Handler):
    """Keeps the last line that the exporter logs. It would log one for each attempt, some with tracebacks.

    What other parts of the SDK say is left out: it can quote the headers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.last = ""
        #: The first error.
        self.error = ""
        logger = logging.getLogger("opentelemetry")
        logger.handlers[:], logger.propagate = [self], False
        sending.logger.filters.clear()  # which hold back lines that are like the one before

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("opentelemetry.exporter"):
            self.last = " ".join(record.getMessage().split())[:_LONGEST]
            if record.levelno >= logging.ERROR:
                self.error = self.error or self.last


def _number(variable: str, default: int) -> int:
    """The whole number that a variable has. Raises ValueError."""
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 8 and _LEAST <= int(text) <= _LARGEST):
        raise ValueError(f"{variable} must be a whole number of {_LEAST} to {_LARGEST:,}, not {text[:50]!r}")
    return int(text)


def _resource(instance: str) -> Resource:
    """What sends the traces. Where the variables say something, that counts."""
    said = OTELResourceDetector().detect().attributes
    ours = {"service.name": "pilothouse", "service.version": __version__, "service.instance.id": instance}
    return Resource.create({key: value for key, value in ours.items() if key not in said})
