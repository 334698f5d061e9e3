"""Units: the words for them, and that no conversion rounds."""

import pytest

from dsl.units import DEFAULT_SCALE, UNITS, convert


@pytest.mark.parametrize(
    ("value", "decimals", "word", "to", "scale", "steps"),
    [
        (2, 0, "weeks", "days", 0, 14),
        (1, 0, "day", "minutes", 0, 1440),
        (48, 0, "hours", "days", 0, 2),
        (1, 0, "year", "months", 0, 12),
        (1, 0, "gigawatt", "megawatts", 1, 10_000),
        (15, 1, "gigawatts", "megawatts", 0, 1500),
        (245, 1, "%", "percent", 2, 2450),
        (2450, 2, "percent", "percent", 1, 245),
        (-5, 0, "eur", "eur", 2, -500),
        (10, 0, "yottaflop", "teraflop", 0, 10**13),
        (1, 0, "tebibyte", "kibibytes", 0, 2**30),
        (1024, 0, "kilobytes", "kibibytes", 0, 1000),
    ],
)
def test_an_amount_is_converted_exactly(
    value: int, decimals: int, word: str, to: str, scale: int, steps: int
) -> None:
    assert convert(value, decimals, UNITS[word], UNITS[to], scale) == steps


@pytest.mark.parametrize(
    ("value", "decimals", "word", "to", "scale"),
    [
        (36, 0, "hours", "days", 0),
        (245, 1, "percent", "percent", 0),
        (-245, 1, "percent", "percent", 0),
        (1, 0, "kilobyte", "kibibytes", 0),
        (1, 0, "megawatt", "gigawatts", 2),
        # Of two dimensions, though the factors are the same.
        (1, 0, "month", "days", 0),
        (1, 0, "eur", "usd", 0),
        (1, 0, "person", "items", 0),
        (7, 0, "days", "persons", 0),
    ],
)
def test_what_does_not_come_out_even_is_never_rounded(
    value: int, decimals: int, word: str, to: str, scale: int
) -> None:
    assert convert(value, decimals, UNITS[word], UNITS[to], scale) is None


def test_a_name_is_a_word_for_its_unit() -> None:
    assert all(UNITS[unit.name] is unit for unit in UNITS.values())
    assert set(DEFAULT_SCALE) <= set(UNITS)


@pytest.mark.parametrize(
    ("word", "name"), [("day", "days"), ("tpp", "tpp"), ("%", "percent"), ("byte", "bytes")]
)
def test_one_and_many_are_one_unit(word: str, name: str) -> None:
    assert UNITS[word].name == name
