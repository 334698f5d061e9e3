"""What a question shows counts once, whatever showed it, and nothing new is passed over."""

from dataclasses import replace

import pytest

from dsl.core import AtLeast, Constant, Effect
from dsl.evaluate import evaluate
from dsl.facts import Question
from dsl.kleene import Truth
from dsl.shown import Shown
from tests.pack import pack

PROGRAM = pack().program
VECTORS = pack().vectors


def all_shown() -> Shown:
    shown = Shown(PROGRAM)
    for vector in VECTORS:
        shown.anew(vector.question)
    return shown


def test_every_vector_shows_something_new_in_its_turn_and_nothing_again() -> None:
    shown = Shown(PROGRAM)
    for vector in VECTORS:
        assert shown.anew(vector.question) == vector.answer
    assert not any(shown.anew(vector.question) for vector in VECTORS)


def test_a_vector_that_was_left_out_is_still_new() -> None:
    """One that shows what no other does: the last one that was kept."""
    shown = Shown(PROGRAM)
    for vector in VECTORS[:-1]:
        shown.anew(vector.question)
    assert shown.anew(VECTORS[-1].question) == VECTORS[-1].answer


def test_every_condition_is_seen_with_the_values_that_the_definition_gives() -> None:
    shown = Shown(PROGRAM)
    question = VECTORS[0].question
    shown.anew(question)
    answer = evaluate(PROGRAM, question)
    for rule in PROGRAM.rules:
        if question.action in rule.actions and rule.id in shown.watched[question.action].conditions:
            of_rule = {value for value in Truth if (rule.id, value) in shown.seen}
            assert len(of_rule) == 1
            if rule.id in answer.broken:
                assert of_rule == {Truth.TRUE}


def test_what_is_shown_of_one_action_is_not_new_of_another() -> None:
    shown = all_shown()
    for action, watched in shown.watched.items():
        for what in watched.ordered:
            values = [value for value in Truth if (what, value) in shown.seen]
            assert values, (action, what)


@pytest.mark.parametrize("gap", [-2, -1, 0, 1, 2])
def test_a_number_at_its_bound_is_new_and_elsewhere_is_not(gap: int) -> None:
    rule = next(r for r in PROGRAM.rules if "place" in r.actions)
    number = next(p for p, fact in PROGRAM.facts.items() if fact.kind.value == "integer")
    bound = AtLeast(number, 50)
    program = replace(PROGRAM, rules=(replace(rule, formula=bound, duties=(), exceptions=()),))
    shown = Shown(program)
    today = VECTORS[0].question.today
    for value in (10, 90):  # both values of the condition, away from its bound
        shown.anew(Question("place", {number: value}, today))
    assert (shown.anew(Question("place", {number: 50 + gap}, today)) is not None) is (
        gap in (-1, 0, 1)
    )


def two_rules() -> Shown:
    """One that is always broken, so that the outcome tells nothing, and one with a bound."""
    rules = [r for r in PROGRAM.rules if {"place", "flow"} <= {*r.actions}][:2]
    number = next(p for p, fact in PROGRAM.facts.items() if fact.kind.value == "integer")
    formulas = (Constant(True), AtLeast(number, 50))
    plain = (
        replace(r, effect=Effect.FORBID, formula=formula, duties=(), exceptions=())
        for r, formula in zip(rules, formulas, strict=True)
    )
    return Shown(replace(PROGRAM, rules=tuple(plain)))


def about(action: str, value: int) -> Question:
    number = next(p for p, fact in PROGRAM.facts.items() if fact.kind.value == "integer")
    return Question(action, {number: value}, VECTORS[0].question.today)


def test_the_value_of_a_condition_alone_is_new() -> None:
    shown = two_rules()
    assert shown.anew(about("place", 10)) is not None
    assert shown.anew(about("place", 20)) is None
    assert shown.anew(about("place", 90)) is not None


def test_a_value_that_was_shown_about_another_action_is_not_new() -> None:
    shown = two_rules()
    for value in (10, 90):
        shown.anew(about("place", value))
    assert shown.anew(about("flow", 10)) is not None  # the outcome, of this action
    assert shown.anew(about("flow", 90)) is None
