"""What every derived fact of a core program keeps to; part of `dsl.wellformed`."""

from collections.abc import Iterator

from dsl.core import (
    Aggregate,
    Compare,
    DaysBetween,
    Derivation,
    FactType,
    Kind,
    Known,
    ListType,
    Origin,
    Program,
    Shift,
    Tally,
    atoms,
)
from dsl.derive import comparable, element_path, inputs
from dsl.facts import FIRST_DAY, LAST_DAY, MAX_INTEGER
from dsl.wellformed_atoms import ascending, problems_of_condition

MAX_MONTHS = 12 * 9_999

# Whoever may state an earlier one could otherwise speak with the voice of a later one.
_WEAKEST_FIRST = (
    Origin.REQUEST,
    Origin.LEDGER,
    Origin.CATALOGUE,
    Origin.VERIFIER,
    Origin.CLOCK,
)


def weakest(origins: list[Origin]) -> Origin:
    """The origin of what is computed from facts of these; of none, the clock."""
    return min(origins, key=_WEAKEST_FIRST.index, default=Origin.CLOCK)


def problems_of_derived(program: Program) -> Iterator[str]:
    """What is wrong with the derived facts, one sentence each."""
    if not ascending(program.derived) or not ascending(program.lists):
        yield "derived facts or lists are not sorted by path"
    for path, derivation in program.derived.items():
        fact = program.facts.get(path)
        if fact is None:
            yield f"`{path}` is derived and not declared"
            continue
        stated = [p for p in inputs(derivation) if p not in program.derived]
        sources = [program.lists.get(p) or program.facts.get(p) for p in stated]
        origins = [source.origin for source in sources if source is not None]
        if len(origins) < len(inputs(derivation)):
            yield f"`{path}` is derived from what nobody states"
        elif fact.origin is not weakest(origins):
            yield f"`{path}` has another origin than what it is derived from"
        else:
            yield from _problems_of_derivation(program, fact, derivation)


def _problems_of_derivation(
    program: Program, fact: FactType, derivation: Derivation
) -> Iterator[str]:
    path = fact.path
    match derivation:
        case Tally():
            listed = program.lists.get(derivation.list)
            if listed is None:
                yield f"`{path}` counts the elements of no list"
            else:
                yield from _problems_of_tally(fact, derivation, listed)
        case Shift():
            days = (fact.kind, program.facts[derivation.path].kind)
            if days != (Kind.DAY, Kind.DAY):
                yield f"`{path}` moves what is no day"
            far = LAST_DAY - FIRST_DAY
            if abs(derivation.months) > MAX_MONTHS or abs(derivation.days) > far:
                yield f"`{path}` moves a day out of every year"
        case DaysBetween(first, last, time_zone):
            kinds = {program.facts[p].kind for p in (first, last) if p is not None}
            if kinds != {Kind.DAY} or (fact.kind, fact.scale) != (Kind.INTEGER, 0):
                yield f"`{path}` counts days between what are no days"
            if None in (first, last) and not time_zone:
                yield f"`{path}` counts from today in no time zone"
        case Compare(comparison, left, right):
            sides = (program.facts[left], program.facts[right])
            if fact.kind is not Kind.TRUTH or not comparable(comparison, *sides):
                yield f"`{path}` compares what cannot be compared"


def _problems_of_tally(fact: FactType, tally: Tally, listed: ListType) -> Iterator[str]:
    path = fact.path
    if tally.aggregate is Aggregate.NUMBER:
        fits = tally.field is None and (fact.kind, fact.scale) == (Kind.INTEGER, 0)
    else:
        field = listed.fields.get(tally.field or "")
        fits = field is not None and _adds_up(fact, field)
    if not fits:
        yield f"`{path}` is not of the type of what it is derived from"
    ranks = tally.aggregate in (Aggregate.LARGEST, Aggregate.SMALLEST)
    if ranks != (tally.otherwise is not None) or abs(tally.otherwise or 0) > MAX_INTEGER:
        yield f"`{path}` says what it is of no element where it must not, or not where it must"
    named = {element_path(listed.path, name): field for name, field in listed.fields.items()}
    for problem in problems_of_condition(named, tally.where):
        yield f"`{path}` {problem}"
    if any(isinstance(atom, Known) for atom in atoms(tally.where)):
        yield f"`{path}` would change with what is hidden"


def _adds_up(fact: FactType, field: FactType) -> bool:
    return (fact.kind, fact.scale, fact.unit) == (Kind.INTEGER, field.scale, field.unit) and (
        field.kind is Kind.INTEGER
    )
