"""Derived facts: what is computed from facts and lists while they are joined.

Engines cannot add or calculate alike, so they see only the result. The meaning is that of
the conditions: three-valued. A result is known only where nothing that is hidden could
change it, so hiding anything never turns one known result into another.
"""

from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import MAXYEAR, MINYEAR, date

from dsl.calculations import Comparison
from dsl.core import (
    Aggregate,
    Compare,
    DaysBetween,
    Derivation,
    FactType,
    Kind,
    Program,
    Shift,
    Tally,
)
from dsl.evaluate import truth
from dsl.facts import Elements, Question, Value, settled
from dsl.kleene import Truth

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


def derive(
    program: Program,
    facts: Mapping[str, Value],
    lists: Mapping[str, Elements],
    today: Mapping[str, int],
) -> dict[str, Value]:
    """The derived facts that are known, by path, and no others.

    Args:
        facts: The stated facts, fit.
        lists: By path of the list, its elements as `dsl.facts.fit_list` gives them; a list
            that is not there is unknown.
        today: As in `dsl.facts.Question`, for every time zone of the program.
    """
    found: dict[str, Value] = {}
    for path, derivation in program.derived.items():
        if isinstance(derivation, Compare):
            result = _compared(program, derivation, facts)
        else:
            result = _derived(derivation, facts, lists, today)
        # A result that no wire could carry is unknown, like any other value that is not fit.
        value = settled(program.facts[path], result)
        if value is not None:
            found[path] = value
    return found


def inputs(derivation: Derivation) -> tuple[str, ...]:
    """The paths of the facts, or of the list, that a derived fact is computed from."""
    match derivation:
        case Tally():
            return (derivation.list,)
        case Shift():
            return (derivation.path,)
        case DaysBetween():
            return tuple(p for p in (derivation.first, derivation.last) if p is not None)
        case Compare():
            return (derivation.left, derivation.right)


def element_path(listed: str, name: str) -> str:
    """Under which path a field of an element is read: `destination.holders` and `country`
    give `holders.country`."""
    return f"{listed.rpartition('.')[2]}.{name}"


def _derived(
    derivation: Tally | Shift | DaysBetween,
    facts: Mapping[str, Value],
    lists: Mapping[str, Elements],
    today: Mapping[str, int],
) -> int | None:
    match derivation:
        case Tally():
            elements = lists.get(derivation.list)
            return None if elements is None else _tally(derivation, elements, today)
        case Shift(path, months, days):
            day = _number(facts.get(path))
            return None if day is None else shifted(day, months, days)
        case DaysBetween(first, last, time_zone):
            start, end = (
                today[time_zone] if path is None else _number(facts.get(path))
                for path in (first, last)
            )
            return None if start is None or end is None else end - start


def _compared(program: Program, asked: Compare, facts: Mapping[str, Value]) -> bool | None:
    left, right = facts.get(asked.left), facts.get(asked.right)
    if left is None or right is None:
        return None
    match asked.comparison, left, right:
        case Comparison.EQUAL, _, _:
            holds = left == right
        case Comparison.IN, str(), tuple():
            holds = left in right
        case Comparison.WITHIN, tuple(), tuple():
            holds = set(left) <= set(right)
        case Comparison.TOUCHES, tuple(), tuple():
            holds = not set(left).isdisjoint(right)
        case Comparison.AT_LEAST, int(), int():
            holds = left >= right
        case Comparison.AT_LEAST, str(), str():
            order = program.facts[asked.left].order
            holds = order.index(left) >= order.index(right)
        case _:
            return None
    return holds is not asked.negated


def comparable(comparison: Comparison, left: FactType, right: FactType) -> bool:
    """Whether facts of these types can be compared so."""
    kinds = (left.kind, right.kind)
    same = (left.vocabulary, left.unit, left.scale) == (right.vocabulary, right.unit, right.scale)
    # Sets arrive with every broader term, so a term is in such a set where it or a narrower
    # one was stated. Of two sets nobody can tell any more which terms were stated: `health`
    # alone would let through whatever is `personal`.
    flat = not left.broader
    match comparison:
        case Comparison.EQUAL:
            return same and flat and Kind.TERMS not in kinds and left.kind is right.kind
        case Comparison.IN:
            return same and kinds == (Kind.TERM, Kind.TERMS)
        case Comparison.WITHIN | Comparison.TOUCHES:
            return same and flat and kinds == (Kind.TERMS, Kind.TERMS)
        case Comparison.AT_LEAST:
            ranked = left.kind in (Kind.INTEGER, Kind.DAY) or bool(left.order)
            return same and ranked and left.kind is right.kind and left.order == right.order


def _tally(tally: Tally, elements: Elements, today: Mapping[str, int]) -> int | None:
    counted: list[int] = []
    for element in elements:
        named = {element_path(tally.list, name): value for name, value in element.items()}
        matches = truth(tally.where, Question("", named, today))
        if matches is Truth.FALSE:
            continue
        value = 1 if tally.field is None else _number(element.get(tally.field))
        if matches is Truth.UNKNOWN or value is None:
            return None
        counted.append(value)
    return _aggregated(tally, counted)


def _aggregated(tally: Tally, counted: Sequence[int]) -> int | None:
    match tally.aggregate:
        case Aggregate.SUM | Aggregate.NUMBER:
            return sum(counted)
        case Aggregate.LARGEST:
            return max(counted, default=tally.otherwise)
        case Aggregate.SMALLEST:
            return min(counted, default=tally.otherwise)


def shifted(day: int, months: int, days: int) -> int | None:
    """A day number moved by whole months, to the last day of the month where it has no such
    day, and then by days; None beyond the years 1 to 9999."""
    start = date.fromordinal(day + _EPOCH_ORDINAL)
    years, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    if not MINYEAR <= years <= MAXYEAR:
        return None
    last = monthrange(years, month + 1)[1]
    return date(years, month + 1, min(start.day, last)).toordinal() - _EPOCH_ORDINAL + days


def _number(value: Value | None) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
