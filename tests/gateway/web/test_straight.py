"""The short way to a decision gives the answers of the way that all requests go, to the byte
where nothing of it is new each time."""

import asyncio
import json
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.callers import ALL_ROLES, Callers, Role
from gateway.callers.tokens import issue
from gateway.errors import ClockError, GatewayError, LedgerError, LedgerUnavailableError
from gateway.web import limits, straight
from gateway.web.app import create_app
from gateway.web.known_heads import Answered
from gateway.web.watched import Told
from tests.gateway.web.test_access import a_token
from tests.gateway.world import TENANT, World, body

Header = tuple[bytes, bytes]
JSON_TYPE: Header = (b"content-type", b"application/json")


@dataclass
class Sent:
    """A request as a server hands it over. `pieces` None of a client that has gone."""

    headers: list[Header]
    pieces: Sequence[bytes | None] = (b"",)
    method: str = "POST"
    path: str = "/v1/decisions"
    slow: bool = False

    def scope(self) -> dict[str, Any]:
        return {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1",
            "method": self.method, "path": self.path, "raw_path": self.path.encode(),
            "query_string": b"", "root_path": "", "scheme": "http", "client": None,
            "server": None, "headers": self.headers,
        }  # fmt: skip


@dataclass
class Said:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    raised: str = ""

    def without_the_new(self) -> object:
        """All but what is new each time: ids, instants, signatures."""
        headers = {k: v for k, v in self.headers.items() if k != "x-request-id"}
        assert self.raised or len(self.headers["x-request-id"]) == 32
        if self.status != 200:
            return self.status, headers, self.body, self.raised
        assert int(headers.pop("content-length")) == len(self.body)
        new = ("id", "proof", "record", "decided_at", "valid_until")
        said = {k: v for k, v in json.loads(self.body).items() if k not in new}
        return self.status, headers, said, self.raised


class Gateway:
    """One gateway in memory, asked on both ways."""

    def __init__(self, world: World) -> None:
        rows: list[Any] = []
        self.world = world
        self.tokens = {
            "good": a_token(rows, roles=ALL_ROLES),
            "several": a_token(rows, TENANT, "clinic-b"),
            "auditor": a_token(rows, roles=frozenset({Role.AUDITOR})),
            "flows": a_token(rows, actions=frozenset({"flow"})),
        }
        self.app = create_app(world.service, Callers(rows), world.trust.to_json())

    def headers(self, *others: Header, who: str = "good", length: int = 0) -> list[Header]:
        bearer = f"Bearer {self.tokens[who]}".encode()
        sent = [JSON_TYPE, (b"content-length", str(length).encode()), (b"authorization", bearer)]
        return [*sent, *others]

    def plain(self, data: bytes, *others: Header, who: str = "good") -> Sent:
        return Sent(self.headers(*others, who=who, length=len(data)), [data])

    async def ask(self, sent: Sent) -> Said:
        said, pieces = Said(), list(sent.pieces)

        async def receive() -> dict[str, Any]:
            if sent.slow:
                await asyncio.sleep(60)
            piece = pieces.pop(0)
            if piece is None:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

        async def take(message: Any) -> None:
            if message["type"] == "http.response.start":
                said.status = message["status"]
                said.headers = {k.decode(): v.decode() for k, v in message["headers"]}
            else:
                said.body += message.get("body", b"")

        try:
            await self.app(sent.scope(), receive, take)
        except Exception as error:
            said.raised = repr(error)
        return said


@pytest.fixture
def gateway(tmp_path: Path) -> Generator[Gateway]:
    with World(tmp_path) as world:
        yield Gateway(world)


class Counter:
    """How many requests went the short way."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.short = 0
        real = straight.Straight._answer  # pyright: ignore[reportPrivateUsage]

        async def counted(*arguments: Any) -> bytes:
            self.short += 1
            return await real(*arguments)

        monkeypatch.setattr(straight.Straight, "_answer", counted)


async def ask_again(gateway: Gateway, sent: Sent) -> Said | None:
    """The same where the head of it came before on the connection; None where it is parsed."""
    meaning = gateway.app.asked_again()
    assert meaning is not None
    known = meaning(sent.scope())
    body = sent.pieces[0]
    if known is None or len(sent.pieces) > 1 or body is None or len(body) != known.length:
        return None
    answered = await known.answer(body)
    if answered is None:
        return None
    lines = [line.split(": ", 1) for line in answered.lines.decode().splitlines()]
    return Said(answered.status, dict(lines), answered.body)


def both(gateway: Gateway, make: Callable[[], Sent], monkeypatch: pytest.MonkeyPatch) -> int:
    """Ask on all ways; how many times the short one was taken. One whose head is known is
    taken at most where the short one is."""
    counter = Counter(monkeypatch)
    short = asyncio.run(gateway.ask(make()))
    taken = counter.short
    again = asyncio.run(ask_again(gateway, make()))
    with monkeypatch.context() as changed:
        changed.setattr(straight, "plain", _never_plain)
        long = asyncio.run(gateway.ask(make()))
    assert counter.short == taken, "the long way is the short one"
    assert short.without_the_new() == long.without_the_new()
    if again is not None:
        assert taken
        again.raised = short.raised  # it is told in the log, and not raised
        assert again.without_the_new() == long.without_the_new()
    return taken


def _never_plain(_: object) -> None:
    """Leaves every request to the long way."""


QUESTION = body()
DEEP = b"[" * 40 + b"]" * 40
# Those that are answered on the short way, and those that are left to the other.
SHORT: dict[str, Callable[[Gateway], Sent]] = {
    "a permit": lambda g: g.plain(QUESTION),
    "a denial": lambda g: g.plain(body(resource__id="far")),
    "undetermined": lambda g: g.plain(body(resource__id="far", context__transfer__tool=None)),
    "one of several tenants": lambda g: g.plain(
        QUESTION, (b"charter-tenant", b"clinic-b"), who="several"
    ),
    "a request id": lambda g: g.plain(QUESTION, (b"user-agent", b"x"), (b"accept", b"*/*")),
    "no JSON": lambda g: g.plain(b"{"),
    "no body": lambda g: g.plain(b""),
    "no question": lambda g: g.plain(b"[]"),
    "too deep": lambda g: g.plain(DEEP),
    "a duplicate key": lambda g: g.plain(b'{"subject":1,"subject":2}'),
    "an unknown action": lambda g: g.plain(body(action__name="dance")),
    "an unknown place": lambda g: g.plain(body(resource__id="nowhere")),
    "an unknown attribute": lambda g: g.plain(body(context__weather="fine")),
    "a fact of another": lambda g: g.plain(body(resource__properties={"countries": ["FR"]})),
    "the tenant of another": lambda g: g.plain(body(subject__properties={"tenant": "clinic-b"})),
    "an action that is not covered": lambda g: g.plain(QUESTION, who="flows"),
    "a client that has gone": lambda g: Sent(g.headers(length=7), [b"{", None]),
    "a body in pieces": lambda g: Sent(
        g.headers(length=len(QUESTION)), [QUESTION[:5], QUESTION[5:9], QUESTION[9:]]
    ),
    "pieces that become too large": lambda g: Sent(
        g.headers(length=9), [b"x" * 600_000, b"x" * 600_000]
    ),
}
LONG: dict[str, Callable[[Gateway], Sent]] = {
    "no token": lambda _: Sent([JSON_TYPE, (b"content-length", b"2")], [b"{}"]),
    "an unknown token": lambda _: Sent(
        [
            JSON_TYPE,
            (b"content-length", b"2"),
            (b"authorization", b"Bearer charter_aaaaaaaa_" + b"x" * 43),
        ],
        [b"{}"],
    ),
    "two tokens": lambda g: g.plain(QUESTION, (b"authorization", b"Bearer x")),
    "another role": lambda g: g.plain(QUESTION, who="auditor"),
    "a tenant of others": lambda g: g.plain(QUESTION, (b"charter-tenant", b"clinic-z")),
    "no tenant of several": lambda g: g.plain(QUESTION, who="several"),
    "two tenants": lambda g: g.plain(
        QUESTION, (b"charter-tenant", b"clinic-a"), (b"charter-tenant", b"clinic-b")
    ),
    "another type": lambda g: Sent(
        [(b"content-type", b"text/plain"), *g.headers(length=2)[1:]], [b"{}"]
    ),
    "two types": lambda g: g.plain(QUESTION, JSON_TYPE),
    "a type with parameters": lambda g: Sent(
        [
            (b"content-type", b"Application/JSON; charset=utf-8"),
            *g.headers(length=len(QUESTION))[1:],
        ],
        [QUESTION],
    ),
    "compressed": lambda g: g.plain(QUESTION, (b"content-encoding", b"gzip")),
    "chunked": lambda g: Sent(
        [*g.headers()[:1], *g.headers()[2:], (b"transfer-encoding", b"chunked")], [QUESTION]
    ),
    "no length": lambda g: Sent([*g.headers()[:1], *g.headers()[2:]], [QUESTION]),
    "too long": lambda g: Sent(g.headers(length=2_000_000), [QUESTION]),
    "a length that is none": lambda g: Sent(
        [*g.headers()[:1], (b"content-length", b"-1"), *g.headers()[2:]], [QUESTION]
    ),
    "a length of other digits": lambda g: Sent(
        [*g.headers()[:1], (b"content-length", "²".encode("latin-1")), *g.headers()[2:]],
        [QUESTION],
    ),
    "a key to repeat it under": lambda g: g.plain(QUESTION, (b"idempotency-key", b'"once"')),
    "a key that is none": lambda g: g.plain(QUESTION, (b"idempotency-key", b"once")),
    "another method": lambda g: Sent(g.headers(length=0), method="GET"),
    "another method that writes": lambda g: Sent(g.headers(length=2), [b"{}"], method="PUT"),
    "another place": lambda g: Sent(g.headers(length=2), [b"{}"], path="/v1/decisions/"),
    "no place": lambda g: Sent(g.headers(length=2), [b"{}"], path="/v1/decision"),
}


@pytest.mark.parametrize("name", SHORT)
def test_the_short_way_answers_as_the_long_one(
    gateway: Gateway, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert both(gateway, lambda: SHORT[name](gateway), monkeypatch) == 1


@pytest.mark.parametrize("name", LONG)
def test_what_is_not_plain_is_left_to_the_long_way(
    gateway: Gateway, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "key to repeat" in name:  # the second time is a repetition
        made = iter(["once", "twice", "thrice"])

        def make() -> Sent:
            return gateway.plain(QUESTION, (b"idempotency-key", f'"{next(made)}"'.encode()))

        assert both(gateway, make, monkeypatch) == 0
    else:
        assert both(gateway, lambda: LONG[name](gateway), monkeypatch) == 0


@pytest.mark.parametrize(
    "error",
    [LedgerUnavailableError("full"), LedgerError("damaged"), ClockError("in doubt"), ValueError()],
    ids=lambda error: type(error).__name__,
)
def test_a_fault_is_told_on_both_ways_alike_and_in_the_log(
    gateway: Gateway,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(*_: object) -> bytes:
        raise error

    monkeypatch.setattr(gateway.world.service, "answer", fail)
    assert both(gateway, lambda: gateway.plain(QUESTION), monkeypatch) == 1
    said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(said) == 3
    assert said[0] == said[1] == said[2]
    is_ours = isinstance(error, GatewayError)
    assert said[0].startswith("unforeseen") != is_ours


def test_a_body_that_does_not_come_ends_in_time(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BODY_TIMEOUT_S", 0.05)
    monkeypatch.setattr(straight, "BODY_TIMEOUT_S", 0.05)
    taken = both(gateway, lambda: Sent(gateway.headers(length=2), slow=True), monkeypatch)
    assert taken == 1


def test_a_turn_that_does_not_come_is_told_and_all_rooms_are_given_back(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided = gateway.world.service.answer

    async def slow(*arguments: Any) -> bytes:
        await asyncio.sleep(0.3)
        return await decided(*arguments)

    monkeypatch.setattr(gateway.world.service, "answer", slow)

    async def flood() -> list[Said]:
        asked = [gateway.plain(QUESTION) for _ in range(limits.MAX_IN_FLIGHT + 5)]
        return await asyncio.gather(*[gateway.ask(one) for one in asked])

    statuses = [said.status for said in asyncio.run(flood())]
    # More than the places are refused at once; those in turn are answered within the second.
    assert statuses.count(429) == 5
    assert set(statuses) <= {200, 429, 503}
    # Nothing is left of it: all places are free again, and all turns.
    assert [said.status for said in asyncio.run(flood())].count(429) == 5
    monkeypatch.setattr(gateway.world.service, "answer", decided)
    for _ in range(limits.MAX_AT_ONCE + 1):
        assert asyncio.run(gateway.ask(gateway.plain(QUESTION))).status == 200


def test_requests_are_counted_by_their_place_on_both_ways(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    both(gateway, lambda: gateway.plain(QUESTION), monkeypatch)
    both(gateway, lambda: gateway.plain(b"{"), monkeypatch)
    text = gateway.app.metrics.text().decode()
    counted = 'charter_http_requests_total{method="POST",route="/v1/decisions",status="%d"} 3.0'
    assert counted % 200 in text
    assert counted % 400 in text
    assert 'charter_refused_total{reason="malformed-json"} 3.0' in text
    assert "charter_requests_in_flight 0.0" in text


# --- heads that come again -----------------------------------------------------------------

NOT_AGAIN: dict[str, Callable[[Gateway], Sent]] = {
    **LONG,
    "an id of the caller's own": lambda g: g.plain(QUESTION, (b"x-request-id", b"mine")),
    "a trace": lambda g: g.plain(QUESTION, (b"traceparent", b"00-" + b"1" * 32)),
}


@pytest.mark.parametrize("name", NOT_AGAIN)
def test_what_is_new_in_each_request_or_not_plain_is_parsed_again(
    gateway: Gateway, name: str
) -> None:
    assert asyncio.run(ask_again(gateway, NOT_AGAIN[name](gateway))) is None


@pytest.mark.parametrize("name", ["a permit", "a denial", "no JSON", "an unknown place"])
def test_what_is_plain_is_answered_without(gateway: Gateway, name: str) -> None:
    assert asyncio.run(ask_again(gateway, SHORT[name](gateway))) is not None


def test_where_spans_are_kept_every_request_is_parsed(tmp_path: Path) -> None:
    class Traces:
        def span(self, told: Told, traceparent: str) -> AbstractContextManager[object]:
            return nullcontext((told, traceparent))

        def close(self) -> None:
            """There is nothing to send."""

    with World(tmp_path) as world:
        app = create_app(world.service, Callers([]), world.trust.to_json(), tracing=Traces())
        assert app.asked_again() is None


def test_a_token_that_was_taken_away_meanwhile_is_known_no_more(
    gateway: Gateway, tmp_path: Path
) -> None:
    path = tmp_path / "tokens.json"
    token = issue(path, tenant=TENANT)
    gateway.tokens["good"] = token
    app = create_app(gateway.world.service, Callers.load(path), gateway.world.trust.to_json())
    meaning = app.asked_again()
    assert meaning is not None
    known = meaning(gateway.plain(QUESTION).scope())
    assert known is not None

    async def twice() -> list[Answered | None]:
        first = await known.answer(QUESTION)
        path.unlink()
        issue(path, tenant=TENANT)
        return [first, await known.answer(QUESTION)]

    first, second = asyncio.run(twice())
    assert first is not None
    assert second is None


def test_whoever_has_too_much_open_is_refused_as_ever(gateway: Gateway) -> None:
    meaning = gateway.app.asked_again()
    assert meaning is not None
    known = meaning(gateway.plain(QUESTION).scope())
    assert known is not None

    async def flood() -> list[Answered | None]:
        return await asyncio.gather(
            *[known.answer(QUESTION) for _ in range(limits.MAX_IN_FLIGHT + 5)]
        )

    for _ in range(2):  # all rooms were given back
        found = asyncio.run(flood())
        assert found.count(None) == 5
        assert {said.status for said in found if said is not None} == {200}
