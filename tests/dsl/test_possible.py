"""Which conditions can be unknown: told apart without trying facts, and compared with trying
every value of every fact."""

from itertools import product

import pytest
from hypothesis import given
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
    opposite,
)
from dsl.evaluate import truth
from dsl.facts import Question, Value
from dsl.kleene import Truth
from dsl.possible import can_be_unknown

ZONE = "UTC"
A, B, TOOL = Holds("a"), Holds("b"), OneOf("tool", ("none",))
DAY = InForce(ZONE, 10, None)

NEVER: dict[str, Condition] = {
    "a constant": Constant(True),
    "no operands": And(()),
    "a period": DAY,
    "not a period": Not(DAY),
    "is known": Known("a"),
    "is not known": Not(Known("a")),
    "two that ask": Or((Known("a"), Not(Known("b")), DAY)),
    "not known, or so": Or((Not(Known("tool")), TOOL)),
    "known, and so": And((Known("tool"), Not(TOOL))),
    "nested": And((DAY, Or((Not(Known("a")), And((A, Or((Not(Known("b")), B)))))))),
}
SOMETIMES: dict[str, Condition] = {
    "a fact": A,
    "not a fact": Not(TOOL),
    "a day that is a fact": NotBefore("since", ZONE, 0),
    "a fact on some days": And((DAY, A)),
    "a fact beside another that is known": Or((Not(Known("a")), B)),
    "known the wrong way round": Or((Known("tool"), TOOL)),
    "not known, and so": And((Not(Known("tool")), TOOL)),
    "settled, beside one that is not": And((Or((Not(Known("a")), A)), B)),
}


@pytest.mark.parametrize("condition", NEVER.values(), ids=NEVER)
def test_what_is_always_true_or_false_cannot_be_unknown(condition: Condition) -> None:
    assert not can_be_unknown(condition)
    assert not can_be_unknown(opposite(condition))


@pytest.mark.parametrize("condition", SOMETIMES.values(), ids=SOMETIMES)
def test_what_a_missing_fact_leaves_open_can_be_unknown(condition: Condition) -> None:
    assert can_be_unknown(condition)
    assert can_be_unknown(opposite(condition))


def test_many_facts_asked_about_are_not_gone_through() -> None:
    paths = [f"f{number:03}" for number in range(200)]
    assert not can_be_unknown(Or(tuple(Known(path) for path in paths)))
    assert can_be_unknown(And(tuple(Or((Known(path), Holds(path))) for path in paths)))


# --- against all facts ---------------------------------------------------------------

PATHS = ("a", "b", "c")
ATOMS = st.one_of(
    st.sampled_from(PATHS).map(Holds),
    st.sampled_from(PATHS).map(Known),
    st.sampled_from([DAY, Constant(True), Constant(False)]),
)
LITERALS = ATOMS | ATOMS.map(Not)
CONDITIONS = st.recursive(
    LITERALS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, max_size=3).map(lambda parts: Or(tuple(parts))),
    ),
    max_leaves=6,
)
VALUES: tuple[Value | None, ...] = (True, False, None)


def _found_unknown(condition: Condition) -> bool:
    for values, today in product(product(VALUES, repeat=len(PATHS)), (9, 10)):
        facts = {p: v for p, v in zip(PATHS, values, strict=True) if v is not None}
        if truth(condition, Question("act", facts, {ZONE: today})) is Truth.UNKNOWN:
            return True
    return False


@given(CONDITIONS)
def test_no_facts_leave_open_what_is_said_never_to_be_unknown(condition: Condition) -> None:
    if not can_be_unknown(condition):
        assert not _found_unknown(condition)


@given(CONDITIONS)
def test_what_reads_each_fact_once_is_told_exactly(condition: Condition) -> None:
    text = repr(condition)
    once = all(text.count(f"Holds(path='{path}')") <= 1 for path in PATHS)
    if once and text.count("InForce(") <= 1:
        assert can_be_unknown(condition) == _found_unknown(condition)
