"""An engine that answers without waiting is believed no more than any other, and keeps
nobody from asking those that work elsewhere first."""

import asyncio
from collections.abc import Callable

import pytest

from dsl.evaluate import Answer, evaluate
from dsl.facts import Question
from gateway.errors import EngineAnswerError, EngineUnavailableError, OverloadedError
from gateway.pdp.combine import Combined, IncidentKind, ask_all
from gateway.pdp.engine import Engine
from gateway.pdp.health import FAILURES, Guarded
from tests import corpus
from tests.gateway.world import made

PROGRAM = corpus.PROGRAMS["holds"]
PERMITTED = Question("place", {"transfer.encrypted": False}, {})
RIGHT = evaluate(PROGRAM, PERMITTED)
WRONG = evaluate(PROGRAM, Question("place", {}, {}))


class Panic(BaseException):
    """As pyo3 tells of a panic in Rust."""


class Here:
    """Answers at once, what it is told to."""

    name = "here"

    def __init__(self, told: Answer | BaseException = RIGHT) -> None:
        self.told = told
        self.log: list[str] = []

    def at_once(self, question: Question) -> Answer:
        self.log.append("here")
        if isinstance(self.told, BaseException):
            raise self.told
        return self.told

    async def ask(self, question: Question) -> Answer:
        return self.at_once(question)

    async def close(self) -> None:
        """Nothing to close."""


class Elsewhere:
    """Begins at once, and answers when it is told to."""

    name = "elsewhere"

    def __init__(self, log: list[str] | None = None) -> None:
        self.log = [] if log is None else log
        self.cancelled = False
        self.answered = asyncio.Event()

    async def ask(self, question: Question) -> Answer:
        self.log.append("elsewhere")
        try:
            await self.answered.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return RIGHT

    async def close(self) -> None:
        """Nothing to close."""


def asked(*engines: Engine, timeout_s: float | None = None) -> Combined:
    return asyncio.run(ask_all(engines, PERMITTED, timeout_s=timeout_s))


def test_whoever_works_elsewhere_has_begun_before_the_answer_that_takes_this_thread() -> None:
    async def whole() -> tuple[Combined, list[str]]:
        here = Here()
        other = Elsewhere(here.log)
        other.answered.set()
        return await ask_all([here, other], PERMITTED), here.log

    combined, log = asyncio.run(whole())
    assert combined.answer == RIGHT
    assert log == ["elsewhere", "here"]
    assert list(combined.answers) == ["here", "elsewhere"]  # in the order of the engines


@pytest.mark.parametrize("first", [True, False])
def test_an_answer_that_differs_is_an_incident_whichever_is_asked_first(first: bool) -> None:
    async def whole() -> Combined:
        other = Elsewhere()
        other.answered.set()
        here = Here(WRONG)
        return await ask_all([here, other] if first else [other, here], PERMITTED)

    combined = asyncio.run(whole())
    assert combined.answer is None
    assert combined.incident is not None
    assert combined.incident.kind is IncidentKind.DISAGREEMENT


@pytest.mark.parametrize(
    "fault", [ZeroDivisionError("secret"), Panic("secret"), EngineAnswerError("here", "odd")]
)
def test_a_fault_of_it_is_no_answer_and_repeats_nothing(fault: BaseException) -> None:
    combined = asked(Here(fault))
    assert combined.answer is None
    assert combined.incident is not None
    assert "secret" not in combined.incident.description
    assert combined.incident.description.startswith("here: ")


def test_without_room_it_is_overload_and_no_incident() -> None:
    with pytest.raises(OverloadedError):
        asked(Here(OverloadedError("full")))


def test_one_that_does_not_answer_elsewhere_is_no_permit_though_the_other_has_one() -> None:
    combined = asked(Here(), Elsewhere(), timeout_s=0.02)
    assert combined.answer is None
    assert combined.incident is not None
    assert combined.incident.description == "elsewhere: no answer within 0.02 s"


@pytest.mark.parametrize("turns", [1, 2, 5])
def test_whoever_gives_up_takes_the_question_elsewhere_with_it(turns: int) -> None:
    async def whole() -> bool:
        other = Elsewhere()
        task = asyncio.create_task(ask_all([Here(), other], PERMITTED))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.01)
        return other.cancelled or not other.log

    assert asyncio.run(whole())


def test_an_interrupt_ends_all_of_it() -> None:
    with pytest.raises(KeyboardInterrupt):
        asked(Here(KeyboardInterrupt()), Elsewhere())


# --- guarded -------------------------------------------------------------------------


def guarded(engine: Here, work: Callable[[Guarded], None]) -> None:
    async def whole() -> None:
        one = Guarded(engine, made().vectors)
        try:
            await ask_all([one], PERMITTED)  # opens it
            work(one)
        finally:
            await one.close()

    asyncio.run(whole())


def test_guarded_it_answers_at_once_while_it_is_believed() -> None:
    def work(one: Guarded) -> None:
        assert one.at_once is not None
        assert one.at_once(PERMITTED) == RIGHT

    guarded(Here(), work)


def test_one_that_is_down_is_not_asked_at_once_either() -> None:
    here = Here()

    def work(one: Guarded) -> None:
        for _ in range(FAILURES):
            one.heard(EngineUnavailableError("here", "gone"), is_disputed=False)
        assert one.down is not None
        assert one.at_once is None

    guarded(here, work)


def test_one_that_nobody_has_opened_waits_for_its_start() -> None:
    assert Guarded(Here(), made().vectors).at_once is None


def test_what_is_down_gives_no_answer_though_it_could() -> None:
    async def whole() -> tuple[Combined, list[str]]:
        here = Here()
        one = Guarded(here, made().vectors)
        try:
            await ask_all([one], PERMITTED)
            here.log.clear()
            for _ in range(FAILURES):
                one.heard(EngineUnavailableError("here", "gone"), is_disputed=False)
            return await ask_all([one], PERMITTED), here.log
        finally:
            await one.close()

    combined, log = asyncio.run(whole())
    assert combined.answer is None
    assert log == []
