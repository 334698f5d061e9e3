"""Promise 1 over the pack: hide, null, mistype or garble a fact, and no gate opens.

For every permitted question of the pack's examples each fact is damaged in each way; for
every refused question each fact is hidden. No engine may permit what the definition does
not permit on the fit facts, and no refusal may become a permit.
"""

import asyncio
from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Any, cast

import pytest

from dsl.core import FactType, Kind
from dsl.evaluate import evaluate
from dsl.facts import Question, settle_all
from gateway.errors import EngineError
from gateway.pdp.engine import Engine
from gateway.pdp.engine_cedar import CedarEngine
from gateway.pdp.engine_opa import OpaEngine
from gateway.pdp.engine_rego import RegoEngine
from tests.opa import run_opa
from tests.pack import pack, pack_cases

ABSENT = object()

GARBLED: dict[Kind, tuple[Any, ...]] = {
    Kind.TRUTH: (None, "true", 1, 0, [], ["yes"], {}),
    Kind.TERM: (None, "", "no-such-term", 7, True, ["EEA"], {}, "\ufeffDE"),
    Kind.TERMS: (None, "DE", [], ["no-such-term"], ["DE", 7], [["DE"]], [None], {}, True),
    Kind.INTEGER: (None, "30", 30.5, True, [30], 2**53, -(2**60), {}),
    Kind.DAY: (None, "2026-03-01", 20_000.5, True, [20_000], 2_932_897, -719_163, {}),
}


def damaged(question: Question) -> Iterator[tuple[str, Question]]:
    """Each fact hidden and garbled, one at a time, with what was done."""
    for path in question.facts:
        rest = {other: value for other, value in question.facts.items() if other != path}
        yield f"{path} hidden", replace(question, facts=rest)
        fact = pack().program.facts[path]
        for value in GARBLED[fact.kind]:
            if value == [] and fact.may_be_empty:
                continue  # "none" is something to know
            yield f"{path} = {value!r}", replace(question, facts={**question.facts, path: value})


def reference_permits(question: Question) -> bool:
    facts = settle_all(pack().program.facts, cast("dict[str, object]", question.facts))
    return evaluate(pack().program, replace(question, facts=facts)).permits


ASKED = {
    repr(question): question
    for question in [*(v.question for v in pack().vectors), *(c.question for c in pack_cases())]
}
PERMITTED = [question for question in ASKED.values() if reference_permits(question)]
REFUSED = [v.question for v in pack().vectors if not v.answer.permits]


def _engines() -> Generator[tuple[str, Engine]]:
    yield "cedar", CedarEngine(pack().program)
    yield "rego", RegoEngine(pack().program)


@pytest.fixture(params=["cedar", "rego", "opa"])
def engine(request: pytest.FixtureRequest) -> Generator[Engine]:
    if request.param == "opa":
        with run_opa(pack().opa_tarball()) as server:
            yield OpaEngine(pack().program, host=server.host, port=server.port, timeout_s=5)
        return
    yield dict(_engines())[str(request.param)]


async def _permits(engine: Engine, question: Question) -> bool:
    try:
        return (await engine.ask(question)).permits
    except EngineError:
        return False  # an error is told, and never a permit


def _wrongly_permitted(engine: Engine, asked: list[tuple[str, Question]]) -> list[str]:
    async def ask() -> list[str]:
        try:
            return [
                f"{done}: {question.action} {dict(question.facts)}"
                for done, question in asked
                if await _permits(engine, question) and not reference_permits(question)
            ]
        finally:
            await engine.close()

    return asyncio.run(ask())


def test_there_is_enough_to_damage() -> None:
    # The properties below would hold of nothing at all.
    assert len(PERMITTED) >= 5
    assert len(REFUSED) >= 20
    assert sum(1 for question in PERMITTED for _ in damaged(question)) >= 300


def test_no_engine_permits_a_damaged_question_that_the_definition_refuses(engine: Engine) -> None:
    asked = [case for question in PERMITTED for case in damaged(question)]
    assert _wrongly_permitted(engine, asked) == []


def test_hiding_or_garbling_a_fact_of_a_refused_question_never_permits(engine: Engine) -> None:
    asked = [case for question in REFUSED for case in damaged(question)]
    assert _wrongly_permitted(engine, asked[:: max(1, len(asked) // 3000)]) == []


def test_the_definition_permits_no_damaged_question_that_was_refused() -> None:
    asked = [case for question in REFUSED for case in damaged(question)]
    assert [done for done, question in asked if reference_permits(question)] == []


@pytest.mark.parametrize("kind", list(Kind))
def test_garbled_values_are_unfit_for_every_fact_of_their_kind(kind: Kind) -> None:
    facts: list[FactType] = [f for f in pack().program.facts.values() if f.kind is kind]
    if kind is not Kind.DAY:
        assert facts  # the pack has facts of every kind but perhaps a date
    for fact in facts:
        for value in GARBLED[kind]:
            open_vocabulary = fact.values is None and value in ("no-such-term", ["no-such-term"])
            if open_vocabulary or (fact.values is None and value == "\ufeffDE"):
                continue
            if value == [] and fact.may_be_empty:
                continue
            assert settle_all({fact.path: fact}, {fact.path: value}) == {}, (fact.path, value)
