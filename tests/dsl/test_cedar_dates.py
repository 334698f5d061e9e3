"""Dates that come first change no value, and nothing of what is published."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsl import to_cedar
from dsl.cedar_dates import GUARDED, with_dates_first
from dsl.core import (
    And,
    Condition,
    Holds,
    InForce,
    Not,
    OneOf,
    Or,
    Program,
    Touches,
    atoms,
    opposite,
)
from dsl.evaluate import truth
from dsl.facts import Question
from tests.pack import pack
from tests.strategies import cases

ZONES = ("UTC", "Europe/Brussels")
DAYS = (9, 10, 19, 20, 21, 30, 40)
FACTS = {"a.a": True, "b.b": "x", "t.t": ("p", "q")}

dates = st.builds(
    InForce,
    st.sampled_from(ZONES),
    st.none() | st.sampled_from((10, 20, 30)),
    st.none() | st.sampled_from((15, 20, 39)),
)
others = st.sampled_from((Holds("a.a"), OneOf("b.b", ("x", "y")), Touches("t.t", ("p",))))
literals = st.one_of(dates, dates.map(Not), others, others.map(Not))

dated = st.lists(st.tuples(dates, st.one_of(others, others.map(Not))), min_size=GUARDED, max_size=6)
chains: st.SearchStrategy[Condition] = dated.map(lambda some: And(tuple(map(Or, some))))
leaves = st.one_of(literals, chains, chains.map(opposite))


def joined(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    several = st.lists(parts, max_size=7).map(tuple)
    return st.builds(And, several) | st.builds(Or, several)


@settings(deadline=None)
@given(
    st.recursive(leaves, joined, max_leaves=12),
    st.sets(st.sampled_from(sorted(FACTS))),
    st.tuples(st.sampled_from(DAYS), st.sampled_from(DAYS)),
)
def test_no_condition_has_another_value_on_any_day(
    condition: Condition, known: set[str], days: tuple[int, int]
) -> None:
    facts = {path: FACTS[path] for path in known}
    question = Question("place", facts, dict(zip(ZONES, days, strict=True)))
    assert truth(with_dates_first(condition), question) is truth(condition, question)
    denied = with_dates_first(opposite(condition))
    assert truth(denied, question) is truth(opposite(condition), question)


@settings(deadline=None, max_examples=40)
@given(cases(per_program=3))
def test_no_rule_of_a_generated_program_has(case: tuple[Program, list[Question]]) -> None:
    program, questions = case
    for question in questions:
        for rule in program.rules:
            for condition in (rule.formula, *(duty.condition for duty in rule.duties)):
                assert truth(with_dates_first(condition), question) is truth(condition, question)


def zone(*firsts: int, where: str = "UTC", last: int | None = None) -> tuple[Condition, ...]:
    """As zones are: members that joined on a day."""
    return tuple(
        Or((InForce(where, first, last), Not(Touches("t.t", (f"c{first}",))))) for first in firsts
    )


def test_a_zone_is_behind_the_day_on_which_the_last_had_joined() -> None:
    chain = zone(10, 30, 20)
    assert with_dates_first(And(chain)) == And((Or((InForce("UTC", 30, None), And(chain))),))


def test_what_ends_bounds_the_days_as_well() -> None:
    chain = (*zone(10, 20), *zone(15, last=39))
    (only,) = with_dates_first(And(chain)).operands  # type: ignore[union-attr]
    assert only == Or((InForce("UTC", 20, 39), And(chain)))


def test_the_opposite_is_behind_the_same_day_denied() -> None:
    chain = tuple(opposite(part) for part in zone(10, 20, 30))
    expected = Or((And((Not(InForce("UTC", 30, None)), Or(chain))),))
    assert with_dates_first(Or(chain)) == expected


@pytest.mark.parametrize(
    "chain",
    [
        zone(*range(10, 10 + GUARDED - 1)),
        (*zone(10, 20), *zone(30, where="Europe/Brussels")),
        (*zone(10, 20), *zone(30, last=39), Or((InForce("UTC", None, 15), Holds("a.a")))),
        tuple(And((InForce("UTC", day, None), Holds("a.a"))) for day in (10, 20, 30)),
        tuple(Or((Not(InForce("UTC", day, None)), Holds("a.a"))) for day in (10, 20, 30)),
        tuple(InForce("UTC", day, None) for day in (10, 20, 30)),
    ],
    ids=["few", "two zones", "no day in common", "dates in conjunctions", "denied", "bare"],
)
def test_what_no_one_day_settles_stays_as_it_is(chain: tuple[Condition, ...]) -> None:
    assert set(with_dates_first(And(chain)).operands) == set(chain)  # type: ignore[union-attr]


def test_what_is_short_comes_first_and_nothing_is_lost() -> None:
    long = And((Holds("a.a"), OneOf("b.b", ("x",))))
    found = with_dates_first(Or((long, Holds("c.c"), long, Not(Holds("d.d")))))
    assert found == Or((Holds("c.c"), Not(Holds("d.d")), long))


def test_what_is_published_is_in_the_order_of_the_authors(monkeypatch: pytest.MonkeyPatch) -> None:
    program = pack().program
    published = to_cedar.cedar_policies(program)

    def never(_: Condition) -> Condition:
        raise AssertionError("this is for policies of the gateway alone")

    monkeypatch.setattr(to_cedar, "with_dates_first", never)
    assert to_cedar.cedar_policies(program) == published
    with pytest.raises(AssertionError):
        to_cedar.cedar_parts(program, shared=True)


def test_every_date_of_the_pack_is_still_compared() -> None:
    for rule in pack().program.rules:
        found = set(atoms(with_dates_first(rule.formula)))
        assert found >= set(atoms(rule.formula))
