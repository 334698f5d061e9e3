"""Raw sockets: a request that two readers could end in two places is 400, ends the
connection, and leaves no decision."""

import json
import re
from collections.abc import Generator

import pytest

from tests.gateway.serving import Served, served
from tests.gateway.world import question

BODY = json.dumps(question()).encode()
CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
LENGTH = f"Content-Length: {len(BODY)}"
ANSWER = re.compile(rb"HTTP/1\.1 \d{3} ")
SECOND = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with served(tmp_path_factory.mktemp("gateway")) as running:
        yield running


def head(gateway: Served, *lines: str, version: str = "1.1") -> bytes:
    start = [
        f"POST /v1/decisions HTTP/{version}",
        "Host: x",
        f"Authorization: Bearer {gateway.own}",
    ]
    return "\r\n".join([*start, "Content-Type: application/json", *lines, "", ""]).encode()


def refused(gateway: Served, sent: bytes) -> None:
    before = gateway.size
    answer = gateway.raw(sent)
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert len(ANSWER.findall(answer)) == 1
    assert b"connection: close" in answer.lower()
    assert b"malformed-http" in answer
    assert gateway.size == before


@pytest.mark.parametrize(
    "lines",
    [
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding: gzip, chunked",),
        ("Transfer-Encoding: chunked, chunked",),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: gzip", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: \x0bchunked",),
        ("Transfer-Encoding: chunked;q=1",),
        ("Transfer-Encoding : chunked",),
        ("Transfer-Encoding:\r\n chunked",),
        ("Transfer-Encoding: chunked", LENGTH),
        (LENGTH, "Transfer-Encoding: chunked"),
    ],
)
def test_another_transfer_coding_than_chunked_alone_is_refused(
    gateway: Served, lines: tuple[str, ...]
) -> None:
    refused(gateway, head(gateway, *lines) + CHUNKED + SECOND)


def test_chunks_in_http_1_0_are_refused(gateway: Served) -> None:
    refused(gateway, head(gateway, "Transfer-Encoding: chunked", version="1.0") + CHUNKED + SECOND)


@pytest.mark.parametrize(
    "lines",
    [
        (LENGTH, LENGTH),
        (LENGTH, "Content-Length: 5"),
        (f"{LENGTH}, {len(BODY)}",),
        (LENGTH.replace(":", " :"),),
        (LENGTH.replace(": ", ":\r\n "),),
        (LENGTH.replace(": ", ": +"),),
        (LENGTH.replace(": ", ": 0x"),),
    ],
)
def test_a_length_that_can_be_read_in_two_ways_is_refused(
    gateway: Served, lines: tuple[str, ...]
) -> None:
    refused(gateway, head(gateway, *lines) + BODY + SECOND)


@pytest.mark.parametrize("where", ["every line", "one line", "the end"])
def test_a_line_that_ends_in_a_bare_line_feed_is_refused(gateway: Served, where: str) -> None:
    sent = head(gateway, LENGTH)
    if where == "every line":
        sent = sent.replace(b"\r\n", b"\n")
    elif where == "one line":
        sent = sent.replace(b"Host: x\r\n", b"Host: x\n")
    else:
        sent = sent[:-2] + b"\n"
    refused(gateway, sent + BODY + SECOND)


def test_chunks_whose_lines_end_in_bare_line_feeds_are_refused(gateway: Served) -> None:
    sent = head(gateway, "Transfer-Encoding: chunked") + CHUNKED.replace(b"\r\n", b"\n")
    refused(gateway, sent + SECOND)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "identity", "x"])
def test_a_compressed_body_is_415_and_closes(gateway: Served, coding: str) -> None:
    answer = gateway.raw(head(gateway, f"Content-Encoding: {coding}", LENGTH) + BODY + SECOND)
    assert answer.startswith(b"HTTP/1.1 415 ")
    assert len(ANSWER.findall(answer)) == 1


def test_a_second_request_after_a_whole_first_is_answered_second(gateway: Served) -> None:
    before = gateway.size
    last = SECOND.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    answer = gateway.raw(head(gateway, LENGTH) + BODY + last)
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.endswith(b'{"status":"ok"}')
    assert gateway.size == before + 1


def test_a_request_inside_the_body_of_another_is_no_request(gateway: Served) -> None:
    sent = head(gateway, f"Content-Length: {len(SECOND)}", "Connection: close") + SECOND
    answer = gateway.raw(sent)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert len(ANSWER.findall(answer)) == 1


@pytest.mark.parametrize("spelling", ["chunked", "CHUNKED"])
def test_chunks_alone_are_read(gateway: Served, spelling: str) -> None:
    lines = (f"Transfer-Encoding: {spelling}", "Connection: close")
    assert gateway.raw(head(gateway, *lines) + CHUNKED).startswith(b"HTTP/1.1 200 ")
