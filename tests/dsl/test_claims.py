"""What is said of two tests beside each other, held to the definition: to every value."""

from collections.abc import Iterable, Iterator
from itertools import combinations, product

import pytest

from dsl import model
from dsl.claims import excludes, implies
from dsl.claims_of import claim
from dsl.core import FactType, InForce, Kind, Origin
from dsl.evaluate import truth
from dsl.facts import Question, Value, settled
from dsl.kleene import Truth
from dsl.lower_condition import condition
from dsl.tree import Relation

ZONE = "Europe/Brussels"
LABELS = ("health", "personal", "public")
BROADER = {"health": ("personal",)}
DATED = (InForce(ZONE, 10, None),)
BOUNDS = (0, 3, 4, 7)
DAYS = (8, 9, 10, 11, 12)


def fact(kind: Kind, **more: object) -> FactType:
    return FactType("a.b", kind, Origin.REQUEST, ("context", "a", "b"), **more)  # pyright: ignore[reportArgumentType]


TERM = fact(Kind.TERM, values=LABELS, broader=BROADER)
NAME = fact(Kind.TERM)
LEVEL = fact(Kind.TERM, values=("high", "low", "middle"), order=("low", "middle", "high"))
SET = fact(Kind.TERMS, values=LABELS, broader=BROADER)
OPEN_SET = fact(Kind.TERMS, values=LABELS, broader=BROADER, may_be_empty=True)
COUNT = fact(Kind.INTEGER, unit="days")
MARGIN = fact(Kind.INTEGER, unit="eur", may_be_negative=True)
TRUTH = fact(Kind.TRUTH)
DAY = fact(Kind.DAY)

ORDER = (Relation.AT_LEAST, Relation.AT_MOST, Relation.MORE_THAN, Relation.LESS_THAN)
DATES = (Relation.ON_OR_AFTER, Relation.ON_OR_BEFORE, Relation.AFTER, Relation.BEFORE)


def regions(values: Iterable[str]) -> Iterator[model.Region]:
    named = sorted(values)
    for size in range(1, len(named) + 1):
        for chosen in combinations(named, size):
            yield model.Region(dict.fromkeys(chosen, ()))
    yield model.Region({named[0]: DATED, named[1]: ()})


def ways_to_ask(declared: FactType) -> Iterator[model.Test]:
    yield model.Test(declared, Relation.KNOWN)
    yield model.Test(declared, Relation.NOT_KNOWN)
    match declared.kind:
        case Kind.TRUTH:
            yield model.Test(declared, Relation.HOLDS)
            yield model.Test(declared, Relation.HOLDS, negated_truth=True)
        case Kind.TERM:
            for region in regions(declared.values or ("x", "y")):
                for relation in (Relation.IN, Relation.IS_NOT):
                    yield model.Test(declared, relation, region)
            for relation, level in product(ORDER, declared.order):
                yield model.Test(declared, relation, model.Region({level: ()}))
        case Kind.TERMS:
            for region in regions(declared.values or ()):
                for relation in (Relation.WITHIN, Relation.TOUCHES):
                    yield model.Test(declared, relation, region)
        case Kind.INTEGER:
            for relation, bound in product((Relation.IS, Relation.IS_NOT, *ORDER), BOUNDS):
                yield model.Test(declared, relation, bound=bound)
        case Kind.DAY:
            for relation, bound in product((Relation.IS, Relation.IS_NOT, *DATES), (9, 11)):
                yield model.Test(declared, relation, bound=bound)
                yield model.Test(declared, relation, bound=bound - 10, clock=ZONE)
            for relation, days in product((Relation.LAST, Relation.NEXT), (0, 1)):
                yield model.Test(declared, relation, clock=ZONE, days=days)


def values_of(declared: FactType) -> list[Value | None]:
    match declared.kind:
        case Kind.TRUTH:
            return [None, True, False]
        case Kind.TERM:
            return [None, *(declared.values or ("x", "y", "z"))]
        case Kind.TERMS:
            sets = [c for n in range(len(LABELS) + 1) for c in combinations(LABELS, n)]
            closed = {settled(declared, one) for one in sets}
            return [None, *(value for value in closed if value is not None)]
        case _:
            return [None, *(n for n in range(-2, 13) if settled(declared, n) is not None)]


def literals(declared: FactType) -> list[model.Condition]:
    tests = list(ways_to_ask(declared))
    return [*tests, *(model.Not(test) for test in tests)]


def true_where(
    literal: model.Condition, values: Iterable[Value | None]
) -> frozenset[tuple[int, int]]:
    """The worlds in which the literal is true: which value, and which day it is."""
    lowered = condition(literal)
    return frozenset(
        (number, day)
        for (number, value), day in product(enumerate(values), DAYS)
        if truth(lowered, Question("", {} if value is None else {"a.b": value}, {ZONE: day}))
        is Truth.TRUE
    )


KINDS = {
    "a word": TERM,
    "a name": NAME,
    "a level": LEVEL,
    "a set": SET,
    "a set that may be empty": OPEN_SET,
    "a count": COUNT,
    "a number below zero": MARGIN,
    "yes or no": TRUTH,
    "a date": DAY,
}


@pytest.mark.parametrize("kind", KINDS)
def test_two_tests_exclude_or_imply_each_other_only_where_they_do(kind: str) -> None:
    declared = KINDS[kind]
    values = values_of(declared)
    made = [(one, claim(one), true_where(one, values)) for one in literals(declared)]
    excluding = implying = 0
    for (one, mine, here), (other, theirs, there) in product(made, made):
        if mine is None or theirs is None:
            continue
        if excludes(mine, theirs):
            assert not here & there, (one, other)
            excluding += 1
        if implies(mine, theirs):
            assert here <= there, (one, other)
            implying += 1
    # Every test implies itself; what is said goes beyond that.
    assert implying > len(made)
    assert excluding > len(made) // 4


@pytest.mark.parametrize("kind", ["a word", "a level", "a count", "yes or no"])
def test_what_can_be_said_of_plain_facts_is_said(kind: str) -> None:
    declared = KINDS[kind]
    known = [value for value in values_of(declared) if value is not None]
    plain = [
        one
        for one in literals(declared)
        if isinstance(one, model.Test)
        and one.relation not in (Relation.KNOWN, Relation.NOT_KNOWN)
        and not (one.region and any(one.region.members.values()))
    ]
    made = [(one, claim(one), true_where(one, known)) for one in plain]
    for (one, mine, here), (other, theirs, there) in product(made, made):
        if mine is not None and theirs is not None and not here & there:
            assert excludes(mine, theirs), (one, other)


def test_days_of_two_time_zones_say_nothing_of_each_other() -> None:
    early, late = InForce("UTC", None, 5), InForce(ZONE, 9, None)
    same = InForce("UTC", 9, None)
    claims = {p: claim(model.Today(p)) for p in (early, late, same)}
    assert excludes(claims[early], claims[same])  # pyright: ignore[reportArgumentType]
    assert not excludes(claims[early], claims[late])  # pyright: ignore[reportArgumentType]
