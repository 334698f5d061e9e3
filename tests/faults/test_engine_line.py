"""The line to a process with an engine: what is no question ends the process, and nobody is
answered out of turn."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, cast

import pytest

from dsl.core_json import program_to_json
from dsl.evaluate import Answer, evaluate
from gateway.pdp.child import Child, Confinement
from gateway.pdp.engine_rego import RegoEngine
from gateway.pdp.engine_worker import Worker
from gateway.pdp.frames import framed
from tests.gateway.world import made

PROGRAM = made().program
QUESTION = made().vectors[0].question
ASKED = {"n": 1, "asked": [QUESTION.document()]}

NONSENSE = {
    "no JSON": framed(b"{"),
    "no object": framed(b"[]"),
    "no question": framed(b'{"n": 1}'),
    "no number": framed(json.dumps({"asked": [QUESTION.document()]}).encode()),
    "no list": framed(json.dumps({"n": 1, "asked": QUESTION.document()}).encode()),
    "a question that is none": framed(b'{"n": 1, "asked": [1]}'),
    "too long": b"\xff\xff\xff\xff",
    "deep": framed(b"[" * 100_000),
}


@pytest.mark.parametrize("engine", ["rego", "reference"])
@pytest.mark.parametrize("name", NONSENSE)
def test_what_is_no_question_ends_the_process(name: str, engine: str) -> None:
    async def say() -> str:
        child = await Child.launch(engine, program_to_json(PROGRAM), Confinement())
        try:
            child._send(NONSENSE[name])  # pyright: ignore[reportPrivateUsage]
            return await asyncio.wait_for(child.ended, 5)
        finally:
            await child.end()

    assert asyncio.run(say()).startswith("exit code")


class Listening(Child):
    """Notes the numbers of all replies."""

    def __init__(self, name: str, given: Confinement) -> None:
        super().__init__(name, given)
        self.numbers: list[object] = []

    def _heard(self, said: Mapping[str, object]) -> None:
        if "n" in said:
            self.numbers.append(said["n"])
        else:
            super()._heard(said)


@pytest.mark.parametrize("engine", ["rego", "cedar", "reference"])
def test_questions_in_pieces_and_several_in_one_are_answered_in_order(engine: str) -> None:
    async def ask() -> list[object]:
        child = await Listening.launch(engine, program_to_json(PROGRAM), Confinement())
        assert isinstance(child, Listening)
        numbers = child.numbers
        frames = b"".join(framed(json.dumps({**ASKED, "n": n}).encode()) for n in range(6))
        try:
            for at in range(0, len(frames), 700):
                child._send(frames[at : at + 700])  # pyright: ignore[reportPrivateUsage]
                await asyncio.sleep(0.01)
            async with asyncio.timeout(5):
                while len(numbers) < 6:  # noqa: ASYNC110 - there is nothing to be told by
                    await asyncio.sleep(0.01)
            return list(numbers)
        finally:
            await child.end()

    assert asyncio.run(ask()) == list(range(6))


# --- at once or in turn --------------------------------------------------------------


def test_regopy_answers_at_once_where_nothing_else_has_work_in_its_process() -> None:
    async def ask() -> Answer:
        engine = RegoEngine(PROGRAM, alone=True)
        assert engine.at_once is not None
        return engine.at_once(QUESTION)

    assert asyncio.run(ask()) == evaluate(PROGRAM, QUESTION)


def test_beside_others_it_never_does() -> None:
    assert RegoEngine(PROGRAM).at_once is None


def test_while_a_module_is_made_a_question_waits_its_turn() -> None:
    async def ask() -> tuple[object, object, dict[str, object]]:
        engine = RegoEngine(PROGRAM, alone=True)
        worker = Worker(engine, PROGRAM)
        async with engine.turn():  # as for a module
            during = worker.reply_at_once(ASKED)
            waiting = asyncio.create_task(worker.reply(ASKED))
            await asyncio.sleep(0.01)
            assert not waiting.done()
        waited = await waiting
        return during, worker.reply_at_once(ASKED), waited

    during, after, waited = asyncio.run(ask())
    assert during is None
    assert after == waited


def test_a_fault_at_once_is_told_as_one_in_turn() -> None:
    async def ask() -> tuple[dict[str, object] | None, dict[str, object]]:
        worker = Worker(RegoEngine(PROGRAM, alone=True), PROGRAM)
        unfit = {"n": 1, "asked": [{**QUESTION.document(), "facts": {"destination.open": "yes"}}]}
        return worker.reply_at_once(unfit), await worker.reply(unfit)

    at_once, in_turn = asyncio.run(ask())
    assert at_once is not None
    assert at_once == in_turn
    assert at_once.keys() == {"n", "replies"}
    assert [one.keys() for one in cast("Any", at_once["replies"])] == [{"wrong"}]
