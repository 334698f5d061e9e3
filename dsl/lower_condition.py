"""Stage 4, conditions: model → core, in negation normal form.

A dated zone needs no set union in the engines: `within` becomes "every element is a member
at some time, and each group of members with the same dates is in force or untouched". An
order of levels becomes the set of those at or above; a date that counts from today keeps
its distance in days, for only the question knows the day.
"""

from collections.abc import Callable, Iterable

from dsl import model
from dsl.core import (
    And,
    AtLeast,
    Condition,
    Constant,
    FactType,
    Holds,
    InForce,
    Known,
    Not,
    NotBefore,
    OneOf,
    Or,
    Touches,
    Within,
    opposite,
)
from dsl.tree import Relation

_BELOW = (Relation.LESS_THAN, Relation.BEFORE)
_UP_TO = (Relation.AT_MOST, Relation.ON_OR_BEFORE)
_ABOVE = (Relation.MORE_THAN, Relation.AFTER)
_FROM = (Relation.AT_LEAST, Relation.ON_OR_AFTER)


def condition(typed: model.Condition) -> Condition:
    """A typed condition in core terms, in negation normal form."""
    match typed:
        case model.And(operands):
            return conjunction(condition(operand) for operand in operands)
        case model.Or(operands):
            return disjunction(condition(operand) for operand in operands)
        case model.Not(operand):
            return opposite(condition(operand))
        case model.Each(every, tests):
            return (conjunction if every else disjunction)(_test(test) for test in tests)
        case model.Today(interval):
            return interval
        case model.Test():
            return _test(typed)


def _test(test: model.Test) -> Condition:
    path = test.fact.path
    match test.relation:
        case Relation.HOLDS:
            return Not(Holds(path)) if test.negated_truth else Holds(path)
        case Relation.KNOWN:
            return Known(path)
        case Relation.NOT_KNOWN:
            return Not(Known(path))
        case Relation.LAST | Relation.NEXT:
            return _near_today(test)
        case _ if test.region is not None:
            return _in_region(test.fact, test.relation, test.region)
        case _:
            return _ordered(test)


# --- numbers and dates ---------------------------------------------------------------


def _ordered(test: model.Test) -> Condition:
    bound = test.bound
    assert bound is not None  # noqa: S101 - the checker gives one to every other relation
    from_, relation = _lowest(test), test.relation
    if relation in _FROM:
        return from_(bound)
    if relation in _ABOVE:
        return from_(bound + 1)
    if relation in _UP_TO:
        return Not(from_(bound + 1))
    if relation in _BELOW:
        return Not(from_(bound))
    equal = conjunction([from_(bound), Not(from_(bound + 1))])
    return opposite(equal) if relation is Relation.IS_NOT else equal


def _lowest(test: model.Test) -> Callable[[int], AtLeast | NotBefore]:
    """What makes the one comparison that all others of this fact are made of."""
    path, clock = test.fact.path, test.clock
    if clock is None:
        return lambda bound: AtLeast(path, bound)
    return lambda offset: NotBefore(path, clock, offset)


def _near_today(test: model.Test) -> Condition:
    """Today counts in both: `within the last 0 days` is today."""
    days, from_ = test.days, _lowest(test)
    assert days is not None and test.clock is not None  # noqa: S101, PT018 - the checker's
    first, last = (-days, 0) if test.relation is Relation.LAST else (0, days)
    return conjunction([from_(first), Not(from_(last + 1))])


# --- terms, levels and zones ---------------------------------------------------------


def _in_region(fact: FactType, relation: Relation, region: model.Region) -> Condition:
    match relation:
        case Relation.IS | Relation.IN:
            return _dated(fact, region, OneOf)
        case Relation.IS_NOT:
            return opposite(_dated(fact, region, OneOf))
        case Relation.WITHIN:
            return _dated(fact, region, Within)
        case Relation.HAS | Relation.TOUCHES:
            return _touches(fact.path, region)
        case _:
            return _level(fact, relation, region)


def _level(fact: FactType, relation: Relation, region: model.Region) -> Condition:
    (level,) = region.members
    above = fact.order.index(level) + (1 if relation in (*_ABOVE, *_UP_TO) else 0)
    reached = OneOf(fact.path, tuple(sorted(fact.order[above:])))
    return Not(reached) if relation in (*_BELOW, *_UP_TO) else reached


def _groups(region: model.Region) -> list[tuple[tuple[InForce, ...], tuple[str, ...]]]:
    """Dated members by the periods they share, in a fixed order."""
    groups: dict[tuple[InForce, ...], list[str]] = {}
    for value, periods in region.members.items():
        if periods:
            groups.setdefault(periods, []).append(value)
    return [(periods, tuple(sorted(groups[periods]))) for periods in sorted(groups, key=_dates)]


def _dates(periods: tuple[InForce, ...]) -> list[tuple[str, int, int]]:
    far = 10**9
    return [
        (p.time_zone, -far if p.first is None else p.first, far if p.last is None else p.last)
        for p in periods
    ]


def _dated(fact: FactType, region: model.Region, atom: type[OneOf] | type[Within]) -> Condition:
    path = fact.path
    inside: list[Condition] = [atom(path, tuple(sorted(region.members)))]
    for periods, values in _groups(region):
        untouched = Not(OneOf(path, values) if atom is OneOf else Touches(path, values))
        inside.append(disjunction([disjunction(periods), untouched]))
    return conjunction(inside)


def _touches(path: str, region: model.Region) -> Condition:
    always = tuple(sorted(value for value, periods in region.members.items() if not periods))
    parts: list[Condition] = [Touches(path, always)] if always else []
    for periods, values in _groups(region):
        parts.append(conjunction([disjunction(periods), Touches(path, values)]))
    return disjunction(parts)


# --- the one form --------------------------------------------------------------------


def conjunction(operands: Iterable[Condition]) -> Condition:
    """`And`, flat, without repeats and constants; never of one operand."""
    flat = _flat(operands, And, neutral=True)
    if flat is None:
        return Constant(value=False)
    return flat[0] if len(flat) == 1 else And(tuple(flat)) if flat else Constant(value=True)


def disjunction(operands: Iterable[Condition]) -> Condition:
    """`Or`, flat, without repeats and constants; never of one operand."""
    flat = _flat(operands, Or, neutral=False)
    if flat is None:
        return Constant(value=True)
    return flat[0] if len(flat) == 1 else Or(tuple(flat)) if flat else Constant(value=False)


def _flat(
    operands: Iterable[Condition], kind: type[And] | type[Or], *, neutral: bool
) -> list[Condition] | None:
    """The operands in order; None where one of them alone decides."""
    flat: dict[Condition, None] = {}
    for operand in operands:
        for part in operand.operands if isinstance(operand, kind) else (operand,):
            known = _constant(part)
            if known is None:
                flat[part] = None
            elif known is not neutral:
                return None
    return list(flat)


def _constant(part: Condition) -> bool | None:
    match part:
        case Constant(value):
            return value
        case InForce(_, None, None):
            return True
        case Not(InForce(_, None, None)):
            return False
        case _:
            return None
