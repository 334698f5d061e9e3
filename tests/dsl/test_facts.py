"""The only door for facts: what fits, in its one form, and what is unknown."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsl.core import FactType, Kind, Origin
from dsl.facts import MAX_INTEGER, MAX_TERM_LENGTH, MAX_TERMS, Question, fit, fit_all

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
]


@pytest.mark.parametrize(("fact", "raw", "value"), FIT)
def test_what_fits_has_one_form(fact: FactType, raw: Any, value: Any) -> None:
    fitted = fit(fact, raw)
    assert fitted == value
    assert type(fitted) is type(value)


@pytest.mark.parametrize(("fact", "raw"), UNFIT)
def test_what_does_not_fit_is_unknown(fact: FactType, raw: Any) -> None:
    assert fit(fact, raw) is None


@pytest.mark.parametrize(("fact", "raw", "value"), FIT)
def test_what_was_fit_stays_as_it_is(fact: FactType, raw: Any, value: Any) -> None:
    assert fit(fact, value) == value


anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.sampled_from([TRUTH, INTEGER, TERM, NAME, TERMS, NAMES, MAYBE, LABELS]), anything)
def test_anything_is_fit_or_unknown(fact: FactType, raw: Any) -> None:
    value = fit(fact, raw)
    kinds = {Kind.TRUTH: bool, Kind.INTEGER: int, Kind.TERM: str, Kind.TERMS: tuple}
    assert value is None or type(value) is kinds[fact.kind]


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
