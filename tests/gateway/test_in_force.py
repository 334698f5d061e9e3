"""What is in force is replaced between questions, and never under one."""

import asyncio
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from dsl.compile import compile_charters
from dsl.evaluate import Answer, evaluate
from dsl.facts import Question
from dsl.source import SourceText
from gateway import bundle
from gateway.errors import ConfigurationError
from gateway.in_force import InForce
from gateway.pdp.engine_reference import ReferenceEngine

from .world import CALLER, CHARTERS, FakeEngine, World, body, made, question, run, sites


@cache
def other_law() -> bundle.Bundle:
    """The same words, with a closed baseline: nothing is permitted anywhere."""
    texts = {name: text for name, text in CHARTERS.items() if name != "baseline.charter"}
    texts["law.charter"] = texts["law.charter"].split("rule eea-only")[0] + (
        'rule nothing "Nothing runs"\n  cites LEX art 9\n  on place, flow\n  forbid\n'
        '  because "It is closed."\n  remedy "Wait."\n'
        '  example "anything" is denied\n    destination = near\n'
    )
    compiled = compile_charters([SourceText(name, text) for name, text in texts.items()])
    _, program = compiled.require()
    return bundle.build(compiled, sites(program).raw_facts())


def other(engine: FakeEngine | None = None) -> InForce:
    law = other_law()
    return InForce(law, sites(law.program), [engine or ReferenceEngine(law.program)])


def waiting(
    gate: asyncio.Event, begun: asyncio.Event, law: Callable[[], bundle.Bundle]
) -> FakeEngine:
    async def answer(asked: Question) -> Answer:
        begun.set()
        await gate.wait()
        return evaluate(law().program, asked)

    return FakeEngine("reference", answer)


def test_a_question_in_flight_ends_on_the_bundle_it_began_with(tmp_path: Path) -> None:
    async def ask() -> None:
        gate, begun = asyncio.Event(), asyncio.Event()
        engine = waiting(gate, begun, made)
        with World(tmp_path, engines=[engine]) as world:
            early = asyncio.create_task(world.service.decide(body(), CALLER))
            await begun.wait()
            world.service.replace(other())
            late = await world.service.decide(body(), CALLER)
            assert (late["decision"], late["bundle"]) == ("deny", other_law().digest)
            assert not engine.closed, "the engine of a question in flight was closed"
            gate.set()
            first = await early
            assert (first["decision"], first["bundle"]) == ("permit", made().digest)
            for answer in (first, late):
                world.verify(answer)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert engine.closed, "an engine that nobody asks any more stayed open"

    run(ask())


def test_a_search_in_flight_names_the_bundle_it_began_with(tmp_path: Path) -> None:
    async def search() -> None:
        gate, begun = asyncio.Event(), asyncio.Event()
        engine = waiting(gate, begun, made)
        with World(tmp_path, engines=[engine]) as world, world.service.question() as early:
            found = asyncio.create_task(
                world.service.search(question(), "resource", CALLER, in_force=early)
            )
            await begun.wait()
            world.service.replace(other())
            gate.set()
            permitted = [one.id for one in (await found).candidates if one.permitted]
            assert permitted == ["lapsing", "near"]
            assert early.named()["bundle"] == made().digest
            assert world.service.in_force.named()["bundle"] == other_law().digest

    run(search())


def test_an_idle_bundle_is_let_go_at_once(tmp_path: Path) -> None:
    async def replace() -> None:
        engine = waiting(asyncio.Event(), asyncio.Event(), made)
        with World(tmp_path, engines=[engine]) as world:
            world.service.replace(other())
            await asyncio.sleep(0)
            assert engine.closed

    run(replace())


def test_a_question_that_fails_does_not_keep_the_engines(tmp_path: Path) -> None:
    async def replace() -> None:
        engine = waiting(asyncio.Event(), asyncio.Event(), made)
        with World(tmp_path, engines=[engine]) as world:
            for wrong in (b"{", b"{}", body(context__surprise=1)):
                with pytest.raises(Exception):  # noqa: B017 - each has its own
                    await world.service.decide(wrong, CALLER)
            world.service.replace(other())
            await asyncio.sleep(0)
            assert engine.closed

    run(replace())


def test_a_bundle_whose_engines_misjudge_its_vectors_is_refused() -> None:
    law = made()
    wrong = InForce(law, sites(), [ReferenceEngine(other_law().program)])
    with pytest.raises(ConfigurationError, match="misjudge a vector"):
        run(wrong.check())
