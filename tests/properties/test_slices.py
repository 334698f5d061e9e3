"""A slice leaves out only what cannot apply, whatever is hidden, garbled or unfit, and both
engines answer from their slices as the definition does from the whole."""

import asyncio
from collections.abc import Sequence, Sized
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsl.core import (
    And,
    AtLeast,
    Condition,
    Effect,
    InForce,
    Not,
    NotBefore,
    OneOf,
    Or,
    Program,
    Rule,
    Touches,
    Within,
)
from dsl.evaluate import Answer, evaluate, truth
from dsl.facts import FIRST_DAY, LAST_DAY, Question
from dsl.kleene import Truth
from gateway.errors import EngineError
from gateway.pdp import cedar_slices, engine_rego, folded, slices
from gateway.pdp.engine import AnswerCheck, Engine, RawAnswer, together
from gateway.pdp.engine_cedar import CedarEngine
from gateway.pdp.engine_rego import RegoEngine
from gateway.pdp.slices import Index, only_items
from tests import corpus
from tests.agreement import ask, permits, permitted_when_fit
from tests.pack import pack
from tests.strategies import cases, conditions

generated = settings(
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)
PROGRAM = pack().program
PLACE = next(v.question for v in pack().vectors if v.answer.permits)


def narrowed(program: Program, extra: Sequence[Condition]) -> Program:
    """The same with a conjunct more in front of each formula and duty."""
    if not extra:
        return program

    def narrow(condition: Condition, number: int) -> Condition:
        return And((extra[number % len(extra)], condition))

    rules = tuple(
        replace(
            rule,
            formula=narrow(rule.formula, n),
            duties=tuple(replace(d, condition=narrow(d.condition, n)) for d in rule.duties),
        )
        for n, rule in enumerate(program.rules)
    )
    return replace(program, rules=rules)


@st.composite
def sliced(
    draw: st.DrawFn, *, raw: bool = False, per_program: int = 12
) -> tuple[Program, list[Question]]:
    program, questions = draw(cases(raw=raw, per_program=per_program))
    literal = conditions(program.facts, known_helps=False).filter(
        lambda c: not isinstance(c, And | Or)
    )
    # Of a prohibition and of a permission alike: none that asks whether something is known.
    plain = literal.filter(lambda c: "Known" not in repr(c))
    return narrowed(program, draw(st.lists(plain, max_size=3))), questions


def check(program: Program, questions: Sequence[Question]) -> int:
    """Hold every slice of every question to the definition; how many were smaller."""
    indexes = {
        (action, denied): Index(program, action, denied=denied)
        for action in program.actions
        for denied in (False, True)
    }
    smaller = 0
    for question in questions:
        for denied in (False, True):
            index = indexes.get((question.action, denied))
            if index is None:
                continue
            selection = index.select(question)
            chosen = {item.id: item for item in index.chosen(selection.items)}
            for item in index.items:
                if item.id not in chosen:
                    assert truth(item.condition, question) is Truth.FALSE, item.id
            part = only_items(program, question.action, chosen)
            assert evaluate(part, question) == evaluate(program, question)
            smaller += len(chosen) < len(index.items)
    return smaller


@settings(generated, max_examples=15)
@given(sliced())
def test_what_is_left_out_is_certainly_false(case: tuple[Program, list[Question]]) -> None:
    check(*case)


@settings(generated, max_examples=15)
@given(sliced(raw=True))
def test_an_unfit_fact_leaves_out_nothing_that_could_apply(
    case: tuple[Program, list[Question]],
) -> None:
    program, questions = case
    for question in questions:
        for action in program.actions:
            index = Index(program, action, denied=True)
            selection = index.select(question)
            chosen = {item.id for item in index.chosen(selection.items)}
            for item in index.items:
                if item.id not in chosen:
                    assert _is_false_by_one_fit_literal(program, item.condition, question)


def _is_false_by_one_fit_literal(
    program: Program, condition: Condition, question: Question
) -> bool:
    from dsl.facts import settle_all

    fitted = settle_all(program.facts, question.facts)
    same = {p: v for p, v in fitted.items() if type(v) is type(question.facts[p])}
    known = {p: v for p, v in same.items() if v == question.facts[p]}
    today = {z: d for z, d in question.today.items() if type(d) is int}
    parts = condition.operands if isinstance(condition, And) else (condition,)
    for part in parts:
        atom = part.operand if isinstance(part, Not) else part
        if isinstance(atom, InForce | NotBefore) and atom.time_zone not in today:
            continue
        if isinstance(atom, And | Or):
            continue
        if truth(part, replace(question, facts=known, today=today)) is Truth.FALSE:
            return True
    return False


@pytest.mark.parametrize("name", corpus.PROGRAMS)
def test_the_slices_of_the_fixed_table_answer_as_the_whole(name: str) -> None:
    program = corpus.PROGRAMS[name]
    check(program, list(corpus.questions(program))[:200])


def test_the_slices_of_the_pack_answer_as_the_whole_and_are_smaller() -> None:
    assert check(PROGRAM, [vector.question for vector in pack().vectors]) > 100


# --- on the engines ------------------------------------------------------------------


@pytest.fixture(
    params=[(0, 1, 1), (0, 2, 4), (64, 32, 128)],
    ids=["each alone", "in pairs", "one module for all"],
)
def most_items(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to how many items an action has one module for every question, and else how many
    are in a group, and in the groups that are put together; and a smaller module is made for
    the second question."""
    monkeypatch.setattr(folded, "MAX_ITEMS_FOLDED", request.param[0])
    monkeypatch.setattr(folded, "MAX_ITEMS_GROUPED", request.param[1])
    monkeypatch.setattr(folded, "MAX_ITEMS_TOGETHER", request.param[2])
    monkeypatch.setattr(engine_rego, "MAKE_AFTER", 1)


def said_by_all(
    program: Program, questions: Sequence[Question]
) -> list[tuple[Question, list[Answer | EngineError]]]:
    """What both engines say, twice: when a slice is made, and when it is there."""
    with asyncio.Runner() as runner:
        rego = RegoEngine(program, queue_timeout_s=30, fold_after=1000)
        engines = [CedarEngine(program), rego]

        async def twice(engine: Engine, question: Question) -> list[Answer | EngineError]:
            first = await ask(engine, question)
            begun = rego._folding  # pyright: ignore[reportPrivateUsage]
            if begun is not None:
                await asyncio.wait([begun])
            return [first, await ask(engine, question)]

        found = [
            (question, [said for engine in engines for said in runner.run(twice(engine, question))])
            for question in questions
        ]
        for engine in engines:
            runner.run(engine.close())
        return found


@pytest.mark.usefixtures("most_items")
@settings(generated, max_examples=3)
@given(sliced(per_program=6))
def test_both_engines_answer_from_slices_as_defined(
    case: tuple[Program, list[Question]],
) -> None:
    program, questions = case
    for question, said in said_by_all(program, questions):
        assert said == [evaluate(program, question)] * 4, question.document()


@pytest.mark.usefixtures("most_items")
@settings(generated, max_examples=3)
@given(sliced(raw=True, per_program=6))
def test_no_slice_permits_on_raw_facts(case: tuple[Program, list[Question]]) -> None:
    program, questions = case
    for question, said in said_by_all(program, questions):
        permitted = permitted_when_fit(program, question)
        assert permitted or not any(map(permits, said)), question


# --- what settles nothing ------------------------------------------------------------


def chosen(facts: dict[str, Any], today: dict[str, Any] | None = None) -> set[str]:
    index = Index(PROGRAM, "place", denied=True)
    question = Question("place", facts, PLACE.today if today is None else today)
    return {item.id for item in index.chosen(index.select(question).items)}


EVERY = {item.id for item in Index(PROGRAM, "place", denied=True).items}
FIT = {"workload.critical_entity": False}


def test_a_fit_fact_leaves_out_what_needs_another() -> None:
    assert chosen(FIT) < EVERY
    assert chosen(FIT, {}) < EVERY


@pytest.mark.parametrize("value", [None, 0, "false", [], ["no"], {}, 0.0, object()])
def test_a_mistyped_fact_leaves_out_nothing(value: Any) -> None:
    assert chosen({"workload.critical_entity": value}, {}) == EVERY


@pytest.mark.parametrize("value", ["nowhere", "", 1, ["health"], ("health",)])
def test_a_foreign_term_leaves_out_nothing(value: Any) -> None:
    assert chosen({"workload.sector": value}, {}) == EVERY


@pytest.mark.parametrize("value", [("health",), ("nowhere",), (), "health", (1,), ["health"]])
def test_labels_that_are_not_closed_or_not_fit_leave_out_nothing(value: Any) -> None:
    assert chosen({"data.labels": value}, {}) == EVERY


@pytest.mark.parametrize("day", [None, "20000", True, 20000.0, 2**63, LAST_DAY + 1, FIRST_DAY - 1])
def test_a_day_that_is_none_leaves_out_nothing(day: Any) -> None:
    (zone, *_) = PROGRAM.time_zones()
    assert chosen({}, {zone: day}) == EVERY
    assert chosen({}, {zone: FIRST_DAY}) < EVERY


def test_numbers_and_what_is_within_are_left_to_the_engines() -> None:
    facts = PROGRAM.facts
    number = next(p for p, fact in facts.items() if fact.kind.value == "integer")
    places = "destination.countries"
    for condition in (AtLeast(number, 5), Not(AtLeast(number, 5)), Within(places, ("DE",))):
        program = replace(PROGRAM, rules=(_rule(And((condition, condition))),))
        index = Index(program, "place", denied=True)
        question = Question("place", {number: 1, places: ("US",)}, {})
        assert index.select(question).items == index.every


def test_an_alternative_is_left_to_the_engines() -> None:
    either = Or((Touches("data.labels", ("health",)), OneOf("workload.sector", ("energy",))))
    program = replace(PROGRAM, rules=(_rule(either),))
    index = Index(program, "place", denied=True)
    question = Question("place", {"data.labels": ("public",), "workload.sector": "banking"}, {})
    assert index.select(question).items == index.every


def _rule(formula: Condition) -> Rule:
    rule = next(r for r in PROGRAM.rules if r.effect is Effect.FORBID and "place" in r.actions)
    return replace(rule, formula=formula, duties=(), exceptions=())


# --- what is kept --------------------------------------------------------------------


def test_values_that_do_not_repeat_fill_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "MAX_KEPT", 8)
    index = Index(PROGRAM, "place", denied=True)
    for number in range(100):
        index.select(replace(PLACE, facts={"subject.id": str(number)}))
    kept = [known for _, known in index._by_path]  # pyright: ignore[reportPrivateUsage]
    assert max(map(len, kept)) <= 8


def kept(engine: CedarEngine) -> Sized:
    assert engine._slices is not None  # pyright: ignore[reportPrivateUsage]
    return engine._slices._kept._known  # pyright: ignore[reportPrivateUsage]


def test_slices_that_do_not_repeat_fill_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cedar_slices, "MAX_SLICES", 4)
    engine = CedarEngine(PROGRAM)
    for vector in pack().vectors:
        assert asyncio.run(ask(engine, vector.question)) == vector.answer
    assert len(kept(engine)) <= 4


def test_modules_are_kept_by_their_size() -> None:
    async def all_asked() -> int:
        engine = RegoEngine(PROGRAM, fold_after=1)
        engine._modules.characters = 30_000  # pyright: ignore[reportPrivateUsage]
        for vector in pack().vectors[:40]:
            assert await ask(engine, vector.question) == vector.answer
            if engine._folding is not None:  # pyright: ignore[reportPrivateUsage]
                await asyncio.wait([engine._folding])  # pyright: ignore[reportPrivateUsage]
        await engine.close()
        return engine._modules.size  # pyright: ignore[reportPrivateUsage]

    assert 0 < asyncio.run(all_asked()) <= 30_000


def test_what_was_forgotten_is_made_again() -> None:
    engines = [CedarEngine(PROGRAM), RegoEngine(PROGRAM)]

    async def asked() -> None:
        for engine in engines:
            first = await ask(engine, PLACE)
            engine.forget()
            assert await ask(engine, PLACE) == first == evaluate(PROGRAM, PLACE)
            await engine.close()

    asyncio.run(asked())


# --- a slice that is wrong -----------------------------------------------------------


def test_a_slice_of_cedar_without_a_broken_rule_differs_from_rego(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused = next(v for v in pack().vectors if v.answer.broken and v.question.action == "place")
    select = Index.select

    def forgets(self: Index, question: Question) -> slices.Selection:
        selection = select(self, question)
        gone = sum(1 << n for n, i in enumerate(self.items) if i.id in refused.answer.broken)
        return replace(selection, items=selection.items & ~gone)

    monkeypatch.setattr(Index, "select", forgets)
    cedar = asyncio.run(ask(CedarEngine(PROGRAM), refused.question))
    rego = asyncio.run(ask(RegoEngine(PROGRAM), refused.question))
    assert cedar != rego
    assert cedar != refused.answer


# --- answers put together ------------------------------------------------------------

PERMIT = RawAnswer((), ("p",), ("w",), duties=("d",), preferred=())
OTHER = RawAnswer((), ("p",), (), duties=("e",), preferred=("f",))
REFUSAL = RawAnswer(("r",), ("p",), ("v",), broken=("r",), open=("p",))


def test_parts_that_all_permit_permit_together() -> None:
    assert together([PERMIT, OTHER]) == RawAnswer(
        [], ["p"], ["w"], duties=["d", "e"], preferred=["f"]
    )


@pytest.mark.parametrize("parts", [[PERMIT, REFUSAL], [REFUSAL, PERMIT], [REFUSAL, PERMIT, OTHER]])
def test_one_part_that_refuses_refuses_for_all(parts: list[RawAnswer]) -> None:
    found = together(parts)
    assert found.duties is None
    assert found.preferred is None
    assert (found.denied, found.broken, found.open) == (["r"], ["r"], ["p"])
    assert set(found.noted) >= {"v", "w"}


def test_a_part_that_says_both_is_not_believed() -> None:
    both = replace(PERMIT, broken=())
    check_of = AnswerCheck("rego", PROGRAM)
    with pytest.raises(EngineError):
        check_of.answer(together([PERMIT, both]))
