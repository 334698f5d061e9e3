"""Lowering, fitting and deriving keep the meaning: the program answers as the model does."""

from collections import Counter
from dataclasses import replace
from typing import cast

from hypothesis import HealthCheck, given, settings

from dsl.compile import compile_charters
from dsl.core import PROFILE_PATH, And, AtLeast, Not, OneOf, Or, Program
from dsl.core import Condition as CoreCondition
from dsl.evaluate import evaluate
from tests.dsl import generate, naive
from tests.dsl.generate_questions import Asking, damaged
from tests.dsl.naive_facts import Asked

slow = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
QUESTIONS = 20


def compiled(seed: int) -> tuple[naive.model.Model, Program]:
    return compile_charters(generate.sources_of(generate.chance(seed))).require()


@settings(slow, max_examples=80)
@given(generate.seeds())
def test_the_program_answers_as_the_model_means(seed: int) -> None:
    model, program = compiled(seed)
    rng, asking = generate.chance(seed, 0), Asking(model)
    for _ in range(QUESTIONS):
        asked = asking.question(rng)
        question = generate.question_of(program, asked)
        assert evaluate(program, question) == naive.answer(model, asked), question


@settings(slow, max_examples=80)
@given(generate.seeds())
def test_damaging_what_is_stated_never_turns_a_refusal_into_a_permit(seed: int) -> None:
    model, program = compiled(seed)
    rng, asking = generate.chance(seed, 1), Asking(model)
    for _ in range(QUESTIONS):
        asked = asking.question(rng)
        if not naive.answer(model, asked).permits:
            for _ in range(3):
                worse = damaged(rng, asked)
                assert not evaluate(program, generate.question_of(program, worse)).permits
                asked = worse


@settings(slow, max_examples=60)
@given(generate.seeds())
def test_hiding_everything_permits_nothing_that_was_refused(seed: int) -> None:
    model, program = compiled(seed)
    rng, asking = generate.chance(seed, 2), Asking(model)
    for _ in range(QUESTIONS):
        asked = asking.question(rng)
        hidden = replace(asked, stated={}, lists={})
        if evaluate(program, generate.question_of(program, hidden)).permits:
            assert evaluate(program, generate.question_of(program, asked)).permits


def test_answers_of_generated_questions_turn() -> None:
    """The properties above would hold of programs that always say the same."""
    seen: Counter[str] = Counter()
    for seed in range(40):
        model, program = compiled(seed)
        rng, asking = generate.chance(seed), Asking(model)
        for _ in range(QUESTIONS):
            answer = evaluate(program, generate.question_of(program, asking.question(rng)))
            seen["permits"] += answer.permits
            seen["refuses"] += not answer.permits
            for part in ("denied", "broken", "open", "duties", "preferred", "noted"):
                seen[part] += bool(cast("frozenset[str]", getattr(answer, part)))
    total = seen["permits"] + seen["refuses"]
    assert all(seen[part] > total / 100 for part in seen), seen
    assert seen["permits"] > total / 10


# --- the oracle sees mistakes --------------------------------------------------------


def _swapped(condition: CoreCondition) -> CoreCondition:
    """The condition with its first bound one higher, or its first set emptied."""
    match condition:
        case AtLeast(path, bound):
            return AtLeast(path, bound + 1)
        case OneOf(path, _) if path != PROFILE_PATH:
            return OneOf(path, ())
        case Not(operand):
            inner = _swapped(operand)
            return Not(cast("AtLeast", inner))
        case And(operands):
            return And(tuple(_swapped(operand) for operand in operands))
        case Or(operands):
            return Or(tuple(_swapped(operand) for operand in operands))
        case _:
            return condition


def test_a_lowering_that_is_off_by_one_is_seen() -> None:
    differing = 0
    for seed in range(20):
        model, program = compiled(seed)
        rules = tuple(replace(rule, formula=_swapped(rule.formula)) for rule in program.rules)
        wrong = replace(program, rules=rules)
        rng, asking = generate.chance(seed), Asking(model)
        questions: list[Asked] = [asking.question(rng) for _ in range(QUESTIONS)]
        differing += any(
            evaluate(wrong, generate.question_of(wrong, asked)) != naive.answer(model, asked)
            for asked in questions
        )
    assert differing >= 10
