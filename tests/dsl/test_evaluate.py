"""The definition: atoms, answers and verdicts, case by case."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsl.core import (
    And,
    AtLeast,
    Condition,
    Constant,
    Duty,
    Effect,
    Holds,
    InForce,
    Known,
    Level,
    Not,
    NotBefore,
    OneOf,
    Or,
    Program,
    Rule,
    Touches,
    Within,
    atoms,
    opposite,
)
from dsl.evaluate import Answer, Verdict, evaluate, truth, verdict
from dsl.facts import Question, Value
from dsl.kleene import Truth, negate
from tests import strategies

T, F, U = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN


def question(**facts: Value) -> Question:
    return Question("place", facts, {"UTC": 10})


ATOMS: list[tuple[Condition, Value | None, Truth]] = [
    (Holds("x"), True, T),
    (Holds("x"), False, F),
    (Holds("x"), None, U),
    (AtLeast("x", 5), 4, F),
    (AtLeast("x", 5), 5, T),
    (AtLeast("x", 5), 6, T),
    (AtLeast("x", 5), None, U),
    (OneOf("x", ("a", "b")), "a", T),
    (OneOf("x", ("a", "b")), "c", F),
    (OneOf("x", ()), "a", F),
    (OneOf("x", ("a",)), None, U),
    (Within("x", ("a", "b")), ("a",), T),
    (Within("x", ("a", "b")), ("a", "c"), F),
    (Within("x", ("a", "b")), (), T),
    (Within("x", ("a",)), None, U),
    (Touches("x", ("a", "b")), ("b", "c"), T),
    (Touches("x", ("a", "b")), ("c",), F),
    (Touches("x", ("a", "b")), (), F),
    (Touches("x", ("a",)), None, U),
    # Of a day or a number, `today` being day 10.
    (NotBefore("x", "UTC", 0), 9, F),
    (NotBefore("x", "UTC", 0), 10, T),
    (NotBefore("x", "UTC", 0), 11, T),
    (NotBefore("x", "UTC", 30), 39, F),
    (NotBefore("x", "UTC", 30), 40, T),
    (NotBefore("x", "UTC", -30), -21, F),
    (NotBefore("x", "UTC", -30), -20, T),
    (NotBefore("x", "UTC", 0), None, U),
    (AtLeast("x", -5), -6, F),
    (AtLeast("x", -5), -5, T),
    # Whether a fact is known is never unknown.
    (Known("x"), None, F),
    (Known("x"), True, T),
    (Known("x"), False, T),
    (Known("x"), 0, T),
    (Known("x"), (), T),
    (Known("x"), "a", T),
    # A value of another kind is unknown, never false: `not` would make it true.
    (Holds("x"), 1, U),
    (Holds("x"), "yes", U),
    (AtLeast("x", 1), True, U),
    (AtLeast("x", 1), "2", U),
    (OneOf("x", ("a",)), ("a",), U),
    (Within("x", ("a",)), "a", U),
    (Touches("x", ("a",)), "a", U),
    (NotBefore("x", "UTC", 0), "2026-11-22", U),
    (NotBefore("x", "UTC", 0), True, U),
]


@pytest.mark.parametrize(("atom", "value", "expected"), ATOMS)
def test_an_atom_has_its_value(atom: Condition, value: Value | None, expected: Truth) -> None:
    asked = question() if value is None else question(x=value)
    assert truth(atom, asked) is expected
    assert truth(opposite(atom), asked) is negate(expected)


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        (10, None, {9: F, 10: T, 11: T}),
        (None, 10, {9: T, 10: T, 11: F}),
        (10, 10, {9: F, 10: T, 11: F}),
        (9, 11, {8: F, 9: T, 10: T, 11: T, 12: F}),
        (11, 9, {9: F, 10: F, 11: F}),
        (None, None, {-(10**9): T, 0: T, 10**9: T}),
    ],
)
def test_both_ends_of_a_period_are_inside(
    first: int | None, last: int | None, days: dict[int, Truth]
) -> None:
    for day, expected in days.items():
        assert truth(InForce("UTC", first, last), Question("place", {}, {"UTC": day})) is expected


def test_each_time_zone_has_its_own_day() -> None:
    asked = Question("place", {}, {"UTC": 9, "Pacific/Kiritimati": 10})
    assert truth(InForce("UTC", 10, None), asked) is F
    assert truth(InForce("Pacific/Kiritimati", 10, None), asked) is T


@settings(max_examples=60, deadline=None)
@given(strategies.cases(per_program=3))
def test_the_opposite_has_the_opposite_value(case: tuple[Program, list[Question]]) -> None:
    program, questions = case
    for asked in questions:
        for rule in program.rules:
            value = truth(rule.formula, asked)
            assert truth(opposite(rule.formula), asked) is negate(value)


@settings(max_examples=60, deadline=None)
@given(strategies.cases(per_program=3), st.data())
def test_knowing_more_never_changes_what_was_known(
    case: tuple[Program, list[Question]], data: st.DataObject
) -> None:
    program, questions = case
    for asked in questions:
        less = hidden(asked, data)
        for rule in program.rules:
            if not any(isinstance(atom, Known) for atom in atoms(rule.formula)):
                before = truth(rule.formula, less)
                assert before is U or truth(rule.formula, asked) is before


@settings(max_examples=60, deadline=None)
@given(strategies.cases(per_program=3), st.data())
def test_hiding_a_fact_never_helps(
    case: tuple[Program, list[Question]], data: st.DataObject
) -> None:
    program, questions = case
    for asked in questions:
        full, less = evaluate(program, asked), evaluate(program, hidden(asked, data))
        assert full.denied <= less.denied
        assert full.permits or not less.permits
        if less.permits:
            assert full.granted >= less.granted
            assert full.preferred >= less.preferred


def hidden(asked: Question, data: st.DataObject) -> Question:
    """The question without some of its facts."""
    kept = {path: value for path, value in asked.facts.items() if data.draw(st.booleans())}
    return Question(asked.action, kept, asked.today)


# --- answers -------------------------------------------------------------------------


def rule(
    name: str,
    effect: Effect,
    formula: Condition,
    *,
    duty: Condition | None = None,
    level: Level = Level.ENFORCE,
) -> Rule:
    duties = () if duty is None else (Duty(f"{name}#d", "d", "D", name, duty, ()),)
    weight = 5 if effect is Effect.PREFER else 0
    return Rule(name, effect, ("place",), formula, name, (), "", (), (), duties, level, weight)


YES, NO = Constant(value=True), Constant(value=False)
MAYBE = Holds("unknown.fact")


def answer(*rules: Rule, action: str = "place") -> Answer:
    program = Program({}, (), ("place",), tuple(rules))
    return evaluate(program, Question(action, {}, {}))


PERMIT = rule("permit", Effect.PERMIT, YES)
NONE = frozenset[str]()
P, X = frozenset({"permit"}), frozenset({"x"})


@pytest.mark.parametrize(
    ("rules", "expected", "outcome"),
    [
        ([], Answer(NONE, NONE), Verdict.UNCOVERED),
        ([PERMIT], Answer(NONE, P), Verdict.PERMIT),
        ([rule("x", Effect.PERMIT, NO)], Answer(NONE, NONE), Verdict.UNCOVERED),
        ([rule("x", Effect.PERMIT, MAYBE)], Answer(NONE, NONE, open=X), Verdict.UNDETERMINED),
        ([PERMIT, rule("x", Effect.PERMIT, MAYBE)], Answer(NONE, P), Verdict.PERMIT),
        (
            [PERMIT, rule("x", Effect.FORBID, YES)],
            Answer(X, NONE, broken=X, open=P),
            Verdict.FORBIDDEN,
        ),
        ([PERMIT, rule("x", Effect.FORBID, MAYBE)], Answer(X, NONE, open=P), Verdict.UNDETERMINED),
        ([PERMIT, rule("x", Effect.FORBID, NO)], Answer(NONE, P), Verdict.PERMIT),
        ([rule("x", Effect.FORBID, YES)], Answer(X, NONE, broken=X), Verdict.FORBIDDEN),
        (
            [PERMIT, rule("x", Effect.FORBID, YES), rule("y", Effect.FORBID, MAYBE)],
            Answer(frozenset("xy"), NONE, broken=X, open=P),
            Verdict.FORBIDDEN,
        ),
        ([rule("x", Effect.OBLIGE, YES)], Answer(NONE, NONE), Verdict.UNCOVERED),
        ([PERMIT, rule("x", Effect.OBLIGE, YES)], Answer(NONE, P), Verdict.PERMIT),
    ],
)
def test_an_answer_and_its_verdict(rules: list[Rule], expected: Answer, outcome: Verdict) -> None:
    found = answer(*rules)
    assert found == expected
    assert verdict(found) is outcome
    assert found.permits is (outcome is Verdict.PERMIT)


@pytest.mark.parametrize(
    ("condition", "owed"),
    [(YES, True), (MAYBE, True), (Not(MAYBE), True), (NO, False), (And((MAYBE, NO)), False)],
)
def test_a_duty_applies_unless_it_certainly_does_not(condition: Condition, owed: bool) -> None:
    found = answer(PERMIT, rule("x", Effect.OBLIGE, NO, duty=condition))
    assert (found.duties == {"x#d"}) is owed


@pytest.mark.parametrize("refusing", [YES, MAYBE, Or((MAYBE, NO))])
def test_a_refusal_has_no_duties(refusing: Condition) -> None:
    found = answer(
        PERMIT, rule("x", Effect.FORBID, refusing), rule("y", Effect.OBLIGE, NO, duty=YES)
    )
    assert found.duties == NONE


def test_a_rule_for_another_action_says_nothing() -> None:
    assert answer(PERMIT, rule("x", Effect.FORBID, YES), action="flow") == Answer(NONE, NONE)


@pytest.mark.parametrize(
    ("condition", "preferred"), [(YES, True), (MAYBE, False), (Not(MAYBE), False), (NO, False)]
)
def test_a_preference_counts_where_it_certainly_holds(
    condition: Condition, preferred: bool
) -> None:
    found = answer(PERMIT, rule("x", Effect.PREFER, condition))
    assert found == Answer(NONE, P, preferred=X if preferred else NONE)


@pytest.mark.parametrize("refusing", [YES, MAYBE])
def test_a_refusal_has_no_preferences(refusing: Condition) -> None:
    found = answer(PERMIT, rule("x", Effect.FORBID, refusing), rule("y", Effect.PREFER, YES))
    assert found.preferred == NONE


def test_a_preference_permits_nothing() -> None:
    assert answer(rule("x", Effect.PREFER, YES)) == Answer(NONE, NONE)


NOTED: list[tuple[Effect, Condition, bool]] = [
    (Effect.FORBID, YES, True),
    (Effect.FORBID, MAYBE, True),
    (Effect.FORBID, NO, False),
    (Effect.PERMIT, YES, True),
    (Effect.PERMIT, MAYBE, False),
    (Effect.PERMIT, NO, False),
]


@pytest.mark.parametrize("level", [Level.WARN, Level.SHADOW])
@pytest.mark.parametrize(("effect", "formula", "noted"), NOTED)
def test_a_rule_that_is_not_enforced_is_noted_and_changes_nothing_else(
    effect: Effect, formula: Condition, noted: bool, level: Level
) -> None:
    silent = rule("x", effect, formula, duty=YES, level=level)
    marks = X if noted else NONE
    assert answer(PERMIT, silent) == Answer(NONE, P, noted=marks)
    refusing = rule("y", Effect.FORBID, YES)
    y = frozenset({"y"})
    assert answer(PERMIT, refusing, silent) == Answer(y, NONE, broken=y, open=P, noted=marks)
    assert answer(silent) == Answer(NONE, NONE, noted=marks)


def test_the_same_rule_enforced_is_not_noted() -> None:
    assert answer(PERMIT, rule("x", Effect.FORBID, YES)).noted == NONE
    assert answer(rule("x", Effect.PERMIT, YES)) == Answer(NONE, X)


def test_another_time_zone_has_another_today() -> None:
    asked = Question("place", {"x": 10}, {"UTC": 9, "Pacific/Kiritimati": 10})
    assert truth(NotBefore("x", "Pacific/Kiritimati", 0), asked) is T
    assert truth(NotBefore("x", "Pacific/Kiritimati", 1), asked) is F
    assert truth(NotBefore("x", "UTC", 1), asked) is T
