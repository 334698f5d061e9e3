"""Requests that two readers could end in two places, sent through a real proxy that keeps its
connections to the gateway: no second request comes out of one, nobody gets another's answer,
and all that is recorded was answered."""

import json
import re
import socket
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.gateway.serving import Served, served
from tests.gateway.web.proxy import find_nginx, proxying
from tests.gateway.world import question
from tests.gateway_process import GatewayProcess

BODY = json.dumps(question()).encode()
CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


@dataclass
class Proxied:
    served: Served
    port: int

    def talk(self, *parts: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            with suppress(ConnectionResetError, BrokenPipeError):
                for part in parts:
                    connection.sendall(part)
            connection.settimeout(0.7)
            with suppress(TimeoutError):
                return receive_until_quiet(connection)
        return b""


def receive_until_quiet(connection: socket.socket) -> bytes:
    """What comes until the other side closes, or says nothing for a while."""
    received = b""
    while True:
        try:
            chunk = connection.recv(65536)
        except (TimeoutError, ConnectionResetError):
            return received
        if not chunk:
            return received
        received += chunk


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    find_nginx()
    with served(tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture(scope="module", params=[True, False], ids=["buffering", "streaming"])
def proxied(
    request: pytest.FixtureRequest, gateway: Served, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Proxied]:
    folder: Path = tmp_path_factory.mktemp("proxy")
    with proxying(folder, gateway.gateway.port, buffering=request.param) as port:
        yield Proxied(gateway, port)


def head(token: str, *lines: str, version: str = "1.1") -> bytes:
    start = [
        f"POST /v1/decisions HTTP/{version}",
        "Host: x",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
    ]
    return "\r\n".join([*start, *lines, "", ""]).encode()


def inner(token: str) -> bytes:
    """A whole question of its own, as it would be smuggled."""
    return head(token, f"Content-Length: {len(BODY)}") + BODY


LENGTH = f"Content-Length: {len(BODY)}"
TE = "Transfer-Encoding: chunked"
# Lines of the head, and what follows it; `INNER` stands for a second request.
CASES: dict[str, tuple[tuple[str, ...], bytes]] = {
    "a length beside chunks": ((LENGTH, TE), CHUNKED + b"INNER"),
    "chunks beside a length": ((TE, "Content-Length: 5"), b"0\r\n\r\nINNER"),
    "a length of nought beside chunks": ((TE, "Content-Length: 0"), b"INNER"),
    "two lengths": ((LENGTH, "Content-Length: 0"), BODY + b"INNER"),
    "one length twice": ((LENGTH, LENGTH), BODY + b"INNER"),
    "two lengths in one header": ((f"{LENGTH}, 0",), BODY + b"INNER"),
    "a length with a sign": ((LENGTH.replace(": ", ": +"),), BODY + b"INNER"),
    "a length in hex": ((LENGTH.replace(": ", ": 0x"),), BODY + b"INNER"),
    "chunked misspelt": (("Transfer-Encoding: xchunked",), CHUNKED + b"INNER"),
    "chunked misspelt beside a length": ((LENGTH, "Transfer-Encoding: xchunked"), BODY + b"INNER"),
    "chunked after a vertical tab": (("Transfer-Encoding: \x0bchunked",), CHUNKED + b"INNER"),
    "chunked twice": ((TE, TE), CHUNKED + b"INNER"),
    "chunked and identity": (("Transfer-Encoding: chunked, identity",), CHUNKED + b"INNER"),
    "a space before the colon": (("Transfer-Encoding : chunked", LENGTH), BODY + b"INNER"),
    "a space before the colon of the length": ((LENGTH.replace(":", " :"),), BODY + b"INNER"),
    "a folded header": (("X: a\r\n Transfer-Encoding: chunked", LENGTH), BODY + b"INNER"),
    "a folded coding": (("Transfer-Encoding:\r\n chunked", LENGTH), BODY + b"INNER"),
    "a bare line feed": (("X: a\nTransfer-Encoding: chunked", LENGTH), BODY + b"INNER"),
    "a bare carriage return": (("X: a\rTransfer-Encoding: chunked", LENGTH), BODY + b"INNER"),
    "a chunk extension": ((TE,), CHUNKED.replace(b"\r\n", b";x=1\r\n", 1) + b"INNER"),
    "a chunk extension with a bare line feed": (
        (TE,), CHUNKED.replace(b"\r\n", b";x\n", 1) + b"INNER",
    ),
    "chunks that end in bare line feeds": ((TE,), CHUNKED.replace(b"\r\n", b"\n") + b"INNER"),
    "a chunk that is longer than its size": (
        (TE,), b"%x\r\n%bxx\r\n0\r\n\r\nINNER" % (len(BODY), BODY),
    ),
    "a size that is beyond all numbers": ((TE,), b"fffffffffffffffff1\r\nINNER"),
    "a size below nought": ((TE,), b"-1\r\nINNER"),
    "a trailer": ((TE,), CHUNKED[:-2] + b"Charter-Tenant: x\r\n\r\nINNER"),
    "a trailer that is a length": ((TE,), CHUNKED[:-2] + b"Content-Length: 900\r\n\r\nINNER"),
}  # fmt: skip


def statuses(answer: bytes) -> list[int]:
    return [int(number) for number in STATUS.findall(answer)]


@pytest.mark.parametrize("name", CASES)
def test_sent_directly_it_is_400_and_ends_the_connection(gateway: Served, name: str) -> None:
    lines, rest = CASES[name]
    before = gateway.size
    answer = gateway.raw(head(gateway.own, *lines) + rest.replace(b"INNER", inner(gateway.own)))
    assert statuses(answer) == [400]
    assert b"connection: close" in answer.lower()
    assert b"malformed-http" in answer
    assert gateway.size == before


@pytest.mark.parametrize("name", CASES)
def test_through_a_proxy_nothing_is_answered_to_another_or_recorded_unanswered(
    proxied: Proxied, name: str
) -> None:
    lines, rest = CASES[name]
    gateway = proxied.served
    before = gateway.size
    sent = head(gateway.own, *lines) + rest.replace(b"INNER", inner(gateway.own))
    answer = proxied.talk(sent)
    told = statuses(answer)
    # What the proxy reads as a request in its own right is one; it is answered, in order.
    assert told
    assert len(told) <= 2
    assert gateway.size - before == told.count(200)
    # Whoever comes next on the connections that the proxy keeps gets what is theirs.
    for age in range(3):
        asked = question(context__transfer__age=age)
        reply = through(proxied).ask(asked)
        assert reply.status == 200
        gateway.verify(reply.json, expect_request=asked)
    assert gateway.size - before == told.count(200) + 3


def test_through_a_proxy_two_requests_in_a_row_are_two(proxied: Proxied) -> None:
    gateway = proxied.served
    before = gateway.size
    assert statuses(proxied.talk(inner(gateway.own) * 2)) == [200, 200]
    assert gateway.size == before + 2


def test_through_a_proxy_a_request_in_a_body_is_none(proxied: Proxied) -> None:
    gateway = proxied.served
    before = gateway.size
    second = inner(gateway.own)
    answer = proxied.talk(head(gateway.own, f"Content-Length: {len(second)}") + second)
    assert statuses(answer) == [400]
    assert b"malformed-json" in answer
    assert gateway.size == before


def through(proxied: Proxied) -> GatewayProcess:
    own = proxied.served.gateway
    return GatewayProcess(own.process, proxied.port, own.state, proxied.served.own)
