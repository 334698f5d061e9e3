"""Prepared conditions have the values of the definition, whatever the question."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from dsl import prepared as prepared_module
from dsl.core import And, AtLeast, Holds, InForce, Not, NotBefore, OneOf, Or, Program, Touches
from dsl.evaluate import evaluate, truth
from dsl.facts import Question
from dsl.kleene import Truth
from dsl.prepared import Prepared, PreparedProgram
from tests import corpus
from tests.pack import pack
from tests.strategies import cases

DAY = {"UTC": 20_000}


@settings(deadline=None)
@given(cases())
def test_generated_programs_answer_as_defined(case: tuple[Program, list[Question]]) -> None:
    program, questions = case
    prepared = {action: PreparedProgram(program, action) for action in program.actions}
    for question in questions:
        if question.action in prepared:
            one = prepared[question.action]
            assert one.answer(one.prepared.values(question)) == evaluate(program, question)


@settings(deadline=None)
@given(cases())
def test_every_part_has_the_value_of_the_definition(case: tuple[Program, list[Question]]) -> None:
    program, questions = case
    formulas = [rule.formula for rule in program.rules]
    prepared = Prepared(formulas)
    for question in questions:
        of = prepared.truths(question)
        parts = list(formulas)
        while parts:
            part = parts.pop()
            assert of(part) is truth(part, question)
            parts += part.operands if isinstance(part, And | Or) else ()
            parts += (part.operand,) if isinstance(part, Not) else ()


@pytest.mark.parametrize("name", corpus.PROGRAMS)
def test_the_fixed_table_is_answered_as_defined(name: str) -> None:
    program = corpus.PROGRAMS[name]
    prepared = {action: PreparedProgram(program, action) for action in program.actions}
    for question in list(corpus.questions(program))[:300]:
        if question.action in prepared:
            one = prepared[question.action]
            assert one.answer(one.prepared.values(question)) == evaluate(program, question)


@pytest.mark.parametrize(
    ("known", "unfit"),
    [(True, 1), (False, 0), (True, "true"), (("AT",), ["AT"]), (1, True), (0, False)],
)
def test_a_value_of_another_type_is_not_taken_for_an_equal_one(known: Any, unfit: Any) -> None:
    conditions = [Holds("f"), AtLeast("f", 1), Touches("f", ("AT",)), Not(Holds("f"))]
    prepared = Prepared(conditions)
    for value in (known, unfit, known, unfit):
        question = Question("place", {"f": value}, DAY)
        of = prepared.truths(question)
        assert [of(c) for c in conditions] == [truth(c, question) for c in conditions]


@pytest.mark.parametrize("value", [["AT"], {"AT": True}, [["AT"]], object(), (1,), (True,)])
def test_what_is_no_fit_value_is_asked_of_the_definition_each_time(value: Any) -> None:
    condition = Touches("f", ("AT",))
    prepared = Prepared([condition])
    for _ in range(2):
        question = Question("place", {"f": value}, DAY)
        assert prepared.truths(question)(condition) is truth(condition, question)


def test_a_day_that_moves_moves_what_counts_from_it() -> None:
    conditions = [NotBefore("f", "UTC", 1), InForce("UTC", 20_000, 20_001)]
    prepared = Prepared(conditions)
    for day in (19_999, 20_000, 20_001, 20_002, 19_999):
        question = Question("place", {"f": 20_001}, {"UTC": day})
        of = prepared.truths(question)
        assert [of(c) for c in conditions] == [truth(c, question) for c in conditions]


def test_the_empty_conjunction_is_true_and_the_empty_disjunction_false() -> None:
    every, none = And(()), Or(())
    of = Prepared([every, none]).truths(Question("place", {}, DAY))
    assert (of(every), of(none)) == (Truth.TRUE, Truth.FALSE)


def test_values_that_do_not_repeat_fill_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared_module, "MAX_KEPT", 8)
    condition = OneOf("f", ("AT",))
    prepared = Prepared([condition])
    for number in range(50):
        of = prepared.truths(Question("place", {"f": str(number)}, DAY))
        assert of(condition) is Truth.FALSE
    assert len(prepared._leaf_values) <= 8  # pyright: ignore[reportPrivateUsage]


def test_the_vectors_of_the_pack_are_those_of_the_definition() -> None:
    program = pack().program
    assert all(evaluate(program, v.question) == v.answer for v in pack().vectors)


def test_a_condition_that_was_not_prepared_is_refused() -> None:
    prepared = Prepared([Holds("f")])
    with pytest.raises(KeyError):
        prepared.number(Holds("g"))


def test_a_rule_that_is_left_out_is_missed() -> None:
    program = pack().program
    vector = next(v for v in pack().vectors if v.answer.broken)
    rules = tuple(rule for rule in program.rules if rule.id not in vector.answer.broken)
    one = PreparedProgram(replace(program, rules=rules), vector.question.action)
    assert one.answer(one.prepared.values(vector.question)) != vector.answer


# --- what is joined of the same two ------------------------------------------------------


def pairs() -> list[And | Or]:
    """As a zone is, of a place on a day."""
    open_ = OneOf("a.b", ("x",))
    dated = [InForce("UTC", day, None) for day in (19_000, 20_001, 21_000)]
    many = [Touches("a.t", (term,)) for term in "pqr"]
    either = [Or((day, Not(term))) for day in dated for term in many]
    return [*either, And(tuple(either)), And((*either, open_))]


def values_by_definition(conditions: list[And | Or], question: Question) -> list[Truth]:
    return [truth(condition, question) for condition in conditions]


def said(prepared: Prepared, conditions: list[And | Or], question: Question) -> list[Truth]:
    of = prepared.truths(question)
    return [of(condition) for condition in conditions]


@pytest.mark.parametrize("value", [None, ("p",), ("p", "q"), ("s",), (), ("p", 1), (1,), "p", 1])
def test_kept_values_are_those_of_the_definition_for_each_fact_and_day(value: Any) -> None:
    conditions = pairs()
    prepared = Prepared(conditions)
    facts = {} if value is None else {"a.t": value}
    for _ in range(2):
        for day in (18_999, 19_000, 20_000, 20_001, 21_000):
            for other in ({"a.b": "x"}, {"a.b": "y"}, {}):
                question = Question("place", {**facts, **other}, {"UTC": day})
                expected = values_by_definition(conditions, question)
                assert said(prepared, conditions, question) == expected
        assert said(prepared, conditions, Question("place", {"a.t": ("q",)}, DAY)) == (
            values_by_definition(conditions, Question("place", {"a.t": ("q",)}, DAY))
        )


def test_what_is_joined_of_two_is_evaluated_once_for_their_values() -> None:
    conditions = pairs()
    prepared = Prepared(conditions)
    kept = [known for reads, _, known in prepared._joined if reads]  # pyright: ignore[reportPrivateUsage]
    assert len(kept) == 1
    for other in ("x", "y", "z"):
        prepared.values(Question("place", {"a.t": ("p",), "a.b": other}, DAY))
    assert len(kept[0]) == 1
    prepared.values(Question("place", {"a.t": ("p",)}, {"UTC": 20_001}))
    prepared.values(Question("place", {"a.t": ("q",)}, DAY))
    assert len(kept[0]) == 3


@pytest.mark.parametrize("value", [("p", 1), (True,), (["p"],), ["p"], 1.0, {"p": 1}])
def test_by_what_is_no_fit_value_nothing_is_kept(value: Any) -> None:
    prepared = Prepared(pairs())
    kept = [known for reads, _, known in prepared._joined if reads]  # pyright: ignore[reportPrivateUsage]
    with suppress(TypeError, AttributeError):  # as of the definition
        prepared.values(Question("place", {"a.t": value}, DAY))
    assert not kept[0]


def test_true_is_not_one_where_two_are_kept_by() -> None:
    conditions: list[And | Or] = [
        Or((InForce("UTC", day, None), Holds("a.a"))) for day in range(20_001, 20_006)
    ]
    prepared = Prepared(conditions)
    for value in (True, 1, True, False, 0):
        question = Question("place", {"a.a": value}, DAY)
        assert said(prepared, conditions, question) == values_by_definition(conditions, question)


def test_kept_values_fill_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared_module, "MAX_KEPT_JOINED", 3)
    prepared = Prepared(pairs())
    kept = [known for reads, _, known in prepared._joined if reads]  # pyright: ignore[reportPrivateUsage]
    for number in range(20):
        prepared.values(Question("place", {"a.t": (f"t{number}",)}, DAY))
        assert len(kept[0]) <= 3
