"""What a value rests on, and what is missing to know it: properties over generated
conditions and facts."""

from collections.abc import Iterator
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from dsl.core import And, Condition, Constant, Holds, InForce, Kind, Not, Or, Program
from dsl.evaluate import truth
from dsl.facts import Question, Value
from dsl.kleene import Truth
from dsl.residual import deciding, missing
from tests import strategies

generated = settings(max_examples=60, deadline=None)
cases = strategies.cases(per_program=3)


def asked(case: tuple[Program, list[Question]]) -> Iterator[tuple[Condition, Question, Program]]:
    program, questions = case
    for question in questions:
        for rule in program.rules:
            yield rule.formula, question, program


@generated
@given(cases)
def test_facts_are_missing_exactly_where_the_value_is_unknown(
    case: tuple[Program, list[Question]],
) -> None:
    for condition, question, _ in asked(case):
        known = truth(condition, question) is not Truth.UNKNOWN
        paths = missing(condition, question)
        assert (paths == frozenset()) is known
        assert paths.isdisjoint(question.facts)


@generated
@given(cases, st.data())
def test_any_values_of_the_missing_facts_settle_the_condition(
    case: tuple[Program, list[Question]], data: st.DataObject
) -> None:
    for condition, question, program in asked(case):
        given_now: dict[str, Value] = {}
        for path in sorted(missing(condition, question)):
            raw: Any = data.draw(strategies.fit_values(program.facts[path]))
            is_set = program.facts[path].kind is Kind.TERMS
            given_now[path] = tuple(sorted(set(cast("list[str]", raw)))) if is_set else raw
        fuller = Question(question.action, {**question.facts, **given_now}, question.today)
        assert truth(condition, fuller) is not Truth.UNKNOWN


@generated
@given(cases)
def test_the_deciding_facts_alone_give_the_same_value(
    case: tuple[Program, list[Question]],
) -> None:
    for condition, question, _ in asked(case):
        paths = deciding(condition, question)
        assert paths <= set(question.facts)
        facts = {path: question.facts[path] for path in paths}
        alone = Question(question.action, facts, question.today)
        assert truth(condition, alone) is truth(condition, question)


A, B, C = Holds("a"), Holds("b"), Holds("c")


def question(**facts: bool) -> Question:
    return Question("place", facts, {"UTC": 0})


def test_what_the_known_facts_settle_is_not_missing() -> None:
    condition = Or((And((A, B)), C))
    assert missing(condition, question()) == {"a", "b", "c"}
    assert missing(condition, question(a=False)) == {"c"}
    assert missing(condition, question(c=True)) == frozenset()
    assert missing(Not(A), question()) == {"a"}


def test_the_first_part_that_settles_is_enough() -> None:
    assert deciding(Or((A, B)), question(a=True, b=True)) == {"a"}
    assert deciding(And((A, B)), question(a=True, b=False)) == {"b"}
    assert deciding(And((A, B)), question(a=True, b=True)) == {"a", "b"}
    assert deciding(Or((A, B)), question(b=False)) == {"b"}


def test_days_and_constants_are_no_facts() -> None:
    condition = And((InForce("UTC", 0, None), Constant(value=True), A))
    assert missing(condition, question()) == {"a"}
    assert deciding(condition, question(a=True)) == {"a"}
    assert deciding(InForce("UTC", 5, None), question(a=True)) == frozenset()
