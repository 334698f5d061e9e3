"""Derived facts: sums and extremes over lists, moved dates, days between; three-valued."""

import calendar
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dsl.core import (
    Aggregate,
    AtLeast,
    Constant,
    DaysBetween,
    FactType,
    Not,
    OneOf,
    Origin,
    Program,
    Shift,
    Tally,
)
from dsl.derive import derive, shifted
from dsl.facts import (
    FIRST_DAY,
    LAST_DAY,
    MAX_INTEGER,
    Elements,
    Value,
    day_of,
    fit,
    fit_list,
    wire_value,
)
from dsl.wellformed import check_program
from tests.dsl import whole
from tests.dsl.whole import HOLDERS, PROGRAM, ZONE

TODAY = {ZONE: 20_779}  # 2026-11-22
SUM, LARGEST = "destination.non_eu_share", "destination.largest_share"
NUMBER = "destination.holders_known"


def of_holders(raw: object, today: Mapping[str, int] = TODAY) -> dict[str, Value]:
    """What is derived from a list as it stands in the catalogue."""
    elements = fit_list(HOLDERS, raw)
    lists = {} if elements is None else {HOLDERS.path: elements}
    return derive(PROGRAM, {}, lists, today)


def holder(**fields: object) -> dict[str, object]:
    return {"country": "US", "share": "1", "since": "2026-01-01", **fields}


def test_the_program_of_these_tests_is_well_formed() -> None:
    check_program(PROGRAM)


# --- lists ---------------------------------------------------------------------------

NO_SHARE = holder(share=None)
LISTS: list[tuple[Any, dict[str, Value]]] = [
    # An empty list is known to be empty; a list that is not there is unknown.
    ([], {SUM: 0, LARGEST: 0, NUMBER: 0}),
    (None, {}),
    ("holders", {}),
    ([holder(), "x"], {}),
    ([holder()], {SUM: 100, LARGEST: 100, NUMBER: 1}),
    ([holder(share="24.01"), holder(share="0.99")], {SUM: 2500, LARGEST: 2401, NUMBER: 2}),
    # Skipped where the condition is false, whatever else is known of the element.
    ([holder(country="DE")], {SUM: 0, LARGEST: 100, NUMBER: 1}),
    ([holder(country="DE", share=None)], {SUM: 0, NUMBER: 1}),
    ([holder(since="2020-01-01")], {SUM: 100, LARGEST: 0, NUMBER: 1}),
    ([holder(since="2020-01-01", share=None)], {LARGEST: 0, NUMBER: 1}),
    # Unknown where the condition is, or a value that counts.
    ([holder(country=None)], {LARGEST: 100, NUMBER: 1}),
    ([holder(country="Atlantis")], {LARGEST: 100, NUMBER: 1}),
    ([holder(since=None)], {SUM: 100, NUMBER: 1}),
    ([NO_SHARE], {NUMBER: 1}),
    ([holder(share=1)], {NUMBER: 1}),
    ([holder(share="1.001")], {NUMBER: 1}),
    ([holder(share="50"), NO_SHARE], {NUMBER: 2}),
    ([{}], {NUMBER: 1}),
]


@pytest.mark.parametrize(("raw", "expected"), LISTS)
def test_a_list_comes_to_a_number_or_is_unknown(raw: Any, expected: dict[str, Value]) -> None:
    assert of_holders(raw) == expected


def test_a_condition_on_a_date_of_an_element_follows_today() -> None:
    raw = [holder(since="2026-01-01")]
    for day, expected in (("2026-12-31", 100), ("2027-01-01", 100), ("2027-01-02", 0)):
        today = day_of(day)
        assert today is not None
        assert of_holders(raw, {ZONE: today})[LARGEST] == expected


def test_a_sum_beyond_every_number_is_unknown() -> None:
    most = wire_value(HOLDERS.fields["share"], MAX_INTEGER)
    assert of_holders([holder(share=most)])[SUM] == MAX_INTEGER
    over = of_holders([holder(share=most), holder(share="0.01")])
    assert over == {LARGEST: MAX_INTEGER, NUMBER: 2}


def tallied(aggregate: Aggregate, *, otherwise: int | None, **fact: Any) -> Program:
    """A program with one derived fact over margins that may be negative."""
    margin = FactType("margin", PROGRAM.facts[SUM].kind, Origin.CATALOGUE, ("x",), **fact)
    made = replace(margin, path="a.total", wire=())
    listed = replace(HOLDERS, path="a.rows", fields={"margin": margin})
    where = Not(AtLeast("rows.margin", 100))
    tally = Tally(aggregate, "a.rows", "margin", where, otherwise)
    program = replace(
        whole.PROGRAM,
        facts={"a.total": made},
        lists={"a.rows": listed},
        derived={"a.total": tally},
        rules=(),
        profiles=(),
        invariants=(),
    )
    check_program(program)
    return program


@pytest.mark.parametrize(
    ("aggregate", "otherwise", "margins", "expected"),
    [
        (Aggregate.SUM, None, [-5, 3, 100], -2),
        (Aggregate.SUM, None, [100], 0),
        (Aggregate.LARGEST, -7, [-5, -9, 100], -5),
        (Aggregate.LARGEST, -7, [100], -7),
        (Aggregate.SMALLEST, -7, [-5, -9, 100], -9),
        (Aggregate.SMALLEST, -7, [], -7),
    ],
)
def test_what_may_be_negative_adds_up(
    aggregate: Aggregate, otherwise: int | None, margins: list[int], expected: int
) -> None:
    program = tallied(aggregate, otherwise=otherwise, may_be_negative=True)
    lists: dict[str, Elements] = {"a.rows": tuple({"margin": margin} for margin in margins)}
    assert derive(program, {}, lists, TODAY) == {"a.total": expected}


def test_a_total_that_its_fact_cannot_have_is_unknown() -> None:
    program = tallied(Aggregate.LARGEST, otherwise=-7)
    assert derive(program, {}, {"a.rows": ()}, TODAY) == {}


elements = st.fixed_dictionaries(
    {},
    optional={
        "country": st.sampled_from(["DE", "FR", "US"]),
        "share": st.integers(0, 3 * 10**4),
        "since": st.integers(20_400, 20_420),
    },
)


@given(st.lists(elements, max_size=5), st.data())
def test_hiding_anything_never_changes_a_known_result(raw: list[Any], data: st.DataObject) -> None:
    full = derive(PROGRAM, {}, {HOLDERS.path: tuple(raw)}, TODAY)
    less = [{n: v for n, v in element.items() if data.draw(st.booleans())} for element in raw]
    lists: dict[str, Elements] = {HOLDERS.path: tuple(less)} if data.draw(st.booleans()) else {}
    for path, value in derive(PROGRAM, {}, lists, TODAY).items():
        assert full[path] == value


@given(st.lists(elements, max_size=5))
def test_any_values_of_what_is_hidden_keep_a_known_result(raw: list[Any]) -> None:
    known = derive(PROGRAM, {}, {HOLDERS.path: tuple(raw)}, TODAY)
    for country, share, since in (("US", 1, 20_420), ("DE", 9, 20_400), ("FR", 0, 20_414)):
        filled = [{"country": country, "share": share, "since": since, **e} for e in raw]
        full = derive(PROGRAM, {}, {HOLDERS.path: tuple(filled)}, TODAY)
        assert known.items() <= full.items()


@given(st.lists(st.decimals(0, 10**6, places=2), max_size=8))
def test_a_sum_is_exact(shares: list[Any]) -> None:
    raw = [holder(share=f"{share:f}") for share in shares]
    total = of_holders(raw)[SUM]
    assert isinstance(total, int)
    assert Fraction(total, 100) == sum((Fraction(share) for share in shares), Fraction())


# --- dates ---------------------------------------------------------------------------


def day(text: str) -> int:
    number = day_of(text)
    assert number is not None
    return number


@pytest.mark.parametrize(
    ("start", "months", "days", "end"),
    [
        ("2026-01-31", 1, 0, "2026-02-28"),
        ("2024-01-31", 1, 0, "2024-02-29"),
        ("2024-02-29", 12, 0, "2025-02-28"),
        ("2024-02-29", 48, 0, "2028-02-29"),
        ("2000-02-29", -1200, 0, "1900-02-28"),
        ("2026-03-31", -1, 0, "2026-02-28"),
        ("2026-01-15", -1, 0, "2025-12-15"),
        ("2026-12-31", 6, 0, "2027-06-30"),
        ("2026-12-01", 1, 0, "2027-01-01"),
        ("2026-11-22", 0, 0, "2026-11-22"),
        ("2026-11-22", 0, 14, "2026-12-06"),
        # First the months, then the days.
        ("2026-01-31", 1, 1, "2026-03-01"),
        ("2026-03-31", -1, -28, "2026-01-31"),
        ("9999-11-30", 1, 0, "9999-12-30"),
        ("0001-02-28", -1, 0, "0001-01-28"),
    ],
)
def test_a_date_moves_by_months_and_is_clipped_to_the_month(
    start: str, months: int, days: int, end: str
) -> None:
    assert shifted(day(start), months, days) == day(end)


@pytest.mark.parametrize(
    ("start", "months", "days"),
    [
        ("9999-12-31", 1, 0),
        ("9999-12-31", 0, 1),
        ("0001-01-01", -1, 0),
        ("0001-01-01", 0, -1),
        ("2026-11-22", 12 * 9_999, 0),
        ("2026-11-22", -12 * 9_999, 0),
        ("9999-12-01", 1, -60),
    ],
)
def test_a_date_moved_out_of_every_year_is_unknown(start: str, months: int, days: int) -> None:
    derived = {"contract.notice_ends": Shift("contract.notified_on", months, days)}
    program = replace(PROGRAM, derived=derived)
    assert derive(program, {"contract.notified_on": day(start)}, {}, TODAY) == {}


@given(st.dates(), st.integers(-30_000, 30_000))
def test_months_are_those_of_the_calendar(start: date, months: int) -> None:
    year, month = start.year + (start.month - 1 + months) // 12, (start.month - 1 + months) % 12 + 1
    assume(1 <= year <= 9999)
    weeks = calendar.Calendar().monthdayscalendar(year, month)
    last = max(number for week in weeks for number in week)
    assert last == calendar.monthrange(year, month)[1]
    expected = date(year, month, min(start.day, last))
    assert shifted(day(start.isoformat()), months, 0) == day(expected.isoformat())


@given(st.dates(), st.integers(-10_000, 10_000))
def test_days_are_those_of_the_calendar(start: date, days: int) -> None:
    try:
        expected = day((start + timedelta(days)).isoformat())
    except OverflowError:
        assume(False)
        raise
    assert shifted(day(start.isoformat()), 0, days) == expected


@pytest.mark.parametrize("months", [1, 6, 12])
def test_a_later_date_never_moves_before_an_earlier_one(months: int) -> None:
    days = range(day("2023-12-01"), day("2025-03-05"))
    moved = [shifted(number, months, 0) or 0 for number in days]
    assert moved == sorted(moved)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, {}),
        ({"contract.notified_on": "2026-11-22"}, {"contract.age": 0}),
        ({"contract.notified_on": "2026-11-21"}, {"contract.age": 1}),
        ({"contract.notified_on": "2026-11-23"}, {"contract.age": -1}),
        ({"contract.notified_on": "2025-11-22"}, {"contract.age": 365}),
    ],
)
def test_the_days_from_a_date_to_today(facts: dict[str, str], expected: dict[str, int]) -> None:
    known = {path: fit(PROGRAM.facts[path], raw) for path, raw in facts.items()}
    found = derive(PROGRAM, {p: v for p, v in known.items() if v is not None}, {}, TODAY)
    assert {p: v for p, v in found.items() if p == "contract.age"} == expected


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("contract.notified_on", "contract.ends", 10),
        ("contract.ends", "contract.notified_on", -10),
        (None, "contract.ends", -20_669),
        ("contract.ends", None, 20_669),
        (None, "contract.signed", None),
    ],
)
def test_either_side_may_be_today(first: str | None, last: str | None, expected: int) -> None:
    facts = {"contract.notified_on": 100, "contract.ends": 110}
    program = replace(PROGRAM, derived={"contract.age": DaysBetween(first, last, ZONE)})
    found = derive(program, facts, {}, TODAY)
    assert found.get("contract.age") == expected


def test_each_time_zone_has_its_own_today() -> None:
    derived = {"contract.age": DaysBetween("contract.ends", None, "Pacific/Kiritimati")}
    program = replace(PROGRAM, derived=derived)
    today = {ZONE: 110, "Pacific/Kiritimati": 111}
    assert derive(program, {"contract.ends": 100}, {}, today) == {"contract.age": 11}


def test_days_before_are_unknown_where_they_cannot_be_counted() -> None:
    age = replace(PROGRAM.facts["contract.age"], may_be_negative=False)
    program = replace(PROGRAM, facts={**PROGRAM.facts, "contract.age": age})
    found = derive(program, {"contract.notified_on": TODAY[ZONE] + 1}, {}, TODAY)
    assert "contract.age" not in found


@pytest.mark.parametrize("value", [True, "2026-11-22", ("x",)])
def test_a_value_of_another_kind_derives_nothing(value: Any) -> None:
    assert derive(PROGRAM, {"contract.notified_on": value}, {}, TODAY) == {}


def test_the_first_and_the_last_day_can_be_counted_from() -> None:
    for number in (FIRST_DAY, LAST_DAY):
        found = derive(PROGRAM, {"contract.notified_on": number}, {}, TODAY)
        assert found["contract.age"] == TODAY[ZONE] - number


def test_a_condition_that_is_always_false_counts_nothing() -> None:
    tally = Tally(Aggregate.NUMBER, HOLDERS.path, None, Constant(value=False))
    program = replace(PROGRAM, derived={NUMBER: tally})
    assert derive(program, {}, {HOLDERS.path: ({}, {})}, TODAY) == {NUMBER: 0}


def test_an_element_is_read_by_the_last_name_of_its_list() -> None:
    tally = Tally(Aggregate.NUMBER, HOLDERS.path, None, OneOf("holders.country", ("US",)))
    program = replace(PROGRAM, derived={NUMBER: tally})
    rows: Elements = ({"country": "US"}, {"country": "DE"})
    assert derive(program, {"holders.country": "US"}, {HOLDERS.path: rows}, TODAY) == {NUMBER: 1}
