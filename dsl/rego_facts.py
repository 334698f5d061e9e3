"""Rego over facts: one guard for every fact read, one boolean for every distinct atom.

A guard `known_*` holds where the fact is in the question and fit for use; whoever asks
about a fact asks its guard first. So an atom is true or undefined, and its negation is
`known and not atom`, never `not` of an expression that reads the input: two engines
disagree on that where the fact is absent.

Not guarded, for Rego has no cheap way to: that an identifier without a vocabulary is
printable and of bounded length, and that a number is written without a fraction (`3.0`
is 3 here). The gateway's own normaliser refuses both.
"""

from collections.abc import Iterator
from datetime import date

from dsl.core import (
    AtLeast,
    FactAtom,
    FactType,
    Holds,
    InForce,
    Kind,
    OneOf,
    Program,
    Touches,
    Within,
)
from dsl.facts import MAX_INTEGER, MAX_TERMS
from dsl.names import Names, describe_values
from dsl.rego_text import clause, comment, member, quote, quote_all

# Larger sets live in the data document: a set literal is built anew for each question,
# which in one engine takes time quadratic in its size.
INLINE_VALUES = 4

EPOCH = date(1970, 1, 1).toordinal()


class FactRules:
    """The rules about facts that the formulas of a program refer to, as they are asked
    for; `conditions`, `guards` and `values` hold what to emit. `needs_data` says whether
    anything looks at the data document."""

    def __init__(self, program: Program, names: Names, package: str) -> None:
        self.conditions: list[str] = []
        self.guards: list[str] = []
        self.values: dict[str, dict[str, object]] = {}
        self.needs_data = False
        self._facts = program.facts
        self._names = names
        self._document = f"data.{package}.values"
        self._named: dict[object, str] = {}
        self._sets: dict[tuple[str, ...], str] = {}
        self._compared_with_data = {
            atom.path
            for atom in program.atoms()
            if isinstance(atom, OneOf | Within | Touches) and len(atom.values) > INLINE_VALUES
        }

    # --- what formulas ask for -----------------------------------------------------

    def atom(self, atom: FactAtom | InForce) -> str:
        """The boolean that holds where the atom is certainly true."""
        if atom not in self._named:
            if isinstance(atom, InForce):
                self._named[atom] = self._emit_in_force(atom)
            else:
                self._named[atom] = self._emit_fact_atom(atom)
        return self._named[atom]

    def negated(self, atom: FactAtom | InForce) -> tuple[str, str]:
        """The two expressions that hold together where the atom is certainly false."""
        positive = self.atom(atom)
        return self._known(atom), f"not {positive}"

    # --- atoms ---------------------------------------------------------------------

    def _emit_in_force(self, atom: InForce) -> str:
        day = member("input.today", atom.time_zone)
        words, lines = ["in_force"], [self._known(atom)]
        if atom.first is not None:
            words += ["from", _iso(atom.first)]
            lines.append(f"{day} >= {atom.first}")
        if atom.last is not None:
            words += ["until", _iso(atom.last)]
            lines.append(f"{day} <= {atom.last}")
        name = self._names.fresh(*words)
        spoken = " ".join(words[1:])
        self.conditions.append(
            f"{comment(f'{spoken}, in {atom.time_zone}')}\n{clause(name, lines)}"
        )
        return name

    def _emit_fact_atom(self, atom: FactAtom) -> str:
        known = self._known(atom)
        name = self._names.fresh(atom.path, *_verb(atom))
        self.conditions.append(clause(name, [known, *self._test(atom)]))
        return name

    def _test(self, atom: FactAtom) -> list[str]:
        fact = member("input.facts", atom.path)
        match atom:
            case Holds():
                return [f"{fact} == true"]
            case AtLeast(_, bound):
                return [f"{fact} >= {bound}"]
            case OneOf(_, (only,)):
                return [f"{fact} == {quote(only)}"]
            case OneOf(path, values):
                return [self._membership(fact, values)]
            case Within(path, ()):
                return [f"count({self._terms(path)}) == 0"]
            case Touches(_, ()):
                return ["false"]
            case Within(path, values):
                terms = self._terms(path)
                return [f"every term in {terms} {{ {self._membership('term', values)} }}"]
            case Touches(path, (only,)):
                return [f"{quote(only)} in {self._terms(path)}"]
            case Touches(path, values):
                return [f"some term in {self._terms(path)}", self._membership("term", values)]

    def _membership(self, term: str, values: tuple[str, ...]) -> str:
        if not values:
            return "false"
        if len(values) <= INLINE_VALUES:
            return f"{term} in {{{quote_all(values)}}}"
        return f"{self._document}.{self._value_set(values)}[{term}]"

    def _value_set(self, values: tuple[str, ...]) -> str:
        if values not in self._sets:
            name = self._names.fresh(describe_values(values))
            self._sets[values] = name
            self.needs_data = True
            self.values[name] = dict.fromkeys(values, True)
        return self._sets[values]

    # --- guards --------------------------------------------------------------------

    def _known(self, atom: FactAtom | InForce) -> str:
        zone = isinstance(atom, InForce)
        key = ("today", atom.time_zone) if zone else ("fact", atom.path)
        if key not in self._named:
            if isinstance(atom, InForce):
                value = member("input.today", atom.time_zone)
                name = self._names.fresh("known_today", atom.time_zone)
                lines = list(_integer_guard(value, least=-MAX_INTEGER))
            else:
                name = self._names.fresh("known", atom.path)
                lines = list(self._guard(self._facts[atom.path]))
            self._named[key] = name
            self.guards.append(clause(name, lines))
        return self._named[key]

    def _guard(self, fact: FactType) -> Iterator[str]:
        value = member("input.facts", fact.path)
        match fact.kind:
            case Kind.TRUTH:
                yield f"is_boolean({value})"
            case Kind.INTEGER:
                yield from _integer_guard(value, least=0)
            case Kind.TERM:
                yield f"is_string({value})"
                yield from self._data_loaded(fact)
                yield self._fit_term(fact, value)
            case Kind.TERMS:
                yield f"is_array({value})"
                yield from self._data_loaded(fact)
                yield from self._fit_terms(fact)

    def _data_loaded(self, fact: FactType) -> Iterator[str]:
        # Without the data document no term would be in any set, and `not` of that would
        # be certain. A large vocabulary is in the document itself and needs no test.
        in_data = fact.values is not None and len(fact.values) > INLINE_VALUES
        if fact.path in self._compared_with_data and not in_data:
            self.needs_data = True
            yield f"is_object({self._document})"

    def _fit_term(self, fact: FactType, term: str) -> str:
        return f'{term} != ""' if fact.values is None else self._membership(term, fact.values)

    def _fit_terms(self, fact: FactType) -> Iterator[str]:
        terms = self._terms(fact.path)
        yield f"count({member('input.facts', fact.path)}) <= {MAX_TERMS}"
        if not fact.may_be_empty:
            yield f"count({terms}) > 0"
        if fact.values is None:
            yield f"every term in {terms} {{ is_string(term) }}"
        yield f"every term in {terms} {{ {self._fit_term(fact, 'term')} }}"
        above: dict[str, object] = {
            term: list(terms) for term, terms in sorted(fact.broader.items()) if terms
        }
        if above:
            # A set that leaves out the terms above its own is not what the rules were
            # written for: `health` without `personal` would slip past them.
            name = self._names.fresh("above", fact.path)
            self.values[name] = above
            self.needs_data = True
            listed = f"object.get({self._document}.{name}, term, [])"
            yield f"every term in {terms} {{"
            yield f"\tevery above in {listed} {{ above in {terms} }}"
            yield "}"

    def _terms(self, path: str) -> str:
        """The set of the elements of a list; empty where the fact is absent, so only
        what asked the guard may read it."""
        key = ("terms", path)
        if key not in self._named:
            name = self._names.fresh(path)
            self._named[key] = name
            self.guards.append(
                f"{name} contains term if some term in {member('input.facts', path)}"
            )
        return self._named[key]


def _verb(atom: FactAtom) -> tuple[str, ...]:
    match atom:
        case Holds():
            return ("holds",)
        case AtLeast(_, bound):
            return ("at_least", "minus" if bound < 0 else "", str(abs(bound)))
        case OneOf(_, values):
            return ("is", describe_values(values))
        case Within(_, values):
            return ("within", describe_values(values))
        case Touches(_, values):
            return ("touches", describe_values(values))


def _integer_guard(value: str, *, least: int) -> Iterator[str]:
    yield f"is_number({value})"
    # The range first: rounding a number of a million digits is nobody's business.
    yield f"{value} >= {least}"
    yield f"{value} <= {MAX_INTEGER}"
    yield f"floor({value}) == {value}"


def _iso(day: int) -> str:
    return date.fromordinal(EPOCH + day).isoformat()
