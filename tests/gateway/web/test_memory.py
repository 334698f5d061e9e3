"""Memory that runs out while a request comes in is no fault of the request."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from gateway.web.connections import Bounds
from gateway.web.problem import Problem
from gateway.web.protocol import BoundedProtocol, bounded

HEAD = b"POST /v1/decisions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"


class Timer:
    def cancel(self) -> None: ...


class Task:
    def add_done_callback(self, _then: Callable[..., None]) -> None: ...


class Loop:
    """What the protocol asks of an event loop."""

    def time(self) -> float:
        return 0.0

    def call_later(self, _seconds: float, _then: Callable[[], None]) -> Timer:
        return Timer()

    def create_task(self, task: Any, **_: Any) -> Any:
        task.close()
        return Task()


class Wire:
    """A connection that keeps what was written."""

    def __init__(self) -> None:
        self.sent = b""
        self.closed = self.aborted = False

    def get_extra_info(self, _name: str, default: object = None) -> object:
        return default

    def write(self, data: bytes) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    @property
    def status(self) -> int:
        return int(self.sent.split(b" ")[1])

    @property
    def problem(self) -> Mapping[str, Any]:
        return json.loads(self.sent.partition(b"\r\n\r\n")[2])


def nothing(_scope: object, _receive: object, _send: object) -> None:
    """An application that is never reached."""


def connect() -> tuple[BoundedProtocol, Wire]:
    config = uvicorn.Config(nothing, log_config=None, interface="asgi3", lifespan="off")  # pyright: ignore[reportArgumentType]
    config.load()
    made = bounded(Bounds())(config, ServerState(), {}, Loop())  # pyright: ignore[reportArgumentType]
    wire = Wire()
    made.connection_made(wire)  # pyright: ignore[reportArgumentType]
    return made, wire


def exhausted(*_: object) -> None:
    raise MemoryError


CALLBACKS = ["on_message_begin", "on_url", "on_header", "on_headers_complete", "on_body",
             "on_message_complete"]  # fmt: skip


@pytest.mark.parametrize("name", CALLBACKS)
def test_memory_that_runs_out_in_the_parser_is_a_503_and_the_end_of_the_connection(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(HttpToolsProtocol, name, exhausted)
    connection, wire = connect()
    connection.data_received(HEAD + b"{}")
    assert wire.status == 503
    assert wire.problem["type"].endswith("/overloaded")
    assert b"\r\nconnection: close\r\n" in wire.sent
    assert b"\r\nretry-after: 1\r\n" in wire.sent
    assert wire.closed


def test_memory_that_runs_out_beside_the_parser_is_a_503_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(BoundedProtocol, "_parse_head", exhausted)
    connection, wire = connect()
    connection.data_received(HEAD)
    assert (wire.status, wire.closed) == (503, True)


def test_without_memory_even_to_say_so_the_connection_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(BoundedProtocol, "_parse_head", exhausted)
    connection, wire = connect()
    monkeypatch.setattr(Problem, "raw", exhausted)
    connection.data_received(HEAD)
    assert wire.aborted
    assert wire.sent == b""


@pytest.mark.parametrize("sent", [b"\x00\x01\r\n\r\n", b"GET / HTTP/9.9\r\nHost: x\r\n\r\n"])
def test_what_is_malformed_with_memory_left_is_still_a_400(sent: bytes) -> None:
    connection, wire = connect()
    connection.data_received(sent)
    assert wire.status == 400
    assert wire.problem["type"].endswith("/malformed-http")


def test_another_fault_in_a_callback_is_no_want_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr(HttpToolsProtocol, "on_url", wrong)
    connection, wire = connect()
    connection.data_received(HEAD)
    assert wire.status == 400
