"""Judge: from a question to a decision without identity: facts → engines → decision.

Nothing here signs or records, so a dry run and a recorded decision are one computation.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from dsl.core import Program
from dsl.evaluate import Answer, verdict
from dsl.facts import Question
from gateway.errors import ConfigurationError
from gateway.pdp.catalogue import Catalogue
from gateway.pdp.combine import DEFAULT_TIMEOUT_S, Combined, ask_all
from gateway.pdp.decision import OUTCOMES, UNANSWERED, Decider, Decision, Fact, day_of
from gateway.pdp.engine import Engine
from gateway.pdp.memo import Bounded, Memo
from gateway.pdp.normalise import Days, Joined, Normaliser
from gateway.pdp.request import DecisionRequest

# At start nobody waits for an answer, and a first question can be slow.
CHECK_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Judged:
    """A decision before it has an identity: what a dry run shows, and what is signed."""

    joined: Joined
    combined: Combined
    decision: Decision

    def body(self) -> dict[str, object]:
        """The judgement as JSON: decision, reasons, engines, and the facts it rests on."""
        question, incident = self.joined.question, self.combined.incident
        return {
            "action": question.action,
            "entities": [
                {"record": record, "type": kind, "id": entity}
                for record, kind, entity in self.joined.entities
            ],
            **self.decision.body(),
            "engines": {name: _said(answer) for name, answer in self.combined.answers.items()},
            "incident": incident
            and {"kind": incident.kind.value, "description": incident.description},
            "facts": [
                Fact(path, question.facts[path], self.joined.origins[path]).body()
                for path in sorted(question.facts)
            ],
            "today": {zone: day_of(day).isoformat() for zone, day in question.today.items()},
        }


class Judge:
    """Judges with one program, one catalogue and its engines."""

    def __init__(
        self,
        program: Program,
        catalogue: Catalogue,
        engines: Sequence[Engine],
        *,
        remember: int = 10_000,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        self._engines = tuple(engines)
        self._normaliser = Normaliser(program, catalogue)
        self._decider = Decider(program)
        self._memo = Memo(program, remember)
        self._decisions: Bounded[tuple[bytes, date], Decision] = Bounded(remember)
        self._timeout_s = timeout_s

    async def check(self, vectors: Iterable[tuple[Question, Answer]]) -> None:
        """Put questions to every engine whose answers are known.

        Raises:
            ConfigurationError: An engine fails, or does not answer as it must.
        """
        for question, expected in vectors:
            combined = await ask_all(self._engines, question, timeout_s=CHECK_TIMEOUT_S)
            if combined.incident is not None:
                raise ConfigurationError(f"engines: {combined.incident.description}")
            if combined.answer != expected:
                asked = json.dumps(question.document(), ensure_ascii=False)
                raise ConfigurationError(f"the engines misjudge a vector of the bundle: {asked}")

    async def judge(self, request: DecisionRequest, *, now: datetime) -> Judged:
        """What the engines and the rules say to a question at an instant.

        Raises:
            RequestError: The question is malformed; the error names the field.
        """
        return await self._judge(request, self._normaliser.days_at(now))

    async def judge_on(self, request: DecisionRequest, day: date) -> Judged:
        """The same as if it were that calendar day in every time zone of the charters."""
        return await self._judge(request, self._normaliser.everywhere(day))

    async def _judge(self, request: DecisionRequest, days: Days) -> Judged:
        joined = self._normaliser.join_on(request, days)
        key = self._memo.key(joined.question)
        combined = self._memo.get(key)
        if combined is None:
            combined = await ask_all(self._engines, joined.question, timeout_s=self._timeout_s)
            self._memo.put(key, combined)
        if combined.answer is None:
            return Judged(joined, combined, UNANSWERED)
        # Like the verdict, its explanation follows from the facts that rules read and the
        # days alone; deadlines count from the earliest.
        decision = self._decisions.get((key, days.earliest))
        if decision is None:
            decision = self._decider.decide(
                combined.answer, joined.question, joined.origins, today=days.earliest
            )
            self._decisions.put((key, days.earliest), decision)
        return Judged(joined, combined, decision)

    async def close(self) -> None:
        """Let go of the engines."""
        for engine in self._engines:
            await engine.close()


def _said(answer: object) -> str:
    return OUTCOMES[verdict(answer)].value if isinstance(answer, Answer) else "error"
