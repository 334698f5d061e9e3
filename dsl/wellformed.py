"""What every core program keeps to, checked wherever one enters or leaves.

Lowering produces nothing else; a program read from JSON is not believed until it
passes. Back-ends may therefore rely on it: every path is declared and read as the kind
it is, ids are unique, values are fit and sorted, and a hidden fact cannot help anybody.
"""

from collections.abc import Iterator, Sequence

from dsl.core import PROFILE_PATH, FactType, Kind, ListType, Origin, Profile, Program
from dsl.errors import CoreFormatError
from dsl.facts import FIRST_DAY, LAST_DAY
from dsl.wellformed_atoms import are_terms, ascending, is_term
from dsl.wellformed_derived import problems_of_derived
from dsl.wellformed_rules import problems_of_invariant, problems_of_rule

__all__ = ["FIRST_DAY", "LAST_DAY", "MAX_SCALE", "check_program"]

MAX_SCALE = 15  # as many decimals as fit below MAX_INTEGER


def check_program(program: Program) -> None:
    """Raise `CoreFormatError`, naming the first thing that is not as it must be."""
    problem = next(_problems(program), None)
    if problem is not None:
        raise CoreFormatError(problem)


def _problems(program: Program) -> Iterator[str]:
    yield from _problems_of_names(program)
    for path, fact in program.facts.items():
        if fact.path != path:
            yield f"fact `{path}` is filed under another path"
        yield from _problems_of_fact(fact)
        if bool(fact.wire) == (path in program.derived or path == PROFILE_PATH):
            yield f"fact `{path}` has no place on the wire, or one that it must not have"
    for path, listed in program.lists.items():
        yield from _problems_of_list(program, path, listed)
    yield from problems_of_derived(program)
    yield from _problems_of_profiles(program)
    for rule in program.rules:
        yield from problems_of_rule(program, rule)
    for invariant in program.invariants:
        yield from problems_of_invariant(program, invariant)


def _problems_of_names(program: Program) -> Iterator[str]:
    if not ascending(program.facts):
        yield "facts are not sorted by path"
    if len(set(program.actions)) != len(program.actions):
        yield "an action is declared twice"
    for action in program.actions:
        # The colon sets apart the actions that Cedar's policies for reasons stand under.
        if not is_term(action) or ":" in action:
            yield f"`{action}` is no name of an action"
    if not ascending([rule.id for rule in program.rules]):
        yield "rules are not sorted by id, or an id is used twice"
    if not ascending([invariant.id for invariant in program.invariants]):
        yield "invariants are not sorted by id, or an id is used twice"
    duties = [duty.id for rule in program.rules for duty in rule.duties]
    if len(set(duties)) != len(duties):
        yield "a duty id is used twice"
    if not {rule.id for rule in program.rules}.isdisjoint(duties):
        # An engine lists both together: a duty would be taken for a permission.
        yield "a duty has the id of a rule"
    for place in program.places:
        if not place.wire or not set(place.actions) <= set(program.actions):
            yield f"place `{place.record}` has no wire path or an undeclared action"


# --- facts and lists -----------------------------------------------------------------


def _problems_of_fact(fact: FactType) -> Iterator[str]:
    path = fact.path
    if not is_term(path) or " " in path:
        # The space sets apart the attributes that hold the days.
        yield f"`{path}` is no path of a fact"
    has_terms = fact.kind in (Kind.TERM, Kind.TERMS)
    if fact.values is not None and not (has_terms and fact.values and are_terms(fact.values)):
        yield f"fact `{path}` has a vocabulary that is empty, unsorted, unfit or out of place"
    if fact.may_be_empty and fact.kind is not Kind.TERMS:
        yield f"fact `{path}` is no set and yet may be empty"
    if fact.order and tuple(sorted(fact.order)) != fact.values:
        yield f"fact `{path}` has an order of other values than its own"
    is_number = fact.kind is Kind.INTEGER
    if not 0 <= fact.scale <= (MAX_SCALE if is_number else 0):
        yield f"fact `{path}` has decimals that it cannot have"
    if fact.may_be_negative and not is_number:
        yield f"fact `{path}` is no number and yet may be negative"
    for term, broader in fact.broader.items():
        if fact.values is None or not {term, *broader} <= set(fact.values):
            yield f"fact `{path}` has a taxonomy outside its vocabulary"
        elif not _is_closed(fact, term, broader):
            yield f"fact `{path}` has a taxonomy that does not name all values above `{term}`"


def _is_closed(fact: FactType, term: str, broader: Sequence[str]) -> bool:
    above = set(broader)
    return (
        ascending(broader)
        and term not in above
        and all(above.issuperset(fact.broader.get(other, ())) for other in broader)
    )


def _problems_of_list(program: Program, path: str, listed: ListType) -> Iterator[str]:
    if listed.path != path or path in program.facts:
        yield f"list `{path}` is filed under another path, or is a fact as well"
    if not listed.wire or not listed.fields:
        yield f"list `{path}` has no place on the wire, or no fields"
    for field in listed.fields.values():
        yield from _problems_of_fact(field)
        if field.origin is not listed.origin:
            yield f"list `{path}` and its fields have different origins"


# --- profiles ------------------------------------------------------------------------


def _problems_of_profiles(program: Program) -> Iterator[str]:
    names = tuple(profile.name for profile in program.profiles)
    if not ascending(names) or not all(is_term(name) for name in names):
        yield "profiles are not sorted by name, or a name is used twice"
    tenants = [tenant for profile in program.profiles for tenant in profile.tenants]
    if len(set(tenants)) != len(tenants):
        yield "a tenant has two profiles"
    if sum(not profile.tenants for profile in program.profiles) > 1:
        yield "two profiles are the default"
    for profile in program.profiles:
        yield from _problems_of_profile(profile)
    fact = program.facts.get(PROFILE_PATH)
    if fact is not None and (
        (fact.kind, fact.origin, fact.values) != (Kind.TERM, Origin.CATALOGUE, names or None)
        or not names
    ):
        yield f"`{PROFILE_PATH}` is not what says which profile a caller has"


def _problems_of_profile(profile: Profile) -> Iterator[str]:
    for names in (profile.charters, profile.tenants):
        if len(set(names)) != len(names) or not all(is_term(name) for name in names):
            yield f"profile `{profile.name}` names a charter or tenant twice"
