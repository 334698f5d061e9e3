"""The worst that the compiler can emit and a question can hold, put to Cedar and to regopy in
processes of their own, where a crash or a hang is seen and does no harm.

Cedar runs in the gateway's own process by default, so this is the test behind that default.
"""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace

import pytest

from dsl.build_condition import MAX_DEPTH
from dsl.core import And, Condition, Holds, OneOf, Or, Program, Within
from dsl.core_read import MAX_DEPTH as MAX_CORE_DEPTH
from dsl.evaluate import Answer, evaluate
from dsl.facts import MAX_TERM_LENGTH, MAX_TERMS, Question, Value
from dsl.vocabularies import MAX_VALUES
from gateway.errors import EngineError
from gateway.pdp.child import Confinement
from gateway.pdp.engine_child import ChildEngine
from tests import corpus

PROGRAM = corpus.PROGRAMS["exceptions"]
DAYS = {"Europe/Brussels": 20_000, "Europe/Tallinn": 20_000}
FACTS: dict[str, Value] = {
    "data.labels": ("health", "personal", "special-category"),
    "destination.countries": ("DE",),
    "transfer.mechanism": "scc-m2",
    "transfer.encrypted": True,
}


def also(condition: Condition) -> Program:
    """The program with one more way for each rule to apply."""
    rules = (replace(rule, formula=Or((rule.formula, condition))) for rule in PROGRAM.rules)
    return replace(PROGRAM, rules=tuple(rules))


def nested(depth: int) -> Condition:
    condition: Condition = Holds("transfer.encrypted")
    for level in range(depth):
        kind = And if level % 2 else Or
        condition = kind((condition, OneOf("transfer.mechanism", ("scc-m2",))))
    return condition


def wide(count: int) -> Condition:
    """A set of all values a vocabulary can have, and as many conditions."""
    values = tuple(f"value-{number:04d}" for number in range(count))
    return Or(tuple(OneOf("transfer.mechanism", (value,)) for value in values[:300]))


def asked(
    program: Program, questions: Iterable[dict[str, Value]], name: str
) -> list[tuple[Answer | str, float]]:
    """What an engine says to each, or in what way it fails; and how long it took."""

    async def all_of_them() -> list[tuple[Answer | str, float]]:
        engine = ChildEngine(name, program, Confinement(hang_s=15))
        try:
            await engine.open()
            return [await one(engine, facts) for facts in questions]
        finally:
            assert engine.restarts == 0, f"{name} crashed or hung"
            await engine.close()

    async def one(engine: ChildEngine, facts: dict[str, Value]) -> tuple[Answer | str, float]:
        began = time.monotonic()
        try:
            return await engine.ask(Question("place", facts, DAYS)), time.monotonic() - began
        except EngineError as error:
            return error.detail, time.monotonic() - began

    return asyncio.run(all_of_them())


LONG = tuple(f"{number:04d}" + "\U0001f3db" * (MAX_TERM_LENGTH - 4) for number in range(MAX_TERMS))
QUESTIONS: dict[str, dict[str, Value]] = {
    "many long terms": {**FACTS, "destination.site": "x" * MAX_TERM_LENGTH, "data.datasets": LONG},
    "every country at once": {**FACTS, "destination.countries": ("DE", "FR", "US")},
    "no fact at all": {},
    "the largest number": {**FACTS, "training.compute": 2**53 - 1},
    "escapes": {**FACTS, "transfer.mechanism": '"\\u0000\\"})'},
    "lone surrogate": {**FACTS, "transfer.mechanism": "\ud800"},
    "as Cedar's own": {**FACTS, "transfer.mechanism": '{"__entity": {}}'},
}
COUNTRIES = tuple(sorted(PROGRAM.facts["destination.countries"].values or ("DE",)))
PROGRAMS = {
    "as it is": lambda: PROGRAM,
    "as deep as a charter": lambda: also(nested(MAX_DEPTH)),
    "as deep as the core": lambda: also(nested(MAX_CORE_DEPTH - 3)),
    "wide": lambda: also(wide(MAX_VALUES)),
    "a long zone": lambda: also(Within("destination.countries", COUNTRIES)),
}  # fmt: skip


@pytest.mark.parametrize("name", ["cedar", "rego"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_worst_program_crashes_no_engine_and_is_answered_right(program: str, name: str) -> None:
    made = PROGRAMS[program]()
    ((said, took),) = asked(made, [FACTS], name)
    assert said == evaluate(made, Question("place", FACTS, DAYS))
    assert took < 2


@pytest.mark.parametrize("name", ["cedar", "rego"])
def test_the_worst_questions_crash_no_engine_and_permit_nothing_wrongly(name: str) -> None:
    found = asked(PROGRAM, QUESTIONS.values(), name)
    for (question, facts), (said, took) in zip(QUESTIONS.items(), found, strict=True):
        right = evaluate(PROGRAM, Question("place", facts, DAYS))
        assert isinstance(said, str) or said == right, question
        assert not isinstance(said, str) or "its process" not in said, question
        assert took < 2, question
