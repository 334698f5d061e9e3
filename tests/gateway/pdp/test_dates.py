"""Deadlines, boundaries, and the instants at which days begin."""

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsl.core import Due, DueUnit
from gateway.pdp.dates import LAST_DAY, boundaries, daily_zones, due_day, due_instant, instant
from tests.gateway.language import BRUSSELS, KIRITIMATI, PROGRAM, day

MONTHS = DueUnit.MONTHS


@pytest.mark.parametrize(
    ("start", "due", "end"),
    [
        ("2026-11-22", Due(0, DueUnit.DAYS), "2026-11-22"),
        ("2026-12-31", Due(1, DueUnit.DAYS), "2027-01-01"),
        ("2028-02-28", Due(1, DueUnit.DAYS), "2028-02-29"),
        ("2026-11-22", Due(14, DueUnit.DAYS), "2026-12-06"),
        ("2026-11-22", Due(3, MONTHS), "2027-02-22"),
        ("2026-01-31", Due(1, MONTHS), "2026-02-28"),
        ("2028-01-31", Due(1, MONTHS), "2028-02-29"),
        ("2026-11-30", Due(3, MONTHS), "2027-02-28"),
        ("2028-02-29", Due(12, MONTHS), "2029-02-28"),
        ("2028-02-29", Due(48, MONTHS), "2032-02-29"),
        ("2026-12-31", Due(2, MONTHS), "2027-02-28"),
        ("9999-12-01", Due(1, MONTHS), "9999-12-31"),
        ("2026-11-22", Due(10**9, MONTHS), "9999-12-31"),
        ("2026-11-22", Due(10**15, DueUnit.DAYS), "9999-12-31"),
    ],
)
def test_deadlines_in_days_and_months_end_on_a_day(start: str, due: Due, end: str) -> None:
    assert due_day(due, date.fromisoformat(start)) == date.fromisoformat(end)


@given(
    st.dates(date(1, 1, 1), date(9000, 12, 31)),
    st.integers(min_value=0, max_value=1000),
)
def test_a_deadline_in_months_ends_in_that_month_on_that_day_or_its_last(
    start: date, months: int
) -> None:
    end = due_day(Due(months, MONTHS), start)
    assert (end.year - start.year) * 12 + end.month - start.month == months
    assert end.day == min(start.day, monthrange(end.year, end.month)[1])


def test_deadlines_in_minutes_end_at_an_instant() -> None:
    now = datetime(2026, 3, 28, 23, 30, 15, 250_000, tzinfo=UTC)
    # 72 hours are 72 hours, whatever the clocks of some country did in between.
    assert instant(due_instant(Due(72 * 60, DueUnit.MINUTES), now)) == "2026-03-31T23:30:15.250Z"
    last = due_instant(Due(2**53, DueUnit.MINUTES), now)
    assert last - now > timedelta(days=365 * 7000)


def test_boundaries_are_those_of_rules_and_of_derived_facts() -> None:
    assert boundaries(PROGRAM) == {KIRITIMATI: (day("2020-01-02"),)}
    assert daily_zones(PROGRAM) == {BRUSSELS, KIRITIMATI}


def test_the_last_day_of_the_calendar_is_no_boundary() -> None:
    assert date(1970, 1, 1) + timedelta(days=LAST_DAY) == date.max
