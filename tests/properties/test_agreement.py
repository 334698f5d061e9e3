"""Engines agree: with each other and with the definition, on programs nobody wrote.

`CHARTER_AGREE_PAIRS` sets how many pairs of program and question the generated
properties try together; without it, hypothesis' profile does.
"""

import asyncio
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsl.core import Program
from dsl.evaluate import Answer, evaluate
from dsl.facts import Question
from dsl.to_rego import rego_policy
from gateway.errors import EngineError
from gateway.pdp.engine import Engine
from gateway.pdp.engine_cedar import CedarEngine
from gateway.pdp.engine_opa import Asking, OpaEngine
from gateway.pdp.engine_rego import RegoEngine
from gateway.pdp.opa_client import OpaClient
from gateway.pdp.opa_modules import OpaModules
from tests import corpus
from tests.agreement import ask, permits, permitted_when_fit
from tests.opa import OpaServer, run_opa
from tests.strategies import cases

PER_PROGRAM = 12
PAIRS = int(os.environ.get("CHARTER_AGREE_PAIRS", "0")) or 20 * settings().max_examples
PATIENCE_S = 30.0  # the properties are about answers, not about a busy machine

generated = settings(
    max_examples=max(1, PAIRS // PER_PROGRAM),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@dataclass
class World:
    """The engines of this machine, and one event loop to ask them on."""

    runner: asyncio.Runner
    server: OpaServer

    def ask(
        self, program: Program, questions: Sequence[Question]
    ) -> Iterator[tuple[Question, dict[str, Answer | EngineError]]]:
        """For each question what each engine says of it."""
        engines: dict[str, Engine] = {
            "cedar": CedarEngine(program),
            "cedar, whole": CedarEngine(program, sliced=False),
            "rego": RegoEngine(program),
            "rego, whole": RegoEngine(program, sliced=False),
            "opa": self._opa(program),
            "opa, lean": self._lean(program),
        }
        try:
            for question in questions:
                yield question, self.runner.run(_ask(engines, question))
        finally:
            self.runner.run(_close(engines.values()))

    def _opa(self, program: Program) -> Engine:
        # One package for all: each program takes the place of the one before.
        policy = rego_policy(program)
        document = cast("dict[str, dict[str, object]]", policy.data).get("charter", {})
        self.server.put_data("charter/values", document.get("values", {}))
        self.server.put_policy("charter", policy.module)
        return OpaEngine(
            program, host=self.server.host, port=self.server.port, timeout_s=PATIENCE_S
        )

    def _lean(self, program: Program) -> Engine:
        engine = Lean(program, self.server)
        for path, data in engine.modules.files.items():
            folder, _, name = path.rpartition("/")
            if name == "data.json":
                self.server.put_data(folder, json.loads(data))
            else:
                self.server.put_policy(name, data.decode())
        return engine


class Lean:
    """A server asked the modules that one of ours has, or else the published one."""

    name = "opa"

    def __init__(self, program: Program, server: OpaServer) -> None:
        self._asking = Asking(self.name, program)
        self.modules = OpaModules(program)
        self._client = OpaClient(host=server.host, port=server.port, timeout_s=PATIENCE_S)

    async def ask(self, question: Question) -> Answer:
        return await self._asking.ask(self._client, question, self.modules)

    async def close(self) -> None:
        await self._client.close()


async def _ask(
    engines: Mapping[str, Engine], question: Question
) -> dict[str, Answer | EngineError]:
    said = await asyncio.gather(*(ask(engine, question) for engine in engines.values()))
    return dict(zip(engines, said, strict=True))


async def _close(engines: Iterable[Engine]) -> None:
    for engine in engines:
        await engine.close()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with run_opa() as server, asyncio.Runner() as runner:
        yield World(runner, server)


@pytest.mark.parametrize("name", corpus.PROGRAMS)
def test_every_engine_answers_the_fixed_table_as_defined(world: World, name: str) -> None:
    program = corpus.PROGRAMS[name]
    asked = 0
    for question, answers in world.ask(program, list(corpus.questions(program))):
        asked += 1
        expected = evaluate(program, question)
        assert answers == dict.fromkeys(answers, expected), question.document()
    assert asked >= 3


@pytest.mark.parametrize("name", corpus.PROGRAMS)
def test_no_engine_permits_on_an_unfit_fact_in_the_fixed_table(world: World, name: str) -> None:
    program = corpus.PROGRAMS[name]
    for question, answers in world.ask(program, _some(list(corpus.raw_questions(program)))):
        permitted = permitted_when_fit(program, question)
        for engine, answer in answers.items():
            assert permitted or not permits(answer), (engine, question)


@generated
@given(case=cases(per_program=PER_PROGRAM))
def test_engines_agree_with_the_definition(
    world: World, case: tuple[Program, list[Question]]
) -> None:
    program, questions = case
    for question, answers in world.ask(program, questions):
        expected = evaluate(program, question)
        assert answers == dict.fromkeys(answers, expected), question.document()


@settings(generated, max_examples=max(1, PAIRS // PER_PROGRAM // 3))
@given(case=cases(per_program=6), data=st.data())
def test_hiding_a_fact_never_turns_a_refusal_into_a_permit(
    world: World, case: tuple[Program, list[Question]], data: st.DataObject
) -> None:
    program, questions = case
    pairs = [q for question in questions for q in (question, _hide_some(question, data))]
    said = [answers for _, answers in world.ask(program, pairs)]
    for before, after in zip(said[::2], said[1::2], strict=True):
        for engine in before:
            assert permits(before[engine]) or not permits(after[engine]), engine


@settings(generated, max_examples=max(1, PAIRS // PER_PROGRAM // 3))
@given(case=cases(raw=True, per_program=PER_PROGRAM))
def test_no_engine_permits_on_raw_facts_what_is_not_permitted_on_fit_ones(
    world: World, case: tuple[Program, list[Question]]
) -> None:
    program, questions = case
    for question, answers in world.ask(program, questions):
        permitted = permitted_when_fit(program, question)
        for engine, answer in answers.items():
            assert permitted or not permits(answer), (engine, question)


def _some(questions: list[Question]) -> list[Question]:
    # The last program alone has thousands; a fixed share of each is enough here.
    return questions[:: max(1, len(questions) // 150)]


def _hide_some(question: Question, data: st.DataObject) -> Question:
    hidden = data.draw(st.sets(st.sampled_from(sorted(question.facts)))) if question.facts else ()
    facts = {path: value for path, value in question.facts.items() if path not in hidden}
    return replace(question, facts=facts)
