"""Zones put together: what `+` and `-` do to the days on which a value belongs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsl.core import InForce
from dsl.periods import OtherClockError, Periods, join, without

SHOWN = range(-2, 14)


def days(periods: Periods | None) -> set[int]:
    """The days shown; always where there is no period, never where there is no value."""
    if periods is None:
        return set()
    if not periods:
        return set(SHOWN)
    return {
        day
        for one in periods
        for day in SHOWN
        if (one.first is None or day >= one.first) and (one.last is None or day <= one.last)
    }


ends = st.one_of(st.none(), st.integers(0, 11))


def period(first: int | None, last: int | None) -> InForce:
    if first is not None and last is not None:
        first, last = min(first, last), max(first, last)
    return InForce("UTC", first, last)


a_period = st.builds(period, ends, ends)
a_region = st.dictionaries(
    st.sampled_from("AB"), st.lists(a_period, max_size=3).map(tuple), max_size=2
)


@given(a_region, a_region)
def test_joining_has_the_days_of_either(
    left: dict[str, Periods], right: dict[str, Periods]
) -> None:
    made = join(left, right)
    for value in "AB":
        assert days(made.get(value)) == days(left.get(value)) | days(right.get(value))


@given(a_region, a_region)
def test_taking_away_leaves_the_days_of_the_one_and_not_the_other(
    left: dict[str, Periods], right: dict[str, Periods]
) -> None:
    made = without(left, right)
    for value in "AB":
        assert days(made.get(value)) == days(left.get(value)) - days(right.get(value))
        assert value not in made or made[value] != () or left.get(value) == ()


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((InForce("UTC", 1, 5),), (InForce("Europe/Brussels", 3, None),)),
        ((InForce("Europe/Brussels", None, 5),), (InForce("UTC", 3, None),)),
        ((), (InForce("UTC", 3, None), InForce("Europe/Brussels", 9, None))),
    ],
)
def test_days_of_another_clock_are_not_taken_away(left: Periods, right: Periods) -> None:
    with pytest.raises(OtherClockError) as error:
        without({"BR": left}, {"BR": right})
    assert error.value.value == "BR"
    assert {error.value.kept, error.value.taken} == {"UTC", "Europe/Brussels"}


def test_what_always_belongs_can_lose_the_days_of_any_clock() -> None:
    taken = (InForce("Europe/Brussels", 3, 5),)
    assert without({"BR": ()}, {"BR": taken}) == {
        "BR": (InForce("Europe/Brussels", None, 2), InForce("Europe/Brussels", 6, None))
    }


def test_values_that_are_always_taken_away_go_whatever_their_clock() -> None:
    assert without({"BR": (InForce("UTC", 1, 5),), "GB": ()}, {"BR": ()}) == {"GB": ()}
