"""Traces: the caller's is continued, a malformed one is not, and nothing of a question is in
them; where they are off, nothing of them is even loaded."""

import http.server
import re
import subprocess
import sys
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gateway.web.tracing import Traces, to_collector
from tests.gateway.web.test_public import Client
from tests.gateway.world import World, body, run
from tests.project import ROOT

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


class Traced:
    """A client of an application that keeps its spans in memory."""

    def __init__(self, world: World, folder: Path) -> None:
        self.spans = InMemorySpanExporter()
        traces = Traces(SimpleSpanProcessor(self.spans))
        self.client = Client(world, folder, tracing=traces)

    def ask(self, sent: bytes, **headers: str) -> tuple[int, ReadableSpan]:
        self.spans.clear()
        status, _, _ = run(self.client.send("POST", "/v1/decisions", sent, headers))
        (span,) = self.spans.get_finished_spans()
        return status, span


@pytest.fixture
def traced(tmp_path: Path) -> Generator[Traced]:
    with World(tmp_path) as world:
        yield Traced(world, tmp_path)


def trace_of(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.trace_id:032x}"


def test_the_trace_of_the_caller_is_continued(traced: Traced) -> None:
    _, span = traced.ask(body(), traceparent=PARENT)
    assert trace_of(span) == TRACE
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == "b7ad6b7169203331"


@pytest.mark.parametrize(
    "parent",
    [
        "", "garbage", PARENT[:-3], PARENT.replace(TRACE, "0" * 32),
        PARENT.replace("b7ad6b7169203331", "0" * 16), PARENT.replace("00-", "ff-", 1),
        PARENT.upper().replace("-01", "-zz"), "00-" + "\xe9" * 32 + "-b7ad6b7169203331-01",
    ],
)  # fmt: skip
def test_a_malformed_trace_is_not_continued_and_the_question_answered(
    traced: Traced, parent: str
) -> None:
    status, span = traced.ask(body(), traceparent=parent)
    assert status == 200
    assert span.parent is None
    assert trace_of(span) not in (TRACE, "0" * 32)


def test_a_span_says_what_was_decided_and_which_decision_it_is(traced: Traced) -> None:
    _, span = traced.ask(body(resource__id="far"))
    assert span.name == "POST /v1/decisions"
    attributes = dict(span.attributes or {})
    assert re.fullmatch("[0-9a-f-]{36}", str(attributes.pop("charter.decision_id")))
    assert attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/decisions",
        "http.response.status_code": 200,
        "charter.decision": "deny",
    }


@pytest.mark.parametrize(
    "sent",
    [
        body(subject__id="dr-who", context__data__datasets=["ward-7"]),
        body(context__data__labels=["ward-7"]),
        body(action__name="ward-7"),
        b'{"ward-7',
    ],
)
def test_nothing_of_a_question_and_no_token_is_in_a_span(traced: Traced, sent: bytes) -> None:
    _, span = traced.ask(sent)
    text = span.to_json() or ""
    assert "ward-7" not in text
    assert "dr-who" not in text
    assert traced.client.token not in text


def test_a_fault_is_marked_and_its_words_are_not_told(
    traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("ward-7")

    monkeypatch.setattr(traced.client.service, "answer", broken)
    status, span = traced.ask(body())
    assert status == 500
    assert span.status.status_code.name == "ERROR"
    assert "ward-7" not in (span.to_json() or "")


# --- a collector ---------------------------------------------------------------------


class Collector(http.server.BaseHTTPRequestHandler):
    got: list[Any] = []

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            raise AssertionError("not asked for")
        self.got.append(ExportTraceServiceRequest.FromString(data))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def test_spans_reach_a_collector(tmp_path: Path) -> None:
    Collector.got.clear()
    with http.server.HTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        traces = to_collector(f"http://127.0.0.1:{server.server_port}/v1/traces")
        with World(tmp_path) as world:
            run(Client(world, tmp_path, tracing=traces).send("POST", "/v1/decisions", body()))
        traces.close()
        server.shutdown()
    (request,) = Collector.got
    (span,) = [s for r in request.resource_spans for o in r.scope_spans for s in o.spans]
    assert span.name == "POST /v1/decisions"


def test_a_collector_that_is_away_costs_no_answer(tmp_path: Path) -> None:
    traces = to_collector("http://127.0.0.1:1/v1/traces")
    with World(tmp_path) as world:
        client = Client(world, tmp_path, tracing=traces)
        assert run(client.send("POST", "/v1/decisions", body()))[0] == 200


def test_without_traces_nothing_of_them_is_loaded() -> None:
    code = (
        "import sys, gateway.cli.serve, gateway.web.app\n"
        "print([m for m in sys.modules if m.startswith(('opentelemetry', 'google.protobuf'))])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "[]\n"
