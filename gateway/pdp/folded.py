"""Folding: a program for one action, one place and one stretch of days.

Every date of a program is a constant, so dates cut time into stretches within which
nothing dated changes, but what counts days from today; and a place has the same facts in
every question. An engine that is given a program in which both are settled has less to
look at. Its answers to the questions it is for are those of the whole program.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from dsl.core import (
    And,
    Condition,
    Constant,
    Duty,
    InForce,
    Not,
    Or,
    Origin,
    Program,
    Rule,
)
from dsl.evaluate import truth
from dsl.facts import FIRST_DAY, LAST_DAY, Question, Value
from dsl.fold import assume, slice_by_action
from dsl.kleene import Truth
from gateway.pdp.dates import boundaries
from gateway.pdp.slices import Index, Item, only_items, read_by

# Of an action, the stretch of days and some of its items, as bits.
Wide = tuple[str, tuple[int, ...], int]
# The same, with the facts that the catalogue states.
Narrow = tuple[str, tuple[int, ...], int, tuple[Value | None, ...]]
# Nobody is answered while a module is made, and of more items than this it takes too long
# to make one for every place.
MAX_ITEMS_FOLDED = 64
# Items that one literal settles, in one program for what is asked often.
MAX_ITEMS_GROUPED = 32
# Of the programs that serve every question. An engine that takes time quadratic in the items
# is made and asked sooner with several; each has all permissions, so many small ones cost more.
MAX_ITEMS_TOGETHER = 128


def only(program: Program, action: str) -> Program:
    """What of the program can bear on one action, as a program that knows no other."""
    part = slice_by_action(program, action)
    return replace(named(part, action), places=())


def named(part: Program, action: str) -> Program:
    """A program of one action as one of another."""
    rules = tuple(replace(rule, actions=(action,)) for rule in part.rules)
    return replace(part, actions=(action,), rules=rules)


@dataclass(frozen=True, slots=True)
class Keys:
    """Names of programs for a question; questions of one key can be put to one.

    Attributes:
        wide: Of programs that serve every place and together have every item that can bear
            on the question: of one with all items of the action where they are few, and of
            those of groups of items where they are many.
        narrow: Of the program for the place, with those items alone; None where they are
            too many to be worth it.
        general: Which of the programs of `Folder.general` have any of those items, or the
            first where none has.
    """

    wide: tuple[Wide, ...]
    narrow: Narrow | None
    general: tuple[int, ...]


class Folder:
    """Folds one program for the questions that are put to it."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._indexes = {a: Index(program, a, denied=True) for a in program.actions}
        self._groups = {
            action: (
                (index.every,)
                if len(index.items) <= MAX_ITEMS_FOLDED
                else index.groups(MAX_ITEMS_GROUPED)
            )
            for action, index in self._indexes.items()
        }
        self._general = {
            action: tuple(joined(groups, MAX_ITEMS_TOGETHER)) or groups[:1]
            for action, groups in self._groups.items()
        }
        self._boundaries = sorted(boundaries(program).items())
        self._zones = frozenset(program.time_zones())
        self._stated = {
            action: tuple(
                path
                for path in sorted({p for item in index.items for p in read_by(item.condition)})
                if program.facts[path].origin is Origin.CATALOGUE
            )
            for action, index in self._indexes.items()
        }

    def items(self) -> Iterator[Sequence[Item]]:
        """What can be named of each action."""
        return (index.items for index in self._indexes.values())

    def forget(self) -> None:
        """Let go of what values settle."""
        for index in self._indexes.values():
            index.forget()

    def keys(self, question: Question) -> Keys | None:
        """None where there is no such program: no rule is about the action, a day is missing,
        or a fact is not fit and closed in its taxonomy, for that is no longer looked at there.
        """
        index = self._indexes.get(question.action)
        if index is None or not all(_is_day(question.today.get(zone)) for zone in self._zones):
            return None
        selection = index.select(question)
        if not selection.fit:
            return None
        facts, action = question.facts, question.action
        stretch = tuple(bisect_right(days, question.today[zone]) for zone, days in self._boundaries)
        asked = selection.items & ~index.permissions
        groups = self._groups[action]
        wide = tuple((action, stretch, groups[n]) for n in _with_any(asked, groups))
        general = _with_any(asked, self._general[action])
        if selection.items.bit_count() > MAX_ITEMS_FOLDED:
            return Keys(wide, None, general)
        values = tuple(facts.get(path) for path in self._stated[action])
        return Keys(wide, (action, stretch, selection.items, values), general)

    def general(self, action: str) -> Iterator[Program]:
        """The programs for every day and place that together have every item."""
        return (self.unfolded(action, group) for group in self._general[action])

    def is_whole(self, key: Wide | Narrow) -> bool:
        """Whether the program of the key says what the whole one says, and not a part."""
        return len(key) == 4 or key[2] == self._indexes[key[0]].every

    def unfolded(self, action: str, items: int) -> Program:
        """The program with these items of an action alone, in which nothing is settled."""
        chosen = {item.id: item for item in self._indexes[action].chosen(items)}
        return only_items(self._program, action, chosen)

    def unknown(self, key: Wide | Narrow) -> frozenset[str]:
        """The facts that no question of the key has: those that the catalogue would state of
        the place, and does not."""
        if len(key) != 4:
            return frozenset()
        stated = zip(self._stated[key[0]], key[3], strict=True)
        return frozenset(path for path, value in stated if value is None)

    def program(self, question: Question, key: Wide | Narrow) -> Program:
        """The program for the questions that have the key."""
        action, _, items, *of_place = key
        known = (
            {path: question.facts[path] for path in self._stated[action] if path in question.facts}
            if of_place
            else {}
        )

        def fold(condition: Condition) -> Condition:
            return assume(_on(condition, question), known)

        part = self.unfolded(action, items)
        rules = (_fold_rule(rule, fold) for rule in part.rules)
        kept = tuple(rule for rule in rules if rule.formula != _NEVER or rule.duties)
        return slice_by_action(replace(part, rules=kept), action)


def joined(groups: Iterable[int], most: int) -> Iterator[int]:
    """Groups put together to as many items as allowed; one that is larger stays alone."""
    together = 0
    for group in groups:
        if together and (together | group).bit_count() > most:
            yield together
            together = 0
        together |= group
    if together:
        yield together


def _with_any(items: int, groups: Sequence[int]) -> tuple[int, ...]:
    """The numbers of the groups that have some of the items; the first where none has, for an
    answer needs one."""
    return tuple(n for n, group in enumerate(groups) if group & items) or (0,)


_NEVER = Constant(False)


def _is_day(day: object) -> bool:
    return type(day) is int and FIRST_DAY <= day <= LAST_DAY


def _fold_rule(rule: Rule, fold: Callable[[Condition], Condition]) -> Rule:
    duties = (replace(duty, condition=fold(duty.condition)) for duty in rule.duties)
    kept: tuple[Duty, ...] = tuple(duty for duty in duties if duty.condition != _NEVER)
    # What exceptions say is for explanations; they are part of the formula already.
    return replace(rule, formula=fold(rule.formula), duties=kept, exceptions=())


def _on(condition: Condition, question: Question) -> Condition:
    """The condition with every dated part settled as it is on the days of the question."""
    match condition:
        case InForce() | Not(InForce()):
            return Constant(truth(condition, question) is Truth.TRUE)
        case And(operands):
            return And(tuple(_on(part, question) for part in operands))
        case Or(operands):
            return Or(tuple(_on(part, question) for part in operands))
        case _:
            return condition
