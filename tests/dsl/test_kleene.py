"""Strong Kleene logic, as tables and as laws over all combinations."""

from itertools import product

import pytest

from dsl.kleene import Truth, certainly, conjoin, disjoin, negate, possibly

T, F, U = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN

AND = {
    (T, T): T, (T, F): F, (T, U): U,
    (F, T): F, (F, F): F, (F, U): F,
    (U, T): U, (U, F): F, (U, U): U,
}  # fmt: skip
OR = {
    (T, T): T, (T, F): T, (T, U): T,
    (F, T): T, (F, F): F, (F, U): U,
    (U, T): T, (U, F): U, (U, U): U,
}  # fmt: skip
PAIRS = list(product(Truth, repeat=2))
TRIPLES = list(product(Truth, repeat=3))


@pytest.mark.parametrize(("value", "negated"), [(T, F), (F, T), (U, U)])
def test_not(value: Truth, negated: Truth) -> None:
    assert negate(value) is negated


@pytest.mark.parametrize("pair", PAIRS)
def test_and_is_the_table(pair: tuple[Truth, Truth]) -> None:
    assert conjoin(pair) is AND[pair]


@pytest.mark.parametrize("pair", PAIRS)
def test_or_is_the_table(pair: tuple[Truth, Truth]) -> None:
    assert disjoin(pair) is OR[pair]


def test_of_nothing() -> None:
    assert conjoin([]) is T
    assert disjoin([]) is F


@pytest.mark.parametrize(
    ("value", "sure", "possible"), [(T, True, True), (F, False, False), (U, False, True)]
)
def test_certainly_and_possibly(value: Truth, sure: bool, possible: bool) -> None:
    assert certainly(value) is sure
    assert possibly(value) is possible


@pytest.mark.parametrize("values", TRIPLES)
def test_de_morgan(values: tuple[Truth, ...]) -> None:
    assert negate(conjoin(values)) is disjoin(negate(value) for value in values)
    assert negate(disjoin(values)) is conjoin(negate(value) for value in values)


@pytest.mark.parametrize("values", TRIPLES)
def test_certainly_and_possibly_commute_with_and_and_or(values: tuple[Truth, ...]) -> None:
    assert certainly(conjoin(values)) is all(map(certainly, values))
    assert certainly(disjoin(values)) is any(map(certainly, values))
    assert possibly(conjoin(values)) is all(map(possibly, values))
    assert possibly(disjoin(values)) is any(map(possibly, values))


@pytest.mark.parametrize("value", Truth)
def test_possibly_is_not_certainly_not(value: Truth) -> None:
    assert possibly(value) is not certainly(negate(value))
    assert negate(negate(value)) is value


@pytest.mark.parametrize(("a", "b", "c"), TRIPLES)
def test_order_and_grouping_do_not_matter(a: Truth, b: Truth, c: Truth) -> None:
    assert conjoin([a, b, c]) is conjoin([c, conjoin([b, a])])
    assert disjoin([a, b, c]) is disjoin([c, disjoin([b, a])])


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_knowing_more_never_changes_what_was_known(a: Truth, b: Truth) -> None:
    for join in (conjoin, disjoin):
        before = join([U, b])
        assert before is U or join([a, b]) is before


@pytest.mark.parametrize("value", Truth)
def test_a_truth_is_no_condition(value: Truth) -> None:
    with pytest.raises(TypeError, match="three values"):
        bool(value)


@pytest.mark.parametrize(("raw", "value"), [(True, T), (False, F)])
def test_two_values_are_two_of_the_three(raw: bool, value: Truth) -> None:
    assert Truth.of(raw) is value
