"""Values that could matter: for a fact, those at which some comparison of the rules turns.

Between two of them no rule can tell a difference, so the search for what would change an
answer needs no others. `representatives` is finite and in a fixed order.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from dsl.core import (
    AtLeast,
    Atom,
    DaysBetween,
    FactType,
    Kind,
    NotBefore,
    OneOf,
    Program,
    Touches,
    Within,
    atoms,
)
from dsl.derive import inputs
from dsl.facts import FIRST_DAY, LAST_DAY, MAX_INTEGER, Value

MAX_ALIKE = 12


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value that a fact could have. `alike` are all values, itself first, that every
    rule treats the same. Of an ordered fact, `side` tells which values follow the value:
    `at least`, `at most`, `on or after` or `on or before` it; `beyond` has one of each
    further class on that side."""

    fact: FactType
    value: Value
    alike: tuple[Value, ...]
    side: str | None = None
    beyond: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Turns:
    """The comparisons of a program on one action, by the fact they read."""

    atoms: Mapping[str, tuple[Atom, ...]]
    # Facts that count the days between a date and today.
    derived: Mapping[str, DaysBetween] = field(default_factory=dict[str, DaysBetween])
    # Facts from which something is derived in another way: where it turns is not known.
    opaque: frozenset[str] = frozenset()

    @staticmethod
    def of(program: Program, action: str) -> "Turns":
        found: dict[str, dict[Atom, None]] = {}
        for rule in program.rules:
            if action in rule.actions:
                conditions = [rule.formula, *(duty.condition for duty in rule.duties)]
                for atom in (one for part in conditions for one in atoms(part)):
                    path = getattr(atom, "path", None)
                    if path is not None:
                        found.setdefault(path, {})[atom] = None
        read = {path: d for path, d in program.derived.items() if path in found}
        between = {
            path: d
            for path, d in read.items()
            if isinstance(d, DaysBetween) and None in (d.first, d.last)
        }
        others = (inputs(d) for path, d in read.items() if path not in between)
        opaque = frozenset(path for paths in others for path in paths)
        return Turns({path: tuple(known) for path, known in found.items()}, between, opaque)

    def paths(self) -> frozenset[str]:
        """The facts that are read, also for the sake of a derived one."""
        read = (path for derivation in self.derived.values() for path in inputs(derivation))
        return frozenset(self.atoms) | frozenset(read)


def candidates(
    fact: FactType, now: Value | None, turns: Turns, today: Mapping[str, int]
) -> list[Candidate]:
    """The values a fact could have instead of `now` (None: it is unknown), one for each
    class of values that the rules tell apart. Of sets those with one term alone, one more
    or one less."""
    known = turns.atoms.get(fact.path, ())
    match fact.kind:
        case Kind.TRUTH:
            found = [Candidate(fact, value, (value,)) for value in (True, False)]
        case Kind.TERM:
            found = list(_terms(fact, known))
        case Kind.TERMS:
            current = now if isinstance(now, tuple) else ()
            found = list(_sets(fact, known, current))
        case _:
            found = list(_ordered(fact, now, _bounds(fact, turns, today)))
            if fact.path in turns.opaque:
                found = [replace(one, side=None, beyond=()) for one in found]
    return [one for one in found if now not in one.alike]


def _terms(fact: FactType, known: Iterable[Atom]) -> Iterator[Candidate]:
    tests = [atom.values for atom in known if isinstance(atom, OneOf)]
    values = fact.values
    if values is None:
        values = tuple(sorted({value for test in tests for value in test}))
    classes: dict[tuple[bool, ...], list[Value]] = {}
    for value in values:
        classes.setdefault(tuple(value in test for test in tests), []).append(value)
    for alike in classes.values():
        yield Candidate(fact, alike[0], tuple(alike[:MAX_ALIKE]))


def _sets(fact: FactType, known: Iterable[Atom], current: tuple[str, ...]) -> Iterator[Candidate]:
    """One term alone, one more, one less; and nothing at all, where that says something."""
    tests = [atom.values for atom in known if isinstance(atom, Touches | Within)]
    named = tuple(sorted({value for test in tests for value in test}))
    values = fact.values if fact.values is not None else named
    own = [term for term in current if not any(term in _above(fact, o) for o in current)]
    made: dict[tuple[str, ...], None] = {}
    for term in own:
        made[_closed(fact, [other for other in own if other != term])] = None
    for term in values:
        made[_closed(fact, [term])] = None
    for term in values:
        made[_closed(fact, [*own, term])] = None
    made[()] = None
    made.pop(current, None)
    if not fact.may_be_empty:
        made.pop((), None)
    classes: dict[tuple[bool, ...], list[Value]] = {}
    for terms in made:
        signature = (
            *(set(terms) <= set(test) for test in tests),
            *(bool(set(terms) & set(test)) for test in tests),
        )
        classes.setdefault(signature, []).append(terms)
    for alike in classes.values():
        yield Candidate(fact, alike[0], tuple(alike[:MAX_ALIKE]))


def _above(fact: FactType, term: str) -> tuple[str, ...]:
    return fact.broader.get(term, ())


def _closed(fact: FactType, terms: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({one for term in terms for one in (term, *_above(fact, term))}))


def _bounds(fact: FactType, turns: Turns, today: Mapping[str, int]) -> set[int]:
    """The least values on the far side of each comparison."""
    found: set[int] = set()
    for atom in turns.atoms.get(fact.path, ()):
        if isinstance(atom, AtLeast):
            found.add(atom.bound)
        elif isinstance(atom, NotBefore):
            found.add(today[atom.time_zone] + atom.offset)
    for path, between in turns.derived.items():
        days = [atom.bound for atom in turns.atoms[path] if isinstance(atom, AtLeast)]
        now = today.get(between.time_zone)
        if now is None:
            continue
        if between.first == fact.path and between.last is None:
            found |= {now - bound + 1 for bound in days}
        elif between.last == fact.path and between.first is None:
            found |= {now + bound for bound in days}
    return found


def _ordered(fact: FactType, now: Value | None, bounds: set[int]) -> Iterator[Candidate]:
    """The value nearest to the present one in each interval between bounds."""
    dates = fact.kind is Kind.DAY
    above, below = ("on or after", "on or before") if dates else ("at least", "at most")
    low = FIRST_DAY if dates else (-MAX_INTEGER if fact.may_be_negative else 0)
    high = LAST_DAY if dates else MAX_INTEGER
    present = now if isinstance(now, int) and not isinstance(now, bool) else None
    # The least value of each interval from a bound up, the greatest of each below one.
    ups = [bound for bound in sorted(bounds) if low <= bound <= high]
    downs = [bound - 1 for bound in sorted(bounds, reverse=True) if low <= bound - 1 <= high]
    for number, value in enumerate(ups):
        if present is None or present < value:
            yield Candidate(fact, value, (value,), above, tuple(ups[number + 1 :]))
    for number, value in enumerate(downs):
        if present is None or present > value:
            yield Candidate(fact, value, (value,), below, tuple(downs[number + 1 :]))
