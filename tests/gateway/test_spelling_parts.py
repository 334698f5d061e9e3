"""What is spelled once for each rule is the rule's own, and nothing of a question is in it."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from dsl.core import Duty, FactType, Origin, Rule
from dsl.facts import Value
from gateway.pdp.decision import Decision, Fact, Ground, Missing, Obligation, Outcome, Reason
from gateway.record.canonical import canonicalise
from gateway.spelling_parts import Parts
from tests.gateway.world import program

RULES = program().rules
RULE = next(rule for rule in RULES if rule.citations)
DUTY = next(duty for rule in RULES for duty in rule.duties)
FACTS = list(program().facts.values())


def fact(kind: FactType, value: Value, origin: Origin) -> bytes:
    return canonicalise(Fact(kind, value, origin).body())


def held(parts: Parts, decision: Decision) -> None:
    """What the parts give is what canonical JSON of the whole is."""
    spelled = parts.decision(decision)
    assert spelled == {name: canonicalise(value) for name, value in decision.body().items()}


def reason(rule: Rule = RULE, status: str = "forbidden", *values: Value) -> Reason:
    facts = zip(FACTS, values, strict=False)
    return Reason(rule, status, tuple(Fact(kind, value, Origin.REQUEST) for kind, value in facts))


def refusal(*reasons: Reason, missing: tuple[Missing, ...] = ()) -> Decision:
    return Decision(Outcome.DENY, reasons, missing, ())


def permit(*duties: tuple[Duty, date | datetime | None]) -> Decision:
    grounds = (Ground(RULE.id, RULE.title, RULE.citations),)
    asked = tuple(Obligation(duty, due) for duty, due in duties)
    return Decision(Outcome.PERMIT, (), (), asked, grounds)


NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DECISIONS = {
    "nothing": Decision(Outcome.INDETERMINATE, (), (), ()),
    "a reason": refusal(reason()),
    "another status": refusal(reason(RULE, "undetermined")),
    "other facts": refusal(reason(RULE, "forbidden", ('a "quoted" €',))),
    "the facts in another order": refusal(reason(RULE, "forbidden", "b", "a")),
    "two reasons": refusal(*(reason(rule) for rule in RULES[:2])),
    "what is missing": refusal(missing=(Missing("x.y", Origin.REQUEST, "/x/y", ("r", "s")),)),
    "a warning": replace(refusal(), warnings=(reason(),), shadow=(reason(RULE, "permitted"),)),
    "a duty": permit((DUTY, None)),
    "a duty with a day": permit((DUTY, date(2026, 12, 1))),
    "a duty with another day": permit((DUTY, date(2027, 12, 1))),
    "a duty with an instant": permit((DUTY, NOON)),
    "a duty twice": permit((DUTY, None), (DUTY, NOON)),
}


@pytest.mark.parametrize("first", DECISIONS)
def test_whatever_was_spelled_before_each_has_its_own_bytes(first: str) -> None:
    parts = Parts(fact)
    held(parts, DECISIONS[first])
    for decision in DECISIONS.values():
        held(parts, decision)


@pytest.mark.parametrize(
    "other",
    [
        replace(RULE, title="Another title"),
        replace(RULE, because="Another reason"),
        replace(RULE, remedies=("Another way",)),
        replace(RULE, citations=()),
    ],
)
def test_another_rule_of_the_same_name_is_spelled_anew(other: Rule) -> None:
    parts = Parts(fact)
    held(parts, refusal(reason(RULE)))
    held(parts, refusal(reason(other)))
    held(parts, refusal(reason(RULE)))


def test_another_duty_of_the_same_name_is_spelled_anew() -> None:
    parts = Parts(fact)
    for duty in (DUTY, replace(DUTY, title="Another"), replace(DUTY, parameters=(("a", "b"),))):
        held(parts, permit((duty, None)))


def test_nothing_that_a_question_says_is_kept() -> None:
    parts = Parts(fact)
    for number in range(50):
        held(parts, refusal(reason(RULE, "forbidden", f"said by a caller {number}")))
    kept = repr([form.__dict__ for _, form in parts._forms.values()])  # pyright: ignore[reportPrivateUsage]
    assert "said by a caller" not in kept
    assert len(parts._forms) == 1  # pyright: ignore[reportPrivateUsage]
