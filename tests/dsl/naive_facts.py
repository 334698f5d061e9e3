"""What is known, without `dsl.facts` and `dsl.derive`: the oracle for both.

Numbers are fractions and days are dates, so that scales, day numbers and the arithmetic
of months are worked out a second time, in another way.
"""

from calendar import monthrange
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Protocol, cast

from dsl import model
from dsl.calculations import Compare, Comparison
from dsl.core import PROFILE_PATH, Aggregate, DaysBetween, FactType, Kind, ListType, Shift
from dsl.tree import Relation

Kleene = bool | None
Value = bool | str | frozenset[str] | Fraction | date

LARGEST_STEP = 2**53 - 1
MOST_TERMS = 1000  # and elements of a list
LONGEST_TERM = 256
EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Asked:
    """A question as it comes off the wire: what is stated of each fact and list, as JSON
    has it, and the day number in each time zone."""

    action: str
    stated: Mapping[str, object]
    lists: Mapping[str, object]
    today: Mapping[str, int]


class Facts(Protocol):
    """What is known, by path; None is unknown."""

    def get(self, path: str, /) -> Value | None: ...


# Conditions of a list are evaluated by `tests.dsl.naive`, which is handed in.
Holds = Callable[[model.Condition | None, Facts, Mapping[str, int]], Kleene]


class Known:
    """What is known of a question, stated and derived; found out when it is asked for."""

    def __init__(self, checked: model.Model, asked: Asked, holds: Holds) -> None:
        self._checked = checked
        self._asked = asked
        self._holds = holds
        self._found: dict[str, Value | None] = {}

    def get(self, path: str, /) -> Value | None:
        if path not in self._found:
            self._found[path] = self._find(path)
        return self._found[path]

    def _find(self, path: str) -> Value | None:
        checked, asked = self._checked, self._asked
        if path == PROFILE_PATH:
            stated = asked.stated.get(path)
            named = [p.name for p in checked.profiles if p.name == stated]
            return named[0] if named else None
        fact = checked.facts[path]
        if path in checked.derived:
            return _derive(checked, fact, checked.derived[path], self, asked, self._holds)
        return fitted(fact, asked.stated.get(path))


# --- stated facts --------------------------------------------------------------------


def fitted(fact: FactType, raw: object) -> Value | None:
    """What a fact is known to be where this is stated of it."""
    match fact.kind:
        case Kind.TRUTH:
            return raw if raw is True or raw is False else None
        case Kind.INTEGER:
            return _number(fact, raw)
        case Kind.DAY:
            return _date(raw)
        case Kind.TERM:
            return raw if isinstance(raw, str) and _may_be(fact, raw) else None
        case Kind.TERMS:
            return _terms(fact, raw)


def _number(fact: FactType, raw: object) -> Fraction | None:
    number = _decimal(raw, fact.scale) if fact.scale else _whole(raw)
    if number is None or abs(number * 10**fact.scale) > LARGEST_STEP:
        return None
    signed = number < 0 or (isinstance(raw, str) and "-" in raw)
    return None if signed and not fact.may_be_negative else number


def _whole(raw: object) -> Fraction | None:
    return Fraction(raw) if type(raw) is int else None


def _decimal(raw: object, scale: int) -> Fraction | None:
    if not isinstance(raw, str) or not raw.isascii():
        return None
    whole, point, part = raw.removeprefix("-").partition(".")
    if not whole.isdigit() or (whole[0] == "0" and len(whole) > 1):
        return None
    if point and not (part.isdigit() and len(part) <= scale):
        return None
    size = Fraction(int(whole)) + (Fraction(int(part), 10 ** len(part)) if part else 0)
    return -size if raw.startswith("-") else size


def _date(raw: object) -> date | None:
    if not isinstance(raw, str) or not raw.isascii() or len(raw) != len("2026-11-22"):
        return None
    year, first, month, second, day = raw[:4], raw[4], raw[5:7], raw[7], raw[8:]
    if (first, second) != ("-", "-") or not (year + month + day).isdigit():
        return None
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def _may_be(fact: FactType, term: str) -> bool:
    if fact.values is not None:
        return term in fact.values
    return 1 <= len(term) <= LONGEST_TERM and term.isprintable()


def _terms(fact: FactType, raw: object) -> frozenset[str] | None:
    if not isinstance(raw, list | tuple):
        return None
    elements = cast("Sequence[object]", raw)
    if len(elements) > MOST_TERMS:
        return None
    terms = [e for e in elements if isinstance(e, str) and _may_be(fact, e)]
    if len(terms) < len(elements) or (not terms and not fact.may_be_empty):
        return None
    return frozenset(terms).union(*(fact.broader.get(term, ()) for term in terms))


# --- derived facts -------------------------------------------------------------------


def _derive(
    checked: model.Model,
    fact: FactType,
    derivation: model.Derivation,
    stated: Facts,
    asked: Asked,
    holds: Holds,
) -> Value | None:
    match derivation:
        case model.Tally():
            elements = elements_of(checked.lists[derivation.list], asked.lists)
            if elements is None:
                return None
            number = _tally(derivation, fact, elements, asked.today, holds)
            too_large = number is None or abs(number * 10**fact.scale) > LARGEST_STEP
            return None if too_large else number
        case Compare(_, left, right, _):
            return _compared(checked, derivation, stated.get(left), stated.get(right))
        case Shift(path, months, days):
            start = stated.get(path)
            return moved(start, months, days) if isinstance(start, date) else None
        case DaysBetween(first, last, time_zone):
            begin, end = (_day(path, time_zone, stated, asked.today) for path in (first, last))
            return None if begin is None or end is None else Fraction((end - begin).days)


def _compared(
    checked: model.Model, asked: Compare, left: Value | None, right: Value | None
) -> bool | None:
    if left is None or right is None:
        return None
    order = {level: place for place, level in enumerate(checked.facts[asked.left].order)}
    answers = {
        Comparison.EQUAL: lambda: left == right,
        Comparison.IN: lambda: left in cast("frozenset[str]", right),
        Comparison.WITHIN: lambda: not cast("frozenset[str]", left) - cast("frozenset[str]", right),
        Comparison.TOUCHES: lambda: bool(
            cast("frozenset[str]", left) & cast("frozenset[str]", right)
        ),
        Comparison.AT_LEAST: lambda: (
            order[cast("str", left)] >= order[cast("str", right)]
            if order
            else not cast("Fraction", left) < cast("Fraction", right)
        ),
    }
    return answers[asked.comparison]() != asked.negated


def elements_of(kind: ListType, lists: Mapping[str, object]) -> list[dict[str, Value]] | None:
    """What is known of each element, under the name of the list and the field. A list of
    which one element is no object, or that is too long, is no list."""
    raw = lists.get(kind.path)
    if not isinstance(raw, list):
        return None
    stated_elements = cast("list[object]", raw)
    if len(stated_elements) > MOST_TERMS:
        return None
    name = kind.path.rpartition(".")[2]
    elements: list[dict[str, Value]] = []
    for element in stated_elements:
        if not isinstance(element, dict):
            return None
        stated = cast("Mapping[str, object]", element)
        found: dict[str, Value] = {}
        for field, fact in kind.fields.items():
            value = fitted(fact, stated.get(field))
            if value is not None:
                found[f"{name}.{field}"] = value
        elements.append(found)
    return elements


def _tally(
    tally: model.Tally,
    fact: FactType,
    elements: Sequence[Facts],
    today: Mapping[str, int],
    holds: Holds,
) -> Fraction | None:
    numbers: list[Fraction] = []
    for element in elements:
        counts = holds(tally.where, element, today)
        if counts is False:
            continue
        number: Value | None = Fraction(1)
        if tally.field is not None:
            number = element.get(f"{tally.list.rpartition('.')[2]}.{tally.field}")
        if counts is None or not isinstance(number, Fraction):
            return None
        numbers.append(number)
    if tally.aggregate in (Aggregate.SUM, Aggregate.NUMBER):
        return sum(numbers, Fraction(0))
    if not numbers:
        assert tally.otherwise is not None
        return Fraction(tally.otherwise, 10**fact.scale)
    return max(numbers) if tally.aggregate is Aggregate.LARGEST else min(numbers)


def moved(start: date, months: int, days: int) -> date | None:
    years, month = divmod(start.month - 1 + months, 12)
    year = start.year + years
    if not date.min.year <= year <= date.max.year:
        return None
    last = monthrange(year, month + 1)[1]
    return later(date(year, month + 1, min(start.day, last)), days)


def later(day: date, days: int) -> date | None:
    """The day so many days later, or None beyond the calendar."""
    try:
        return day + timedelta(days=days)
    except OverflowError:
        return None


def day_of(number: int) -> date:
    return EPOCH + timedelta(days=number)


def _day(path: str | None, time_zone: str, stated: Facts, today: Mapping[str, int]) -> date | None:
    value = day_of(today[time_zone]) if path is None else stated.get(path)
    return value if isinstance(value, date) else None


def number_relation(relation: Relation, value: Fraction, bound: Fraction) -> bool:
    return {
        Relation.IS: value == bound,
        Relation.IS_NOT: value != bound,
        Relation.AT_LEAST: value >= bound,
        Relation.AT_MOST: value <= bound,
        Relation.MORE_THAN: value > bound,
        Relation.LESS_THAN: value < bound,
    }[relation]


def date_relation(relation: Relation, value: date, bound: date) -> bool:
    return {
        Relation.IS: value == bound,
        Relation.IS_NOT: value != bound,
        Relation.BEFORE: value < bound,
        Relation.AFTER: value > bound,
        Relation.ON_OR_BEFORE: value <= bound,
        Relation.ON_OR_AFTER: value >= bound,
    }[relation]
