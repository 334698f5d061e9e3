"""Connections that would be held for nothing are closed; answers that are due still come."""

import re
import socket
import time
from collections.abc import Generator
from contextlib import ExitStack, suppress

import pytest

from gateway.cli import serve
from gateway.web.connections import Bounds, Connections, client_of
from gateway.web.protocol import MAX_HEAD_BYTES
from tests.gateway.web.sockets import Served, get, post, receive, serving

SHORT = Bounds(head_timeout_s=0.6, body_timeout_s=0.8, connections=6, of_client=4)
ENDLESS = b"Content-Length: 900000000"
CHUNKED = b"Transfer-Encoding: chunked"
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


@pytest.fixture(scope="module")
def server() -> Generator[Served]:
    with serving(SHORT) as running:
        yield running


@pytest.fixture(autouse=True)
def nobody_is_left(server: Served) -> Generator[None]:
    yield
    deadline = time.monotonic() + 5
    while server.open and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.open == 0
    assert statuses(server.talk(get(b"Connection: close"))) == [200]


def statuses(answer: bytes) -> list[int]:
    return [int(number) for number in STATUS.findall(answer)]


# --- held for nothing ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ([get(ENDLESS), b"x"], [200]),
        ([get(ENDLESS + b"\r\nExpect: 100-continue"), b"x"], [200]),
        ([get(CHUNKED), b"1"], [200]),
        ([get(CHUNKED) + b"1\r\n", b"x"], [200]),
        ([get() + b"\r\n"], [200]),
        ([get(), b"\r\n"], [200, 408]),
        ([get(), b"\r\n", b"\r\n", b"\r\n", b"\r\n"], [200, 408]),
        ([get(), b"GET / HT"], [200, 408]),
        ([get() + b"GET / HT", b"TP"], [200, 408]),
        ([b""], [408]),
        ([b"\r\n"], [408]),
        ([b"\r\n" * 9000], [431]),
        ([get(ENDLESS, path=b"/echo"), b"x", b"x", b"x"], [408]),
        ([get(CHUNKED, path=b"/echo"), b"1\r\nx\r\n", b"1\r\nx\r\n"], [408]),
        ([post(b"ab") + get(ENDLESS, path=b"/echo"), b"x"], [200, 408]),
        ([post(b"ab") + get(CHUNKED), b"1"], [200, 200]),
    ],
)
def test_a_connection_on_which_nothing_can_come_of_it_is_closed_in_time(
    server: Served, sent: list[bytes], said: list[int]
) -> None:
    before = time.monotonic()
    answer = server.talk(*sent)
    assert time.monotonic() - before < 3
    assert statuses(answer) == said
    last = answer.rpartition(b"HTTP/1.1 ")[2].lower()
    assert b"connection: close" in last or sent == [get() + b"\r\n"]  # closed when at rest


def test_a_body_that_trickles_without_end_is_cut_off(server: Served) -> None:
    before = time.monotonic()
    with server.connect() as connection:
        connection.sendall(get(ENDLESS, path=b"/echo"))
        with suppress(ConnectionError):
            while time.monotonic() - before < 5:
                connection.sendall(b"x")
                time.sleep(0.05)
    assert SHORT.body_timeout_s - 0.1 < time.monotonic() - before < 3


SLOW = Bounds(head_timeout_s=5, body_timeout_s=5, body_rate=500, body_look_s=0.3)


@pytest.fixture(scope="module")
def patient() -> Generator[Served]:
    """A server whose time is long, so that only the pace of a body counts."""
    with serving(SLOW) as running:
        yield running


@pytest.mark.parametrize(
    ("first", "every", "pause"),
    [
        (b"", b"x", 0.01),  # 100 bytes a second
        (b"", b"x" * 10, 0.05),  # 200
        (b"x" * 20_000, b"x", 0.01),  # a burst does not pay for what follows
        (b"", b"", 0.1),
    ],
)
@pytest.mark.parametrize("coding", [ENDLESS, CHUNKED])
def test_a_body_slower_than_500_bytes_a_second_is_408_and_closes(
    patient: Served, coding: bytes, first: bytes, every: bytes, pause: float
) -> None:
    def sent(data: bytes) -> bytes:
        return data if coding is ENDLESS or not data else b"%x\r\n%b\r\n" % (len(data), data)

    before = time.monotonic()
    with patient.connect() as connection:
        connection.sendall(get(coding, path=b"/echo") + sent(first))
        with suppress(ConnectionError):
            while every and time.monotonic() - before < 1.2:
                connection.sendall(sent(every))
                time.sleep(pause)
        answer = receive(connection)
    assert time.monotonic() - before < 3
    assert statuses(answer) in ([408], [])  # a reset can overtake it
    assert patient.answered == []


def test_a_body_of_500_bytes_a_second_is_read_to_its_end(patient: Served) -> None:
    body = b"x" * 1500
    parts = [body[at : at + 50] for at in range(0, len(body), 50)]
    head = post(b"", b"Connection: close").replace(b"Length: 0", b"Length: 1500")
    assert statuses(patient.talk(head, *parts, pause=0.03)) == [200]  # 1,600 a second
    patient.answered.clear()


def test_a_body_that_waits_for_this_side_is_not_slow(patient: Served) -> None:
    """The answers ahead of it take longer than a look; its bytes lie here unread."""
    ahead = b"".join(post(b"%03d" % number) for number in range(60))
    with patient.connect() as connection:
        connection.sendall(ahead + post(b"last", b"Connection: close"))
        assert statuses(receive(connection)) == [200] * 61
    patient.answered.clear()


def test_a_body_that_comes_in_time_keeps_its_connection(server: Served) -> None:
    one = post(b"question")
    parts = [one[:20], one[20:-3], one[-3:], post(b"again", b"Connection: close")]
    answer = server.talk(*parts, pause=0.1)
    assert statuses(answer) == [200, 200]
    assert answer.endswith(b"again")


def test_an_answer_after_the_whole_request_does_not_close(server: Served) -> None:
    with server.connect() as connection:
        for _ in range(3):
            connection.sendall(get())
            assert b"connection: close" not in connection.recv(4096).lower()


def test_a_client_that_takes_no_bytes_of_its_answers_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serve, "UNREAD_S", 1)
    listener = serve._listener("127.0.0.1", 0)  # pyright: ignore[reportPrivateUsage]
    listener.listen()
    with serving(SHORT, listener) as running, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", running.port))
        body = b"x" * 4_000_000
        connection.sendall(post(body))
        deadline = time.monotonic() + 8
        while not running.answered and time.monotonic() < deadline:
            time.sleep(0.05)
        assert running.open == 1
        while running.open and time.monotonic() < deadline:
            time.sleep(0.05)
        assert running.open == 0


# --- how many ------------------------------------------------------------------------


def test_one_client_has_a_number_of_connections_and_others_are_served(server: Served) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(server.connect()) for _ in range(SHORT.of_client)]
        while server.open < len(held):
            time.sleep(0.01)
        with server.connect() as refused:
            answer = receive(refused)
        assert statuses(answer) == [429]
        assert b"too-many-connections" in answer
        assert b"retry-after: 1\r\n" in answer
        with server.connect("127.0.0.2") as other:
            other.sendall(get(b"Connection: close"))
            assert statuses(receive(other)) == [200]
        held[0].close()
        while server.open == len(held):
            time.sleep(0.01)
        assert statuses(server.talk(get(b"Connection: close"))) == [200]


def test_all_clients_together_have_a_number_of_connections(server: Served) -> None:
    with ExitStack() as stack:
        for number in range(SHORT.connections):
            stack.enter_context(server.connect(f"127.0.0.{number + 1}"))
        while server.open < SHORT.connections:
            time.sleep(0.01)
        with server.connect("127.0.1.1") as refused:
            answer = receive(refused)
        assert statuses(answer) == [503]
        assert b"no-connections-left" in answer


def test_refused_and_left_connections_leave_no_count() -> None:
    counted = Connections(Bounds(connections=3, of_client=2))
    assert [counted.enter("10.0.0.1") for _ in range(3)] == [True, True, False]
    assert [counted.enter("10.0.0.2") for _ in range(2)] == [True, False]
    for address in ("10.0.0.1", "10.0.0.1", "10.0.0.2"):
        counted.leave(address)
    assert [counted.enter("10.0.0.3") for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.2", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("", "unix", False),
    ],
)
def test_a_client_is_an_address_or_the_64_bits_of_one_network(
    one: str, other: str, same: bool
) -> None:
    assert (client_of(one) == client_of(other)) is same


# --- requests ahead of their answers -------------------------------------------------

BAD_CHUNK = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (b"\x00garbage\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 40_000, 431),
        (b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (BAD_CHUNK, 400),
        (get() + BAD_CHUNK, 400),
        (post(b"partial")[:-1], 408),
        (post(b"partial")[:20], 408),
    ],
)
@pytest.mark.parametrize("ahead", [1, 60])
def test_what_is_refused_takes_no_answer_from_what_came_before(
    server: Served, ahead: int, after: bytes, said: int
) -> None:
    server.answered.clear()
    sent = b"".join(post(b"%03d" % number) for number in range(ahead))
    answer = server.talk(sent + after)
    between = [200] if after.startswith(get()) else []
    assert statuses(answer) == [200] * ahead + between + [said]
    bodies = re.findall(rb"\r\n\r\n(\d{3})", answer)
    assert bodies == [b"%03d" % number for number in range(ahead)]
    assert len(server.answered) == ahead


def test_a_body_that_breaks_off_is_refused_and_its_reader_told(server: Served) -> None:
    server.answered.clear()
    assert statuses(server.talk(get(CHUNKED, path=b"/echo"), b"2\r\nab\r\n", b"zz\r\n")) == [400]
    assert server.answered == []


def test_finished_requests_do_not_count_as_the_head_of_the_next(server: Served) -> None:
    lines = [b"X-%d: %s" % (number, b"y" * 150) for number in range(95)]
    long_head = get(*lines, b"Connection: close")
    assert 15_000 < len(long_head) < MAX_HEAD_BYTES
    ahead = post(b"z" * 3500)
    parts = (ahead + long_head[:10], long_head[10:-5], long_head[-5:])
    assert statuses(server.talk(*parts)) == [200, 200]
    assert statuses(server.talk(long_head[:-5], long_head[-5:])) == [200]


def test_requests_far_ahead_of_their_answers_are_not_even_parsed(server: Served) -> None:
    server.longest_queue = 0
    answer = server.talk(get() * 20_000 + get(b"Connection: close"))
    assert statuses(answer) == [200] * 20_001
    assert 0 < server.longest_queue < 300


def test_what_follows_an_upgrade_is_no_request(server: Served) -> None:
    upgrade = get(b"Connection: upgrade", b"Upgrade: websocket")
    assert statuses(server.talk(upgrade + get(), get())) == [200]
