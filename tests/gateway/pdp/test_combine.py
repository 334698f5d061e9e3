"""Engines are believed together or not at all."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from dsl.core import Not
from dsl.evaluate import Answer, evaluate
from dsl.facts import Question
from gateway.errors import (
    ConfigurationError,
    EngineAnswerError,
    EngineUnavailableError,
    OverloadedError,
)
from gateway.pdp.combine import Combined, IncidentKind, ask_all
from gateway.pdp.engine import Engine
from gateway.pdp.engine_cedar import CedarEngine
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.pdp.engine_rego import RegoEngine
from tests import corpus

PROGRAM = corpus.PROGRAMS["holds"]
OPPOSITE = corpus.PROGRAMS["not-holds"]
PERMITTED = Question("place", {"transfer.encrypted": False}, {})
DENIED = Question("place", {"transfer.encrypted": True}, {})


class Slow:
    """An engine that thinks for a long time and then permits."""

    name = "slow"
    cancelled = False

    async def ask(self, question: Question) -> Answer:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return evaluate(PROGRAM, PERMITTED)

    async def close(self) -> None: ...


class Faulty:
    """An engine with a fault that nobody foresaw."""

    name = "faulty"

    async def ask(self, question: Question) -> Answer:
        raise ZeroDivisionError("secret detail")

    async def close(self) -> None: ...


def combine(*engines: Engine, question: Question = PERMITTED, timeout_s: float = 30) -> Combined:
    async def once() -> Combined:
        try:
            return await ask_all(engines, question, timeout_s=timeout_s)
        finally:
            for engine in engines:
                await engine.close()

    return asyncio.run(once())


@pytest.mark.parametrize("question", [PERMITTED, DENIED, replace(DENIED, facts={})])
def test_engines_that_agree_give_their_answer(question: Question) -> None:
    combined = combine(
        CedarEngine(PROGRAM), RegoEngine(PROGRAM), ReferenceEngine(PROGRAM), question=question
    )
    expected = evaluate(PROGRAM, question)
    assert combined.answer == expected
    assert combined.incident is None
    assert combined.answers == {"cedar": expected, "rego": expected, "reference": expected}


def test_two_engines_that_differ_are_an_incident_that_names_engine_and_rule() -> None:
    combined = combine(ReferenceEngine(PROGRAM), CedarEngine(OPPOSITE))
    assert combined.answer is None
    assert combined.incident is not None
    assert combined.incident.kind is IncidentKind.DISAGREEMENT
    described = combined.incident.description
    assert described.startswith("reference and cedar differ: ")
    assert "only cedar has test.charter/prohibition as denied" in described
    assert "only reference has test.charter/permission as granted" in described


def test_engines_that_refuse_for_different_reasons_differ() -> None:
    doubtful = corpus.program(corpus.permit(), corpus.forbid(Not(corpus.FAVOURABLE)))
    combined = combine(ReferenceEngine(PROGRAM), CedarEngine(doubtful), question=DENIED)
    assert combined.answer is None
    assert combined.incident is not None
    assert "as broken" in combined.incident.description


def test_an_engine_that_takes_too_long_is_cancelled_and_an_incident() -> None:
    slow = Slow()
    combined = combine(ReferenceEngine(PROGRAM), slow, timeout_s=0.05)
    assert combined.answer is None
    assert combined.incident is not None
    assert combined.incident.kind is IncidentKind.ERROR
    assert combined.incident.description == "slow: no answer within 0.05 s"
    assert isinstance(combined.answers["slow"], EngineUnavailableError)
    assert combined.answers["reference"] == evaluate(PROGRAM, PERMITTED)
    assert slow.cancelled


def test_a_fault_of_an_engine_is_an_incident_that_tells_no_detail() -> None:
    combined = combine(Faulty(), ReferenceEngine(PROGRAM))
    assert combined.answer is None
    assert combined.incident is not None
    assert isinstance(combined.answers["faulty"], EngineAnswerError)
    assert combined.incident.description == "faulty: it failed with ZeroDivisionError"


def test_an_error_is_an_incident_though_the_others_agree() -> None:
    mistyped = Question("place", {"transfer.encrypted": "no"}, {})  # type: ignore[dict-item]
    combined = combine(CedarEngine(PROGRAM), RegoEngine(PROGRAM), question=mistyped)
    assert combined.answer is None
    assert combined.incident is not None
    assert combined.incident.kind is IncidentKind.ERROR
    assert combined.incident.description.startswith("cedar: ")


def test_every_engine_that_fails_is_named() -> None:
    combined = combine(Faulty(), Slow(), timeout_s=0.05)
    assert combined.incident is not None
    assert "faulty" in combined.incident.description
    assert "slow" in combined.incident.description


# --- engines that answer one question at a time ---------------------------------------


class OneByOne:
    """An engine with a queue; every answer takes `seconds`."""

    name = "queue"

    def __init__(self, seconds: float, refusal: Exception | None = None) -> None:
        self._seconds = seconds
        self._refusal = refusal
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        if self._refusal is not None:
            raise self._refusal
        async with self._lock:
            yield

    async def ask(self, question: Question) -> Answer:
        await asyncio.sleep(self._seconds)
        return evaluate(PROGRAM, question)

    async def close(self) -> None: ...


def test_waiting_for_a_turn_is_no_part_of_the_time_limit() -> None:
    async def many() -> list[Combined]:
        engine = OneByOne(0.1)
        asked = [ask_all([engine], PERMITTED, timeout_s=0.5) for _ in range(10)]
        return await asyncio.gather(*asked)

    for combined in asyncio.run(many()):
        assert combined.incident is None


def test_an_evaluation_is_still_held_to_the_time_limit() -> None:
    combined = combine(OneByOne(5), timeout_s=0.05)
    assert combined.incident is not None
    assert combined.incident.description == "queue: no answer within 0.05 s"


def test_too_long_a_queue_is_overload_and_no_incident() -> None:
    engines = [ReferenceEngine(PROGRAM), OneByOne(0, OverloadedError("no turn")), Faulty()]
    with pytest.raises(OverloadedError, match="no turn"):
        combine(*engines)


def test_a_queue_that_stands_still_is_an_incident() -> None:
    stuck = OneByOne(0, EngineUnavailableError("queue", "no turn within 1 s"))
    combined = combine(ReferenceEngine(PROGRAM), stuck)
    assert combined.incident is not None
    assert combined.incident.description == "queue: no turn within 1 s"


def test_no_engine_is_a_mistake_of_the_configuration() -> None:
    with pytest.raises(ConfigurationError, match="no policy engine"):
        combine()


def test_two_engines_of_one_name_are_a_mistake_of_the_configuration() -> None:
    with pytest.raises(ConfigurationError, match="same name"):
        combine(ReferenceEngine(PROGRAM), ReferenceEngine(OPPOSITE))


def test_one_engine_is_enough() -> None:
    assert combine(CedarEngine(PROGRAM)).answer == evaluate(PROGRAM, PERMITTED)
