"""What a value rests on, and what is missing to know it: properties over generated
conditions and facts."""

from collections.abc import Collection, Iterable, Iterator
from functools import partial

import pytest
from hypothesis import given, settings
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
    Or,
    Program,
    atoms,
)
from dsl.evaluate import truth
from dsl.facts import Question, Value, settled
from dsl.kleene import Truth
from dsl.prepared import Once, PreparedProgram
from dsl.residual import Residuals, ValueOf, deciding, missing, wanting
from tests import strategies
from tests.pack import pack

generated = settings(max_examples=50, deadline=None)
cases = strategies.cases(per_program=2)


def asked(case: tuple[Program, list[Question]]) -> Iterator[tuple[Condition, Question, Program]]:
    program, questions = case
    for question in questions:
        for rule in program.rules:
            yield rule.formula, question, program


def asks_what_is_known(condition: Condition) -> bool:
    return any(isinstance(atom, Known) for atom in atoms(condition))


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
        if not asks_what_is_known(condition):
            fuller = with_facts(question, missing(condition, question), program, data)
            assert truth(condition, fuller) is not Truth.UNKNOWN


@generated
@given(cases, st.data())
def test_what_is_missing_comes_to_an_end(
    case: tuple[Program, list[Question]], data: st.DataObject
) -> None:
    # A fact that gets known may answer a `Known`, and what that guards is then missing.
    for condition, question, program in asked(case):
        asking = question
        while paths := missing(condition, asking):
            asking = with_facts(asking, paths, program, data)
        assert truth(condition, asking) is not Truth.UNKNOWN


@generated
@given(cases, st.data())
def test_a_value_that_wants_nothing_stays_whatever_gets_known(
    case: tuple[Program, list[Question]], data: st.DataObject
) -> None:
    for condition, question, program in asked(case):
        paths = wanting(condition, question)
        assert paths.isdisjoint(question.facts)
        value = truth(condition, question)
        if not paths and value is not Truth.UNKNOWN:
            hidden = frozenset(program.facts) - frozenset(question.facts)
            more = frozenset(path for path in hidden if data.draw(st.booleans()))
            fuller = with_facts(question, more, program, data)
            assert truth(condition, fuller) is value


def with_facts(
    question: Question, paths: Iterable[str], program: Program, data: st.DataObject
) -> Question:
    """The question with some fit value for each of these facts."""
    facts = dict(question.facts)
    for path in sorted(paths):
        fact = program.facts[path]
        values = strategies.fit_values(fact).map(partial(settled, fact))
        value = data.draw(values.filter(lambda value: value is not None))
        assert value is not None
        facts[path] = value
    return Question(question.action, facts, question.today)


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


X, Y = Known("x"), Known("y")
WANTED: list[tuple[Condition, dict[str, bool], set[str]]] = [
    (X, {}, {"x"}),
    (Not(X), {}, {"x"}),
    (X, {"x": False}, set()),
    (Not(X), {"x": True}, set()),
    # A prohibition that breaks because nobody says x.
    (And((A, Not(X))), {"a": True}, {"x"}),
    (And((A, Not(X))), {"a": False}, set()),
    (And((A, Not(X))), {}, {"x"}),
    (And((A, Not(X), Not(Y))), {"a": True}, {"x", "y"}),
    # It breaks for another reason as well, which saying x does not mend.
    (Or((A, Not(X))), {"a": True}, set()),
    (Or((A, Not(X))), {"a": False}, {"x"}),
    (Or((Not(X), Not(Y))), {}, {"x", "y"}),
    (Or((Not(X), Not(Y))), {"x": True}, {"y"}),
    (Or((Not(X), And((A, Not(Y))))), {"a": True}, {"x", "y"}),
    (And((Or((B, Not(X))), A)), {"a": True, "b": True}, set()),
    # A permission that does not grant because nobody says x.
    (And((A, X)), {"a": True}, {"x"}),
    (And((A, X)), {"a": False}, set()),
    (And((A, X)), {}, {"x"}),
    (Or((And((A, X)), B)), {"a": True, "b": False}, {"x"}),
    (Or((And((A, X)), B)), {"a": True, "b": True}, set()),
    (A, {}, set()),
    (Constant(value=True), {}, set()),
    (InForce("UTC", 0, None), {}, set()),
    (NotBefore("x", "UTC", 0), {}, set()),
]


@pytest.mark.parametrize(("condition", "facts", "paths"), WANTED)
def test_what_must_be_known_is_wanted_where_it_matters(
    condition: Condition, facts: dict[str, bool], paths: set[str]
) -> None:
    assert wanting(condition, question(**facts)) == paths


def test_what_is_not_known_is_missing_nowhere_and_decides_nothing() -> None:
    assert missing(Not(X), question()) == frozenset()
    assert deciding(Not(X), question()) == frozenset()
    assert deciding(Not(X), question(x=True)) == {"x"}
    dated = NotBefore("a", "UTC", 0)
    assert missing(dated, question()) == {"a"}
    assert deciding(dated, Question("place", {"a": 3}, {"UTC": 0})) == {"a"}


# --- looked up once -------------------------------------------------------------------


def check_looked_up(
    residuals: Residuals, condition: Condition, question: Question, of: ValueOf
) -> None:
    assert residuals.missing(condition, question, of) == missing(condition, question)
    assert residuals.deciding(condition, question, of) == deciding(condition, question)
    assert residuals.wanting(condition, question, of) == wanting(condition, question)


@generated
@given(cases)
def test_what_is_looked_up_once_is_the_same(case: tuple[Program, list[Question]]) -> None:
    residuals = Residuals()
    for condition, question, _ in asked(case):
        # Twice, for the second time something is known of the condition.
        for _ in range(2):
            check_looked_up(residuals, condition, question, Once(question))


def test_what_is_looked_up_once_is_the_same_of_the_pack_with_prepared_values() -> None:
    program, residuals = pack().program, Residuals()
    prepared = {action: PreparedProgram(program, action).prepared for action in program.actions}
    for vector in pack().vectors[::3]:
        question = vector.question
        of = prepared[question.action].truths(question)
        for rule in program.rules:
            if question.action in rule.actions:
                check_looked_up(residuals, rule.formula, question, of)


ONE, OTHER, HIDDEN = Holds("a.x"), Holds("a.y"), Known("a.z")
NONE = frozenset[str]()


@pytest.mark.parametrize(
    ("condition", "facts", "decided", "missed", "wanted"),
    [
        (And((ONE, Or((ONE, OTHER)))), {"a.x": True}, {"a.x"}, NONE, NONE),
        (And((ONE, OTHER)), {"a.x": False, "a.y": False}, {"a.x"}, NONE, NONE),
        (And((OTHER, ONE)), {"a.x": False}, {"a.x"}, NONE, NONE),
        (And((ONE, OTHER)), {"a.x": True}, {"a.x"}, {"a.y"}, NONE),
        (Or((ONE, Not(OTHER))), {"a.x": False}, {"a.x"}, {"a.y"}, NONE),
        (Or((And((ONE, OTHER)), And((ONE, Not(OTHER))))), {"a.x": True}, {"a.x"}, {"a.y"}, NONE),
        (And((ONE, HIDDEN)), {"a.x": True}, NONE, NONE, {"a.z"}),
        (Or((ONE, HIDDEN)), {"a.x": True}, {"a.x"}, NONE, NONE),
        (Not(HIDDEN), {"a.z": True}, {"a.z"}, NONE, NONE),
        (And(()), {}, NONE, NONE, NONE),
        (And((Constant(True), InForce("UTC", 0, None))), {}, NONE, NONE, NONE),
    ],
    ids=str,
)
def test_of_a_part_that_can_add_nothing_nothing_is_left_out(
    condition: Condition,
    facts: dict[str, Value],
    decided: Collection[str],
    missed: Collection[str],
    wanted: Collection[str],
) -> None:
    question, residuals = Question("place", facts, {"UTC": 1}), Residuals()
    of = Once(question)
    assert residuals.deciding(condition, question, of) == set(decided)
    assert residuals.missing(condition, question, of) == set(missed)
    assert residuals.wanting(condition, question, of) == set(wanted)
    check_looked_up(residuals, condition, question, of)
