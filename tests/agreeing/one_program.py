"""One generated program, and all that is asked about it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import cast

from dsl.compile import Compiled, compile_charters
from dsl.core import Program
from dsl.evaluate import Answer, evaluate
from dsl.facts import Question
from dsl.model import Model
from gateway.errors import EngineError, GatewayError
from gateway.pdp.engine import Engine
from gateway.pdp.engine_cedar import CedarEngine
from gateway.pdp.engine_opa import OpaEngine
from gateway.pdp.engine_rego import RegoEngine
from tests.agreeing.opa_batch import BatchOpa
from tests.agreeing.shrink import shrunken
from tests.agreement import ask, permits, permitted_when_fit
from tests.dsl import generate, naive
from tests.dsl.constructs import constructs
from tests.dsl.generate_questions import UNFIT, Asking, damaged
from tests.dsl.generate_spelling import Speller
from tests.dsl.naive_facts import Asked

SINGLY = 2  # questions a program that are put to OPA one by one as well
PATIENCE_S = 60.0
RESPELT_EVERY = 4  # programs
MOST_TOLD = 3  # differences of one program

Said = Answer | EngineError
AskAll = Callable[[Sequence[Question]], list[Said]]


@dataclass
class Outcome:
    """What one program came to. `pairs` counts questions, each put to every engine."""

    number: int
    pairs: int = 0
    permitted: int = 0
    damaged: int = 0
    unfit: int = 0
    constructs: Counter[str] = field(default_factory=Counter[str])
    differences: list[str] = field(default_factory=list[str])


def run(seed: int, number: int, questions: int, opa: BatchOpa | None) -> Outcome:
    """
    Generate a program and ask it everywhere.

    Args:
        seed: With `number`, decides everything.
        questions: How many; half of them are others damaged.
        opa: A server to ask as well.
    """
    rng = generate.chance(seed, number)
    sources = generate.sources_of(rng)
    compiled = compile_charters(sources)
    outcome = Outcome(number, constructs=constructs(sources))
    if compiled.errors:
        first = compiled.errors[0]
        outcome.differences.append(f"does not compile: {first.code} {first.message}")
        return outcome
    if number % RESPELT_EVERY == 0:
        respelt = generate.sources_of(generate.chance(seed, number), Speller(rng))
        if compile_charters(respelt).program != compiled.program:
            outcome.differences.append("another spelling compiles to another program")
    try:
        _Trial(outcome, compiled, rng, opa).run(questions)
    except GatewayError as error:
        outcome.differences.append(f"an engine does not work at all: {error}")
    return outcome


class _Trial:
    """The engines of one program and what they say."""

    def __init__(
        self, outcome: Outcome, compiled: Compiled, rng: Random, opa: BatchOpa | None
    ) -> None:
        self._outcome = outcome
        self._compiled = compiled
        self._model, self._program = compiled.require()
        self._rng = rng
        self._opa = opa

    def run(self, questions: int) -> None:
        with asyncio.Runner() as runner:
            # Slices and the whole are two ways of loading one program.
            sliced = self._outcome.number % 2 == 0
            engines: list[Engine] = [
                CedarEngine(self._program, sliced=sliced),
                RegoEngine(self._program, sliced=sliced, queue_timeout_s=PATIENCE_S),
            ]
            ways = {engine.name: _asker(runner, engine) for engine in engines}
            single: Engine | None = None
            if self._opa is not None:
                self._opa.load(self._program)
                ways["opa"] = self._opa.ask
                server = self._opa.server
                single = OpaEngine(
                    self._program, host=server.host, port=server.port, timeout_s=PATIENCE_S
                )
            self._ask_all(questions, ways)
            if single is not None:
                self._ask_singly(_asker(runner, single), ways["opa"])
                engines.append(single)
            for engine in engines:
                runner.run(engine.close())

    def _ask_all(self, questions: int, ways: dict[str, AskAll]) -> None:
        asked = list(self._asked(questions))
        put = [generate.question_of(self._program, one) for one in asked]
        expected = [evaluate(self._program, question) for question in put]
        self._outcome.pairs += len(put)
        self._outcome.permitted += sum(answer.permits for answer in expected)
        for one, answer in zip(asked, expected, strict=True):
            if naive.answer(self._model, one) != answer:
                self._tell("the model", one, _meant(self._model))
        for before, after in zip(expected[::2], expected[1::2], strict=True):
            self._outcome.damaged += 1
            if after.permits and not before.permits:
                self._outcome.differences.append("a question permits once it is damaged")
        for name, way in ways.items():
            for one, answer, said in zip(asked, expected, way(put), strict=True):
                if said != answer:
                    self._tell(name, one, lambda a, q, way=way: way([q])[0])
        self._ask_unfit(put, ways)

    def _asked(self, questions: int) -> Iterator[Asked]:
        asking = Asking(self._model)
        for _ in range(questions // 2):
            asked = asking.question(self._rng)
            yield asked
            yield damaged(self._rng, asked)

    def _ask_unfit(self, put: Sequence[Question], ways: dict[str, AskAll]) -> None:
        """No engine permits on a fact that no normaliser has seen what is not permitted
        where that fact is unknown."""
        unfit = [_unfit(self._rng, question) for question in put[:: max(1, len(put) // 10)]]
        allowed = [permitted_when_fit(self._program, question) for question in unfit]
        self._outcome.unfit += len(unfit)
        for name, way in ways.items():
            for question, permitted, said in zip(unfit, allowed, way(unfit), strict=True):
                if permits(said) and not permitted:
                    text = f"{name} permits unfit facts: {question.document()}"
                    self._outcome.differences.append(text)

    def _ask_singly(self, singly: AskAll, batch: AskAll) -> None:
        asked = list(self._asked(SINGLY))
        put = [generate.question_of(self._program, one) for one in asked]
        if singly(put) != batch(put):
            self._outcome.differences.append("OPA says other things one by one than in a batch")

    def _tell(self, name: str, asked: Asked, say: "Callable[[Asked, Question], object]") -> None:
        if len(self._outcome.differences) >= MOST_TOLD:
            return

        def both(one: Asked) -> tuple[object, Answer]:
            question = generate.question_of(self._program, one)
            return say(one, question), evaluate(self._program, question)

        def differs(one: Asked) -> bool:
            said, expected = both(one)
            return said != expected

        small = shrunken(asked, differs)
        said, expected = both(small)
        question = generate.question_of(self._program, small)
        lines = [
            f"{name} says {_short(said)}",
            f"  the definition says {_short(expected)}",
            f"  to {small.action} on {dict(small.today)}: {dict(small.stated)} {dict(small.lists)}",
            f"  which is {question.document()['facts']}",
            *(f"  {line}" for line in self._rules(said, expected)),
        ]
        self._outcome.differences.append("\n".join(lines))

    def _rules(self, said: object, expected: Answer) -> Iterator[str]:
        """The rules that are in one answer and not in the other, as written."""
        if not isinstance(said, Answer):
            return
        ids = {
            identity.partition("#")[0]
            for part in ("denied", "granted", "broken", "open", "duties", "preferred", "noted")
            for identity in cast("frozenset[str]", getattr(said, part)) ^ getattr(expected, part)
        }
        for rule in self._program.rules:
            if any(identity == rule.id or identity.startswith(f"{rule.id}/") for identity in ids):
                yield f"{rule.id}: {rule.formula}"


def _meant(checked: Model) -> Callable[[Asked, Question], object]:
    return lambda asked, _: naive.answer(checked, asked)


def _asker(runner: asyncio.Runner, engine: Engine) -> AskAll:
    async def all_of(questions: Sequence[Question]) -> list[Said]:
        return [await ask(engine, question) for question in questions]

    return lambda questions: runner.run(all_of(questions))


def _unfit(rng: Random, question: Question) -> Question:
    if not question.facts:
        return question
    path = rng.choice(sorted(question.facts))
    return replace(question, facts={**question.facts, path: rng.choice(UNFIT)})


def _short(said: object) -> str:
    if not isinstance(said, Answer):
        return repr(said)
    parts = ("denied", "granted", "broken", "open", "duties", "preferred", "noted")
    named = {part: sorted(cast("frozenset[str]", getattr(said, part))) for part in parts}
    return str({part: ids for part, ids in named.items() if ids})


def program_of(seed: int, number: int) -> Program | None:
    """The program that a run with this seed asked under this number."""
    return compile_charters(generate.sources_of(generate.chance(seed, number))).program
