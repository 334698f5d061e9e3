"""A decision that takes too long is refused in time, whatever it is that takes it; it is never
a permit, and under a key it is one record."""

import asyncio
import json
import sqlite3
import threading
import time
from collections.abc import Generator
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import pytest

from dsl.evaluate import Answer, evaluate
from dsl.facts import Question
from gateway.ledger.head import Receipt
from gateway.ledger.interface import Ledger
from gateway.ledger.waiting import Waiting
from tests.gateway.ledger.handed import Queue, answer, receipt
from tests.gateway.web.test_public import Client
from tests.gateway.world import FakeEngine, World, body, program, question, run

LIMIT_S = 0.4


class Disk:
    """Opens connections whose commits take as long as the test says."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.free.set()

    def __call__(self, path: Path) -> sqlite3.Connection:
        free = self.free

        class Slow(sqlite3.Connection):
            def execute(self, sql: str, *arguments: object) -> sqlite3.Cursor:  # type: ignore[override]
                if sql == "COMMIT":
                    free.wait(10)
                return super().execute(sql, *arguments)  # type: ignore[arg-type]

        return sqlite3.connect(path, factory=Slow, isolation_level=None, check_same_thread=False)


@pytest.fixture
def disk() -> Generator[Disk]:
    slow = Disk()
    yield slow
    slow.free.set()


def told(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, str]:
    status, _, data = answer
    return status, json.loads(data).get("type", "").rpartition("/")[2]


def put(client: Client, sent: bytes = b"", path: str = "/v1/decisions", **headers: str) -> Any:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return run(client.send("POST", path, sent or body(), given))


def test_a_disk_that_hangs_is_503_in_time_and_the_record_is_found_later(
    tmp_path: Path, disk: Disk
) -> None:
    with World(tmp_path, connect=disk, timeout_s=LIMIT_S) as world:
        client = Client(world, tmp_path)
        assert put(client)[0] == 200
        disk.free.clear()
        began = perf_counter()
        assert told(put(client, idempotency_key='"k"')) == (503, "decision-timeout")
        assert told(put(client)) == (503, "decision-timeout")
        assert told(put(client, json.dumps({"questions": [question()] * 3}).encode(),
                        "/v1/decisions/batch")) == (503, "decision-timeout")  # fmt: skip
        assert perf_counter() - began < 3 * (LIMIT_S + 0.6)
        # While it hangs, others are told at once that nobody waits for nothing.
        disk.free.set()
        time.sleep(0.3)
        status, _, answer = put(client, idempotency_key='"k"')
        assert status == 200
        world.verify(json.loads(answer), question())
        size = world.ledger.size
        put(client, idempotency_key='"k"')
        assert world.ledger.size == size


def test_engines_that_take_all_the_time_are_503_and_nothing_is_recorded(tmp_path: Path) -> None:
    async def ask(asked: Question) -> Answer:
        await asyncio.sleep(LIMIT_S + 0.1)
        return evaluate(program(), asked)

    with World(tmp_path, engines=[FakeEngine("slow", ask)], timeout_s=LIMIT_S) as world:
        client = Client(world, tmp_path)
        assert told(put(client)) == (503, "decision-timeout")
        assert world.ledger.size == 0
        # The verdict is remembered by now, so that it can be in time.
        assert put(client)[0] == 200


def test_within_the_time_nothing_is_refused(tmp_path: Path) -> None:
    async def ask(asked: Question) -> Answer:
        await asyncio.sleep(0.1)
        return evaluate(program(), asked)

    with World(tmp_path, engines=[FakeEngine("slow", ask)], timeout_s=5) as world:
        assert put(Client(world, tmp_path))[0] == 200


def test_time_that_has_gone_before_counts(tmp_path: Path) -> None:
    with World(tmp_path, timeout_s=LIMIT_S) as world:
        from gateway.errors import DecisionTimeoutError
        from tests.gateway.world import CALLER

        with pytest.raises(DecisionTimeoutError):
            run(world.service.answer(body(), CALLER, perf_counter() - LIMIT_S - 0.01))
        assert world.ledger.size == 0
        run(world.service.answer(body(), CALLER, perf_counter()))


# --- waiting -------------------------------------------------------------------------


def waits_for(waiting: Waiting, queue: Queue, until: float) -> "asyncio.Task[list[Receipt]]":
    entry = ("e", "t", b"x")
    return asyncio.create_task(waiting.append(cast("Ledger", queue), [entry], until))


def test_a_wait_ends_at_its_time_and_those_beside_it_at_theirs() -> None:
    async def several() -> list[object]:
        waiting, queue = Waiting(), Queue()
        at = perf_counter()
        waits = [waits_for(waiting, queue, at + seconds) for seconds in (0.1, 5, 0.3, 5)]
        await asyncio.sleep(0.25)
        assert [wait.done() for wait in waits] == [True, False, False, False]
        answer(queue.taken[1], receipt(1))
        await asyncio.sleep(0.3)
        assert [wait.done() for wait in waits] == [True, True, True, False]
        answer(queue.taken[3], receipt(3))
        answer(queue.taken[0], receipt(0))  # nobody waits for it any more
        return await asyncio.gather(*waits, return_exceptions=True)

    first, second, third, fourth = run(several())
    assert isinstance(first, TimeoutError)
    assert isinstance(third, TimeoutError)
    assert [second, fourth] == [[receipt(1)], [receipt(3)]]
