"""Raw sockets: nothing that can be sent is answered with 5xx, holds a connection for ever,
or stops the gateway from serving.
"""

import json
import re
import socket
import time
from collections.abc import Generator

import pytest

from gateway.web import connections, limits
from tests.gateway.serving import Served, receive, served
from tests.gateway.world import question

BODY = json.dumps(question()).encode()
LIMIT = 1024 * 1024
ANSWER = re.compile(rb"HTTP/1\.1 \d{3} ")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with served(tmp_path_factory.mktemp("gateway")) as running:
        yield running
        said = "".join(running.gateway.stderr)
        assert "Traceback" not in said
        assert '"trace"' not in said


@pytest.fixture(autouse=True)
def still_serves(gateway: Served) -> Generator[None]:
    before = gateway.size
    yield
    assert gateway.ask(question()).status == 200
    assert gateway.size == before + 1  # the question after the case, and no other


def head(gateway: Served, *lines: str, token: str | None = None) -> bytes:
    own = gateway.own if token is None else token
    start = ["POST /v1/decisions HTTP/1.1", "Host: x", f"Authorization: Bearer {own}"]
    return "\r\n".join([*start, "Content-Type: application/json", *lines, "", ""]).encode()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


# --- bytes that are no request -------------------------------------------------------

LENGTH = f"Content-Length: {len(BODY)}"


@pytest.mark.parametrize(
    "sent",
    [
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS to a plain port
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /healthz\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost : x\r\nConnection: close\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHo\x00st: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nX: a\rb\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_closed(
    gateway: Served, sent: bytes
) -> None:
    answer = gateway.raw(sent)
    assert 400 <= status(answer) < 500, answer
    assert b"connection: close" in answer.lower()
    assert b"application/problem+json" in answer


@pytest.mark.parametrize(
    "lines",
    [
        [LENGTH, "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", LENGTH],
        [LENGTH, "Content-Length: 5"],
        ["Content-Length: +5"],
        ["Content-Length: -1"],
        ["Content-Length: 5 5"],
        ["Content-Length: 0x10"],
        ["Content-Length: 99999999999999999999999999"],
        ["Content-Length: "],
        ["Transfer-Encoding: xchunked"],
        ["Transfer-Encoding: chunked, identity"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
    ],
)
def test_a_body_whose_end_two_readers_could_see_differently_is_refused(
    gateway: Served, lines: list[str]
) -> None:
    answer = gateway.raw(head(gateway, *lines) + BODY)
    assert 400 <= status(answer) < 500, answer
    assert len(ANSWER.findall(answer)) == 1


@pytest.mark.parametrize(
    "chunks",
    [b"zz\r\n", b"-5\r\n", b"5;x=\x00\r\n", b"FFFFFFFFFFFFFFFFFF\r\n", b"5\r\nabcdefg\r\n"],
)
def test_malformed_chunks_are_refused(gateway: Served, chunks: bytes) -> None:
    answer = gateway.raw(head(gateway, "Transfer-Encoding: chunked") + chunks + b"0\r\n\r\n")
    assert 400 <= status(answer) < 500, answer


# --- too much ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 20_000, b"\r\n\r\n"),
        (b"GET /" + b"x" * 20_000, b" HTTP/1.1\r\nHost: x\r\n\r\n"),
        (b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 101, b"\r\n"),
        (b"GET /healthz HTTP/1.1\r\n" + b"x" * 20_000 + b": y", b"\r\n\r\n"),
        # Without an end: memory must not grow with what a stranger sends.
        (b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 2_000_000, b""),
        (b"GET /" + b"x" * 2_000_000, b""),
    ],
)
def test_headers_beyond_the_limit_are_431_and_the_connection_closed(
    gateway: Served, start: bytes, end: bytes
) -> None:
    answer = gateway.raw(start + end)
    # The answer can be lost where bytes that nobody will read are still on their way.
    assert status(answer) == 431 or answer == b"", answer
    if len(start) < 100_000:
        assert status(answer) == 431


def test_headers_within_the_limit_are_read(gateway: Served) -> None:
    lines = "".join(f"X-{n}: {'y' * 100}\r\n" for n in range(90))
    sent = f"GET /healthz HTTP/1.1\r\nHost: x\r\n{lines}Connection: close\r\n\r\n"
    assert status(gateway.raw(sent.encode())) == 200


def test_a_declared_body_beyond_the_limit_is_413_before_it_is_sent(gateway: Served) -> None:
    answer = gateway.raw(head(gateway, f"Content-Length: {LIMIT + 1}"))
    assert status(answer) == 413
    assert b"body-too-large" in answer


def test_a_body_of_exactly_the_limit_is_read(gateway: Served) -> None:
    with socket.create_connection(("127.0.0.1", gateway.gateway.port), 5) as connection:
        sent = BODY.replace(b'"place"', b'"fly"') + b" " * LIMIT
        connection.sendall(head(gateway, f"Content-Length: {LIMIT}", "Connection: close"))
        connection.sendall(sent[:LIMIT])
        assert status(receive(connection)) == 422


def test_a_chunked_body_beyond_the_limit_is_413(gateway: Served) -> None:
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    with socket.create_connection(("127.0.0.1", gateway.gateway.port), 5) as connection:
        connection.sendall(head(gateway, "Transfer-Encoding: chunked"))
        try:
            for _ in range(17):
                connection.sendall(chunk)
                time.sleep(0.005)
        except OSError:
            pass  # closed in the middle, which is as good
        answer = receive(connection)
    assert status(answer) == 413 or answer == b"", answer


def test_no_body_is_read_before_the_token(gateway: Served) -> None:
    answer = gateway.raw(head(gateway, "Content-Length: 1000000", token="x"))
    assert status(answer) == 401
    assert b"connection: close" in answer.lower()


def test_expect_100_continue_is_not_given_to_a_stranger(gateway: Served) -> None:
    lines = ("Content-Length: 1000", "Expect: 100-continue")
    answer = gateway.raw(head(gateway, *lines, token="x"))
    assert status(answer) == 401


# --- too slow ------------------------------------------------------------------------


def test_what_comes_too_slowly_is_408_and_closed(gateway: Served) -> None:
    # All at once, for each of them waits for the limit.
    cases = {
        "nothing": b"",
        "half a request line": b"GET /heal",
        "half a head": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: y",
        "half a body": head(gateway, LENGTH) + BODY[:20],
        "half a chunk": head(gateway, "Transfer-Encoding: chunked") + b"40\r\nabc",
    }
    before = time.monotonic()
    sockets = {
        name: socket.create_connection(("127.0.0.1", gateway.gateway.port), 15) for name in cases
    }
    for name, sent in cases.items():
        sockets[name].sendall(sent)
    answers = {name: receive(connection) for name, connection in sockets.items()}
    elapsed = time.monotonic() - before
    for connection in sockets.values():
        connection.close()
    assert {name: status(answer) for name, answer in answers.items()} == dict.fromkeys(cases, 408)
    limit = max(connections.HEAD_TIMEOUT_S, limits.BODY_TIMEOUT_S)
    assert limit - 1 < elapsed < limit + 4


# --- many requests on one connection -------------------------------------------------


def test_pipelined_requests_are_answered_in_order(gateway: Served) -> None:
    one = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = gateway.raw(one + one + last)
    parts = answer.split(b"HTTP/1.1 ")[1:]
    assert [part[:3] for part in parts] == [b"200", b"200", b"404"]


def test_a_body_that_was_refused_is_not_read_as_a_request(gateway: Served) -> None:
    smuggled = b"GET /checkpoint HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = gateway.raw(head(gateway, f"Content-Length: {len(smuggled)}", token="x") + smuggled)
    assert status(answer) == 401
    assert len(ANSWER.findall(answer)) == 1


def test_a_caller_that_goes_away_in_the_middle_harms_nobody(gateway: Served) -> None:
    for cut in (10, 100, 300):
        with socket.create_connection(("127.0.0.1", gateway.gateway.port), 5) as connection:
            connection.sendall((head(gateway, LENGTH) + BODY)[:cut])


def test_an_upgrade_is_not_followed(gateway: Served) -> None:
    sent = (
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", gateway.gateway.port), 5) as connection:
        connection.sendall(sent)
        assert status(connection.recv(4096)) == 200
