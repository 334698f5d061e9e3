"""A folded program answers as the whole one to every question of its key, and to no other."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsl.core import InForce, Origin, Program
from dsl.evaluate import Answer, evaluate
from dsl.facts import LAST_DAY, Question
from dsl.fold import paths_read
from dsl.to_rego import rego_policy
from gateway.errors import EngineError
from gateway.pdp import engine_rego, folded
from gateway.pdp.combine import Combined, ask_all
from gateway.pdp.dates import boundaries
from gateway.pdp.engine_cedar import CedarEngine
from gateway.pdp.engine_rego import RegoEngine
from gateway.pdp.folded import Folder, Narrow, Wide, only
from tests import corpus
from tests.agreement import SOME_DAYS, ask, permits, permitted_when_fit
from tests.pack import pack
from tests.strategies import cases

generated = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def stated(program: Program, keep: int) -> Program:
    """The same with some of its facts stated by the catalogue: those that `keep` has bits of."""
    facts = {
        path: replace(fact, origin=Origin.CATALOGUE if keep >> number & 1 else Origin.REQUEST)
        for number, (path, fact) in enumerate(program.facts.items())
    }
    return replace(program, facts=facts)


def check(program: Program, questions: list[Question]) -> int:
    """Put every question to the program of every key that it has; how many could be put."""
    folder = Folder(program)
    made: dict[Wide | Narrow, Program] = {}
    put = 0
    for question in questions:
        keys = folder.keys(question)
        if keys is None:
            continue
        expected = evaluate(program, question)
        for key in (*keys.wide, *([] if keys.narrow is None else [keys.narrow])):
            if key not in made:
                made[key] = folder.program(question, key)
                assert not any(isinstance(a, InForce) for a in made[key].atoms())
            assert evaluate(made[key], question) == expected, question.document()
        put += 1
    return put


@settings(generated, max_examples=15)
@given(cases(), st.integers(0, 2**16))
def test_folding_changes_no_answer(case: tuple[Program, list[Question]], keep: int) -> None:
    program, questions = case
    check(stated(program, keep), questions)


@settings(generated, max_examples=15)
@given(cases(), st.integers(0, 2**16))
def test_one_key_is_one_answer_on_every_day_of_its_stretch(
    case: tuple[Program, list[Question]], keep: int
) -> None:
    program, questions = case[0], case[1][:3]
    everywhere = [
        replace(question, today=dict.fromkeys(question.today, day))
        for question in questions
        for day in SOME_DAYS
    ]
    check(stated(program, keep), everywhere)


@pytest.mark.parametrize("name", corpus.PROGRAMS)
def test_folding_changes_no_answer_of_the_fixed_table(name: str) -> None:
    program = corpus.PROGRAMS[name]
    for keep in (0, 2**16 - 1, 0b0101010101010101, 0b1010101010101010):
        assert check(stated(program, keep), list(corpus.questions(program))[:400])


def test_folding_changes_no_answer_of_the_pack() -> None:
    made = pack()
    questions = [vector.question for vector in made.vectors]
    assert check(made.program, questions) > 100


# --- on the engine -------------------------------------------------------------------


async def _asked(engine: RegoEngine, question: Question) -> list[Answer | EngineError]:
    """What the engine says from its general module, and from the folded one."""
    first = await ask(engine, question)
    begun = engine._folding  # pyright: ignore[reportPrivateUsage]
    if begun is not None:
        await asyncio.wait([begun])
    return [first, await ask(engine, question)]


def both(program: Program, questions: list[Question]) -> Iterator[list[Answer | EngineError]]:
    with asyncio.Runner() as runner:
        engine = RegoEngine(program, queue_timeout_s=30, fold_after=1)
        for question in questions:
            yield runner.run(_asked(engine, question))
        runner.run(engine.close())


def folded_modules(engine: RegoEngine) -> int:
    return sum(len(key) == 4 for key in engine._modules.kept())  # pyright: ignore[reportPrivateUsage]


@settings(generated, max_examples=5)
@given(cases(per_program=5), st.integers(0, 2**16))
def test_regopy_answers_alike_from_the_folded_module(
    case: tuple[Program, list[Question]], keep: int
) -> None:
    program, questions = stated(case[0], keep), case[1]
    for question, said in zip(questions, both(program, questions), strict=True):
        assert said == [evaluate(program, question)] * 2, question.document()


@settings(generated, max_examples=5)
@given(cases(raw=True, per_program=5), st.integers(0, 2**16))
def test_no_folded_module_permits_on_raw_facts(
    case: tuple[Program, list[Question]], keep: int
) -> None:
    program, questions = stated(case[0], keep), case[1]
    for question, said in zip(questions, both(program, questions), strict=True):
        permitted = permitted_when_fit(program, question)
        assert permitted or not any(map(permits, said)), question


# --- what has no key -----------------------------------------------------------------

PROGRAM = pack().program
GOOD = next(v.question for v in pack().vectors if "destination.countries" in v.question.facts)


def test_a_question_of_the_pack_has_a_key() -> None:
    assert Folder(PROGRAM).keys(GOOD) is not None


@pytest.mark.parametrize(
    "value",
    [
        ("XX",),
        ["DE"],
        "DE",
        (),
        ("DE", "AT"),
        (1,),
        True,
        1,
        object(),
        ("AT",) * 1001,
    ],
)
def test_an_unfit_fact_is_left_to_the_whole_module(value: Any) -> None:
    unfit = replace(GOOD, facts={**GOOD.facts, "destination.countries": value})
    assert Folder(PROGRAM).keys(unfit) is None


@pytest.mark.parametrize("labels", [("health",), ("nothing-known",), ("personal", "health")])
def test_labels_that_are_not_closed_are_left_to_the_whole_module(labels: tuple[str, ...]) -> None:
    unfit = replace(GOOD, facts={**GOOD.facts, "data.labels": labels})
    assert Folder(PROGRAM).keys(unfit) is None


@pytest.mark.parametrize("day", [None, "20000", 20_000.5, True, 2**63, LAST_DAY + 1])
def test_a_day_that_is_none_is_left_to_the_whole_module(day: Any) -> None:
    (zone, *_) = PROGRAM.time_zones()
    assert Folder(PROGRAM).keys(replace(GOOD, today={**GOOD.today, zone: day})) is None


def test_a_missing_day_or_an_unknown_action_has_no_key() -> None:
    assert Folder(PROGRAM).keys(replace(GOOD, today={})) is None
    assert Folder(PROGRAM).keys(replace(GOOD, action="unheard-of")) is None


def test_another_action_place_or_side_of_a_date_has_another_key() -> None:
    folder = Folder(PROGRAM)
    ((zone, days), *_) = boundaries(PROGRAM).items()
    others = [
        replace(GOOD, facts={**GOOD.facts, "destination.countries": ("FR", "US")}),
        replace(
            GOOD,
            facts={p: v for p, v in GOOD.facts.items() if p != "destination.countries"},
        ),
        *(replace(GOOD, today={**GOOD.today, zone: day}) for day in days),
    ]
    keys = {folder.keys(question) for question in others}
    assert len(keys) >= len(days)
    assert None not in keys


def test_of_a_place_the_facts_that_are_not_stated_alone_are_unknown() -> None:
    folder = Folder(PROGRAM)
    keys = folder.keys(GOOD)
    assert keys is not None
    assert keys.narrow is not None
    read = (path for path in paths_read(only(PROGRAM, GOOD.action)))
    stated = {path for path in read if PROGRAM.facts[path].origin is Origin.CATALOGUE}
    absent = folder.unknown(keys.narrow)
    assert absent < stated
    assert absent.isdisjoint(GOOD.facts)
    assert stated - absent == stated & GOOD.facts.keys()
    assert folder.unknown(keys.wide[0]) == frozenset()


def test_a_folded_program_knows_one_action_and_reads_no_settled_fact() -> None:
    folder = Folder(PROGRAM)
    keys = folder.keys(GOOD)
    assert keys is not None
    assert keys.narrow is not None
    part = folder.program(GOOD, keys.narrow)
    assert part.actions == (GOOD.action,)
    read = paths_read(part)
    assert "destination.countries" not in read
    assert (
        len(rego_policy(part, lean=True).module)
        < len(rego_policy(only(PROGRAM, "place")).module) / 2
    )


# --- the engine that keeps modules ---------------------------------------------------


def test_nothing_is_folded_before_a_place_was_asked_about_often() -> None:
    async def some(times: int) -> int:
        engine = RegoEngine(PROGRAM, fold_after=4)
        for _ in range(times):
            await _asked(engine, GOOD)
        await engine.close()
        return folded_modules(engine)

    assert asyncio.run(some(1)) == 0
    assert asyncio.run(some(3)) == 1


def test_a_program_that_would_hold_up_its_questions_is_not_folded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(folded, "MAX_ITEMS_FOLDED", 2)

    async def asked() -> int:
        engine = RegoEngine(PROGRAM, fold_after=1)
        assert await _asked(engine, GOOD) == [evaluate(PROGRAM, GOOD)] * 2
        await engine.close()
        return folded_modules(engine)

    assert asyncio.run(asked()) == 0


def test_many_places_asked_about_once_fold_nothing_and_fill_no_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_rego, "MAX_COUNTED", 8)

    async def each_once() -> tuple[int, int]:
        engine = RegoEngine(PROGRAM, fold_after=2)
        countries = PROGRAM.facts["destination.countries"].values or ()
        for country in countries[:24]:
            facts = {**GOOD.facts, "destination.countries": (country,)}
            await ask(engine, replace(GOOD, facts=facts))
        counted = len(engine._asked._known)  # pyright: ignore[reportPrivateUsage]
        await engine.close()
        return folded_modules(engine), counted

    assert asyncio.run(each_once()) == (0, 8)


def test_a_fault_in_folding_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def nothing(_: Folder, question: Question, __: object) -> Program:
        return replace(only(PROGRAM, question.action), rules=())

    monkeypatch.setattr(Folder, "program", nothing)
    (said,) = both(PROGRAM, [GOOD])
    assert said == [evaluate(PROGRAM, GOOD)] * 2
    assert "is not used" in caplog.text


def test_a_fault_in_folding_that_shows_later_is_a_difference_to_cedar(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The fault is right for the question it was folded for, and wrong for the next.
    allowed = next(v.question for v in pack().vectors if evaluate(PROGRAM, v.question).permits)

    make = Folder.program

    def forbids_nothing(self: Folder, question: Question, key: Wide | Narrow) -> Program:
        part = make(self, question, key)
        if len(key) == 3:
            return part
        granted = evaluate(PROGRAM, allowed).granted
        return replace(part, rules=tuple(r for r in part.rules if r.id in granted))

    monkeypatch.setattr(Folder, "program", forbids_nothing)

    def checks_nothing(_: Program, __: Question) -> None:
        return None

    monkeypatch.setattr(engine_rego, "evaluate", checks_nothing)

    async def asked() -> list[Combined]:
        rego = RegoEngine(PROGRAM, fold_after=1)
        first = await ask_all([CedarEngine(PROGRAM), rego], GOOD, timeout_s=5)
        await _asked(rego, GOOD)
        return [first, await ask_all([CedarEngine(PROGRAM), rego], GOOD, timeout_s=5)]

    assert not evaluate(PROGRAM, GOOD).permits
    fine, wrong = asyncio.run(asked())
    assert fine.incident is None
    assert wrong.incident is not None
    assert wrong.answer is None


def test_a_loop_that_ends_while_a_module_is_made_leaves_the_engine_usable() -> None:
    engine = RegoEngine(PROGRAM, queue_timeout_s=10, fold_after=1)
    for _ in range(3):
        assert asyncio.run(ask(engine, GOOD)) == evaluate(PROGRAM, GOOD)
    asyncio.run(engine.close())
