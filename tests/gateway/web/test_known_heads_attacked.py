"""What somebody might gain or break by a head that is known: a real gateway on a real socket, with
tokens, tenants and a log, compared with one that parses every request."""

import asyncio
import json
import re
import socket
import ssl
import struct
import threading
import time
import tracemalloc
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest
import uvicorn
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from starlette.types import Scope

from dsl.evaluate import Answer, evaluate
from dsl.facts import Question
from gateway.callers import ALL_ROLES, Callers, Credentials, Identity, Known, Role
from gateway.callers.tokens import TokenFile, TokenRow, make
from gateway.errors import (
    AuthenticationError,
    CallersUnavailableError,
    LedgerUnavailableError,
    OverloadedError,
)
from gateway.web.app import Gateway, create_app
from gateway.web.connections import Bounds
from gateway.web.handshake import TlsServer
from gateway.web.known_heads import Answered, KnowingProtocol, KnownHead, knowing
from gateway.web.limits import MAX_IN_FLIGHT
from gateway.web.protocol import bounded
from tests.gateway.certificates import authority
from tests.gateway.world import TENANT, FakeEngine, World, body, program

OTHER = "clinic-b"
BOUNDS = Bounds(head_timeout_s=2.0, body_timeout_s=2.0, connections=300, of_client=300)
QUESTION = body()
NEW = ("id", "proof", "record", "decided_at", "valid_until")
NEW_HEADERS = ("date", "x-request-id")


@dataclass
class Counted:
    """How often heads were learned, and what became of requests of heads that were known."""

    app: Gateway
    learned: int = 0
    answered: list[int] = field(default_factory=list[int])
    parsed: int = 0

    def __call__(self, scope: Scope) -> "KnownHead | None":
        made = self.app.asked_again()
        assert made is not None
        known = made(scope)
        if known is None:
            return None
        self.learned += 1
        return _Counted(self, known)


class _Counted:
    def __init__(self, counted: Counted, known: KnownHead) -> None:
        self.length = known.length
        self._counted = counted
        self._known = known

    async def answer(self, body: bytes) -> Answered | None:
        answered = await self._known.answer(body)
        if answered is None:
            self._counted.parsed += 1
        else:
            self._counted.answered.append(answered.status)
        return answered


@dataclass
class Running:
    """A gateway that is served; `counted` None where it parses all."""

    world: World
    app: Gateway
    server: uvicorn.Server
    port: int
    counted: Counted | None
    thread: threading.Thread
    client: ssl.SSLContext | None = None

    def connect(self) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.port), 10)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.client is None:
            return made
        return self.client.wrap_socket(made, server_hostname="localhost")

    @property
    def known(self) -> Counted:
        assert self.counted is not None
        return self.counted

    def rooms_taken(self) -> tuple[Any, ...]:
        """All that a question takes for the time of its answer."""
        entrance: Any = getattr(self.app, "_questions").entrance  # noqa: B009
        turns = entrance.turns
        return (
            entrance._in_flight._open, turns._there, turns._taken, turns._taken_bytes,
            self.app.metrics.in_flight, len(self.server.server_state.tasks),
        )  # fmt: skip

    def comes_to_rest(self) -> None:
        deadline = time.monotonic() + 10
        while self.rooms_taken() != ({}, {}, 0, 0, 0, 0) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert self.rooms_taken() == ({}, {}, 0, 0, 0, 0)


@contextmanager
def running(
    world: World,
    callers: Known | Callers,
    *,
    known: bool = True,
    tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None,
    stop_s: int = 5,
) -> Generator[Running]:
    app = create_app(world.service, callers, world.trust.to_json(), clock=world.clock)
    counted = Counted(app) if known else None
    refused = app.metrics.refused
    http = bounded(BOUNDS, refused) if counted is None else knowing(BOUNDS, counted, refused)
    config = uvicorn.Config(
        app, http=http, loop="uvloop", ws="none", lifespan="off", log_config=None,
        server_header=False, timeout_keep_alive=5, timeout_graceful_shutdown=stop_s,
    )  # fmt: skip
    server = uvicorn.Server(config) if tls is None else TlsServer(config, tls[0], BOUNDS)
    listener = socket.create_server(("127.0.0.1", 0), backlog=300)
    thread = threading.Thread(target=server.run, args=([listener],))
    port = listener.getsockname()[1]
    made = Running(world, app, server, port, counted, thread, None if tls is None else tls[1])
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield made
    finally:
        server.should_exit = True
        thread.join(15)
        listener.close()


@dataclass(frozen=True)
class Said:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def without_the_new(self) -> object:
        headers = {k: v for k, v in self.headers.items() if k not in NEW_HEADERS}
        if self.status != 200:
            return self.status, headers, self.body
        headers.pop("content-length")  # proofs grow
        return self.status, headers, {k: v for k, v in self.json.items() if k not in NEW}


def said_in(received: bytes) -> Iterator[Said]:
    """The answers in what came; fails where there is anything else in it."""
    while received:
        head, end, rest = received.partition(b"\r\n\r\n")
        assert end, received
        status, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        length = int(headers["content-length"])
        assert len(rest) >= length, "half of an answer"
        yield Said(int(status.split(" ")[1]), headers, rest[:length])
        received = rest[length:]


def one_answer(connection: socket.socket) -> Said:
    received = b""
    while True:
        chunk = connection.recv(65536)
        assert chunk, received
        received += chunk
        head, end, rest = received.partition(b"\r\n\r\n")
        if end:
            length = int(re.findall(rb"content-length: (\d+)", head)[0])
            if len(rest) >= length:
                assert len(rest) == length
                return next(said_in(received))


def asking(token: str, data: bytes = QUESTION, *lines: str) -> bytes:
    head = [
        "POST /v1/decisions HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
        f"Content-Length: {len(data)}",
        f"Authorization: Bearer {token}",
        *lines,
    ]
    return "\r\n".join([*head, "", ""]).encode() + data


def ask(connection: socket.socket, request: bytes) -> Said:
    connection.sendall(request)
    return one_answer(connection)


# --- tokens --------------------------------------------------------------------------------


class Tokens:
    """A token file, as an operator changes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, TokenRow] = {}
        self.texts: dict[str, str] = {}
        self.give("good", tenants=(TENANT,), roles=ALL_ROLES)
        self.give("other", tenants=(OTHER,))
        self.give("several", tenants=(TENANT, OTHER))
        self.give("auditor", tenants=(TENANT,), roles=frozenset({Role.AUDITOR}))
        self.give("flows", tenants=(TENANT,), actions=frozenset({"flow"}))

    def give(self, name: str, **what: Any) -> None:
        self.rows[name], self.texts[name] = make(**what)
        self.write()

    def write(self) -> None:
        new = self.path.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_bytes(TokenFile(tokens=tuple(self.rows.values())).to_bytes())
        new.replace(self.path)

    def change(self, name: str, **what: Any) -> None:
        self.rows[name] = self.rows[name].model_copy(update=what)
        self.write()

    def __getitem__(self, name: str) -> str:
        return self.texts[name]


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Tokens:
    return Tokens(tmp_path_factory.mktemp("tokens") / "tokens.json")


@pytest.fixture
def own_tokens(tmp_path: Path) -> Tokens:
    return Tokens(tmp_path / "tokens.json")


@pytest.fixture(scope="module", params=["plain", "TLS"])
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tokens: Tokens
) -> Generator[tuple[Running, Running]]:
    """A gateway that knows heads, and one that parses all."""
    folder = tmp_path_factory.mktemp("pair")
    tls = None
    if request.param == "TLS":
        root = authority("server")
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(
            *root.leaf(dns="localhost", usage=ExtendedKeyUsageOID.SERVER_AUTH).write(folder, "host")
        )
        tls = (server, ssl.create_default_context(cadata=root.pem.decode()))
    callers = Callers.load(tokens.path)
    with (
        World(folder / "a") as a, World(folder / "b") as b,
        running(a, callers, tls=tls) as knows, running(b, callers, tls=tls, known=False) as parses,
    ):  # fmt: skip
        yield knows, parses


# --- the same as where all is parsed -------------------------------------------------------

DENIED = body(resource__id="far")
BAD = b"{" + QUESTION[1:-1] + b" "
REQUESTS: dict[str, Callable[[Tokens], bytes]] = {
    "good": lambda t: asking(t["good"]),
    "good, denied": lambda t: asking(t["good"], DENIED),
    "other": lambda t: asking(t["other"]),
    "one of several": lambda t: asking(t["several"], QUESTION, f"Charter-Tenant: {TENANT}"),
    "the other of several": lambda t: asking(t["several"], QUESTION, f"Charter-Tenant: {OTHER}"),
    "none of several": lambda t: asking(t["several"]),
    "the tenant of others": lambda t: asking(t["good"], QUESTION, f"Charter-Tenant: {OTHER}"),
    "not the action": lambda t: asking(t["flows"]),
    "not the role": lambda t: asking(t["auditor"]),
    "unknown": lambda t: asking("charter_aaaaaaaa_" + "x" * 43),
    "no token": lambda _: asking("x" * 9),
    "no JSON of that length": lambda t: asking(t["good"], BAD),
    "nothing": lambda t: asking(t["good"], b""),
    "two questions in one length": lambda t: asking(t["good"], QUESTION + QUESTION),
    "a query": lambda t: asking(t["good"]).replace(b"decisions ", b"decisions?x=1 "),
    "another spelling": lambda t: asking(t["good"]).replace(b"v1/d", b"v1/%64"),
    "a folder above": lambda t: asking(t["good"]).replace(b"/v1/", b"/v1/x/../"),
    "a whole address": lambda t: asking(t["good"]).replace(b"/v1", b"http://y/v1"),
    "expects": lambda t: asking(t["good"], QUESTION, "Expect: 100-continue"),
    "a key": lambda t: asking(t["good"], QUESTION, 'Idempotency-Key: "k"'),
    "upgrades": lambda t: asking(t["good"], QUESTION, "Connection: upgrade", "Upgrade: h2c"),
    "the last": lambda t: asking(t["good"], QUESTION, "Connection: close"),
    "the last in other words": lambda t: asking(t["good"], QUESTION, "Connection: x, Close"),
    "two tokens": lambda t: asking(t["good"], QUESTION, f"Authorization: Bearer {t['other']}"),
    "a folded line": lambda t: asking(t["good"], QUESTION, "X: y", " z"),
    "a line before": lambda t: b"\r\n" + asking(t["good"]),
    "read": lambda _: b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
}
LAST = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def replies(served: Running, pieces: Sequence[bytes], turns: bool) -> list[object] | None:
    """All answers on one connection; None where it ended before all was sent, since then an
    answer can be lost.

    Args:
        turns: Whether to wait for an answer after each piece, as long as there is one.
    """
    received = b""
    with served.connect() as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
                if turns:
                    connection.settimeout(0.05)
                    try:
                        while chunk := connection.recv(65536):
                            received += chunk
                            connection.settimeout(0.004)
                    except TimeoutError:
                        continue
                    break
            connection.settimeout(10)
            while chunk := connection.recv(65536):
                received += chunk
        except (ConnectionError, ssl.SSLError):
            return None
    received = received.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
    return [said.without_the_new() for said in said_in(received)]


def compared(pair: tuple[Running, Running], pieces: Sequence[bytes], turns: bool) -> bool:
    with ThreadPoolExecutor(2) as threads:
        found, expected = threads.map(replies, pair, [pieces] * 2, [turns] * 2)
    if found is None or expected is None:
        return False
    assert found == expected
    return True


@pytest.mark.parametrize("name", REQUESTS)
def test_each_request_is_answered_the_second_and_third_time_as_if_it_was_parsed(
    pair: tuple[Running, Running], tokens: Tokens, name: str
) -> None:
    first, again = REQUESTS["good"](tokens), REQUESTS[name](tokens)
    compared(pair, [first, again, again, first, again, LAST], turns=True)
    compared(pair, [first, again + again, again + first, LAST], turns=True)


@given(
    names=st.lists(st.sampled_from(sorted(REQUESTS)), min_size=2, max_size=5),
    places=st.lists(st.integers(0, 5000), max_size=3),
    whole=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_any_requests_cut_anywhere_are_answered_as_if_they_were_parsed(
    pair: tuple[Running, Running], tokens: Tokens, names: list[str], places: list[int], whole: bool
) -> None:
    sent = [REQUESTS[name](tokens) for name in names]
    if whole:
        pieces = sent
    else:
        text = b"".join(sent)
        cuts = sorted({0, len(text), *(place % len(text) for place in places)})
        pieces = [text[a:b] for a, b in pairwise(cuts)]
    assume(compared(pair, [*pieces, LAST], turns=whole))


def test_as_many_were_recorded_where_heads_were_known_and_many_were_not_parsed(
    pair: tuple[Running, Running],
) -> None:
    knows, parses = pair
    knows.comes_to_rest()
    parses.comes_to_rest()
    assert knows.known.answered.count(200) > 20
    assert set(knows.known.answered) > {200, 400}


# --- who asks ------------------------------------------------------------------------------


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    with World(tmp_path) as made_world:
        yield made_world


CHANGES: dict[str, tuple[Callable[[Tokens], object], int]] = {
    "taken away": (lambda t: (t.rows.pop("good"), t.write()), 401),
    "run out": (lambda t: t.change("good", expires=datetime.fromisoformat("2026-01-01T00Z")), 401),
    "of another secret": (lambda t: t.change("good", sha256="0" * 64), 401),
    "of another tenant": (lambda t: t.change("good", tenants=("x", "y")), 403),
    "of another role": (lambda t: t.change("good", roles=frozenset({Role.AUDITOR})), 403),
    "for other actions": (lambda t: t.change("good", actions=frozenset({"flow"})), 403),
    "in a file that cannot be read": (lambda t: t.path.write_bytes(b"{"), 503),
    "in a file that is gone": (lambda t: t.path.unlink(), 503),
    "in a file for all to read": (lambda t: t.path.chmod(0o644), 503),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_token_that_was_changed_is_another_for_the_next_known_head(
    world: World, own_tokens: Tokens, name: str
) -> None:
    change, status = CHANGES[name]
    with running(world, Callers.load(own_tokens.path)) as gateway:
        with gateway.connect() as connection:
            asked = asking(own_tokens["good"])
            assert [ask(connection, asked).status for _ in range(3)] == [200] * 3
            assert gateway.known.answered == [200] * 2
            change(own_tokens)
            assert ask(connection, asked).status == status
        assert world.ledger.size == 3
        gateway.comes_to_rest()


def test_each_of_many_on_one_connection_and_on_many_is_answered_for_itself(
    world: World, own_tokens: Tokens
) -> None:
    """Behind a proxy all share connections; elsewhere each has one."""
    names = ["good", "other", "good", "several", "other"]
    requests = [
        (TENANT if name == "good" else OTHER, asking(own_tokens[name], QUESTION, *lines))
        for name in names
        for lines in [["Charter-Tenant: " + OTHER] if name == "several" else []]
    ]

    def talk(first: int) -> list[tuple[str, str]]:
        with gateway.connect() as connection:
            order = [*requests[first:], *requests[:first]] * 4
            return [(tenant, ask(connection, asked).json["id"]) for tenant, asked in order]

    with running(world, Callers.load(own_tokens.path)) as gateway:
        with ThreadPoolExecutor(8) as threads:
            answers = [one for found in threads.map(talk, [0, 1, 2, 3, 4] * 2) for one in found]
        assert len(gateway.known.answered) > 100
        for tenant, decision in answers:
            assert world.ledger.get(decision, tenant=tenant) is not None
            assert world.ledger.get(decision, tenant=OTHER if tenant == TENANT else TENANT) is None
        assert world.ledger.size == len(answers) == len({decision for _, decision in answers})
        gateway.comes_to_rest()


class Away(Known):
    """Has to ask somebody else who a caller is."""

    def __init__(self, tokens: Callers) -> None:
        super().__init__(tokens)
        self.hold: threading.Event | None = None
        self.asked = threading.Event()
        self.fails: BaseException | None = None

    async def identify(self, credentials: Credentials, *, now: datetime) -> Identity:
        self.asked.set()
        while self.hold is not None and not self.hold.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        if self.fails is not None:
            raise self.fails
        return await super().identify(credentials, now=now)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (AuthenticationError("no"), 401),
        (CallersUnavailableError("gone"), 503),
        (ValueError("unforeseen"), 500),
        (MemoryError(), 500),
        (asyncio.CancelledError(), 500),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_caller_that_cannot_be_known_is_told_as_where_all_is_parsed(
    world: World, own_tokens: Tokens, error: BaseException, status: int
) -> None:
    away = Away(Callers.load(own_tokens.path))
    with running(world, away) as gateway, gateway.connect() as connection:
        asked = asking(own_tokens["good"])
        assert [ask(connection, asked).status for _ in range(2)] == [200] * 2
        away.fails, away.hold = error, threading.Event()
        away.asked.clear()
        connection.sendall(asked)
        assert away.asked.wait(5)
        connection.sendall(asked)  # comes while nobody knows
        away.hold.set()
        received = b""
        connection.settimeout(5)
        try:
            while b"\r\n\r\n" not in received and (chunk := connection.recv(65536)):
                received += chunk
        except ConnectionError:
            pass
        assert received.startswith(b"HTTP/1.1 %d " % status)
        away.fails = None
        gateway.comes_to_rest()
        with gateway.connect() as another:
            assert [ask(another, asked).status for _ in range(2)] == [200] * 2


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (asyncio.CancelledError(), 500),  # of something it waited for; nobody cancelled it
        (ValueError("unforeseen"), 500),
        (MemoryError(), 500),
        (TimeoutError(), 500),
        (LedgerUnavailableError("full"), 503),
        (OverloadedError("full"), 503),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_answer_that_fails_is_told_and_logged_and_the_connection_goes_on(
    world: World,
    own_tokens: Tokens,
    error: BaseException,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked = asking(own_tokens["good"])
    with (
        running(world, Callers.load(own_tokens.path)) as gateway,
        gateway.connect() as connection,
    ):
        assert [ask(connection, asked).status for _ in range(2)] == [200] * 2

        async def fail(*_: object) -> bytes:
            raise error

        with monkeypatch.context() as changed:
            changed.setattr(world.service, "answer", fail)
            said = ask(connection, asked)
        assert (said.status, said.json["status"]) == (status, status)
        assert gateway.known.answered == [200, status]
        told = [record for record in caplog.records if record.levelname == "ERROR"]
        assert len(told) == 1
        assert ask(connection, asked).status == 200
        gateway.comes_to_rest()


class Scarce:
    """A loop that makes no more tasks."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def create_task(self, coroutine: Any) -> Any:
        coroutine.close()
        raise MemoryError


def test_a_known_head_for_which_there_is_no_memory_is_told_so(
    world: World, own_tokens: Tokens
) -> None:
    asked = asking(own_tokens["good"])
    with (
        running(world, Callers.load(own_tokens.path)) as gateway,
        gateway.connect() as connection,
    ):
        assert ask(connection, asked).status == 200
        (protocol,) = gateway.server.server_state.connections
        protocol.loop = cast("asyncio.AbstractEventLoop", Scarce(protocol.loop))
        said = ask(connection, asked)
        assert (said.status, said.headers["connection"]) == (503, "close")
        assert "memory" in said.json["detail"]
        gateway.comes_to_rest()


def test_whoever_is_taken_away_while_a_question_waits_for_its_caller_is_refused(
    world: World, own_tokens: Tokens
) -> None:
    away = Away(Callers.load(own_tokens.path))
    with running(world, away) as gateway, gateway.connect() as connection:
        asked = asking(own_tokens["good"])
        assert [ask(connection, asked).status for _ in range(2)] == [200] * 2
        away.hold = threading.Event()
        away.asked.clear()
        connection.sendall(asked)
        assert away.asked.wait(5)
        own_tokens.rows.pop("good")
        own_tokens.write()
        away.hold.set()
        assert one_answer(connection).status == 401
        assert world.ledger.size == 2


# --- how many, and how it ends -------------------------------------------------------------


class Held:
    """An engine that answers when it is let."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.let.set()
        self.engine = FakeEngine("reference", self._answer)

    async def _answer(self, question: Question) -> Answer:
        while not self.let.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        return evaluate(program(), question)


@pytest.fixture
def held(tmp_path: Path) -> Generator[tuple[World, Held]]:
    engine = Held()
    made_world = World(tmp_path / "held", engines=[engine.engine], remember=0)
    with made_world:
        yield made_world, engine


def opened(gateway: Running, number: int, asked: bytes) -> list[socket.socket]:
    """Connections that know the head."""
    made = [gateway.connect() for _ in range(number)]
    for connection in made:
        assert ask(connection, asked).status == 200
    return made


def test_a_tenant_has_no_more_open_than_where_all_is_parsed_and_others_are_let_in(
    held: tuple[World, Held], own_tokens: Tokens
) -> None:
    world, engine = held
    asked = asking(own_tokens["good"])
    with running(world, Callers.load(own_tokens.path)) as gateway:
        crowd = opened(gateway, MAX_IN_FLIGHT + 6, asked)
        entrance: Any = getattr(gateway.app, "_questions").entrance  # noqa: B009
        entrance.turns._timeout_s = 20.0
        entrance.turns._deadlines._seconds = 20.0
        engine.let.clear()
        for connection in crowd:
            connection.sendall(asked)
        deadline = time.monotonic() + 10
        while gateway.known.parsed < 6 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert gateway.known.parsed == 6
        engine.let.set()
        statuses = [one_answer(connection).status for connection in crowd]
        assert statuses.count(429) == 6
        assert statuses.count(200) == MAX_IN_FLIGHT
        for connection in crowd:
            connection.close()
        gateway.comes_to_rest()


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize("how", ["reset", "half closed", "closed", "with another behind"])
def test_whoever_goes_before_the_answer_leaves_no_room_taken_and_no_token_behind(
    held: tuple[World, Held], own_tokens: Tokens, how: str
) -> None:
    world, engine = held
    asked = asking(own_tokens["good"])
    with running(world, Callers.load(own_tokens.path)) as gateway:
        gone = opened(gateway, 10, asked)
        protocols = cast("list[KnowingProtocol]", list(gateway.server.server_state.connections))
        assert all(getattr(one, "_heads") for one in protocols)  # noqa: B009
        engine.let.clear()
        asked_before = engine.engine.asked
        for connection in gone:
            connection.sendall(asked)
        deadline = time.monotonic() + 10
        while engine.engine.asked < asked_before + 10 and time.monotonic() < deadline:
            time.sleep(0.01)
        for connection in gone:
            if how == "with another behind":
                connection.sendall(asked)
            if how == "half closed":
                connection.shutdown(socket.SHUT_WR)
            elif how == "reset":
                reset(connection)
            else:
                connection.close()
        if how == "with another behind":
            engine.let.set()  # what is not read on is not seen to end before
        while gateway.server.server_state.connections and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not gateway.server.server_state.connections
        engine.let.set()
        gateway.comes_to_rest()
        for connection in gone:
            connection.close()
        assert len(gateway.known.answered) >= 10
        assert not any(getattr(one, "_heads") for one in protocols)  # noqa: B009
        assert all(one.timeout_keep_alive_task is None for one in protocols)


def test_what_was_acknowledged_while_the_server_stops_is_in_the_log_and_whole(
    world: World, own_tokens: Tokens
) -> None:
    asked = asking(own_tokens["good"])
    begun = threading.Barrier(13)

    def talk(_: int) -> list[str]:
        received, seen = b"", 0
        with gateway.connect() as connection:
            ask(connection, asked)
            begun.wait(10)
            while True:
                try:
                    connection.sendall(asked)
                    while received.count(b'"proof"') <= seen and (chunk := connection.recv(65536)):
                        received += chunk
                except ConnectionError:
                    break
                if received.count(b'"proof"') <= seen:
                    break
                seen += 1
        return [said.json["id"] for said in said_in(received)]

    with running(world, Callers.load(own_tokens.path)) as gateway, ThreadPoolExecutor(12) as crowd:
        found = crowd.map(talk, range(12))
        begun.wait(10)
        while len(gateway.known.answered) < 100:
            time.sleep(0.005)
        gateway.server.should_exit = True
        acknowledged = [one for several in found for one in several]
        gateway.thread.join(10)
        assert not gateway.thread.is_alive()
        assert gateway.rooms_taken() == ({}, {}, 0, 0, 0, 0)
    assert len(acknowledged) >= 80
    for decision in acknowledged:
        assert world.ledger.get(decision, tenant=TENANT) is not None


def test_a_head_of_many_lines_takes_little_more_than_its_bytes(
    world: World, own_tokens: Tokens
) -> None:
    """A connection may know sixteen, and a client have a hundred connections."""
    app = create_app(world.service, Callers.load(own_tokens.path), world.trust.to_json())
    meaning = app.asked_again()
    assert meaning is not None

    def scope(length: int) -> Scope:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % length)]
        headers.append((b"authorization", f"Bearer {own_tokens['good']}".encode()))
        headers += [(b"x%d" % number, b"y%d" % (number + length)) for number in range(97)]
        return {"type": "http", "path": "/v1/decisions", "method": "POST", "headers": headers}

    tracemalloc.start()
    try:
        kept = [meaning(scope(100 + number)) for number in range(16)]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert None not in kept
    assert taken < 16 * 4096
