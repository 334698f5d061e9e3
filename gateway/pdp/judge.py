"""Judge: from a question to a decision without identity: facts → engines → decision.

Nothing here signs or records, so a dry run and a recorded decision are one computation.
"""

import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from dsl.core import FactType, Origin, Program
from dsl.derive import inputs
from dsl.evaluate import Answer, verdict
from dsl.facts import Question, Value
from gateway.errors import (
    ConfigurationError,
    EngineAnswerError,
    EngineError,
    EngineLateError,
    EngineUnavailableError,
    OverloadedError,
)
from gateway.pdp.catalogue import Catalogue
from gateway.pdp.combine import Combined, ask_all, undefined
from gateway.pdp.dates import day_of, midnight
from gateway.pdp.decider import Decider
from gateway.pdp.decision import OUTCOMES, UNANSWERED, Decision, Fact
from gateway.pdp.engine import Engine
from gateway.pdp.fair import asking
from gateway.pdp.health import Guarded
from gateway.pdp.memo import Bounded, Memo
from gateway.pdp.normalise import NO_CLAIMS, Claims, Days, Joined, Normaliser
from gateway.pdp.profiles import Profiles
from gateway.pdp.request import DecisionRequest
from gateway.pdp.standing import all_stand
from gateway.pdp.supplied import NOTHING, FactSources, Supplied
from gateway.pdp.verified import Verified

# At start nobody waits for an answer, and a first question can be slow.
CHECK_TIMEOUT_S = 5.0
# An engine whose time is not up is asked again for so long, since other work on the machine can
# keep it from one answer, and a gateway that does not start answers nobody.
CHECK_PATIENCE_S = 20.0
_PAUSE_S = 0.1

Key = tuple[bytes, date, bytes]


def _is_wrong(said: Answer | EngineError, expected: Answer) -> bool:
    return isinstance(said, EngineAnswerError) or (isinstance(said, Answer) and said != expected)


def _may_come(said: Answer | EngineError, is_alive: bool) -> bool:
    """Whether there may be an answer the next time, where there is none."""
    is_gone = isinstance(said, EngineUnavailableError) and is_alive
    return is_gone or isinstance(said, EngineLateError)


@dataclass(frozen=True)
class Judged:
    """A decision before it has an identity: what a dry run shows, and what is signed.

    `key` names what the decision follows from: two judgements of one judge with one key
    have the same `settled`. None where it follows from more, such as a fault or the minute.
    """

    joined: Joined
    combined: Combined
    decision: Decision
    key: Key | None = None

    def body(self) -> dict[str, object]:
        """The judgement as JSON: decision, reasons, engines, and the facts it rests on."""
        facts = [Fact(*known).body() for known in self.known()]
        return {**self.asked(), **self.settled(), "facts": facts}

    def asked(self) -> dict[str, object]:
        """Of `body`, what differs between questions that are decided alike; without facts."""
        question, incident = self.joined.question, self.combined.incident
        return {
            "action": question.action,
            "entities": [
                {"record": record, "type": kind, "id": entity}
                for record, kind, entity in self.joined.entities
            ],
            "incident": incident
            and {"kind": incident.kind.value, "description": incident.description},
            "today": {zone: day_of(day).isoformat() for zone, day in question.today.items()},
            **self._disputed(),
            **self._sources(),
        }

    def settled(self) -> dict[str, object]:
        """Of `body`, what follows from `key`."""
        return {**self.decision.body(), "engines": self.engines_said()}

    def engines_said(self) -> dict[str, str]:
        """What each engine said, in a word."""
        return {name: _said(answer) for name, answer in self.combined.answers.items()}

    def known(self) -> Iterator[tuple[FactType, Value, Origin]]:
        """The facts of `body`, in their order."""
        facts = self.joined.question.facts
        for path in sorted(facts):
            yield self.joined.types[path], facts[path], self.joined.origins[path]

    def _disputed(self) -> dict[str, object]:
        """Nothing where nothing is: only some doors let a caller dispute."""
        disputed = [
            {"path": path, "origin": origin.value} for path, origin in self.joined.disputed.items()
        ]
        return {"disputed": disputed} if disputed else {}

    def _sources(self) -> dict[str, object]:
        """What they said, and the evidence it follows from; nothing where none was asked."""
        supplied = self.joined.supplied
        told: dict[str, object] = {}
        if supplied.statements:
            told["sources"] = supplied.bodies()
        if supplied.evidence:
            told["evidence"] = list(supplied.evidence)
        return told


class Judge:
    """Judges with one program, one catalogue and its engines."""

    def __init__(
        self,
        program: Program,
        catalogue: Catalogue,
        engines: Sequence[Engine],
        *,
        remember: int = 10_000,
        timeout_s: float | None = None,
        sources: FactSources | None = None,
    ) -> None:
        self.engines = tuple(engines)
        self._sources = sources
        self._normaliser = Normaliser(program, catalogue)
        self._verified = Verified(program)
        self._profiles = Profiles(program)
        self._decider = Decider(program)
        self._memo = Memo(program, remember)
        self._decisions: Bounded[Key, Decision] = Bounded(remember)
        self._inputs = sorted({path for d in program.derived.values() for path in inputs(d)})
        self._timeout_s = timeout_s

    async def check(self, vectors: Iterable[tuple[Question, Answer]]) -> None:
        """Put questions to every engine whose answers are known.

        Raises:
            ConfigurationError: An engine fails, or does not answer as it must.
        """
        until = asyncio.get_running_loop().time() + CHECK_PATIENCE_S
        alive: set[str] = set()  # engines that have answered
        for question, expected in vectors:
            combined = await self._ask_patiently(question, expected, alive, until)
            if combined.incident is not None:
                raise ConfigurationError(f"engines: {combined.incident.description}")
            if combined.answer != expected:
                asked = json.dumps(question.document(), ensure_ascii=False)
                raise ConfigurationError(f"the engines misjudge a vector of the bundle: {asked}")
        for engine in self.engines:
            if isinstance(engine, Guarded):
                engine.checked()

    async def _ask_patiently(
        self, question: Question, expected: Answer, alive: set[str], until: float
    ) -> Combined:
        """What the engines say to a question of a check; one that is late, or was alive before,
        is asked again, until an instant of the loop, unless another is wrong."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                combined = await ask_all(self.engines, question, timeout_s=CHECK_TIMEOUT_S)
            except OverloadedError as error:
                if loop.time() > until:
                    raise ConfigurationError(f"engines: {error}") from error
            else:
                said = combined.answers
                alive.update(name for name, one in said.items() if isinstance(one, Answer))
                waits = any(_may_come(one, name in alive) for name, one in said.items())
                wrong = any(_is_wrong(one, expected) for one in said.values())
                if wrong or not waits or loop.time() > until:
                    return combined
            await asyncio.sleep(_PAUSE_S)

    def days_at(self, now: datetime) -> Days:
        """The days on which questions of an instant are decided."""
        return self._normaliser.days_at(now)

    async def judge(
        self,
        request: DecisionRequest,
        *,
        now: datetime,
        tenant: str | None = None,
        claims: Claims = NO_CLAIMS,
        verified: Supplied = NOTHING,
    ) -> Judged:
        """What the engines and the rules say to a question of a tenant at an instant; `claims`
        as of `Normaliser.join_on`. `verified` is what a verifier says of the machine that the
        question names.

        Raises:
            RequestError: The question is malformed; the error names the field.
        """
        days = self._normaliser.days_at(now)
        profile = self._profiles.of(tenant)
        if verified is not NOTHING:
            verified = self._verified.facts(verified, request.action.name)
        joined = self._normaliser.join_on(request, days, profile, claims, tenant, verified)
        if self._sources is not None:
            # After the first join: what is malformed, or foreign to a tenant, asks nobody.
            supplied = await self._sources.ask(joined.named(request, tenant), now)
            if supplied.statements:
                supplied = supplied if verified is NOTHING else verified + supplied
                joined = self._normaliser.join_on(request, days, profile, claims, tenant, supplied)
        return await self.judge_joined(joined, days, now, tenant)

    def check_question(
        self,
        request: DecisionRequest,
        *,
        now: datetime,
        tenant: str | None = None,
        claims: Claims = NO_CLAIMS,
    ) -> None:
        """Raise `RequestError` where `judge` would, before anything is done for a question."""
        days = self._normaliser.days_at(now)
        self._normaliser.join_on(request, days, self._profiles.of(tenant), claims, tenant)

    async def judge_on(
        self,
        request: DecisionRequest,
        day: date,
        known_on: date | None = None,
        *,
        tenant: str | None = None,
        profile: str | None = None,
    ) -> Judged:
        """The same as if it were that calendar day in every time zone of the charters.

        Args:
            day: Whose law is asked for; deadlines count from its first instant.
            known_on: The day on which rows of the catalogue must hold, where it is another.
            profile: The name of a profile, in place of the tenant's own.

        Raises:
            ConfigurationError: The program has no such profile.
        """
        chosen = self._profiles.of(tenant) if profile is None else self._profiles.named(profile)
        days = self._normaliser.everywhere(day, known_on)
        joined = self._normaliser.join_on(request, days, chosen, tenant=tenant)
        return await self.judge_joined(joined, days, midnight(day, UTC), tenant)

    async def judge_joined(
        self, joined: Joined, days: Days, now: datetime, tenant: str | None = None
    ) -> Judged:
        """What they say of facts that are joined already.

        Args:
            tenant: Who asks. What is remembered for one tenant is not for another: else the
                time of an answer would tell what others asked.
        """
        key = self._memo.key(joined.question, tenant)
        # What they said before is as good as they are: whether it is remembered must not show.
        combined = self._memo.get(key) if all_stand(self.engines) else None
        if combined is None:
            if tenant is not None:
                asking.set(tenant)
            combined = await ask_all(self.engines, joined.question, timeout_s=self._timeout_s)
            answer = combined.answer
            if answer is not None and not self._decider.defined(answer, joined.question):
                combined = undefined(self.engines, combined)
            self._memo.put(key, combined)
        if combined.answer is None:
            return Judged(joined, combined, UNANSWERED)
        return self._decide(combined, combined.answer, joined, (key, days, now), tenant)

    def _decide(
        self,
        combined: Combined,
        answer: Answer,
        joined: Joined,
        asked: tuple[bytes, Days, datetime],
        tenant: str | None,
    ) -> Judged:
        """Like the verdict, its explanation follows from the facts that rules read and the
        days alone, and from which of those are known that others are derived from;
        deadlines count from the earliest day, and those in minutes from now."""
        question_key, days, now = asked
        known = bytes(path in joined.question.facts for path in self._inputs)
        key = (question_key, days.earliest, known)
        decision = self._decisions.get(key)
        if decision is None:
            decision = self._decider.decide(
                answer, joined.question, joined.origins, today=days.earliest, tenant=tenant
            )
            self._decisions.put(key, decision)
        if decision.counts_minutes:
            return Judged(joined, combined, decision.at(now))
        return Judged(joined, combined, decision, key)

    async def close(self) -> None:
        """Let go of the engines and the sources."""
        if self._sources is not None:
            await self._sources.close()
        for engine in self.engines:
            await engine.close()


def _said(answer: object) -> str:
    return OUTCOMES[verdict(answer)].value if isinstance(answer, Answer) else "error"
