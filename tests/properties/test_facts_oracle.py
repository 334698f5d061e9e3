"""What is stated of a fact is read alike twice: by `dsl.facts` and `dsl.derive`, and by the
oracle of `tests.dsl.naive_facts`, which uses fractions and dates."""

from calendar import monthrange
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsl.compile import compile_charters
from dsl.core import FactType, Kind, Origin
from dsl.derive import shifted
from dsl.facts import fit, fit_list
from tests.dsl import generate
from tests.dsl.generate_questions import DECIMALS, GARBAGE, NEARLY
from tests.dsl.naive_facts import EPOCH, Value, elements_of, fitted, moved

RAW: tuple[Any, ...] = (
    *(*GARBAGE, *DECIMALS, *(raw for raws in NEARLY.values() for raw in raws)),
    *("x" * 257, "a\u00a0b", "line\nbreak", "clinic", ["clinic", "x" * 257], "9999-12-31"),
    *(["AT"] * 1000, ["AT"] * 1001, ["genetic"], ["health", "public"], "high", "0", "-0.5"),
)


def _facts() -> list[FactType]:
    _, program = compile_charters(generate.sources_of(generate.chance(1))).require()
    fields = [fact for listed in program.lists.values() for fact in listed.fields.values()]
    more = [FactType("a.b", Kind.INTEGER, Origin.REQUEST, (), scale=n) for n in (0, 1, 2, 9)]
    signed = [
        FactType("a.c", Kind.INTEGER, Origin.REQUEST, (), scale=n, may_be_negative=True)
        for n in (0, 1, 2, 15)
    ]
    return [*program.facts.values(), *fields, *more, *signed]


def inner(fact: FactType, value: Value | None) -> object:
    """A value of the oracle in the form that programs use."""
    match value:
        case Fraction():
            steps = value * 10**fact.scale
            assert steps.denominator == 1
            return int(steps)
        case date():
            return (value - EPOCH).days
        case frozenset():
            return tuple(sorted(value))
        case _:
            return value


def test_all_kinds_of_facts_are_there() -> None:
    facts = _facts()
    assert {fact.kind for fact in facts} == set(Kind)
    assert any(fact.broader for fact in facts)
    assert any(fact.may_be_empty for fact in facts)
    assert len({fact.scale for fact in facts}) >= 4


def test_whatever_is_stated_is_read_alike() -> None:
    differing = [
        (fact.path, fact.scale, raw, fit(fact, raw), fitted(fact, raw))
        for fact in _facts()
        for raw in RAW
        if (got := fit(fact, raw)) != (meant := inner(fact, fitted(fact, raw)))
        or type(got) is not type(meant)
    ]
    assert differing == []


@pytest.mark.parametrize("size", [0, 1, 3, 1000, 1001])
@pytest.mark.parametrize("element", [{}, {"country": "AT", "share": "24.1", "more": 1}, None, []])
def test_whatever_is_stated_of_a_list_is_read_alike(size: int, element: object) -> None:
    _, program = compile_charters(generate.sources_of(generate.chance(1))).require()
    listed = program.lists["destination.holders"]
    nothing: object = {}
    raws: list[object] = [[element] * size, [nothing, element][:size], {"0": element}, None, "[]"]
    for raw in raws:
        meant = elements_of(listed, {listed.path: raw})
        got = fit_list(listed, raw)
        assert (got is None) is (meant is None)
        for known, expected in zip(got or (), meant or (), strict=True):
            named = {f"holders.{name}": value for name, value in known.items()}
            fields = {f"holders.{name}": fact for name, fact in listed.fields.items()}
            assert named == {name: inner(fields[name], value) for name, value in expected.items()}


def test_enough_of_it_is_fit_and_enough_is_not() -> None:
    known = [fit(fact, raw) is not None for fact in _facts() for raw in RAW]
    assert 300 < sum(known) < len(known) / 2


@given(
    st.sampled_from(_facts()),
    st.text("0123456789.-+e ", max_size=22) | st.from_regex(r"-?[0-9]{1,17}(\.[0-9]{1,3})?\Z"),
)
def test_whatever_looks_like_a_number_is_read_alike(fact: FactType, raw: str) -> None:
    assert fit(fact, raw) == inner(fact, fitted(fact, raw))


@given(st.dates(), st.integers(-30_000, 30_000), st.integers(-800, 800))
def test_dates_are_moved_alike(start: date, months: int, days: int) -> None:
    expected = moved(start, months, days)
    got = shifted((start - EPOCH).days, months, days)
    if expected is None:
        # Beyond the calendar a number that is no day is as good as none.
        assert got is None or not (date.min - EPOCH).days <= got <= (date.max - EPOCH).days
    else:
        assert got == (expected - EPOCH).days


@pytest.mark.parametrize("months", [1, 2, 6, 12, 13, -1, -2, -12, 24])
def test_every_end_of_a_month_is_moved_to_one(months: int) -> None:
    for number in range(4 * 366):
        start = date(2023, 1, 1) + timedelta(days=number)
        years, month = divmod(start.month - 1 + months, 12)
        last = monthrange(start.year + years, month + 1)[1]
        expected = date(start.year + years, month + 1, min(start.day, last))
        assert shifted((start - EPOCH).days, months, 0) == (expected - EPOCH).days
        assert moved(start, months, 0) == expected
