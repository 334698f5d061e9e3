"""What every core program keeps to, checked wherever one enters or leaves.

Lowering produces nothing else; a program read from JSON is not believed until it
passes. Back-ends may therefore rely on it: every path is declared and read as the kind
it is, ids are unique, values are fit and sorted.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from dsl.core import (
    AtLeast,
    Atom,
    Constant,
    FactType,
    Holds,
    InForce,
    Kind,
    OneOf,
    Program,
    Rule,
    Touches,
    Within,
    atoms,
)
from dsl.errors import CoreFormatError
from dsl.facts import MAX_INTEGER, MAX_TERM_LENGTH

# `more than` the largest integer asks for one beyond it.
MAX_BOUND = MAX_INTEGER + 1
# The days of the years 1 to 9999, counted from 1970-01-01.
FIRST_DAY, LAST_DAY = -719_162, 2_932_896

_KIND_READ = {
    Holds: Kind.TRUTH,
    OneOf: Kind.TERM,
    Within: Kind.TERMS,
    Touches: Kind.TERMS,
    AtLeast: Kind.INTEGER,
}


def check_program(program: Program) -> None:
    """Raise `CoreFormatError`, naming the first thing that is not as it must be."""
    problem = next(_problems(program), None)
    if problem is not None:
        raise CoreFormatError(problem)


def _problems(program: Program) -> Iterator[str]:
    if not _ascending(list(program.facts)):
        yield "facts are not sorted by path"
    for path, fact in program.facts.items():
        yield from _problems_of_fact(path, fact)
    if len(set(program.actions)) != len(program.actions):
        yield "an action is declared twice"
    for action in program.actions:
        # The colon sets apart the actions that Cedar's policies for reasons stand under.
        if not _is_fit(action) or ":" in action:
            yield f"`{action}` is no name of an action"
    if not _ascending([rule.id for rule in program.rules]):
        yield "rules are not sorted by id, or an id is used twice"
    duties = [duty.id for rule in program.rules for duty in rule.duties]
    if len(set(duties)) != len(duties):
        yield "a duty id is used twice"
    for place in program.places:
        if not place.wire or not set(place.actions) <= set(program.actions):
            yield f"place `{place.record}` has no wire path or an undeclared action"
    for rule in program.rules:
        yield from _problems_of_rule(program, rule)


def _problems_of_fact(path: str, fact: FactType) -> Iterator[str]:
    if fact.path != path:
        yield f"fact `{path}` is filed under another path"
    if not _is_fit(path) or " " in path:
        # The space sets apart the attributes that hold the days.
        yield f"`{path}` is no path of a fact"
    if not fact.wire:
        yield f"fact `{path}` has no place on the wire"
    has_terms = fact.kind in (Kind.TERM, Kind.TERMS)
    if fact.values is not None and not (has_terms and fact.values and _terms(fact.values)):
        yield f"fact `{path}` has a vocabulary that is empty, unsorted, unfit or out of place"
    if fact.may_be_empty and fact.kind is not Kind.TERMS:
        yield f"fact `{path}` is no set and yet may be empty"
    for term, broader in fact.broader.items():
        if fact.values is None or not {term, *broader} <= set(fact.values):
            yield f"fact `{path}` has a taxonomy outside its vocabulary"
        elif not _is_closed(fact, term, broader):
            yield f"fact `{path}` has a taxonomy that does not name all values above `{term}`"


def _is_closed(fact: FactType, term: str, broader: Sequence[str]) -> bool:
    above = set(broader)
    return (
        _ascending(broader)
        and term not in above
        and all(above.issuperset(fact.broader.get(other, ())) for other in broader)
    )


def _problems_of_rule(program: Program, rule: Rule) -> Iterator[str]:
    if not rule.actions or not set(rule.actions) <= set(program.actions):
        yield f"rule `{rule.id}` has no action or an undeclared one"
    for duty in rule.duties:
        if duty.rule != rule.id:
            yield f"duty `{duty.id}` belongs to another rule"
    for condition in (rule.formula, *(duty.condition for duty in rule.duties)):
        for atom in atoms(condition):
            problem = _problem_of_atom(program, atom)
            if problem:
                yield f"rule `{rule.id}` {problem}"


def _problem_of_atom(program: Program, atom: Atom) -> str | None:
    match atom:
        case Constant():
            return None
        case InForce(time_zone, first, last):
            days = [day for day in (first, last) if day is not None]
            fit = bool(time_zone) and all(FIRST_DAY <= day <= LAST_DAY for day in days)
            return None if fit else "has a date out of range or without a time zone"
        case _:
            fact = program.facts.get(atom.path)
            if fact is None or fact.kind is not _KIND_READ[type(atom)]:
                return f"reads `{atom.path}`, which is undeclared or of another kind"
            return _problem_of_constants(atom)


def _problem_of_constants(atom: Atom) -> str | None:
    match atom:
        case AtLeast(path, bound) if abs(bound) > MAX_BOUND:
            return f"compares `{path}` with a number out of range"
        case OneOf(path, values) | Within(path, values) | Touches(path, values):
            return None if _terms(values) else f"compares `{path}` with unsorted or unfit values"
        case _:
            return None


def _terms(values: Sequence[str]) -> bool:
    return _ascending(values) and all(_is_fit(value) for value in values)


def _is_fit(value: str) -> bool:
    return 0 < len(value) <= MAX_TERM_LENGTH and value.isprintable()


def _ascending(items: Iterable[str]) -> bool:
    return all(a < b for a, b in itertools.pairwise(items))
