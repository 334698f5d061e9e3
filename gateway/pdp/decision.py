"""Decision: what the engines' common answer means for the caller.

`decide` is pure: the same program, facts and answer give the same decision. Identity,
time and signature are added around it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

from dsl.core import (
    Citation,
    Condition,
    Duty,
    Effect,
    FactType,
    InForce,
    Origin,
    Program,
    Rule,
)
from dsl.evaluate import Answer, Verdict, truth, verdict
from dsl.facts import Question, Value, to_json
from dsl.kleene import certainly
from dsl.residual import deciding, missing

_EPOCH = date(1970, 1, 1)
LAST_DAY = (date.max - _EPOCH).days


class Outcome(Enum):
    """What the caller is told; INDETERMINATE is enforced as a denial."""

    PERMIT = "permit"
    DENY = "deny"
    INDETERMINATE = "indeterminate"


OUTCOMES = {
    Verdict.PERMIT: Outcome.PERMIT,
    Verdict.FORBIDDEN: Outcome.DENY,
    Verdict.UNCOVERED: Outcome.DENY,
    Verdict.UNDETERMINED: Outcome.INDETERMINATE,
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A known fact and who stated it."""

    path: str
    value: Value
    origin: Origin

    def body(self) -> dict[str, object]:
        return {"path": self.path, "value": to_json(self.value), "origin": self.origin.value}


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule that stands in the way, or, of an uncovered question, one permission that
    does not reach it. `status` is `forbidden`, `undetermined` or `uncovered`."""

    rule: Rule
    status: str
    facts: tuple[Fact, ...]

    def body(self) -> dict[str, object]:
        return {
            "rule": self.rule.id,
            "status": self.status,
            "title": self.rule.title,
            "citations": citations_body(self.rule.citations),
            "because": self.rule.because,
            "remedies": list(self.rule.remedies),
            "facts": [fact.body() for fact in self.facts],
        }


@dataclass(frozen=True, slots=True)
class Missing:
    """A fact nobody stated that could settle the rules named. `pointer` (RFC 6901) is where
    a request states it, None where another than the caller would have to."""

    fact: FactType
    rules: tuple[str, ...]

    def body(self) -> dict[str, object]:
        return {
            "path": self.fact.path,
            "rules": list(self.rules),
            "origin": self.fact.origin.value,
            "pointer": "/" + "/".join(self.fact.wire)
            if self.fact.origin is Origin.REQUEST
            else None,
        }


@dataclass(frozen=True, slots=True)
class Obligation:
    """A duty on a permit; an enforcement point that does not know `id` must refuse.
    `due` is the last day on which it can be met, None where it binds from now on."""

    duty: Duty
    due: date | None

    def body(self) -> dict[str, object]:
        return {
            "id": self.duty.obligation,
            "rule": self.duty.id.partition("#")[0],
            "title": self.duty.title,
            "citations": citations_body(self.duty.citations),
            "parameters": {},
            "due": self.due.isoformat() if self.due else None,
        }


@dataclass(frozen=True, slots=True)
class Ground:
    """What a permit rests on: a permission that grants, or an exception without which a
    rule would be broken. `rule` is the id of either."""

    rule: str
    title: str
    citations: tuple[Citation, ...]

    def body(self) -> dict[str, object]:
        return {
            "rule": self.rule,
            "title": self.title,
            "citations": citations_body(self.citations),
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """The substance of a decision; grounds and obligations of a permit, reasons and missing
    facts of a refusal."""

    outcome: Outcome
    reasons: tuple[Reason, ...]
    missing: tuple[Missing, ...]
    obligations: tuple[Obligation, ...]
    grounds: tuple[Ground, ...] = ()

    def body(self) -> dict[str, object]:
        return {
            "decision": self.outcome.value,
            "grounds": [ground.body() for ground in self.grounds],
            "reasons": [reason.body() for reason in self.reasons],
            "missing": [item.body() for item in self.missing],
            "obligations": [obligation.body() for obligation in self.obligations],
            "advice": [],
        }


UNANSWERED = Decision(Outcome.INDETERMINATE, (), (), ())


def citations_body(citations: Iterable[Citation]) -> list[dict[str, object]]:
    return [
        {
            "law": citation.law,
            "title": citation.title,
            "celex": citation.celex,
            "locator": citation.locator,
            "article": citation.locator.removeprefix("art ")
            if citation.locator.startswith("art ")
            else None,
            "url": citation.url,
        }
        for citation in citations
    ]


class Decider:
    """Turns answers into decisions for one program."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._rules = {rule.id: rule for rule in program.rules}
        self._duties = {duty.id: duty for rule in program.rules for duty in rule.duties}

    def decide(
        self, answer: Answer, question: Question, origins: Mapping[str, Origin], *, today: date
    ) -> Decision:
        """The decision of an answer that all engines gave.

        Args:
            origins: The origin of every fact of the question.
            today: The day from which deadlines count.
        """
        found = verdict(answer)
        if found is Verdict.PERMIT:
            duties = [self._duties[duty] for duty in sorted(answer.duties)]
            obligations = tuple(Obligation(duty, _due(duty, today)) for duty in duties)
            grounds = tuple(self._grounds(answer, question))
            return Decision(Outcome.PERMIT, (), (), obligations, grounds)
        asked = [(rule, status) for rule, status in self._in_the_way(answer, question.action)]
        reasons = tuple(
            Reason(rule, status, self._facts(rule.formula, question, origins))
            for rule, status in asked
        )
        open_rules = [rule for rule, status in asked if status == Verdict.UNDETERMINED.value]
        return Decision(OUTCOMES[found], reasons, self._missing(open_rules, question), ())

    def _grounds(self, answer: Answer, question: Question) -> Iterator[Ground]:
        for rule_id in sorted(answer.granted):
            rule = self._rules[rule_id]
            yield Ground(rule.id, rule.title, rule.citations)
        for rule in self._program.rules:
            if rule.effect is Effect.FORBID and question.action in rule.actions:
                for note in rule.exceptions:
                    if certainly(truth(note.condition, question)):
                        yield Ground(note.id, note.title, note.citations)

    def _in_the_way(self, answer: Answer, action: str) -> list[tuple[Rule, str]]:
        forbidden = [(self._rules[r], Verdict.FORBIDDEN.value) for r in sorted(answer.broken)]
        unclear = sorted(answer.denied - answer.broken)
        undetermined = [(self._rules[r], Verdict.UNDETERMINED.value) for r in unclear]
        if answer.denied:
            return forbidden + undetermined
        if answer.open:
            return [(self._rules[r], Verdict.UNDETERMINED.value) for r in sorted(answer.open)]
        return [
            (rule, Verdict.UNCOVERED.value)
            for rule in self._program.rules
            if rule.effect is Effect.PERMIT and action in rule.actions
        ]

    def _facts(
        self, formula: Condition, question: Question, origins: Mapping[str, Origin]
    ) -> tuple[Fact, ...]:
        paths = sorted(deciding(formula, question))
        return tuple(Fact(path, question.facts[path], origins[path]) for path in paths)

    def _missing(self, rules: Iterable[Rule], question: Question) -> tuple[Missing, ...]:
        by_path: dict[str, list[str]] = {}
        for rule in rules:
            for path in missing(rule.formula, question):
                by_path.setdefault(path, []).append(rule.id)
        return tuple(
            Missing(self._program.facts[path], tuple(by_path[path])) for path in sorted(by_path)
        )


def _due(duty: Duty, today: date) -> date | None:
    return None if duty.due_days is None else today + timedelta(days=duty.due_days)


def boundaries(program: Program) -> dict[str, tuple[int, ...]]:
    """The days on which something dated changes, by time zone, sorted. Between two of them
    the same facts get the same answer."""
    days: dict[str, set[int]] = {}
    for atom in program.atoms():
        if isinstance(atom, InForce):
            known = days.setdefault(atom.time_zone, set())
            if atom.first is not None:
                known.add(atom.first)
            # Nothing changes after the last day of the calendar, a common way to say
            # "for ever".
            if atom.last is not None and atom.last < LAST_DAY:
                known.add(atom.last + 1)
    return {zone: tuple(sorted(known)) for zone, known in days.items()}


def day_of(number: int) -> date:
    """The calendar day of a day number."""
    return _EPOCH + timedelta(days=number)
