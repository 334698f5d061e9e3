"""Rules: a bundle with a catalogue, to make decisions again with.

Each distinct set of facts is decided once: by the definition, prepared (`dsl.prepared`), and
by the engines, or a stated share of it, which must say the same.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date
from typing import Any
from zlib import compress, decompress

from dsl.core import Program
from dsl.derive import inputs
from dsl.evaluate import Answer
from dsl.facts import Question
from dsl.prepared import PreparedProgram
from gateway.errors import OverloadedError
from gateway.pdp.catalogue import Catalogue
from gateway.pdp.combine import ask_all
from gateway.pdp.dates import midnight
from gateway.pdp.decider import Decider
from gateway.pdp.decision import Decision
from gateway.pdp.engine import Engine
from gateway.pdp.memo import Bounded, Memo
from gateway.pdp.normalise import Joined, Normaliser
from gateway.pdp.profiles import Profiles
from gateway.replay.asked import Moment, joined_again, joined_as_recorded
from gateway.replay.stored import Predicate

# A replay is in no hurry, and a first question builds what the next ones use.
PATIENT_S = 10.0
REMEMBERED = 50_000  # decisions, compressed to some 1.5 KB each
_ALL = 2**32

Body = dict[str, Any]


class EnginesDifferError(Exception):
    """The engines do not say what is defined, or one failed. `failed` where it is no answer."""

    def __init__(self, words: str, *, failed: bool) -> None:
        super().__init__(words)
        self.failed = failed


@dataclass(frozen=True)
class Counts:
    """How much was decided: distinct sets of facts, and how many of them engines were asked."""

    distinct: int = 0
    asked: int = 0

    def plus(self, other: "Counts") -> "Counts":
        return Counts(self.distinct + other.distinct, self.asked + other.asked)

    def minus(self, other: "Counts") -> "Counts":
        return Counts(self.distinct - other.distinct, self.asked - other.asked)


class Rules:
    """A program with a catalogue, or without where only recorded facts are decided on.

    Args:
        engines: With the program loaded; they belong to this value.
        share: The share of distinct sets of facts that they are asked, from 0 to 1.
    """

    def __init__(
        self,
        program: Program,
        catalogue: Catalogue | None,
        engines: Sequence[Engine],
        *,
        share: float = 1.0,
    ) -> None:
        self.program = program
        self.counts = Counts()
        self._zones = set(program.time_zones())
        self._normaliser = None if catalogue is None else Normaliser(program, catalogue)
        self._profiles = Profiles(program)
        self._decider = Decider(program)
        self._prepared = {action: PreparedProgram(program, action) for action in program.actions}
        self._engines = tuple(engines)
        self._asked_below = int(share * _ALL) if engines else 0
        self._memo = Memo(program, 0)
        self._inputs = sorted({p for d in program.derived.values() for p in inputs(d)})
        self._known: Bounded[object, bytes] = Bounded(REMEMBERED)

    @property
    def has_catalogue(self) -> bool:
        return self._normaliser is not None

    def moment(self, moment: Moment, day: date | None) -> Moment:
        """The same moment in the time zones of the program, or a day in all of them."""
        if self._normaliser is None:
            return moment
        if day is not None:
            return Moment(self._normaliser.everywhere(day), midnight(day, UTC))
        if self._zones <= set(moment.days.today):
            return moment
        return Moment(self._normaliser.days_at(moment.now), moment.now)

    def join(self, predicate: Predicate, moment: Moment) -> Joined:
        """The facts of the question, joined anew; as recorded where there is no catalogue.

        Raises:
            RequestError: The question would be refused.
            RecordUnfitError: The record is not of this program.
        """
        if self._normaliser is None:
            return joined_as_recorded(self.program, predicate, moment.days)
        profile = self._profiles.of(str(predicate["tenant"]))
        return joined_again(self.program, self._normaliser, predicate, moment.days, profile=profile)

    async def decide(self, joined: Joined, moment: Moment) -> Body:
        """The decision as JSON, without identity; the engines are not named in it.

        Raises:
            EnginesDifferError: They do not say what is defined.
        """
        question = joined.question
        name = self._memo.key(question)
        known = bytes(path in question.facts for path in self._inputs)
        key = (name, moment.days.earliest, known)
        kept = self._known.get(key)
        if kept is not None:
            return json.loads(decompress(kept))
        answer = self._defined(question)
        asked = int.from_bytes(name[:4]) < self._asked_below
        self.counts = self.counts.plus(Counts(1, int(asked)))
        if asked:
            await self._hold(answer, question)
        decision = self._decider.decide(
            answer, question, joined.origins, today=moment.days.earliest
        )
        if decision.counts_minutes:
            return json.loads(_spelled(decision.at(moment.now)))
        text = _spelled(decision)
        self._known.put(key, compress(text, 1))
        return json.loads(text)

    def _defined(self, question: Question) -> Answer:
        prepared = self._prepared[question.action]
        return prepared.answer(prepared.prepared.values(question))

    async def _hold(self, answer: Answer, question: Question) -> None:
        """The engines must say what is defined."""
        try:
            said = await ask_all(self._engines, question, timeout_s=PATIENT_S)
        except OverloadedError as error:
            raise EnginesDifferError(str(error), failed=True) from error
        if said.incident is not None:
            failed = any(not isinstance(one, Answer) for one in said.answers.values())
            raise EnginesDifferError(said.incident.description, failed=failed)
        if said.answer != answer:
            raise EnginesDifferError("the engines differ from the definition", failed=False)

    async def close(self) -> None:
        """Let go of the engines."""
        for engine in self._engines:
            await engine.close()


def _spelled(decision: Decision) -> bytes:
    """As it would be read from a record: tuples are lists."""
    return json.dumps(decision.body(), ensure_ascii=False, separators=(",", ":")).encode()
