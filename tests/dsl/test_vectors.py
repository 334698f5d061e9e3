"""Agreement vectors: an engine with a fault in any rule or duty of the pack is found out."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from dsl.core import Effect, Program, Rule, opposite
from dsl.evaluate import evaluate
from dsl.vectors import agreement_vectors
from tests.pack import pack, pack_cases

PROGRAM = pack().program


def _with(rule: Rule) -> Program:
    rules = tuple(rule if other.id == rule.id else other for other in PROGRAM.rules)
    return replace(PROGRAM, rules=rules)


def _faults() -> Iterator[tuple[str, Program]]:
    for rule in PROGRAM.rules:
        for duty in rule.duties:
            fewer = tuple(other for other in rule.duties if other is not duty)
            yield f"{duty.id} forgotten", _with(replace(rule, duties=fewer))
        if rule.effect is Effect.OBLIGE:
            continue
        rules = tuple(other for other in PROGRAM.rules if other is not rule)
        yield f"{rule.id} left out", replace(PROGRAM, rules=rules)
        yield f"{rule.id} turned round", _with(replace(rule, formula=opposite(rule.formula)))
        for action in rule.actions:
            actions = tuple(other for other in rule.actions if other != action)
            yield f"{rule.id} not on {action}", _with(replace(rule, actions=actions))


FAULTS = dict(_faults())


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_by_a_vector(fault: str) -> None:
    differing = [v for v in pack().vectors if evaluate(FAULTS[fault], v.question) != v.answer]
    assert differing


def test_the_sound_program_gives_every_answer() -> None:
    assert all(evaluate(PROGRAM, v.question) == v.answer for v in pack().vectors)


def test_every_duty_applies_in_some_vector() -> None:
    shown = {duty for vector in pack().vectors for duty in vector.answer.duties}
    assert shown == {duty.id for rule in PROGRAM.rules for duty in rule.duties}


def test_no_vector_is_there_twice_and_their_order_is_fixed() -> None:
    examples = [case.question for case in pack_cases()]
    again = agreement_vectors(PROGRAM, reversed(examples))
    assert again == pack().vectors
    assert len({repr(vector) for vector in again}) == len(again)


def test_without_examples_there_is_nothing_to_show() -> None:
    assert agreement_vectors(PROGRAM, []) == ()
