"""Values that could matter: for a fact, those at which some comparison of the rules turns.

Between two of them no rule can tell a difference, so the search for what would change an
answer needs no others. `representatives` is finite and in a fixed order.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from dsl.core import (
    AtLeast,
    Atom,
    Compare,
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
from dsl.facts import FIRST_DAY, LAST_DAY, MAX_INTEGER, Question, Value

MAX_ALIKE = 12


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value that a fact could have.

    `alike` are all values, itself first, that every rule treats the same. Of an ordered
    fact `span` is the interval in which no rule tells values apart, the nearest of which is
    the value: its ends belong to it, None leaves an end open, and without a span nothing is
    known of other values.
    """

    fact: FactType
    value: Value
    alike: tuple[Value, ...]
    span: tuple[int | None, int | None] | None = None


@dataclass(frozen=True, slots=True)
class Turns:
    """The comparisons of a program on one action, by the fact they read."""

    atoms: Mapping[str, tuple[Atom, ...]]
    # Facts that count the days between a date and today.
    derived: Mapping[str, DaysBetween] = field(default_factory=dict[str, DaysBetween])
    # Facts from which something is derived in another way: where it turns is not known.
    opaque: frozenset[str] = frozenset()
    # Facts that are compared with each other.
    compared: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

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
        others = (
            inputs(d)
            for path, d in read.items()
            if path not in between and not isinstance(d, Compare)
        )
        opaque = frozenset(path for paths in others for path in paths)
        compared: dict[str, tuple[str, ...]] = {}
        for d in read.values():
            if isinstance(d, Compare):
                compared[d.left] = (*compared.get(d.left, ()), d.right)
                compared[d.right] = (*compared.get(d.right, ()), d.left)
        turning = {path: tuple(known) for path, known in found.items()}
        return Turns(turning, between, opaque, compared)

    def paths(self) -> frozenset[str]:
        """The facts that are read, also for the sake of a derived one."""
        read = (path for derivation in self.derived.values() for path in inputs(derivation))
        return frozenset((*self.atoms, *self.compared, *read))


def candidates(fact: FactType, question: Question, turns: Turns) -> list[Candidate]:
    """The values a fact could have instead of the one it has, if any: one for each class of
    values that the rules tell apart. Of sets those with one term alone, one more or one
    less."""
    now = question.facts.get(fact.path)
    known = turns.atoms.get(fact.path, ())
    others = [
        question.facts[path] for path in turns.compared.get(fact.path, ()) if path in question.facts
    ]
    match fact.kind:
        case Kind.TRUTH:
            found = [Candidate(fact, value, (value,)) for value in (True, False)]
        case Kind.TERM:
            found = list(_terms(fact, known, others))
        case Kind.TERMS:
            current = now if isinstance(now, tuple) else ()
            found = list(_sets(fact, known, others, current))
        case _:
            bounds = _bounds(fact, turns, question.today)
            for other in others:
                if isinstance(other, int):
                    bounds |= {other, other + 1}
            found = list(_ordered(fact, now, bounds))
            if fact.path in turns.opaque:
                found = [replace(one, span=None) for one in found]
    return [one for one in found if now not in one.alike]


def _sets_of(fact: FactType, others: Iterable[Value]) -> Iterator[tuple[str, ...]]:
    """What the values of facts it is compared with tell apart."""
    for other in others:
        if isinstance(other, tuple):
            yield other
        elif isinstance(other, str):
            yield (other,)
            if other in fact.order:
                yield fact.order[fact.order.index(other) :]


def _terms(fact: FactType, known: Iterable[Atom], others: Iterable[Value]) -> Iterator[Candidate]:
    tests = [atom.values for atom in known if isinstance(atom, OneOf)]
    tests += _sets_of(fact, others)
    values = fact.values
    if values is None:
        values = tuple(sorted({value for test in tests for value in test}))
    classes: dict[tuple[bool, ...], list[Value]] = {}
    for value in values:
        classes.setdefault(tuple(value in test for test in tests), []).append(value)
    for alike in classes.values():
        yield Candidate(fact, alike[0], tuple(alike[:MAX_ALIKE]))


def _sets(
    fact: FactType, known: Iterable[Atom], others: Iterable[Value], current: tuple[str, ...]
) -> Iterator[Candidate]:
    """One term alone, one more, one less; what it is compared with; and nothing at all,
    where that says something."""
    tests = [atom.values for atom in known if isinstance(atom, Touches | Within)]
    compared = list(_sets_of(fact, others))
    tests += compared
    named = tuple(sorted({value for test in tests for value in test}))
    values = fact.values if fact.values is not None else named
    own = [term for term in current if not any(term in _above(fact, o) for o in current)]
    made: dict[tuple[str, ...], None] = {
        _closed(fact, terms): None for terms in compared if set(terms) <= set(values)
    }
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
    low = FIRST_DAY if dates else (-MAX_INTEGER if fact.may_be_negative else 0)
    high = LAST_DAY if dates else MAX_INTEGER
    present = now if isinstance(now, int) and not isinstance(now, bool) else None
    inner = sorted(bound for bound in bounds if low < bound <= high)
    if not inner:
        return
    for first, last in zip([low, *inner], [*(bound - 1 for bound in inner), high], strict=True):
        ends = (None if first == low else first, None if last == high else last)
        if present is None:
            value = last if ends[0] is None else first
        elif first <= present <= last:
            continue
        else:
            value = first if present < first else last
        yield Candidate(fact, value, (value,), ends)
