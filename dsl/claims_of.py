"""Stage 3, what a test says of its fact (`dsl.claims`), as far as it is certain."""

from dsl import model
from dsl.claims import FAR, Claim, Elements, Interval, Knowing, Numbers, Values
from dsl.core import FactType, InForce, Kind
from dsl.tree import Relation


def claim(literal: model.Condition) -> Claim | None:
    """What a test, or a test denied, says of its fact; None where nothing is certain."""
    match literal:
        case model.Not(operand):
            inner = claim(operand)
            return None if inner is None else inner.inverted()
        case model.Today(interval):
            return days(interval)
        case model.Test():
            return _of_test(literal)
        case _:
            return None


def days(period: InForce) -> Numbers:
    """The days of a period, as a claim about today."""
    first = -FAR if period.first is None else period.first
    last = FAR if period.last is None else period.last
    return Numbers(("today", period.time_zone), ((first, last),))


def _of_test(test: model.Test) -> Claim | None:
    fact, relation = test.fact, test.relation
    if relation in (Relation.KNOWN, Relation.NOT_KNOWN):
        return Knowing(fact.path, relation is Relation.KNOWN)
    match fact.kind:
        case Kind.TRUTH:
            answer = frozenset({"no" if test.negated_truth else "yes"})
            return Values(fact.path, answer, answer, frozenset({"yes", "no"}))
        case Kind.TERM:
            return _of_term(test, fact)
        case Kind.TERMS:
            return _of_set(test, fact)
        case _:
            return _of_number(test, fact)


def _of_term(test: model.Test, fact: FactType) -> Values | None:
    if test.region is None:
        return None
    ever, always = _members(test.region)
    every = None if fact.values is None else frozenset(fact.values)
    if test.relation in (Relation.IS, Relation.IN, Relation.IS_NOT):
        denied = test.relation is Relation.IS_NOT
        return Values(fact.path, ever, always, every, denied)
    at = fact.order.index(next(iter(ever)))
    reached = {
        Relation.AT_LEAST: fact.order[at:],
        Relation.MORE_THAN: fact.order[at + 1 :],
        Relation.AT_MOST: fact.order[: at + 1],
        Relation.LESS_THAN: fact.order[:at],
    }[test.relation]
    return Values(fact.path, frozenset(reached), frozenset(reached), every)


def _of_set(test: model.Test, fact: FactType) -> Elements | None:
    if test.region is None:
        return None
    return Elements(fact, test.relation is Relation.WITHIN, *_members(test.region))


def _members(region: model.Region) -> tuple[frozenset[str], frozenset[str]]:
    """The values that belong to a region on some day, and those that do on every day."""
    always = (value for value, periods in region.members.items() if not periods)
    return frozenset(region.members), frozenset(always)


def _of_number(test: model.Test, fact: FactType) -> Numbers | None:
    path = (fact.path, test.clock)
    if test.days is not None:
        last = test.relation is Relation.LAST
        return Numbers(path, ((-test.days, 0) if last else (0, test.days),))
    bound = test.bound
    if bound is None:
        return None
    low = -FAR if fact.kind is Kind.DAY or fact.may_be_negative else 0
    intervals: dict[Relation, tuple[Interval, ...]] = {
        Relation.IS: ((bound, bound),),
        Relation.IS_NOT: ((low, bound - 1), (bound + 1, FAR)),
        Relation.AT_LEAST: ((bound, FAR),),
        Relation.ON_OR_AFTER: ((bound, FAR),),
        Relation.MORE_THAN: ((bound + 1, FAR),),
        Relation.AFTER: ((bound + 1, FAR),),
        Relation.AT_MOST: ((low, bound),),
        Relation.ON_OR_BEFORE: ((low, bound),),
        Relation.LESS_THAN: ((low, bound - 1),),
        Relation.BEFORE: ((low, bound - 1),),
    }
    kept = tuple((a, b) for a, b in intervals[test.relation] if a <= b)
    return Numbers(path, kept, low) if kept else None
