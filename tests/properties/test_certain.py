"""What is left of a condition where only certainty is asked for is certain where it was."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsl.core import (
    And,
    Condition,
    Constant,
    Holds,
    InForce,
    Known,
    Not,
    NotBefore,
    OneOf,
    Or,
    Program,
    Touches,
    Within,
    opposite,
)
from dsl.evaluate import truth
from dsl.facts import Question
from dsl.fold import paths_read
from dsl.kleene import Truth
from dsl.rego_certain import when_certain, when_certain_without
from tests import corpus
from tests.strategies import cases

generated = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def is_certain(condition: Condition, question: Question) -> bool:
    return truth(condition, question) is Truth.TRUE


def check(program: Program, question: Question, unknown: frozenset[str]) -> None:
    known = {path: value for path, value in question.facts.items() if path not in unknown}
    asked = replace(question, facts=known)
    duties = (duty.condition for rule in program.rules for duty in rule.duties)
    for formula in (*(rule.formula for rule in program.rules), *duties):
        for condition in (formula, opposite(formula)):
            certain = is_certain(condition, asked)
            assert is_certain(when_certain(condition), asked) is certain
            left = when_certain_without(condition, unknown)
            assert is_certain(left, asked) is certain, (condition, left)
            assert unknown.isdisjoint(_read(left))


def _read(condition: Condition) -> set[str]:
    match condition:
        case And(operands) | Or(operands):
            return {path for operand in operands for path in _read(operand)}
        case Not(operand):
            return _read(operand)
        case InForce() | Constant():
            return set()
        case atom:
            return {atom.path}


@settings(generated, max_examples=40)
@given(cases(per_program=4), st.integers(0, 2**16))
def test_nothing_becomes_certain_and_nothing_ceases_to_be(
    case: tuple[Program, list[Question]], hide: int
) -> None:
    program, questions = case
    paths = sorted(paths_read(program))
    unknown = frozenset(path for number, path in enumerate(paths) if hide >> number & 1)
    for question in questions:
        check(program, question, unknown)


@pytest.mark.parametrize("name", corpus.PROGRAMS)
def test_the_same_of_the_fixed_table(name: str) -> None:
    program = corpus.PROGRAMS[name]
    paths = frozenset(paths_read(program))
    for question in list(corpus.questions(program))[:30]:
        for unknown in (frozenset[str](), paths, frozenset(sorted(paths)[::2])):
            check(program, question, unknown)


A, B = Holds("a.a"), OneOf("b.b", ("x", "y"))
NEVER, ALWAYS = Constant(False), Constant(True)


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        (A, NEVER),
        (Not(A), NEVER),
        (Known("a.a"), NEVER),
        (Not(Known("a.a")), ALWAYS),
        (Or((A, B)), B),
        (Or((Not(A), B)), B),
        (And((Not(A), B)), NEVER),
        (And((Not(Known("a.a")), B)), B),
        (Not(OneOf("a.a", ())), NEVER),
        (Not(OneOf("b.b", ())), Known("b.b")),
        (NotBefore("a.a", "UTC", 0), NEVER),
        (Not(NotBefore("a.a", "UTC", 0)), NEVER),
        (Within("a.a", ()), NEVER),
        (Not(Touches("a.a", ("x",))), NEVER),
        (And((B, Not(B))), NEVER),
        (And((B, And((Not(B), Known("b.b"))))), NEVER),
        (Or((And((B, Not(B))), Known("b.b"))), Known("b.b")),
        (And((Or((B, Not(B))), B)), And((Or((B, Not(B))), B))),
        (InForce("UTC", 1, None), InForce("UTC", 1, None)),
        (Not(InForce("UTC", 1, None)), Not(InForce("UTC", 1, None))),
        (B, B),
        (Not(B), Not(B)),
    ],
    ids=str,
)
def test_of_an_unknown_fact_nothing_is_certain_but_that_it_is_unknown(
    condition: Condition, left: Condition
) -> None:
    assert when_certain_without(condition, {"a.a"}) == left


def test_a_contradiction_is_unknown_and_no_falsehood_where_truth_itself_is_asked_for() -> None:
    contradiction = And((B, Not(B)))
    assert truth(contradiction, Question("place", {}, {})) is Truth.UNKNOWN
    assert when_certain(contradiction) == contradiction


def test_a_condition_as_deep_as_the_core_may_be_is_looked_at_once() -> None:
    deep: Condition = B
    for number in range(60):
        deep = (And if number % 2 else Or)((deep, Known(f"c.{number}")))
    asked = 0

    class Paths(frozenset[str]):
        def __contains__(self, path: object) -> bool:
            nonlocal asked
            asked += 1
            return super().__contains__(path)

    assert when_certain_without(deep, Paths()) == deep
    assert asked <= 2 * 61
