"""What every condition of a core program keeps to; part of `dsl.wellformed`."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from dsl.core import (
    AtLeast,
    Atom,
    Condition,
    Constant,
    FactAtom,
    FactType,
    Holds,
    InForce,
    Kind,
    Known,
    NotBefore,
    OneOf,
    Touches,
    Within,
    atoms,
)
from dsl.facts import FIRST_DAY, LAST_DAY, MAX_INTEGER, MAX_TERM_LENGTH

# `more than` the largest integer, and `after` the last day, ask for one beyond it.
MAX_BOUND = MAX_INTEGER + 1
MAX_OFFSET = LAST_DAY - FIRST_DAY + 1

_KINDS_READ: Mapping[type[FactAtom], tuple[Kind, ...]] = {
    Holds: (Kind.TRUTH,),
    OneOf: (Kind.TERM,),
    Within: (Kind.TERMS,),
    Touches: (Kind.TERMS,),
    AtLeast: (Kind.INTEGER, Kind.DAY),
    NotBefore: (Kind.DAY,),
    Known: tuple(Kind),
}


def problems_of_condition(facts: Mapping[str, FactType], condition: Condition) -> Iterator[str]:
    """What is wrong with the atoms of a condition over `facts`, one clause each."""
    for atom in atoms(condition):
        problem = _problem_of_atom(facts, atom)
        if problem:
            yield problem


def _problem_of_atom(facts: Mapping[str, FactType], atom: Atom) -> str | None:
    match atom:
        case Constant():
            return None
        case InForce(time_zone, first, last):
            days = [day for day in (first, last) if day is not None]
            fit = bool(time_zone) and all(FIRST_DAY <= day <= LAST_DAY for day in days)
            return None if fit else "has a date out of range or without a time zone"
        case _:
            fact = facts.get(atom.path)
            if fact is None or fact.kind not in _KINDS_READ[type(atom)]:
                return f"reads `{atom.path}`, which is undeclared or of another kind"
            return _problem_of_constants(fact, atom)


def _problem_of_constants(fact: FactType, atom: FactAtom) -> str | None:
    match atom:
        case AtLeast(path, bound):
            first, last = (-MAX_BOUND, MAX_BOUND)
            if fact.kind is Kind.DAY:
                first, last = FIRST_DAY, LAST_DAY + 1
            fit = first <= bound <= last
            return None if fit else f"compares `{path}` with a number or day out of range"
        case NotBefore(path, time_zone, offset):
            fit = bool(time_zone) and abs(offset) <= MAX_OFFSET
            return None if fit else f"compares `{path}` with a day out of range or no time zone"
        case OneOf(path, values) | Within(path, values) | Touches(path, values):
            return None if are_terms(values) else f"compares `{path}` with unsorted or unfit values"
        case _:
            return None


def are_terms(values: Sequence[str]) -> bool:
    """Whether they are sorted, without repeats, and each could be a value."""
    return ascending(values) and all(is_term(value) for value in values)


def is_term(value: str) -> bool:
    return 0 < len(value) <= MAX_TERM_LENGTH and value.isprintable()


def ascending(items: Iterable[str]) -> bool:
    return all(a < b for a, b in itertools.pairwise(items))
