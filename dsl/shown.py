"""What a question shows of a program, and whether the questions before showed it already.

Watched are the outcome, what is noted beside it, every formula and duty, every atom in it,
on which side of its bound a number or a day lies, and what only a permit shows. The values of
conditions are bits of one number for each action, since there are many of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dsl.core import (
    PROFILE_PATH,
    And,
    AtLeast,
    Atom,
    Condition,
    Effect,
    InForce,
    Level,
    NotBefore,
    OneOf,
    Program,
    atoms,
    conjuncts,
)
from dsl.evaluate import Answer, verdict
from dsl.facts import Question
from dsl.prepared import ORDER, PreparedProgram, Values

# The last value below a bound, the bound, and the first above it.
GAPS = (-1, 0, 1)
# A value of a condition as a bit of its own byte.
_BIT = bytes([1, 2, 4]) + bytes(253)


class Shown:
    """What questions about a program have shown until now.

    Attributes:
        seen: Everything of it: pairs and triples of a name or an atom and what it was.
    """

    def __init__(self, program: Program) -> None:
        self.watched = {action: Watched.of(program, action) for action in program.actions}
        self.seen: set[object] = set()
        self._bits = dict.fromkeys(program.actions, 0)

    def anew(self, question: Question) -> Answer | None:
        """The answer to a question that shows something new, which is then no longer new."""
        watched = self.watched[question.action]
        values = watched.values(question)
        fresh = watched.bits(values) & ~self._bits[question.action]
        answer = watched.program.answer(values)
        others = {*watched.others(question, values, answer)}
        if not fresh and others <= self.seen:
            return None
        self.seen |= others
        found = {*watched.named(fresh)}
        self.seen.update((what, ORDER[value]) for what, value in found)
        for action, other in self.watched.items():
            self._bits[action] |= other.bits_of(found)
        return answer


@dataclass(frozen=True)
class _Pair:
    """The numbers of what asks for the caller's profile, and of all else in a condition."""

    name: str
    profile: int
    rest: int


@dataclass(frozen=True)
class Bounds:
    """Where numbers and days lie: the atoms by what they compare, and by their bound; an atom
    of a zone by each of the days on both sides of its ends."""

    numbers: Mapping[str, Mapping[int, Atom]]
    days: Mapping[tuple[str, str], Mapping[int, Atom]]
    zones: Mapping[str, Mapping[int, Sequence[Atom]]]

    @staticmethod
    def of(found: Sequence[Atom]) -> "Bounds":
        numbers: dict[str, dict[int, Atom]] = {}
        days: dict[tuple[str, str], dict[int, Atom]] = {}
        zones: dict[str, dict[int, list[Atom]]] = {}
        for atom in found:
            match atom:
                case AtLeast(path, bound):
                    numbers.setdefault(path, {})[bound] = atom
                case NotBefore(path, zone, offset):
                    days.setdefault((path, zone), {})[offset] = atom
                case InForce(zone):
                    for day in turns(atom):
                        zones.setdefault(zone, {}).setdefault(day, []).append(atom)
                case _:
                    pass
        return Bounds(numbers, days, zones)

    def places(self, question: Question) -> Iterator[tuple[Atom, int]]:
        """The atoms at whose bound something of the question lies, and on which side, or on
        which day."""
        for zone, by_day in self.zones.items():
            today = question.today[zone]
            yield from ((atom, today) for atom in by_day.get(today, ()))
        for path, by_bound in self.numbers.items():
            value = question.facts.get(path)
            yield from _near(value, by_bound)
        for (path, zone), by_offset in self.days.items():
            value = question.facts.get(path)
            if isinstance(value, int):
                yield from _near(value - question.today[zone], by_offset)


def _near(value: object, by_bound: Mapping[int, Atom]) -> Iterator[tuple[Atom, int]]:
    for gap in GAPS if isinstance(value, int) else ():
        atom = by_bound.get(value - gap) if isinstance(value, int) else None
        if atom is not None:
            yield atom, gap


@dataclass(frozen=True)
class Watched:
    """What is watched of one action: its formulas and duties by name, their atoms, and what
    only a permit shows: duties and preferences. `ordered` has them all as they stand in the
    bits, each with the number of its value."""

    conditions: Mapping[str, Condition]
    atoms: tuple[Atom, ...]
    ordered: Mapping[object, tuple[int, int]]
    pairs: tuple[_Pair, ...]
    bounds: Bounds
    on_permits: frozenset[str]
    program: PreparedProgram

    @staticmethod
    def of(program: Program, action: str) -> "Watched":
        rules = [rule for rule in program.rules if action in rule.actions]
        formulas = {r.id: r.formula for r in rules if r.effect is not Effect.OBLIGE}
        enforced = [rule for rule in rules if rule.level is Level.ENFORCE]
        duties = {duty.id: duty.condition for rule in enforced for duty in rule.duties}
        conditions = {**formulas, **duties}
        found = tuple(dict.fromkeys(atom for part in conditions.values() for atom in atoms(part)))
        preferences = (rule.id for rule in enforced if rule.effect is Effect.PREFER)
        beside = {n: pair for n, c in conditions.items() if (pair := _beside_profile(c))}
        asked = PreparedProgram(
            program, action, [*found, *(part for pair in beside.values() for part in pair)]
        )
        number = asked.prepared.number
        watched = {**conditions, **dict(zip(found, found, strict=True))}
        return Watched(
            conditions,
            found,
            {what: (place, number(part)) for place, (what, part) in enumerate(watched.items())},
            tuple(_Pair(name, *map(number, pair)) for name, pair in beside.items()),
            Bounds.of(found),
            frozenset(duties).union(preferences),
            asked,
        )

    def values(self, question: Question) -> Values:
        return self.program.prepared.values(question)

    def bits(self, values: Values) -> int:
        """The value of everything in `ordered`, as bits."""
        listed = bytes([values[number] for _, number in self.ordered.values()])
        return int.from_bytes(listed.translate(_BIT), "little")

    def named(self, bits: int) -> Iterator[tuple[object, int]]:
        """What these bits are of, and which value."""
        if bits:
            listed = bits.to_bytes(len(self.ordered), "little")
            for what, byte in zip(self.ordered, listed, strict=True):
                yield from ((what, value) for value in range(3) if byte >> value & 1)

    def bits_of(self, found: set[tuple[object, int]]) -> int:
        """The bits of what is watched here as well."""
        here = ((self.ordered.get(what), value) for what, value in found)
        return sum({1 << 8 * place[0] + value for place, value in here if place is not None})

    def others(self, question: Question, values: Values, answer: Answer) -> Iterator[object]:
        """What a question shows besides."""
        yield question.action, verdict(answer)
        yield from ((answer.permits, name) for name in answer.noted)
        yield from ((p.name, values[p.profile], values[p.rest]) for p in self.pairs)
        yield from self.bounds.places(question)
        if answer.permits:
            found = answer.duties | answer.preferred
            yield from ((name, name in found) for name in self.on_permits)


def _beside_profile(condition: Condition) -> tuple[Condition, Condition] | None:
    """What asks whether it is in force for the caller's profile, and all else in it; None
    where it asks for no profile."""
    first, *rest = conjuncts(condition)
    if not isinstance(first, OneOf) or first.path != PROFILE_PATH:
        return None
    return first, And(tuple(rest))


def turns(atom: InForce) -> tuple[int, ...]:
    """The days on both sides of both ends."""
    first = () if atom.first is None else (atom.first - 1, atom.first)
    return first if atom.last is None else (*first, atom.last, atom.last + 1)
