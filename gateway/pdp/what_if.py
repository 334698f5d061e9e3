"""A question, asked again otherwise: with other facts, elsewhere, on a later day.

Answers are those of the definition (`dsl.evaluate`); what a request cannot say is refused
by the same reader as any request.
"""

from collections.abc import Callable, Sequence
from typing import cast

from dsl.core import DutyKind, FactType, Program
from dsl.evaluate import Answer, evaluate, verdict
from dsl.facts import Value, wire_value
from gateway.errors import RequestError
from gateway.pdp.normalise import Joined
from gateway.pdp.request import DecisionRequest

# The facts of a request as if it were that many days later; raises RequestError.
Join = Callable[[DecisionRequest, int], Joined]


class WhatIf:
    """One request, the answer to it, and the answers to others that differ a little.

    `evaluated` counts the questions put; beyond `budget` of them `spend` says no, and
    `gave_up` tells that it did.
    """

    def __init__(self, program: Program, join: Join, request: DecisionRequest, budget: int) -> None:
        self.program = program
        self.request = request
        self.question = join(request, 0).question
        self.answer = evaluate(program, self.question)
        self.verdict = verdict(self.answer)
        rules = [rule for rule in program.rules if self.question.action in rule.actions]
        self.rules = {rule.id: rule for rule in rules}
        self.evaluated = 0
        self.gave_up = False
        self._join = join
        self._budget = budget
        self._duties = {
            duty.id: duty.obligation
            for rule in rules
            for duty in rule.duties
            if duty.kind is DutyKind.OBLIGATION
        }

    def spend(self) -> bool:
        """Count one more question; False where there were too many."""
        if self.evaluated >= self._budget:
            self.gave_up = True
            return False
        self.evaluated += 1
        return True

    def with_facts(self, stated: Sequence[tuple[FactType, Value]]) -> Answer | None:
        """The answer to the request that states other facts; None where it cannot."""
        changes = [(fact.wire, wire_value(fact, value)) for fact, value in stated]
        return self._ask(_with(self.request, changes), 0)

    def at(self, entity: str) -> Answer | None:
        """The answer to the request with another resource; None where it cannot be."""
        resource = self.request.resource.model_copy(update={"id": entity})
        return self._ask(self.request.model_copy(update={"resource": resource}), 0)

    def later(self, days: int) -> Answer | None:
        """The answer to the request so many days later."""
        return self._ask(self.request, days)

    def obligations(self, answer: Answer) -> tuple[str, ...]:
        """The obligations of an answer, without advice; sorted."""
        return tuple(sorted({self._duties[d] for d in answer.duties if d in self._duties}))

    def _ask(self, request: DecisionRequest | None, days: int) -> Answer | None:
        if request is None:
            return None
        try:
            question = self._join(request, days).question
        except RequestError:
            return None
        return evaluate(self.program, question)


def _with(
    request: DecisionRequest, changes: Sequence[tuple[tuple[str, ...], object]]
) -> DecisionRequest | None:
    """The request with other values at places on the wire."""
    body = request.model_dump()
    for wire, value in changes:
        at = body
        for part in wire[:-1]:
            inner = at.get(part)
            if not isinstance(inner, dict):
                inner = at[part] = {}
            at = cast("dict[str, object]", inner)
        at[wire[-1]] = value
    try:
        return DecisionRequest.read(body)
    except RequestError:
        return None
