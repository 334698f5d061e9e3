"""The definition: what a program answers to a question.

Rego, Cedar and any other engine are right where they give this answer. Small on
purpose; read it together with `dsl.kleene` and `dsl.core`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from dsl.core import (
    And,
    AtLeast,
    Condition,
    Constant,
    Effect,
    FactAtom,
    Holds,
    InForce,
    Known,
    Level,
    Not,
    NotBefore,
    OneOf,
    Or,
    Program,
    Rule,
    Touches,
    Within,
)
from dsl.facts import Question
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
            return _truth_of_fact(condition, question)


def _truth_of_fact(atom: FactAtom, question: Question) -> Truth:
    value = question.facts.get(atom.path)
    match atom, value:
        case Known(), _:
            return Truth.of(value is not None)
        case Holds(), bool(answer):
            return Truth.of(answer)
        case AtLeast(_, bound), int(number) if not isinstance(number, bool):
            return Truth.of(number >= bound)
        case NotBefore(_, time_zone, offset), int(day) if not isinstance(day, bool):
            return Truth.of(day >= question.today[time_zone] + offset)
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
    """What an engine says of a question: sets of rule ids, and the ids of duties.

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
    asked = [rule for rule in program.rules if question.action in rule.actions]
    enforced = [rule for rule in asked if rule.level is Level.ENFORCE]
    others = [rule for rule in asked if rule.level is not Level.ENFORCE]
    denied = _possible(enforced, Effect.FORBID, question)
    granted = _certain(enforced, Effect.PERMIT, question)
    noted = _possible(others, Effect.FORBID, question) | _certain(others, Effect.PERMIT, question)
    if denied or not granted:
        return Answer(
            denied,
            frozenset(),
            broken=_certain(enforced, Effect.FORBID, question),
            open=_possible(enforced, Effect.PERMIT, question),
            noted=noted,
        )
    duties = (duty for rule in enforced for duty in rule.duties)
    return Answer(
        denied,
        granted,
        duties=frozenset(d.id for d in duties if possibly(truth(d.condition, question))),
        preferred=_certain(enforced, Effect.PREFER, question),
        noted=noted,
    )


def _certain(rules: Iterable[Rule], effect: Effect, question: Question) -> frozenset[str]:
    """Of the rules with this effect, those whose formula is certainly true."""
    own = (rule for rule in rules if rule.effect is effect)
    return frozenset(rule.id for rule in own if certainly(truth(rule.formula, question)))


def _possible(rules: Iterable[Rule], effect: Effect, question: Question) -> frozenset[str]:
    """Of the rules with this effect, those whose formula is not certainly false."""
    own = (rule for rule in rules if rule.effect is effect)
    return frozenset(rule.id for rule in own if possibly(truth(rule.formula, question)))


def verdict(answer: Answer) -> Verdict:
    """The outcome of an answer: forbidden before undetermined before uncovered."""
    if answer.broken:
        return Verdict.FORBIDDEN
    if answer.denied:
        return Verdict.UNDETERMINED
    if answer.granted:
        return Verdict.PERMIT
    return Verdict.UNDETERMINED if answer.open else Verdict.UNCOVERED
