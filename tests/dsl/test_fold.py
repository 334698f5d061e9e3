"""Constants fold away by laws that hold in three-valued logic, and by no others."""

from itertools import product

import pytest

from dsl.core import And, AtLeast, Condition, Constant, Effect, Holds, InForce, Not, Or, atoms
from dsl.evaluate import truth
from dsl.facts import Question
from dsl.fold import fold, paths_read, slice_by_action
from tests import corpus

A, B = Holds("a"), Holds("b")
TRUE, FALSE = Constant(True), Constant(False)

FOLDED: list[tuple[Condition, Condition]] = [
    (And(()), TRUE),
    (Or(()), FALSE),
    (Not(TRUE), FALSE),
    (And((A, TRUE)), A),
    (And((A, FALSE)), FALSE),
    (Or((A, TRUE)), TRUE),
    (Or((A, FALSE)), A),
    (And((A, A)), A),
    (And((A, And((B, TRUE)))), And((A, B))),
    (Or((A, Or((B, A)))), Or((A, B))),
    (And((Or((A, TRUE)), B)), B),
    (InForce("UTC", None, None), TRUE),
    (Not(InForce("UTC", 2, 1)), TRUE),
    (InForce("UTC", 1, 1), InForce("UTC", 1, 1)),
]


@pytest.mark.parametrize(("condition", "folded"), FOLDED)
def test_constants_and_repeats_fold_away(condition: Condition, folded: Condition) -> None:
    assert fold(condition) == folded


@pytest.mark.parametrize("condition", [And((A, Not(A))), Or((A, Not(A)))])
def test_a_law_that_unknown_facts_break_is_not_used(condition: Condition) -> None:
    assert fold(condition) == condition


@pytest.mark.parametrize(("condition", "folded"), FOLDED)
def test_folding_keeps_the_value_under_all_facts(condition: Condition, folded: Condition) -> None:
    for a, b, day in product((None, False, True), (None, False, True), (0, 1, 2)):
        facts = {path: value for path, value in (("a", a), ("b", b)) if value is not None}
        question = Question("place", facts, {"UTC": day})
        assert truth(folded, question) is truth(condition, question)


def test_a_slice_holds_the_rules_of_its_action_and_the_facts_they_read() -> None:
    whole = corpus.program(
        corpus.permit(actions=("place",)),
        corpus.forbid(corpus.ENCRYPTED, actions=("flow",)),
        corpus.rule("both", Effect.FORBID, corpus.LARGE, actions=("flow", "place")),
    )
    part = slice_by_action(whole, "place")
    assert [rule.id for rule in part.rules] == ["test.charter/both", "test.charter/permission"]
    assert set(part.facts) == paths_read(part) == {"training.compute"}
    assert any(isinstance(atom, AtLeast) for atom in atoms(part.rules[0].formula))
