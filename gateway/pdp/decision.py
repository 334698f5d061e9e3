"""Decision: what the engines' common answer means for the caller, and its form on the wire.

`gateway.pdp.decider` makes it. Identity, time and signature are added around it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import Enum

from dsl.core import Citation, DueUnit, Duty, DutyKind, FactType, Origin, Rule
from dsl.evaluate import Verdict
from dsl.facts import Value, wire_value
from gateway.pdp.dates import due_instant, instant


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
    """A known fact and who stated it; of a derived one, the weakest of those who stated what
    it was computed from."""

    type: FactType
    value: Value
    origin: Origin

    @property
    def path(self) -> str:
        return self.type.path

    def body(self) -> dict[str, object]:
        return {
            "path": self.path,
            "value": wire_value(self.type, self.value),
            "origin": self.origin.value,
        }


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule that stands in the way, or, of an uncovered question, one permission that
    does not reach it. `status` is `forbidden`, `undetermined` or `uncovered`; of a rule that
    is not enforced what it would be, `permitted` where it would grant."""

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
    """A fact, or a list, that nobody stated and that could settle the rules named. `pointer`
    (RFC 6901) is where a request states it, None where another than the caller would have
    to."""

    path: str
    origin: Origin
    pointer: str | None
    rules: tuple[str, ...]

    def body(self) -> dict[str, object]:
        return {
            "path": self.path,
            "rules": list(self.rules),
            "origin": self.origin.value,
            "pointer": self.pointer,
        }


@dataclass(frozen=True, slots=True)
class Obligation:
    """A duty on a permit; an enforcement point that does not know `id` must refuse. Or
    advice, which it may ignore. `due` is the last day on which it can be met, or the
    instant until which, None where it binds from now on."""

    duty: Duty
    due: date | datetime | None

    def at(self, now: datetime) -> "Obligation":
        """The same with its deadline, where that is counted in minutes."""
        due = self.duty.due
        if due is None or due.unit is not DueUnit.MINUTES:
            return self
        return replace(self, due=due_instant(due, now))

    def body(self) -> dict[str, object]:
        return {
            "id": self.duty.obligation,
            "rule": self.duty.id.partition("#")[0],
            "title": self.duty.title,
            "citations": citations_body(self.duty.citations),
            "parameters": dict(self.duty.parameters),
            "due": _due_body(self.due),
        }


def _due_body(due: date | datetime | None) -> str | None:
    if due is None:
        return None
    return instant(due) if isinstance(due, datetime) else due.isoformat()


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
class Preference:
    """A rule that adds to the rank of a permitted candidate."""

    rule: Rule

    def body(self) -> dict[str, object]:
        return {"rule": self.rule.id, "title": self.rule.title, "weight": self.rule.weight}


@dataclass(frozen=True, slots=True)
class Decision:
    """The substance of a decision; grounds, duties and preferences of a permit, reasons and
    missing facts of a refusal; and of both what the rules say that are not enforced."""

    outcome: Outcome
    reasons: tuple[Reason, ...]
    missing: tuple[Missing, ...]
    duties: tuple[Obligation, ...]
    grounds: tuple[Ground, ...] = ()
    preferences: tuple[Preference, ...] = ()
    warnings: tuple[Reason, ...] = ()
    shadow: tuple[Reason, ...] = ()

    @property
    def obligations(self) -> tuple[Obligation, ...]:
        return tuple(duty for duty in self.duties if duty.duty.kind is DutyKind.OBLIGATION)

    @property
    def advice(self) -> tuple[Obligation, ...]:
        return tuple(duty for duty in self.duties if duty.duty.kind is DutyKind.ADVICE)

    @property
    def is_of_rules_alone(self) -> bool:
        """Whether no fact is a part of it, nor the lack of one."""
        return not (self.reasons or self.missing or self.warnings or self.shadow)

    @property
    def counts_minutes(self) -> bool:
        """Whether a deadline counts from an instant; then `at` gives another decision."""
        dues = (duty.duty.due for duty in self.duties)
        return any(due is not None and due.unit is DueUnit.MINUTES for due in dues)

    def at(self, now: datetime) -> "Decision":
        """The same with the deadlines that count from an instant."""
        return replace(self, duties=tuple(duty.at(now) for duty in self.duties))

    def body(self) -> dict[str, object]:
        return {
            "decision": self.outcome.value,
            "grounds": [ground.body() for ground in self.grounds],
            "reasons": [reason.body() for reason in self.reasons],
            "missing": [item.body() for item in self.missing],
            "obligations": [duty.body() for duty in self.obligations],
            "advice": [duty.body() for duty in self.advice],
            "preference": sum(preference.rule.weight for preference in self.preferences),
            "preferences": [preference.body() for preference in self.preferences],
            "warnings": [reason.body() for reason in self.warnings],
            "shadow": [reason.body() for reason in self.shadow],
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
