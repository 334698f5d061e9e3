"""A connection on which heads are known answers as one on which every request is parsed."""

import asyncio
import re
import socket
import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from starlette.types import Scope

from gateway.web.connections import Bounds
from gateway.web.known_heads import MAX_KNOWN, MAX_KNOWN_BYTES, Answered, KnowingProtocol
from tests.gateway.web.sockets import Served, get, post, receive, serving

BOUNDS = Bounds(head_timeout_s=0.5, body_timeout_s=0.5)
DATE = re.compile(rb"date: [^\r]*\r\n")


@dataclass
class Echo:
    """Answers known heads at `/echo` as the application of `serving` does, and counts."""

    answered: int = 0
    passed: int = 0
    heads: int = 0
    large: int = 0
    waits: "threading.Event | None" = None
    begun: threading.Event = field(default_factory=threading.Event)

    async def until(self, event: threading.Event) -> None:
        """Of a thread, waited for in the loop of another."""
        while not event.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    def __call__(self, scope: Scope) -> "_Known | None":
        if scope["path"] != "/echo" or scope["method"] != "POST":
            return None
        lengths = [value for name, value in scope["headers"] if name == b"content-length"]
        if not lengths:
            return None
        self.heads += 1
        return _Known(self, int(lengths[0]))


class _Known:
    def __init__(self, echo: Echo, length: int) -> None:
        self.length = length
        self._echo = echo

    async def answer(self, body: bytes) -> Answered | None:
        echo = self._echo
        echo.begun.set()
        if echo.waits is not None:
            await echo.until(echo.waits)
        if body.startswith(b"pass"):
            echo.passed += 1
            return None
        await asyncio.sleep(0.06 if body == SLOW else 0.005)
        echo.answered += 1
        said = body * (echo.large or 1)
        return Answered(200, b"content-length: %d\r\n" % len(said), said)


@contextmanager
def known(echo: Echo) -> Generator[Served]:
    with serving(BOUNDS, meaning=echo) as served:
        yield served


@pytest.fixture(scope="module")
def plain() -> Generator[Served]:
    with serving(BOUNDS) as served:
        yield served


def taken(connection: socket.socket, answers: int) -> bytes:
    """What comes until so many answers with a body in brackets are there."""
    received = b""
    while received.count(b">") < answers:
        chunk = connection.recv(65536)
        assert chunk, received
        received += chunk
    return DATE.sub(b"", received)


ONE = post(b"<one>")
TWO = post(b"<two>")  # of the same head
LONGER = post(b"<three>")
SLOW = b"<slo>"
PAUSE = b""  # until any answer is there


def test_a_head_that_came_before_is_answered_without_being_parsed_and_alike() -> None:
    echo = Echo()
    with known(echo) as served, served.connect() as connection:
        answers: list[bytes] = []
        for sent in (ONE, ONE, TWO, LONGER, LONGER, TWO):
            connection.sendall(sent)
            answers.append(taken(connection, 1))
        assert answers[0] == answers[1]
        assert [answer.rpartition(b"\r\n")[2] for answer in answers] == [
            b"<one>", b"<one>", b"<two>", b"<three>", b"<three>", b"<two>"
        ]  # fmt: skip
        assert {answer.partition(b"\r\n")[0] for answer in answers} == {b"HTTP/1.1 200 OK"}
        assert (echo.heads, echo.answered) == (2, 4)


def test_a_head_is_not_known_on_another_connection() -> None:
    echo = Echo()
    with known(echo) as served:
        for _ in range(3):
            with served.connect() as connection:
                connection.sendall(ONE)
                taken(connection, 1)
        assert (echo.heads, echo.answered) == (3, 0)


@pytest.mark.parametrize(
    "sent",
    [
        post(b"<one>", b"Connection: close"),
        post(b"<one>", b"X-Long: " + b"x" * MAX_KNOWN_BYTES),
        ONE.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Host: x", b"Connection: keep-alive"),
        post(b"<one>", path=b"/other"),
        b"\r\n" + ONE,
    ],
    ids=["the last", "long", "of an older version", "of another place", "behind an empty line"],
)
def test_a_head_that_must_be_parsed_is_not_remembered(sent: bytes) -> None:
    echo = Echo()
    with known(echo) as served, served.connect() as connection:
        for _ in range(2):
            try:
                connection.sendall(sent)
                connection.recv(65536)
            except ConnectionError:
                break
        assert (echo.heads, echo.answered) == (0, 0)


def test_no_more_heads_are_remembered_than_there_is_room_for() -> None:
    echo = Echo()
    with known(echo) as served, served.connect() as connection:
        for number in range(MAX_KNOWN + 1):
            connection.sendall(post(b"<%s>" % (b"x" * number)))
            taken(connection, 1)
        (protocol,) = served.server.server_state.connections
        assert isinstance(protocol, KnowingProtocol)
        kept: Any = getattr(protocol, "_heads")  # noqa: B009
        assert len(kept) == 1  # all were forgotten for the last
        connection.sendall(post(b"<>"))
        taken(connection, 1)
        assert echo.answered == 0


# --- the same as without -----------------------------------------------------------------

# What is sent on a connection whose second request could be known. Of each, the answers and
# the end of the connection are compared with those of a server that parses all.
SECOND = {
    "the same": [TWO],
    "in two pieces": [TWO[:-3], TWO[-3:]],
    "head and body apart": [TWO[:-5], TWO[-5:]],
    "divided in the head": [TWO[:9], TWO[9:]],
    "the next one, known, before its answer": [post(SLOW), TWO],
    "the next one, parsed, before its answer": [post(SLOW), LONGER],
    "a known one before the answer to one that is parsed": [LONGER, TWO],
    "half of the next one, and all of it, before its answer": [post(SLOW), TWO[:20], TWO[20:]],
    "the end of a divided head once more": [LONGER[:9], LONGER[9:], PAUSE, LONGER[9:]],
    "a byte too many": [TWO + b"G"],
    "an empty line after it": [TWO + b"\r\n"],
    "two at once": [TWO + ONE],
    "three at once": [TWO + ONE + LONGER],
    "another behind it at once": [TWO + get(b"Connection: close")],
    "the next one before its answer": [TWO, ONE],
    "half of the next one before its answer": [TWO, ONE[:20], ONE[20:]],
    "rubbish before its answer": [TWO, b"\x00\x01\r\n\r\n"],
    "rubbish with it": [TWO + b"\x00\x01\r\n\r\n"],
    "a body too short, and no more": [TWO[:-1]],
    "the head alone": [TWO[:-5]],
    "an empty line before it": [b"\r\n" + TWO],
    "another case in a name": [TWO.replace(b"Content-Length", b"content-length")],
    "another length": [TWO.replace(b"Length: 5", b"Length: 4")],
    "a length with a sign": [TWO.replace(b"Length: 5", b"Length: +5")],
    "a length twice": [TWO.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n")],
    "two lengths": [TWO.replace(b"\r\n\r\n", b"\r\nContent-Length: 6\r\n\r\n")],
    "a length and chunks": [TWO.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")],
    "without a host": [TWO.replace(b"Host: x\r\n", b"")],
    "lines that end with one character": [TWO.replace(b"\r\n", b"\n")],
    "the last one": [post(b"<two>", b"Connection: close")],
    "one that is passed on": [post(b"pass>")],
    "one that is passed on, and the next": [post(b"pass>"), ONE],
}


def answers_to(served: Served, pieces: list[bytes]) -> bytes | None:
    """All that comes back on a connection whose first request was `ONE`; None where the other
    side had closed before all was sent, since then an answer can be lost."""
    received = b""
    with served.connect() as connection:
        connection.sendall(ONE)
        first = taken(connection, 1)
        connection.settimeout(10)
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(0.002 if piece else 0.1)
            while chunk := connection.recv(65536):
                received += chunk
        except ConnectionError:
            return None
    return first + DATE.sub(b"", received)


def both(one: Served, other: Served, pieces: list[bytes]) -> list[bytes | None]:
    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(answers_to, (one, other), (pieces, pieces)))


@pytest.fixture(scope="module")
def echo() -> Echo:
    return Echo()


@pytest.fixture(scope="module")
def knowing(echo: Echo) -> Generator[Served]:
    with known(echo) as served:
        yield served


@pytest.mark.parametrize("name", SECOND)
def test_what_follows_a_known_head_is_answered_as_if_all_were_parsed(
    plain: Served, knowing: Served, name: str
) -> None:
    found, expected = both(knowing, plain, SECOND[name])
    assert found is not None
    assert found == expected


def cut(text: bytes, places: list[int]) -> Iterator[bytes]:
    at = 0
    for place in sorted({place % (len(text) + 1) for place in places} | {len(text)}):
        if place > at:
            yield text[at:place]
            at = place


PIECES = st.sampled_from(
    [ONE, TWO, LONGER, post(b"pass>"), get(), b"\r\n", b"G", b"\x00", ONE[:30], TWO[:-1]]
)


@given(
    sent=st.lists(PIECES, min_size=1, max_size=5).map(b"".join),
    places=st.lists(st.integers(0, 400), max_size=3),
)
@settings(max_examples=25, deadline=None)
def test_whatever_is_sent_and_however_it_is_cut_both_answer_the_same(
    plain: Served, knowing: Served, sent: bytes, places: list[int]
) -> None:
    # The last one ends the connection, unless something before it has.
    pieces = [*cut(sent, places), get(b"Connection: close")]
    found, expected = both(knowing, plain, pieces)
    assume(found is not None and expected is not None)
    assert found == expected


def test_some_of_these_were_not_parsed(echo: Echo) -> None:
    assert echo.answered > 5
    assert echo.passed > 0


# --- waiting, and the end ----------------------------------------------------------------


def test_a_connection_at_rest_ends_in_time_after_the_last_answer() -> None:
    with known(Echo()) as served, served.connect() as connection:
        began = time.monotonic()
        for _ in range(4):
            connection.sendall(ONE)
            taken(connection, 1)
            time.sleep(0.4)
        rested = time.monotonic()
        assert receive(connection) == b""
        # 1 s from the last answer, not from the first: the fourth came later than that.
        assert rested - began > 1.2
        assert time.monotonic() - rested > 0.3


def test_half_of_a_next_request_ends_in_time_as_ever() -> None:
    with known(Echo()) as served, served.connect() as connection:
        for _ in range(2):
            connection.sendall(ONE)
            taken(connection, 1)
        connection.sendall(ONE[:-2])
        assert receive(connection).startswith(b"HTTP/1.1 408 ")


def test_an_answer_that_is_under_way_comes_when_the_server_is_told_to_stop() -> None:
    echo = Echo()
    with known(echo) as served, served.connect() as connection:
        connection.sendall(ONE)
        taken(connection, 1)
        echo.waits = threading.Event()
        echo.begun.clear()
        connection.sendall(TWO)
        assert echo.begun.wait(5)
        served.server.should_exit = True
        time.sleep(0.3)
        echo.waits.set()
        last = receive(connection)
    assert last.endswith(b"<two>")
    assert b"connection: close\r\n" in last


def test_an_answer_that_never_comes_ends_with_the_server() -> None:
    echo = Echo()
    with known(echo) as served, served.connect() as connection:
        connection.sendall(ONE)
        taken(connection, 1)
        echo.waits = threading.Event()
        connection.sendall(TWO)
        assert echo.begun.wait(5)
        served.server.should_exit = True
        assert receive(connection) == b""  # after the time of the server to stop in order


def test_whoever_leaves_before_the_answer_leaves_nothing_behind() -> None:
    echo = Echo()
    with known(echo) as served:
        with served.connect() as connection:
            connection.sendall(ONE)
            taken(connection, 1)
            echo.waits = threading.Event()
            echo.begun.clear()
            connection.sendall(TWO + b"more")
            connection.sendall(TWO)
        with served.connect() as connection:
            connection.sendall(ONE)
            taken(connection, 1)
            connection.sendall(TWO)
            assert echo.begun.wait(5)
        echo.waits.set()
        deadline = time.monotonic() + 5
        while (served.open or served.server.server_state.tasks) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not served.open
        assert not served.server.server_state.tasks


def test_an_answer_that_takes_longer_than_a_connection_may_rest_comes() -> None:
    echo = Echo()
    with known(echo) as served, served.connect() as connection:
        connection.sendall(ONE)
        taken(connection, 1)
        echo.waits = threading.Event()
        connection.sendall(TWO)
        time.sleep(1.3)
        echo.waits.set()
        assert taken(connection, 1).endswith(b"<two>")


def test_who_takes_no_answers_is_not_answered_more_than_the_system_keeps() -> None:
    echo = Echo(large=100_000)
    with known(echo) as served, served.connect() as connection:
        connection.sendall(ONE)
        taken(connection, 1)
        for sent in range(1, 60):
            connection.sendall(ONE)
            until = time.monotonic() + 0.5
            while echo.answered < sent and time.monotonic() < until:
                time.sleep(0.001)
            if echo.answered < sent:
                break
        assert echo.answered < 50  # of half a megabyte each
        total = 0
        connection.settimeout(5)
        while total < 500_000 * echo.answered:
            total += len(connection.recv(1 << 20))
