"""Questions of a batch take turns: together while nobody else is there, and else one by one."""

import asyncio
from collections import Counter
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from gateway.errors import ClockError, LedgerError
from gateway.service import Prepared
from gateway.web.batch import TOGETHER, in_turns
from gateway.web.problem import Problem
from gateway.web.turns import PASSES, Turns
from tests.gateway.world import CALLER, NOW, World, question, run

SIZE = 400


class Batch:
    """A batch of one service, and in which pass of the loop each of its questions is decided."""

    def __init__(self, world: World, turns: Turns) -> None:
        self.world = world
        self.turns = turns
        self.passed = 0
        self.decided: list[int] = []
        world.service.clock = self._now

    def _now(self) -> datetime:
        self.decided.append(self.passed)
        return NOW

    async def put(self, *asked: object) -> list[Prepared | Problem]:
        task = asyncio.create_task(
            in_turns(self.world.service, self.turns, asked, CALLER, size=SIZE, plain=True)
        )
        while not task.done():
            await asyncio.sleep(0)
            self.passed += 1
        return task.result()


def test_questions_of_a_tenant_alone_are_decided_some_at_a_time(tmp_path: Path) -> None:
    async def ask() -> None:
        with World(tmp_path) as world:
            batch = Batch(world, Turns())
            await batch.put(question())  # from now on it is remembered
            batch.decided.clear()
            said = await batch.put(*[question()] * 25)
            assert [type(one) for one in said] == [Prepared] * 25
            assert len({one.id for one in said if isinstance(one, Prepared)}) == 25
            # Never more in a pass, so that others get theirs.
            assert max(Counter(batch.decided).values()) == TOGETHER
            assert len(set(batch.decided)) == -(-25 // TOGETHER)

    run(ask())


def test_beside_another_tenant_they_are_decided_one_at_a_time(tmp_path: Path) -> None:
    async def ask() -> None:
        with World(tmp_path) as world:
            batch = Batch(world, Turns())
            await batch.put(question())
            batch.decided.clear()
            other = batch.turns.enter("another", SIZE)
            said = await batch.put(*[question()] * 6)
            batch.turns.leave("another", other)
            assert len(said) == 6
            apart = [later - before for before, later in pairwise(batch.decided)]
            assert min(apart) >= PASSES > 1

    run(ask())


def test_a_tenant_that_comes_while_they_are_decided_is_next(tmp_path: Path) -> None:
    async def ask() -> None:
        with World(tmp_path) as world:
            batch = Batch(world, Turns(limit=1, at_most=1))
            await batch.put(question())
            batch.decided.clear()
            seen: list[int] = []

            async def come() -> None:
                while not batch.decided:  # noqa: ASYNC110 - passes are what is counted
                    await asyncio.sleep(0)
                async with batch.turns.one("another", SIZE):
                    seen.append(len(batch.decided))

            other = asyncio.create_task(come())
            await batch.put(*[question()] * 40)
            await other
            assert seen[0] <= 3 * TOGETHER

    run(ask())


def test_the_turn_is_given_back_whatever_becomes_of_a_question(tmp_path: Path) -> None:
    async def ask() -> None:
        with World(tmp_path) as world:
            turns = Turns(limit=1, at_most=1)
            batch = Batch(world, turns)
            said = await batch.put(question(), "none", question(action__name="fly"), question())
            assert [type(one) for one in said] == [Prepared, Problem, Problem, Prepared]
            for number, one in enumerate(said):
                if isinstance(one, Problem):
                    assert one.pointer is None or one.pointer.startswith(f"/questions/{number}")

            def fail() -> datetime:
                raise ClockError("nobody knows the day")

            world.service.clock = fail
            assert [type(one) for one in await batch.put(question(), question())] == [Problem] * 2
            mine = turns.enter("another", SIZE)
            assert mine.called
            turns.leave("another", mine)

    run(ask())


def test_an_error_that_is_none_of_a_question_ends_the_batch_and_its_turn(tmp_path: Path) -> None:
    async def ask() -> None:
        with World(tmp_path) as world:
            turns = Turns(limit=1, at_most=1)
            batch = Batch(world, turns)

            def fail() -> datetime:
                raise LedgerError("something of ours")

            world.service.clock = fail
            (error,) = await asyncio.gather(batch.put(question()), return_exceptions=True)
            assert isinstance(error, LedgerError)
            mine = turns.enter("another", SIZE)
            assert mine.called

    run(ask())


def test_a_turn_that_does_not_come_is_told_in_the_place_of_its_question(tmp_path: Path) -> None:
    async def ask() -> None:
        with World(tmp_path) as world:
            turns = Turns(limit=1, at_most=1, timeout_s=0.01)
            batch = Batch(world, turns)
            held = turns.enter(CALLER.tenant, SIZE)
            said = await batch.put(question(), question())
            assert [one.status for one in said if isinstance(one, Problem)] == [503, 503]
            assert batch.decided == []
            turns.leave(CALLER.tenant, held)
            assert [type(one) for one in await batch.put(question())] == [Prepared]

    run(ask())
