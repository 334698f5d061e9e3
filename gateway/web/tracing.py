"""Spans for requests, sent to a collector by OTLP over HTTP (OpenTelemetry).

Imported only where traces are configured. A span says what was decided and which decision it
is; nothing of the question. The caller's trace is continued (W3C Trace Context).
"""

from collections.abc import Generator
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.watch import trace_id
from gateway.web.watched import Told

SEND_TIMEOUT_S = 5


class Traces:
    """Keeps a span for each request (`gateway.web.watched.Tracing`)."""

    def __init__(self, processor: SpanProcessor) -> None:
        self._provider = TracerProvider(resource=Resource.create({"service.name": "charter"}))
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("charter")
        self._context = TraceContextTextMapPropagator()

    @contextmanager
    def span(self, told: Told, traceparent: str) -> Generator[None]:
        """A block that is the request; `told` is complete at its end."""
        carrier = {"traceparent": traceparent} if traceparent else {}
        with self._tracer.start_as_current_span(
            told.method,
            context=self._context.extract(carrier),
            kind=SpanKind.SERVER,
            # An error's words can repeat what a question says.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            token = trace_id.set(format_trace_id(span.get_span_context().trace_id))
            try:
                yield
            finally:
                trace_id.reset(token)
                span.update_name(f"{told.method} {told.route}")
                span.set_attributes(
                    {
                        "http.request.method": told.method,
                        "http.route": told.route,
                        "http.response.status_code": told.status,
                        **_decided(told),
                    }
                )
                if told.status >= 500 or told.status == 0:
                    span.set_status(Status(StatusCode.ERROR))

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def _decided(told: Told) -> dict[str, str | list[str]]:
    if len(told.decisions) == 1:
        ((decision_id, outcome),) = told.decisions
        return {"charter.decision": outcome, "charter.decision_id": decision_id}
    if not told.decisions:
        return {}
    return {
        "charter.decision": [outcome for _, outcome in told.decisions],
        "charter.decision_id": [decision_id for decision_id, _ in told.decisions],
    }


def to_collector(endpoint: str) -> Traces:
    """Traces that go to the OTLP address of a collector, such as
    `http://127.0.0.1:4318/v1/traces`. A collector that is away costs spans, never answers."""
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=SEND_TIMEOUT_S)
    return Traces(BatchSpanProcessor(exporter))
