"""Which rules and duties can bear on a question, so that engines need look at no others.

A formula that is a conjunction is certainly false where one of its parts is, and then its
rule is neither broken nor possibly so, grants nothing and possibly nothing, is not preferred
and not noted; and its duty does not apply. So what is left out is settled by one part alone,
a single literal over one fact or one day, and by the definition. A fact that is unknown, or
that nobody should have put in a question, settles nothing.

Numbers and `within` settle nothing here either: what is required of a place, and how old
or large something may be, is for the engines to say.
"""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, replace

from dsl.core import (
    Atom,
    Condition,
    Constant,
    Duty,
    Effect,
    Holds,
    InForce,
    Level,
    Not,
    OneOf,
    Program,
    Rule,
    Touches,
    atoms,
    conjuncts,
)
from dsl.evaluate import truth
from dsl.facts import FIRST_DAY, LAST_DAY, Question, Value, settled
from dsl.fold import slice_by_action
from dsl.kleene import Truth

# Values of one fact of which it is kept what they settle.
MAX_KEPT = 1024
UNFIT = -1


@dataclass(frozen=True, slots=True)
class Item:
    """A rule by its formula, or one of its duties: what an engine can name."""

    id: str
    rule: Rule
    duty: Duty | None
    condition: Condition


@dataclass(frozen=True, slots=True)
class Selection:
    """The items that can bear on a question, as bits by their place in the index. `fit` says
    whether every fact that some item reads is in its fit form, or unknown."""

    items: int
    fit: bool


def items_of(program: Program, action: str) -> Iterator[Item]:
    """Everything that an engine can name in an answer about an action, in order."""
    for rule in program.rules:
        if action not in rule.actions:
            continue
        if rule.effect is not Effect.OBLIGE:
            yield Item(rule.id, rule, None, rule.formula)
        for duty in rule.duties if rule.level is Level.ENFORCE else ():
            yield Item(duty.id, rule, duty, duty.condition)


class Index:
    """The items of one action, by what settles that they cannot apply.

    Args:
        program: Whose.
        action: About what.
        denied: Whether literals that are denied, and dates, settle too. Two engines that
            differ in this have slices that differ.
    """

    def __init__(self, program: Program, action: str, *, denied: bool) -> None:
        self.items = tuple(items_of(program, action))
        self.every = (1 << len(self.items)) - 1
        self.permissions = sum(
            1 << number
            for number, item in enumerate(self.items)
            if item.duty is None and item.rule.effect is Effect.PERMIT
        )
        self._action = action
        self._facts = program.facts
        literals: dict[tuple[str, str], dict[Condition, int]] = {}
        for number, item in enumerate(self.items):
            for literal in conjuncts(item.condition):
                read = _reads(literal, denied=denied)
                if read is not None:
                    settles = literals.setdefault(read, {})
                    settles[literal] = settles.get(literal, 0) | 1 << number
        paths = sorted({path for item in self.items for path in read_by(item.condition)})
        self._by_path: tuple[tuple[str, dict[Hashable, int]], ...] = tuple((p, {}) for p in paths)
        zones = sorted(name for kind, name in literals if kind == "day")
        self._by_zone: tuple[tuple[str, dict[Hashable, int]], ...] = tuple((z, {}) for z in zones)
        self._literals = literals

    def select(self, question: Question) -> Selection:
        """What can bear on the question."""
        items, fit = self.every, True
        for path, known in self._by_path:
            value = question.facts.get(path)
            if value is None:
                continue
            # By type as well: true is not 1, though Python takes them for equal.
            try:
                left = known.get((value.__class__, value))
                if left is None:
                    left = self._settle(path, value)
                    _keep(known, (value.__class__, value), left)
            except TypeError:  # a list, or what else is no key, is no fit value
                left = UNFIT
            if left == UNFIT:
                fit = False
            else:
                items &= left
        for zone, known in self._by_zone:
            day = question.today.get(zone)
            if type(day) is int:
                left = known.get(day)
                if left is None:
                    left = self._settle_day(zone, day)
                    _keep(known, day, left)
                items &= left
        return Selection(items, fit)

    def forget(self) -> None:
        """Let go of what values settle."""
        for _, known in (*self._by_path, *self._by_zone):
            known.clear()

    def chosen(self, items: int) -> Iterator[Item]:
        """The items of a selection."""
        return (item for number, item in enumerate(self.items) if items >> number & 1)

    def _settle(self, path: str, value: Value) -> int:
        """The items that a value leaves, or `UNFIT`."""
        fitted = settled(self._facts[path], value)
        if type(fitted) is not type(value) or fitted != value:
            return UNFIT
        return self._left(("fact", path), Question(self._action, {path: value}, {}))

    def _settle_day(self, zone: str, day: int) -> int:
        if not FIRST_DAY <= day <= LAST_DAY:
            return self.every
        return self._left(("day", zone), Question(self._action, {}, {zone: day}))

    def _left(self, read: tuple[str, str], question: Question) -> int:
        gone = 0
        for literal, items in self._literals.get(read, {}).items():
            if truth(literal, question) is Truth.FALSE:
                gone |= items
        return self.every & ~gone

    def groups(self, most: int) -> tuple[int, ...]:
        """The items in groups of at most so many that are settled by one literal, each with
        all permissions: what an engine says of several groups it says of all their items
        together (`gateway.pdp.engine.together`)."""
        together: dict[Condition | None, list[int]] = {}
        for number, item in enumerate(self.items):
            if not self.permissions >> number & 1:
                together.setdefault(_leading(item.condition), []).append(number)
        found = [
            sum((1 << number for number in numbers[first : first + most]), start=self.permissions)
            for numbers in together.values()
            for first in range(0, len(numbers), most)
        ]
        return tuple(found or [self.permissions])

    def blocks(self, most: int) -> tuple[int, ...]:
        """All items in blocks of at most so many, each item in one; those that one literal
        settles stand together."""
        order = sorted(
            range(len(self.items)), key=lambda n: repr(_leading(self.items[n].condition))
        )
        return tuple(
            sum(1 << number for number in order[first : first + most])
            for first in range(0, len(order), most)
        )


def _leading(condition: Condition) -> Condition | None:
    """The first literal that one fact settles; rules that share it apply together."""
    literals = (part for part in conjuncts(condition) if _reads(part, denied=False) is not None)
    return next(literals, None)


def read_by(condition: Condition) -> Iterator[str]:
    """The paths of the facts that a condition reads, with repeats."""
    for atom in atoms(condition):
        if not isinstance(atom, InForce | Constant):
            yield atom.path


def _reads(literal: Condition, *, denied: bool) -> tuple[str, str] | None:
    """The fact or the day that alone settles a literal; None for any other condition."""
    atom: Condition = literal
    if isinstance(literal, Not):
        if not denied:
            return None
        atom = literal.operand
    return _read_by_atom(atom, dated=denied)


def _read_by_atom(atom: Atom | Condition, *, dated: bool) -> tuple[str, str] | None:
    match atom:
        case InForce(time_zone) if dated:
            return ("day", time_zone)
        case Holds(path) | OneOf(path) | Touches(path):
            return ("fact", path)
        case _:
            return None


def _keep(known: dict[Hashable, int], key: Hashable, left: int) -> None:
    if len(known) >= MAX_KEPT:
        known.clear()
    known[key] = left


def only_items(program: Program, action: str, chosen: Mapping[str, Item]) -> Program:
    """The program with these items of an action and no others, and what they read."""
    rules: list[Rule] = []
    for rule in program.rules:
        if action not in rule.actions:
            continue
        duties = tuple(duty for duty in rule.duties if duty.id in chosen)
        formula = rule.formula if rule.id in chosen else Constant(False)
        if rule.id in chosen or duties:
            rules.append(_narrowed(rule, action, formula, duties))
    whole = replace(program, actions=(action,), places=(), rules=tuple(rules))
    return slice_by_action(whole, action)


def _narrowed(rule: Rule, action: str, formula: Condition, duties: tuple[Duty, ...]) -> Rule:
    # What exceptions say is for explanations; they are part of the formula already.
    return replace(rule, actions=(action,), formula=formula, duties=duties, exceptions=())
