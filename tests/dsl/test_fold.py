"""Constants fold away by laws that hold in three-valued logic, and by no others."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings

from dsl.core import (
    PROFILE_PATH,
    And,
    AtLeast,
    Condition,
    Constant,
    Effect,
    Holds,
    InForce,
    Known,
    Not,
    NotBefore,
    OneOf,
    Or,
    Program,
    atoms,
)
from dsl.evaluate import evaluate, truth
from dsl.facts import Question, Value
from dsl.fold import assume, fold, paths_read, slice_by_action, without_profiles
from dsl.wellformed import check_program
from tests import corpus, strategies
from tests.dsl.whole import PROGRAM, ZONE

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


DAY = 20_000
ASSUMED: list[tuple[Condition, dict[str, Value], Condition]] = [
    (And((A, B)), {"a": True}, B),
    (And((A, B)), {"a": False}, FALSE),
    (Or((A, B)), {"a": True}, TRUE),
    (Or((A, B)), {"a": False}, B),
    (And((Not(A), B)), {"a": True}, FALSE),
    (And((Not(A), B)), {"a": False}, B),
    (And((A, B)), {}, And((A, B))),
    (And((Known("a"), B)), {"a": False}, B),
    (Not(Known("a")), {"a": False}, FALSE),
    (Known("a"), {"b": True}, Known("a")),
    # Of another kind than the atom reads: unknown, and never false.
    (A, {"a": 1}, A),
    # What today is nobody said.
    (NotBefore("a", "UTC", 0), {"a": DAY}, NotBefore("a", "UTC", 0)),
    (And((AtLeast("a", DAY), B)), {"a": DAY}, B),
    (OneOf("a", ("x",)), {"a": "x"}, TRUE),
    (OneOf("a", ("x",)), {"a": "y"}, FALSE),
    (Or((OneOf("a", ()), B)), {"a": "y"}, B),
]


@pytest.mark.parametrize(("condition", "facts", "left"), ASSUMED)
def test_what_is_assumed_folds_away(
    condition: Condition, facts: dict[str, Value], left: Condition
) -> None:
    assert assume(condition, facts) == left


@settings(max_examples=40, deadline=None)
@given(strategies.cases(per_program=2))
def test_assuming_a_known_fact_keeps_every_value(case: tuple[Program, list[Question]]) -> None:
    program, questions = case
    for question in questions:
        for path in question.facts:
            known = {path: question.facts[path]}
            rest = {p: v for p, v in question.facts.items() if p != path}
            without = Question(question.action, rest, question.today)
            for rule in program.rules:
                left = assume(rule.formula, known)
                value = truth(rule.formula, question)
                assert truth(left, question) is value
                if not any(isinstance(atom, NotBefore) for atom in atoms(left)):
                    assert truth(left, without) is value


@pytest.mark.parametrize("atom", [Known("a"), NotBefore("a", "UTC", 1)])
def test_dates_and_what_is_known_pass_through(atom: Known | NotBefore) -> None:
    assert fold(And((atom, TRUE, Not(atom)))) == And((atom, Not(atom)))


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


def test_a_slice_keeps_what_its_facts_are_derived_from() -> None:
    part = slice_by_action(PROGRAM, "place")
    check_program(part)
    assert set(part.derived) == {"contract.notice_ends", "destination.non_eu_share"}
    assert set(part.lists) == {"destination.holders"}
    assert set(part.facts) == paths_read(part) | {"contract.notified_on"}
    assert "contract.copies" not in part.facts
    assert part.invariants == ()


def test_a_slice_without_rules_has_no_facts() -> None:
    part = slice_by_action(PROGRAM, "flow")
    check_program(part)
    assert (part.rules, part.facts, part.derived, part.lists) == ((), {}, {}, {})


# --- profiles ------------------------------------------------------------------------


def test_without_profiles_no_rule_reads_one() -> None:
    bare = without_profiles(PROGRAM)
    check_program(bare)
    assert PROFILE_PATH not in paths_read(bare)
    assert PROFILE_PATH not in bare.facts
    assert bare.profiles == ()
    assert {rule.id for rule in bare.rules} == {rule.id for rule in PROGRAM.rules}


def test_without_profiles_the_answer_is_that_of_a_caller_who_has_them_all() -> None:
    one = replace(PROGRAM, rules=tuple(r for r in PROGRAM.rules if r.id != "test.whole/banks"))
    bare = without_profiles(one)
    for facts in ({}, {"transfer.report": "x"}, {"contract.ends": DAY}, {"csf.seal[SOV-2]": "x"}):
        for profile in ("banks", "clinics"):
            asked = Question("place", {**facts, PROFILE_PATH: profile}, {ZONE: DAY})
            assert evaluate(bare, asked) == evaluate(one, asked)


def test_a_caller_without_a_profile_is_permitted_nothing() -> None:
    facts: dict[str, Value] = {"transfer.report": "x", "contract.ends": DAY + 99}
    with_it = Question("place", {**facts, PROFILE_PATH: "clinics"}, {ZONE: DAY})
    kept = {**with_it.facts, "data.labels": ("public",), "destination.non_eu_share": 0}
    assert evaluate(PROGRAM, Question("place", kept, with_it.today)).permits
    del kept[PROFILE_PATH]
    without = evaluate(PROGRAM, Question("place", kept, with_it.today))
    assert not without.permits
    assert not without.broken
