"""The definition: what a program answers to a question.

Rego, Cedar and any other engine are right where they give this answer. Small on
purpose; read it together with `dsl.kleene` and `dsl.core`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from dsl.core import (
    And,
    AtLeast,
    Condition,
    Constant,
    Effect,
    Holds,
    InForce,
    Not,
    OneOf,
    Or,
    Program,
    Rule,
    Touches,
    Within,
)
from dsl.facts import Question, Value
from dsl.kleene import Truth, certainly, conjoin, disjoin, negate, possibly


def truth(condition: Condition, question: Question) -> Truth:
    """The value of a condition under the facts of a question."""
    match condition:
        case Constant(value):
            return Truth.of(value)
        case InForce(time_zone, first, last):
            today = question.today[time_zone]
            return Truth.of((first is None or first <= today) and (last is None or today <= last))
        case And(operands):
            return conjoin(truth(operand, question) for operand in operands)
        case Or(operands):
            return disjoin(truth(operand, question) for operand in operands)
        case Not(operand):
            return negate(truth(operand, question))
        case _:
            return _truth_of_fact(condition, question.facts)


def _truth_of_fact(
    atom: Holds | OneOf | Within | Touches | AtLeast, facts: Mapping[str, Value]
) -> Truth:
    value = facts.get(atom.path)
    match atom, value:
        case Holds(), bool(answer):
            return Truth.of(answer)
        case AtLeast(_, bound), int(number) if not isinstance(number, bool):
            return Truth.of(number >= bound)
        case OneOf(_, values), str(term):
            return Truth.of(term in values)
        case Within(_, values), tuple(terms):
            return Truth.of(all(term in values for term in terms))
        case Touches(_, values), tuple(terms):
            return Truth.of(any(term in values for term in terms))
        case _:
            return Truth.UNKNOWN


@dataclass(frozen=True, slots=True)
class Answer:
    """What an engine says of a question; sets of rule ids and, last, of duty ids.

    Two engines agree when their answers are equal.

    Attributes:
        denied: Prohibitions that are not certainly clear.
        granted: Permissions that certainly grant; empty where something is denied.
        broken: Of a refusal, the prohibitions that are certainly broken.
        open: Of a refusal, the permissions that are not certainly closed.
        duties: Of a permit, the duties and the advice that apply.
        preferred: Of a permit, the preferences that certainly hold.
        noted: Of rules that are not enforced, the prohibitions that are not certainly
            clear and the permissions that certainly grant.
    """

    denied: frozenset[str]
    granted: frozenset[str]
    broken: frozenset[str] = frozenset()
    open: frozenset[str] = frozenset()
    duties: frozenset[str] = frozenset()
    preferred: frozenset[str] = frozenset()
    noted: frozenset[str] = frozenset()

    @property
    def permits(self) -> bool:
        return bool(self.granted) and not self.denied


class Verdict(Enum):
    """The outcome of one check; all but PERMIT are enforced as a denial."""

    PERMIT = "permit"
    FORBIDDEN = "forbidden"
    UNDETERMINED = "undetermined"
    UNCOVERED = "uncovered"


def evaluate(program: Program, question: Question) -> Answer:
    """The answer every engine must give."""
    rules = [rule for rule in program.rules if question.action in rule.actions]
    prohibitions = [(r, truth(r.formula, question)) for r in rules if r.effect is Effect.FORBID]
    permissions = [(r, truth(r.formula, question)) for r in rules if r.effect is Effect.PERMIT]
    denied = _ids(rule for rule, value in prohibitions if possibly(value))
    granted = _ids(rule for rule, value in permissions if certainly(value))
    if granted and not denied:
        duties = frozenset(
            duty.id
            for rule in rules
            for duty in rule.duties
            if possibly(truth(duty.condition, question))
        )
        return Answer(denied, granted, duties=duties)
    return Answer(
        denied,
        frozenset() if denied else granted,
        broken=_ids(rule for rule, value in prohibitions if certainly(value)),
        open=_ids(rule for rule, value in permissions if possibly(value)),
    )


def verdict(answer: Answer) -> Verdict:
    """The outcome of an answer: forbidden before undetermined before uncovered."""
    if answer.broken:
        return Verdict.FORBIDDEN
    if answer.denied:
        return Verdict.UNDETERMINED
    if answer.granted:
        return Verdict.PERMIT
    return Verdict.UNDETERMINED if answer.open else Verdict.UNCOVERED


def _ids(rules: Iterable[Rule]) -> frozenset[str]:
    return frozenset(rule.id for rule in rules)
