"""The same key and question give the recorded decision again; another question, another
caller and another tenant never do; and no crash leaves two records for one key."""

import asyncio
import http.client
import json
import random
import signal
import threading
import time
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from gateway.callers import Caller
from gateway.ledger import once
from gateway.web.entrance import RefusedError
from gateway.web.idempotency import KEPT_S, MAX_KEY, key_of
from tests.gateway.ledger.test_durability import Connections
from tests.gateway.serving import Served, prepare, restart
from tests.gateway.web.test_public import Client
from tests.gateway.world import World, body, question, run
from tests.gateway_process import start_gateway, stop

SEED = 20261122
KEY = {"idempotency-key": '"k-1"'}


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    with World(tmp_path) as made_world:
        yield made_world


@pytest.fixture
def client(world: World, tmp_path: Path) -> Client:
    return Client(world, tmp_path)


def put(
    client: Client, asked: object, key: str | None = "k-1", path: str = "/v1/decisions"
) -> tuple[int, Any]:
    headers = {} if key is None else {"idempotency-key": f'"{key}"'}
    sent = json.dumps(asked).encode()
    status, said, data = run(client.send("POST", path, sent, headers))
    assert status == 200 or said["content-type"] == "application/problem+json"
    return status, json.loads(data)


def slug(document: Any) -> str:
    return document["type"].rpartition("/")[2]


def without_proof(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "proof"}


# --- again ---------------------------------------------------------------------------


def test_the_same_question_again_is_the_recorded_decision_byte_for_byte_but_its_proof(
    world: World, client: Client
) -> None:
    first = run(client.send("POST", "/v1/decisions", body(), KEY))[2]
    put(client, question(), None)  # the log has grown
    world.clock.now += timedelta(minutes=5)
    again = run(client.send("POST", "/v1/decisions", body(), KEY))[2]
    end = b',"proof":'
    assert again.partition(end)[0] == first.partition(end)[0]
    assert again != first  # a proof against the newest checkpoint
    assert world.ledger.size == 2
    for answer in (first, again):
        assert world.verify(json.loads(answer), question())["id"] == json.loads(first)["id"]


def test_the_same_question_in_another_spelling_is_the_same(world: World, client: Client) -> None:
    _, first = put(client, question())
    turned = json.dumps(dict(reversed(question().items())), indent=3).encode()
    status, _, again = run(client.send("POST", "/v1/decisions", turned, KEY))
    assert (status, json.loads(again)["id"]) == (200, first["id"])
    assert world.ledger.size == 1


def test_without_a_key_each_question_is_a_decision_of_its_own(world: World, client: Client) -> None:
    ids = {put(client, question(), None)[1]["id"] for _ in range(3)}
    ids |= {put(client, question(), key)[1]["id"] for key in ("a", "b")}
    assert len(ids) == world.ledger.size == 5


@pytest.mark.parametrize(
    "changes", [{"resource__id": "far"}, {"context__transfer__age": 11}, {"context": {}}]
)
def test_a_key_that_stands_for_another_question_is_422_and_nothing_is_recorded(
    world: World, client: Client, changes: dict[str, Any]
) -> None:
    put(client, question())
    status, said = put(client, question(**changes))
    assert (status, slug(said)) == (422, "idempotency-key-reused")
    assert world.ledger.size == 1
    assert put(client, question())[0] == 200


def test_the_same_question_at_another_door_is_another(world: World, client: Client) -> None:
    put(client, {"questions": [question()]}, path="/v1/decisions/batch")
    status, said = put(client, question())
    assert (status, slug(said)) == (422, "idempotency-key-reused")
    assert world.ledger.size == 1


@pytest.mark.parametrize("malformed", [question(action__name="fly"), {"x": 1}, [], "x"])
def test_a_question_that_is_refused_uses_up_no_key(
    world: World, client: Client, malformed: object
) -> None:
    assert put(client, malformed)[0] == 422
    assert world.ledger.size == 0
    assert put(client, question())[0] == 200
    assert put(client, malformed)[1]["type"].endswith("idempotency-key-reused")


def test_a_key_is_free_again_after_24_hours_and_not_before(world: World, client: Client) -> None:
    _, first = put(client, question())
    world.clock.now += timedelta(seconds=KEPT_S - 1)
    assert put(client, question())[1]["id"] == first["id"]
    world.clock.now += timedelta(seconds=1)
    _, second = put(client, question(resource__id="far"))
    assert second["id"] != first["id"]
    assert put(client, question(resource__id="far"))[1]["id"] == second["id"]
    assert world.ledger.size == 2


# --- batches -------------------------------------------------------------------------

BATCH = "/v1/decisions/batch"


def test_a_batch_again_has_the_same_decisions_and_the_same_problems(
    world: World, client: Client
) -> None:
    asked = {"questions": [question(), question(action__name="fly"), question(resource__id="far")]}
    _, first = put(client, asked, path=BATCH)
    status, again = put(client, asked, path=BATCH)
    assert status == 200
    assert list(map(without_proof, again["answers"])) == list(map(without_proof, first["answers"]))
    assert [slug(one) for one in again["answers"] if "type" in one] == ["unknown-action"]
    assert world.ledger.size == 2


@pytest.mark.parametrize(
    "questions",
    [
        [question()],
        [question(), question(), question()],
        [question(), question(action__name="flee")],
        [question(action__name="fly"), question()],
    ],
)
def test_another_batch_under_the_key_is_422(
    world: World, client: Client, questions: list[Any]
) -> None:
    asked = [question(), question(action__name="fly")]
    put(client, {"questions": asked}, path=BATCH)
    status, said = put(client, {"questions": questions}, path=BATCH)
    assert (status, slug(said)) == (422, "idempotency-key-reused")
    assert world.ledger.size == 1


def test_a_batch_of_the_deepest_questions_has_a_key_too(world: World, client: Client) -> None:
    deep: Any = 1
    for _ in range(31):
        deep = [deep]
    status, said = put(client, {"questions": [question(), deep]}, path=BATCH)
    assert (status, slug(said["answers"][1])) == (200, "malformed-question")
    assert (
        put(client, {"questions": [question(), deep]}, path=BATCH)[1]["answers"][1]
        == (said["answers"][1])
    )
    assert world.ledger.size == 1


# --- whose key -----------------------------------------------------------------------


def test_a_key_is_its_callers_own(world: World) -> None:
    from gateway.web.idempotency import Asked, Repeats

    callers = [Caller("a", "clinic-a"), Caller("b", "clinic-a"), Caller("a", "clinic-b")]

    async def ask(caller: Caller, value: object) -> bytes:
        async def decide(asked: Asked) -> list[bytes]:
            prepared = await world.service.prepare(value, caller)
            return await world.service.commit_texts([prepared], once=asked.leads_to([prepared]))

        (answer,) = await Repeats(world.service).answers("k", "/", value, caller, decide)
        return answer

    first = [json.loads(run(ask(caller, question())))["id"] for caller in callers]
    assert len(set(first)) == world.ledger.size == 3
    assert [json.loads(run(ask(caller, question())))["id"] for caller in callers] == first
    # Nor can another tell by a refusal that the key is used.
    run(ask(callers[0], question()))
    for caller in (Caller("c", "clinic-a"), Caller("b", "clinic-b")):
        run(ask(caller, question(resource__id="far")))


def test_a_tenant_that_has_used_up_its_keys_is_told_so(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_full(*_: object) -> bool:
        return True

    monkeypatch.setattr(once.Book, "_is_full", is_full)
    status, said = put(client, question())
    assert (status, slug(said)) == (429, "too-many-idempotency-keys")
    assert said["retry_after_ms"] > 0
    assert world.ledger.size == 0
    assert put(client, question(), None)[0] == 200


# --- the header ----------------------------------------------------------------------


def request(*values: str) -> Request:
    headers = [(b"idempotency-key", value.encode("latin-1")) for value in values]
    return Request({"type": "http", "headers": headers})


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ('"a"', "a"),
        (' "a b" ', "a b"),
        (r'"a\"b\\c"', r"a\"b\c".replace('\\"', '"')),
        ('"8e03978e-40d5-43dd-bc93-6894a57f9324"', "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        (f'"{"k" * MAX_KEY}"', "k" * MAX_KEY),
    ],
)
def test_a_string_in_quotes_is_a_key(header: str, key: str) -> None:
    assert key_of(request(header)) == key


def test_a_request_without_the_header_has_no_key() -> None:
    assert key_of(request()) is None


@pytest.mark.parametrize(
    "values",
    [
        ("",), ("a",), ("8e03978e-40d5-43dd-bc93-6894a57f9324",), ('""',), ('"a',), ('a"',),
        ("'a'",), ('"a"b"',), ('"a\\b"',), ('"a\\"',), ('"\t"',), ('"\x7f"',), ('"é"',),
        (f'"{"k" * (MAX_KEY + 1)}"',), ('"a", "b"',), ('"a"', '"a"'), ('"a";p=1',), ("?1",),
        (":YQ==:",), ("1",), ('("a")',), ('"a" "b"',),
    ],
)  # fmt: skip
def test_what_is_no_string_in_quotes_is_no_key(values: tuple[str, ...]) -> None:
    with pytest.raises(RefusedError) as caught:
        key_of(request(*values))
    assert caught.value.problem is not None
    assert caught.value.problem.slug == "malformed-idempotency-key"


# --- at once -------------------------------------------------------------------------


def test_while_the_first_runs_a_second_is_409_and_is_answered_afterwards(
    world: World, client: Client
) -> None:
    async def both() -> list[int]:
        sent = [client.send("POST", "/v1/decisions", body(), KEY) for _ in range(8)]
        sent.append(client.send("POST", "/v1/decisions", body(resource__id="far"), KEY))
        return [status for status, _, _ in await asyncio.gather(*sent)]

    assert sorted(run(both())) == [200] + [409] * 7 + [422]
    assert world.ledger.size == 1
    assert put(client, question())[0] == 200
    assert world.ledger.size == 1


def test_whoever_stops_waiting_leaves_one_record_and_finds_it(world: World, client: Client) -> None:
    async def cancelled(after: int) -> None:
        asking = asyncio.create_task(client.send("POST", BATCH, sent, KEY))
        for _ in range(after):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await asyncio.sleep(0.05)

    asked = {"questions": [question(), question(resource__id="far")]}
    sent = json.dumps(asked).encode()
    for after in range(1, 120, 7):
        run(cancelled(after))
    status, answer = put(client, asked, path=BATCH)
    assert (status, len(answer["answers"])) == (200, 2)
    assert world.ledger.size == 2


def test_after_an_append_that_failed_the_same_key_gives_one_entry(tmp_path: Path) -> None:
    connections = Connections()
    with World(tmp_path, connect=connections) as world:
        client = Client(world, tmp_path)
        (pages,) = connections[0].execute("PRAGMA page_count").fetchone()
        connections[0].execute(f"PRAGMA max_page_count={pages}")
        said = [put(client, question(), f"fill-{number}") for number in range(40)]
        (size, refused) = next((n, one) for n, one in enumerate(said) if one[0] != 200)
        assert (refused[0], slug(refused[1])) == (503, "ledger-unavailable")
        assert world.ledger.size == sum(status == 200 for status, _ in said)
        connections[0].execute("PRAGMA max_page_count=1000000")
        before = world.ledger.size
        ids = {put(client, question(), f"fill-{size}")[1]["id"] for _ in range(3)}
        assert (len(ids), world.ledger.size) == (1, before + 1)


# --- a real process ------------------------------------------------------------------


class Asking:
    """Callers that ask under keys of their own until nobody answers."""

    def __init__(self, running: Served, number: int, callers: int = 4) -> None:
        self.answers: dict[str, dict[str, Any]] = {}
        self.tried: set[str] = set()
        self._running = running
        self._number = number
        self._threads = [threading.Thread(target=self._ask, args=(c,)) for c in range(callers)]
        for thread in self._threads:
            thread.start()

    def _ask(self, caller: int) -> None:
        for number in range(10_000):
            key = f"{self._number}-{caller}-{number}"
            self.tried.add(key)
            try:
                reply = under(self._running, key)
            except (OSError, http.client.HTTPException, json.JSONDecodeError):
                return
            assert reply[0] == 200
            self.answers[key] = reply[1]

    def end(self) -> None:
        for thread in self._threads:
            thread.join(15)
            assert not thread.is_alive()


def under(running: Served, key: str) -> tuple[int, Any]:
    reply = running.ask(question(), Idempotency_Key=f'"{key}"')
    return reply.status, reply.json


def test_after_sigkill_under_load_every_key_has_one_record(tmp_path: Path) -> None:
    tokens = prepare(tmp_path)
    where = ("--policies", str(tmp_path / "policies"))
    gateway = start_gateway(tmp_path / "state", *where, token=tokens["own"])
    served = Served(gateway, tmp_path / "policies", **tokens)
    pauses = random.Random(SEED)  # noqa: S311 - a test wants it repeatable
    tried: set[str] = set()
    kept: dict[str, dict[str, Any]] = {}
    try:
        for number in range(2):
            asking = Asking(served, number)
            time.sleep(pauses.uniform(0.4, 0.8))
            served.gateway.process.send_signal(signal.SIGKILL)
            stop(served.gateway)
            asking.end()
            assert len(asking.answers) > 5
            tried |= asking.tried
            kept |= asking.answers
            served = Served(restart(served), served.policies, **tokens)
        assert len(tried) > len(kept), "killed in no question"
        for key in sorted(tried):
            status, again = under(served, key)
            assert status == 200
            if key in kept:
                assert without_proof(again) == without_proof(kept[key])
            served.verify(again, expect_request=question())
        # And the first of the log.
        assert served.size == len(tried) + 1
        key = f'"{min(tried)}"'
        assert served.ask(question(context={}), Idempotency_Key=key).status == 422
        other = served.ask(question(), token=served.other_tenant, Idempotency_Key=key)
        assert (other.status, served.size) == (200, len(tried) + 2)
    finally:
        stop(served.gateway)
