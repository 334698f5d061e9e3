"""The only door for facts: what fits, in its one form, and what is unknown."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsl.core import FactType, Kind, ListType, Origin
from dsl.facts import (
    FIRST_DAY,
    LAST_DAY,
    MAX_ELEMENTS,
    MAX_INTEGER,
    MAX_TERM_LENGTH,
    MAX_TERMS,
    Question,
    fit,
    fit_all,
    fit_list,
    settled,
    wire_value,
)

WIRE = ("context", "x")
TRUTH = FactType("a.truth", Kind.TRUTH, Origin.REQUEST, WIRE)
INTEGER = FactType("a.integer", Kind.INTEGER, Origin.REQUEST, WIRE, unit="days")
TERM = FactType("a.term", Kind.TERM, Origin.REQUEST, WIRE, values=("AT", "BE"))
NAME = FactType("a.name", Kind.TERM, Origin.REQUEST, WIRE)
TERMS = FactType("a.terms", Kind.TERMS, Origin.REQUEST, WIRE, values=("AT", "BE"))
NAMES = FactType("a.names", Kind.TERMS, Origin.REQUEST, WIRE)
MAYBE = replace(TERMS, may_be_empty=True)
LABELS = FactType(
    "a.labels",
    Kind.TERMS,
    Origin.REQUEST,
    WIRE,
    values=("health", "personal", "public", "special"),
    broader={"health": ("personal", "special"), "special": ("personal",)},
)

DAY = FactType("a.day", Kind.DAY, Origin.REQUEST, WIRE)
SHARE = FactType("a.share", Kind.INTEGER, Origin.REQUEST, WIRE, unit="percent", scale=2)
MARGIN = FactType("a.margin", Kind.INTEGER, Origin.REQUEST, WIRE, unit="eur", may_be_negative=True)
CHANGE = replace(SHARE, path="a.change", may_be_negative=True)
ALL = (TRUTH, INTEGER, TERM, NAME, TERMS, NAMES, MAYBE, LABELS, DAY, SHARE, MARGIN, CHANGE)

NOTHING: tuple[Any, ...] = (None, {}, [], "", True)

FIT: list[tuple[FactType, Any, Any]] = [
    (TRUTH, True, True),
    (TRUTH, False, False),
    (INTEGER, 0, 0),
    (INTEGER, 7, 7),
    (INTEGER, MAX_INTEGER, MAX_INTEGER),
    (INTEGER, MAX_INTEGER, MAX_INTEGER),
    (TERM, "AT", "AT"),
    (NAME, "anything at all", "anything at all"),
    (NAME, "x" * MAX_TERM_LENGTH, "x" * MAX_TERM_LENGTH),
    (TERMS, ["BE", "AT"], ("AT", "BE")),
    (TERMS, ("AT",), ("AT",)),
    (TERMS, ["AT", "AT"], ("AT",)),
    (NAMES, ["b", "a"], ("a", "b")),
    (MAYBE, [], ()),
    (MAYBE, ["AT"], ("AT",)),
    (LABELS, ["public"], ("public",)),
    (LABELS, ["special"], ("personal", "special")),
    (LABELS, ["health"], ("health", "personal", "special")),
    (LABELS, ["health", "public"], ("health", "personal", "public", "special")),
    (MARGIN, -1, -1),
    (MARGIN, -MAX_INTEGER, -MAX_INTEGER),
    (MARGIN, MAX_INTEGER, MAX_INTEGER),
]

# What has one form on the wire and another inside.
CONVERTED: list[tuple[FactType, str, int]] = [
    (DAY, "1970-01-01", 0),
    (DAY, "1969-12-31", -1),
    (DAY, "2026-11-22", 20_779),
    (DAY, "2024-02-29", 19_782),
    (DAY, "0001-01-01", FIRST_DAY),
    (DAY, "9999-12-31", LAST_DAY),
    (SHARE, "0", 0),
    (SHARE, "24", 2400),
    (SHARE, "24.1", 2410),
    (SHARE, "24.10", 2410),
    (SHARE, "24.01", 2401),
    (SHARE, "0.01", 1),
    (SHARE, "90071992547409.91", MAX_INTEGER),
    (CHANGE, "-0.01", -1),
    (CHANGE, "-0", 0),
    (CHANGE, "-90071992547409.91", -MAX_INTEGER),
]

UNFIT: list[tuple[FactType, Any]] = [
    *((fact, None) for fact in (TRUTH, INTEGER, TERM, NAME, TERMS, NAMES, MAYBE)),
    *((fact, {}) for fact in (TRUTH, INTEGER, TERM, NAME, TERMS, NAMES, MAYBE)),
    *((TRUTH, raw) for raw in (0, 1, "true", "yes", "", [], [True])),
    *((INTEGER, raw) for raw in (True, False, 1.0, 0.5, "1", MAX_INTEGER + 1, -1, -MAX_INTEGER)),
    *((INTEGER, raw) for raw in (10**30, [1], "")),
    *((TERM, raw) for raw in ("at", "AT ", "", "US", 1, True, ["AT"], "AT\u200b")),
    *((NAME, raw) for raw in ("", "a\0b", "a\nb", "\u202eb", "x" * (MAX_TERM_LENGTH + 1), 1, True)),
    *((TERMS, raw) for raw in ("AT", [], (), [""], [None], ["AT", 1], [["AT"]], {"AT": True})),
    (TERMS, {"AT"}),
    (TERMS, ["AT", "US"]),
    (TERMS, ["AT", "at"]),
    (TERMS, ["AT"] * (MAX_TERMS + 1)),
    (NAMES, ["a", "b\n"]),
    (MAYBE, ["US"]),
    (LABELS, ["health", "wealth"]),
    *((fact, raw) for fact in (DAY, SHARE, MARGIN, CHANGE) for raw in NOTHING),
    *((DAY, raw) for raw in (0, 20_779, 1.0, "2026-11-2", "2026-1-22", "26-11-22", "20261122")),
    *((DAY, raw) for raw in ("2026-02-29", "2026-02-30", "2026-13-01", "2026-00-10", "0000-01-01")),
    *((DAY, raw) for raw in ("2026-11-22T00:00:00Z", " 2026-11-22", "2026-11-22\n", "2026-W47-7")),
    *((DAY, raw) for raw in ("-2026-11-22", "+2026-11-22", "10000-01-01", "२०२६-११-२२", "today")),
    (DAY, date(2026, 11, 22)),
    *(
        (SHARE, raw)
        for raw in (24, 24.1, 0, "24.101", "24.", ".5", "024", "00", "+24", "-24", "-0")
    ),
    *((SHARE, raw) for raw in ("2.4e1", "24,1", "24 ", " 24", "24%", "NaN", "Infinity", "0x18")),
    *((SHARE, raw) for raw in ("1_000", "٢٤", "24.10\n", "90071992547409.92", "9" * 17, "1." * 2)),
    *((CHANGE, raw) for raw in (-1, "--1", "- 1", "-.5", "-90071992547409.92", "\u22121")),
    *((MARGIN, raw) for raw in ("-1", -1.0, -MAX_INTEGER - 1, MAX_INTEGER + 1)),
]


@pytest.mark.parametrize(("fact", "raw", "value"), FIT)
def test_what_fits_has_one_form(fact: FactType, raw: Any, value: Any) -> None:
    fitted = fit(fact, raw)
    assert fitted == value
    assert type(fitted) is type(value)


@pytest.mark.parametrize(("fact", "raw"), UNFIT)
def test_what_does_not_fit_is_unknown(fact: FactType, raw: Any) -> None:
    assert fit(fact, raw) is None


@pytest.mark.parametrize(("fact", "raw", "value"), CONVERTED)
def test_dates_and_decimals_are_whole_numbers_inside(fact: FactType, raw: str, value: int) -> None:
    assert fit(fact, raw) == value


@pytest.mark.parametrize(("fact", "raw", "value"), [*FIT, *CONVERTED])
def test_what_was_fit_is_settled_and_stays_as_it_is(fact: FactType, raw: Any, value: Any) -> None:
    assert settled(fact, value) == value


UNSETTLED: list[tuple[FactType, Any]] = [
    *((fact, raw) for fact in (DAY, SHARE, MARGIN) for raw in (*NOTHING, 0.0, "0")),
    *((DAY, raw) for raw in (FIRST_DAY - 1, LAST_DAY + 1, "2026-11-22")),
    *((SHARE, raw) for raw in (-1, MAX_INTEGER + 1, "24.10")),
    *((INTEGER, raw) for raw in (-1, MAX_INTEGER + 1)),
    *((CHANGE, raw) for raw in (-MAX_INTEGER - 1, MAX_INTEGER + 1)),
]


@pytest.mark.parametrize(("fact", "value"), UNSETTLED)
def test_what_is_not_in_its_inner_form_is_not_settled(fact: FactType, value: Any) -> None:
    assert settled(fact, value) is None


@pytest.mark.parametrize(
    ("fact", "value", "raw"),
    [
        (DAY, 0, "1970-01-01"),
        (DAY, FIRST_DAY, "0001-01-01"),
        (DAY, LAST_DAY, "9999-12-31"),
        (SHARE, 0, "0.00"),
        (SHARE, 1, "0.01"),
        (SHARE, 2410, "24.10"),
        (CHANGE, -1, "-0.01"),
        (CHANGE, -2410, "-24.10"),
        (INTEGER, 7, 7),
        (MARGIN, -7, -7),
        (TRUTH, True, True),
        (TERM, "AT", "AT"),
        (TERMS, ("AT", "BE"), ["AT", "BE"]),
    ],
)
def test_a_value_goes_out_as_it_came_in(fact: FactType, value: Any, raw: Any) -> None:
    assert wire_value(fact, value) == raw
    assert type(wire_value(fact, value)) is type(raw)
    assert fit(fact, raw) == value


@given(st.dates())
def test_every_date_goes_in_and_out(day: date) -> None:
    number = fit(DAY, day.isoformat())
    assert number == (day - date(1970, 1, 1)).days
    assert wire_value(DAY, (day - date(1970, 1, 1)).days) == day.isoformat()


@given(st.integers(1, 15), st.integers(-MAX_INTEGER, MAX_INTEGER))
def test_decimals_go_in_and_out_exactly(scale: int, steps: int) -> None:
    fact = replace(CHANGE, scale=scale)
    raw = wire_value(fact, steps)
    assert isinstance(raw, str)
    assert Decimal(raw) == Decimal(steps).scaleb(-scale)
    assert fit(fact, raw) == steps


@given(st.integers(0, 4), st.decimals(allow_nan=False, allow_infinity=False, places=3))
def test_a_decimal_is_read_exactly_or_not_at_all(scale: int, number: Decimal) -> None:
    fact = replace(CHANGE, scale=scale) if scale else MARGIN
    value = fit(fact, f"{number:f}")
    if value is None:
        steps = number.scaleb(scale)
        assert not scale or scale < 3 or abs(steps) > MAX_INTEGER
    else:
        assert isinstance(value, int)
        assert Decimal(value).scaleb(-scale) == number


anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
)


numbers = st.from_regex(r"[-+]?[0-9\u0660-\u0669]{0,4}([.,-][0-9]{0,3}){0,2}", fullmatch=True)


@given(st.sampled_from(ALL), anything | numbers)
def test_anything_is_fit_or_unknown(fact: FactType, raw: Any) -> None:
    kinds = {Kind.TRUTH: bool, Kind.INTEGER: int, Kind.TERM: str, Kind.TERMS: tuple, Kind.DAY: int}
    for value in (fit(fact, raw), settled(fact, raw)):
        assert value is None or type(value) is kinds[fact.kind]
        assert value is None or settled(fact, value) == value
        assert value is None or fit(fact, wire_value(fact, value)) == value


@given(st.lists(st.sampled_from(["AT", "BE", "US", "", 1]), max_size=5))
def test_one_foreign_element_makes_the_whole_set_unknown(raw: list[Any]) -> None:
    known = bool(raw) and all(element in ("AT", "BE") for element in raw)
    assert (fit(TERMS, raw) is not None) is known


@given(st.sets(st.sampled_from(LABELS.values or ()), min_size=1))
def test_a_set_is_closed_upward(raw: set[str]) -> None:
    value = fit(LABELS, sorted(raw))
    assert isinstance(value, tuple)
    assert set(value) >= raw
    for element in value:
        assert set(LABELS.broader.get(element, ())) <= set(value)


def test_facts_that_nobody_declared_are_left_out() -> None:
    types = {fact.path: fact for fact in (TRUTH, TERM)}
    raw = {"a.truth": True, "a.term": "US", "a.other": 1}
    assert fit_all(types, raw) == {"a.truth": True}


HOLDERS = ListType(
    "a.holders", Origin.CATALOGUE, WIRE, "Holders", {"country": TERM, "share": SHARE}
)


LISTS: list[tuple[Any, Any]] = [
    ([], ()),
    ([{}], ({},)),
    ([{"country": "AT", "share": "24.1"}], ({"country": "AT", "share": 2410},)),
    (({"country": "US", "share": "1"},), ({"share": 100},)),
    ([{"country": None, "share": 24.1, "veto": True}], ({},)),
    ([{}] * MAX_ELEMENTS, ({},) * MAX_ELEMENTS),
    ([{}] * (MAX_ELEMENTS + 1), None),
    ([{"country": "AT"}, "AT"], None),
    ([{"country": "AT"}, None], None),
    ([[]], None),
    ({"country": "AT"}, None),
    ("", None),
    (None, None),
    (0, None),
]


@pytest.mark.parametrize(("raw", "elements"), LISTS)
def test_a_list_is_of_objects_whose_fields_are_fit_or_unknown(raw: Any, elements: Any) -> None:
    assert fit_list(HOLDERS, raw) == elements


def test_a_question_is_a_json_document_in_one_order() -> None:
    facts = {"b": ("x", "y"), "a": True}
    question = Question("place", facts, {"UTC": 1, "Europe/Brussels": 2})
    document = question.document()
    assert document == {
        "action": "place",
        "facts": {"a": True, "b": ["x", "y"]},
        "today": {"Europe/Brussels": 2, "UTC": 1},
    }
    assert [*document["facts"]] == ["a", "b"]  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType, reportUnknownMemberType]
