"""Folding: a program for one action, one place and one stretch of days.

Every date of a program is a constant, so dates cut time into stretches within which
nothing dated changes, but what counts days from today; and a place has the same facts in
every question. An engine that is given a program in which both are settled has less to
look at. Its answers to the questions it is for are those of the whole program.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace

from dsl.core import (
    And,
    Condition,
    Constant,
    Duty,
    FactType,
    InForce,
    Not,
    Or,
    Origin,
    Program,
    Rule,
)
from dsl.evaluate import truth
from dsl.facts import FIRST_DAY, LAST_DAY, Question, Value, settled
from dsl.fold import assume, paths_read, slice_by_action
from dsl.kleene import Truth
from gateway.pdp.dates import boundaries

Key = tuple[str, tuple[int, ...], tuple[Value | None, ...]]


def only(program: Program, action: str) -> Program:
    """What of the program can bear on one action, as a program that knows no other."""
    part = slice_by_action(program, action)
    rules = tuple(replace(rule, actions=(action,)) for rule in part.rules)
    return replace(part, actions=(action,), places=(), rules=rules)


class Folder:
    """Folds one program for the questions that are put to it."""

    def __init__(self, program: Program) -> None:
        self._parts = {action: only(program, action) for action in program.actions}
        self._boundaries = sorted(boundaries(program).items())
        self._zones = frozenset(program.time_zones())
        self._stated = {
            action: tuple(
                path
                for path in sorted(paths_read(part))
                if part.facts[path].origin is Origin.CATALOGUE
            )
            for action, part in self._parts.items()
        }

    def key(self, question: Question) -> Key | None:
        """Names the program for a question: questions of one key can be put to one. None
        where there is no such program: no rule is about the action, a day is missing, or a
        fact is not fit and closed in its taxonomy, for that is no longer looked at there.
        """
        part = self._parts.get(question.action)
        if part is None or not all(_is_day(question.today.get(zone)) for zone in self._zones):
            return None
        facts = question.facts
        for path, fact in part.facts.items():
            value = facts.get(path)
            if value is not None and not _is_fit(settled(fact, value), value):
                return None
        values = tuple(facts.get(path) for path in self._stated[question.action])
        stretch = tuple(bisect_right(days, question.today[zone]) for zone, days in self._boundaries)
        return question.action, stretch, values

    def program(self, question: Question) -> Program:
        """The program for the questions that have the key of this one."""
        part = self._parts[question.action]
        known = {
            path: question.facts[path]
            for path in self._stated[question.action]
            if path in question.facts
        }

        def fold(condition: Condition) -> Condition:
            return assume(_on(condition, question), known)

        rules = (_fold_rule(rule, fold) for rule in part.rules)
        kept = tuple(rule for rule in rules if rule.formula != _NEVER or rule.duties)
        read = slice_by_action(replace(part, rules=kept), question.action)
        return replace(read, facts={path: _loose(fact) for path, fact in read.facts.items()})


_NEVER = Constant(False)


def _is_day(day: object) -> bool:
    return type(day) is int and FIRST_DAY <= day <= LAST_DAY


def _loose(fact: FactType) -> FactType:
    """The fact without its vocabulary, which whoever asks has compared: to look a country up
    among all of them is dear. Levels need theirs."""
    return fact if fact.order else replace(fact, values=None, broader={})


def _is_fit(fitted: Value | None, value: Value) -> bool:
    # By type as well: 1 is not true, though Python takes them for equal.
    return type(fitted) is type(value) and fitted == value


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
