"""Rego over facts: one boolean for every distinct atom, each behind its guard.

An atom is true or undefined, and its negation is `known and not atom`, never `not` of
an expression that reads the input: two engines disagree on that where the fact is
absent. The guards are in `dsl.rego_guards`.
"""

from collections.abc import Iterator

from dsl.core import (
    AtLeast,
    FactAtom,
    Holds,
    InForce,
    Known,
    NotBefore,
    OneOf,
    Program,
    Touches,
    Within,
)
from dsl.names import Names, describe_values
from dsl.rego_guards import Guards, fact, today
from dsl.rego_text import clause, comment, quote
from dsl.spoken import spoken_bound, spoken_day


class FactRules:
    """The booleans that the formulas of a program refer to, as they are asked for;
    `conditions`, `guards` and `values` hold what to emit. `needs_data` says whether
    anything looks at the data document."""

    def __init__(self, program: Program, names: Names, package: str, *, lean: bool) -> None:
        self.conditions: list[str] = []
        self._facts = program.facts
        self._names = names
        self._guards = Guards(program, names, package, lean=lean)
        self._lean = lean
        self._named: dict[FactAtom | InForce, str] = {}

    @property
    def guards(self) -> list[str]:
        return self._guards.rules

    @property
    def values(self) -> dict[str, dict[str, object]]:
        return self._guards.values

    @property
    def needs_data(self) -> bool:
        return self._guards.needs_data

    def atom(self, atom: FactAtom | InForce) -> str:
        """The boolean that holds where the atom is certainly true."""
        if atom not in self._named:
            if isinstance(atom, InForce):
                self._named[atom] = self._emit_in_force(atom)
            elif isinstance(atom, Known):
                self._named[atom] = self._guards.known(atom.path)
            else:
                self._named[atom] = self._emit_fact_atom(atom)
        return self._named[atom]

    def negated(self, atom: FactAtom | InForce) -> tuple[str, ...]:
        """The expressions that hold together where the atom is certainly false."""
        return (*self._known(atom), f"not {self.atom(atom)}")

    def _known(self, atom: FactAtom | InForce) -> list[str]:
        """The guards without which the atom is neither certainly true nor false."""
        match atom:
            case Known():
                return []
            case InForce(time_zone):
                return [self._guards.known_today(time_zone)]
            case NotBefore(path, time_zone):
                return [self._guards.known(path), self._guards.known_today(time_zone)]
            case _:
                return [self._guards.known(atom.path)]

    # --- atoms ---------------------------------------------------------------------

    def _emit_in_force(self, atom: InForce) -> str:
        day = today(atom.time_zone)
        words, lines = ["in_force"], self._known(atom)
        if atom.first is not None:
            words += ["from", spoken_day(atom.first)]
            lines.append(f"{day} >= {atom.first}")
        if atom.last is not None:
            words += ["until", spoken_day(atom.last)]
            lines.append(f"{day} <= {atom.last}")
        name = self._names.fresh(*words)
        spoken = " ".join(words[1:])
        self.conditions.append(
            f"{comment(f'{spoken}, in {atom.time_zone}')}\n{clause(name, lines)}"
        )
        return name

    def _emit_fact_atom(self, atom: FactAtom) -> str:
        # What is absent is in no set and equal to nothing; but every element of it would be
        # within anything, and what is no number can be more than one.
        unguarded = isinstance(atom, Holds | OneOf | Touches)
        is_guarded = not (self._lean and unguarded)
        known = self._known(atom) if is_guarded else []
        name = self._names.fresh(atom.path, *self._verb(atom))
        said = self._said(atom)
        block = clause(name, [*known, *self._test(atom)])
        self.conditions.append(f"{comment(said)}\n{block}" if said else block)
        return name

    def _test(self, atom: FactAtom) -> Iterator[str]:
        value = fact(atom.path)
        match atom:
            case Known():
                yield from ()
            case Holds():
                yield f"{value} == true"
            case AtLeast(_, bound):
                yield f"{value} >= {bound}"
            case NotBefore(_, time_zone, offset):
                yield f"{value} >= {_moved(today(time_zone), offset)}"
            case OneOf(_, (only,)):
                yield f"{value} == {quote(only)}"
            case OneOf(_, values):
                yield self._guards.membership(value, values)
            case Within() | Touches():
                yield from self._test_of_set(atom)

    def _test_of_set(self, atom: Within | Touches) -> Iterator[str]:
        match atom:
            case Within(path, ()):
                yield f"count({self._guards.terms(path)}) == 0"
            case Within(path, values):
                terms = self._guards.terms(path)
                yield f"every term in {terms} {{ {self._guards.membership('term', values)} }}"
            case Touches(path, (only,)):
                yield f"{quote(only)} in {self._guards.terms(path)}"
            case Touches(path, values):
                yield f"some term in {self._guards.terms(path)}"
                yield self._guards.membership("term", values)

    # --- words ---------------------------------------------------------------------

    def _said(self, atom: FactAtom) -> str | None:
        """What the numbers of an atom are to people, where they do not say it."""
        if isinstance(atom, AtLeast):
            spoken = spoken_bound(self._facts[atom.path], atom.bound)
            return spoken and f"{atom.bound} is {spoken}"
        return f"today in {atom.time_zone}" if isinstance(atom, NotBefore) else None

    def _verb(self, atom: FactAtom) -> tuple[str, ...]:
        match atom:
            case Known():
                return ("known",)
            case Holds():
                return ("holds",)
            case AtLeast(path, bound):
                return self._at_least(path, bound)
            case NotBefore(_, _, offset):
                way = "minus" if offset < 0 else "plus"
                return ("not_before_today", *((way, str(abs(offset))) if offset else ()))
            case OneOf(_, values):
                return ("is", describe_values(values))
            case Within(_, values):
                return ("within", describe_values(values))
            case Touches(_, values):
                return ("touches", describe_values(values))

    def _at_least(self, path: str, bound: int) -> tuple[str, ...]:
        spoken = spoken_bound(self._facts[path], bound)
        if spoken is None:
            return ("at_least", "minus" if bound < 0 else "", str(abs(bound)))
        return ("at_least", "minus" if spoken.startswith("-") else "", spoken.lstrip("-"))


def _moved(day: str, offset: int) -> str:
    """A day moved by a number of days. What bound the day tested its range: neither it
    nor the sum leaves the integers that every engine adds exactly."""
    if offset == 0:
        return day
    return f"{day} {'-' if offset < 0 else '+'} {abs(offset)}"
