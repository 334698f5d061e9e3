"""Rego guards: what must hold of a fact, or of the day, before any rule looks at it.

A guard `known_*` holds where the fact is in the question and fit for use; whoever asks
about a fact asks its guard first, and the guard alone is what `is known` asks.

In a lean module, for facts that are known to be fit, a guard asks only for their type, so
that a fact that is absent is unknown; vocabularies, ranges and taxonomies have been looked
at before.

Not guarded, for Rego has no cheap way to: that an identifier without a vocabulary is
printable and of bounded length, and that a number is written without a fraction (`3.0`
is 3 here). The gateway's own normaliser refuses both.
"""

from collections.abc import Iterator

from dsl.core import FactType, Kind, OneOf, Program, Touches, Within
from dsl.facts import FIRST_DAY, LAST_DAY, MAX_INTEGER, MAX_TERMS
from dsl.names import Names, describe_values
from dsl.rego_text import clause, member, quote_all

# Larger sets live in the data document: a set literal is built anew for each question,
# which in one engine takes time quadratic in its size.
INLINE_VALUES = 4


_TYPE_TESTS = {
    Kind.TRUTH: "is_boolean",
    Kind.TERM: "is_string",
    Kind.TERMS: "is_array",
    Kind.INTEGER: "is_number",
    Kind.DAY: "is_number",
}


class Guards:
    """The guards that conditions ask for, as they are asked for; `rules` and `values`
    hold what to emit. `needs_data` says whether anything looks at the data document."""

    def __init__(self, program: Program, names: Names, package: str, *, lean: bool) -> None:
        self.rules: list[str] = []
        self._lean = lean
        self.values: dict[str, dict[str, object]] = {}
        self.needs_data = False
        self._facts = program.facts
        self._names = names
        self._document = f"data.{package}.values"
        self._named: dict[tuple[str, str], str] = {}
        self._sets: dict[tuple[str, ...], str] = {}
        self._compared_with_data = {
            atom.path
            for atom in program.atoms()
            if isinstance(atom, OneOf | Within | Touches) and len(atom.values) > INLINE_VALUES
        }

    def known(self, path: str) -> str:
        """The boolean that holds where the fact is known and fit."""
        key = ("fact", path)
        if key not in self._named:
            self._named[key] = name = self._names.fresh("known", path)
            self.rules.append(clause(name, list(self._guard(self._facts[path]))))
        return self._named[key]

    def known_today(self, time_zone: str) -> str:
        """The boolean that holds where the day in a time zone is one to reckon with."""
        key = ("today", time_zone)
        if key not in self._named:
            self._named[key] = name = self._names.fresh("known_today", time_zone)
            lines = _integer_guard(today(time_zone), -MAX_INTEGER, MAX_INTEGER)
            self.rules.append(clause(name, list(lines)))
        return self._named[key]

    def terms(self, path: str) -> str:
        """The set of the elements of a list; empty where the fact is absent, so only
        what asked the guard may read it."""
        if self._lean:
            return fact(path)  # without repeats already
        key = ("terms", path)
        if key not in self._named:
            self._named[key] = name = self._names.fresh(path)
            self.rules.append(f"{name} contains term if some term in {fact(path)}")
        return self._named[key]

    def membership(self, term: str, values: tuple[str, ...]) -> str:
        """The expression that holds where the term is one of the values, at least one."""
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

    # --- fitness -------------------------------------------------------------------

    def _guard(self, of: FactType) -> Iterator[str]:
        value = fact(of.path)
        if self._lean:
            yield f"{_TYPE_TESTS[of.kind]}({value})"
            return
        match of.kind:
            case Kind.TRUTH:
                yield f"is_boolean({value})"
            case Kind.INTEGER:
                least = -MAX_INTEGER if of.may_be_negative else 0
                yield from _integer_guard(value, least, MAX_INTEGER)
            case Kind.DAY:
                yield from _integer_guard(value, FIRST_DAY, LAST_DAY)
            case Kind.TERM:
                yield f"is_string({value})"
                yield from self._data_loaded(of)
                yield self._fit_term(of, value)
            case Kind.TERMS:
                yield f"is_array({value})"
                yield from self._data_loaded(of)
                yield from self._fit_terms(of)

    def _data_loaded(self, of: FactType) -> Iterator[str]:
        # Without the data document no term would be in any set, and `not` of that would
        # be certain. A large vocabulary is in the document itself and needs no test.
        in_data = of.values is not None and len(of.values) > INLINE_VALUES
        if of.path in self._compared_with_data and not in_data:
            self.needs_data = True
            yield f"is_object({self._document})"

    def _fit_term(self, of: FactType, term: str) -> str:
        return f'{term} != ""' if of.values is None else self.membership(term, of.values)

    def _fit_terms(self, of: FactType) -> Iterator[str]:
        terms = self.terms(of.path)
        yield f"count({fact(of.path)}) <= {MAX_TERMS}"
        if not of.may_be_empty:
            yield f"count({terms}) > 0"
        if of.values is None:
            yield f"every term in {terms} {{ is_string(term) }}"
        yield f"every term in {terms} {{ {self._fit_term(of, 'term')} }}"
        above: dict[str, object] = {
            term: list(terms) for term, terms in sorted(of.broader.items()) if terms
        }
        if above:
            # A set that leaves out the terms above its own is not what the rules were
            # written for: `health` without `personal` would slip past them.
            name = self._names.fresh("above", of.path)
            self.values[name] = above
            self.needs_data = True
            listed = f"object.get({self._document}.{name}, term, [])"
            yield f"every term in {terms} {{"
            yield f"\tevery above in {listed} {{ above in {terms} }}"
            yield "}"


def fact(path: str) -> str:
    """The reference to a fact of the question."""
    return member("input.facts", path)


def today(time_zone: str) -> str:
    """The reference to the day number in a time zone."""
    return member("input.today", time_zone)


def _integer_guard(value: str, least: int, most: int) -> Iterator[str]:
    yield f"is_number({value})"
    # The range first: rounding a number of a million digits is nobody's business.
    yield f"{value} >= {least}"
    yield f"{value} <= {most}"
    yield f"floor({value}) == {value}"
