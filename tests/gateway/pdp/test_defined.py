"""Engines that agree with each other and not with the definition are not believed."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from dsl.core import Origin
from dsl.evaluate import Answer, evaluate
from dsl.facts import Question
from gateway.pdp import decider as decider_module
from gateway.pdp.decider import Decider
from gateway.pdp.decision import Outcome
from gateway.pdp.engine_cedar import CedarEngine
from gateway.pdp.engine_rego import RegoEngine
from gateway.pdp.judge import Judge, Judged
from gateway.pdp.request import DecisionRequest
from gateway.pdp.slices import Index, Selection
from tests.gateway import world
from tests.gateway.world import FakeEngine
from tests.pack import pack

REFUSED: dict[str, Any] = world.question(resource__id="far")
Lie = Callable[[Answer], Answer]


class Liar(FakeEngine):
    """Says what a test makes of the answer, and remembers whether it was told to forget."""

    def __init__(self, name: str, lie: Lie) -> None:
        async def answer(question: Question) -> Answer:
            return lie(evaluate(world.program(), question))

        super().__init__(name, answer)
        self.forgotten = 0

    def forget(self) -> None:
        self.forgotten += 1


def judged(engines: Sequence[Any], asked: dict[str, Any], times: int = 1) -> list[Judged]:
    judge = Judge(world.program(), world.sites(), engines)

    async def ask() -> list[Judged]:
        request = DecisionRequest.read(asked)
        return [await judge.judge(request, now=world.NOW) for _ in range(times)]

    return asyncio.run(ask())


def permit(_: Answer) -> Answer:
    return Answer(frozenset(), frozenset({"test.baseline/open-site"}))


LIES: dict[str, tuple[dict[str, Any], Lie]] = {
    "a permit of what is forbidden": (REFUSED, permit),
    "a broken rule forgotten": (REFUSED, lambda a: replace(a, denied=a.denied, broken=frozenset())),
    "a duty forgotten": (
        world.question(resource__id="far", context__transfer__tool="clauses"),
        lambda a: replace(a, duties=frozenset(sorted(a.duties)[1:])),
    ),
    "a permission closed": (
        world.question(resource__id="vague"),
        lambda a: replace(a, open=frozenset()),
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_all_engines_say_alike_and_wrong_is_an_incident(lie: str) -> None:
    asked, tell = LIES[lie]
    engines = [Liar("cedar", tell), Liar("rego", tell)]
    (found,) = judged(engines, asked)
    assert found.decision.outcome is Outcome.INDETERMINATE
    assert found.combined.answer is None
    assert found.combined.incident is not None
    assert "definition" in found.combined.incident.description
    assert [engine.forgotten for engine in engines] == [1, 1]


def test_what_is_wrong_is_not_remembered() -> None:
    engines = [Liar("cedar", permit), Liar("rego", permit)]
    first, again = judged(engines, REFUSED, times=2)
    assert first.combined.incident is not None
    assert again.combined.incident is not None
    assert [engine.asked for engine in engines] == [2, 2]


def test_what_is_right_is_believed_and_nothing_is_forgotten() -> None:
    engines = [Liar("cedar", lambda a: a), Liar("rego", lambda a: a)]
    (found,) = judged(engines, REFUSED)
    assert found.decision.outcome is Outcome.DENY
    assert [engine.forgotten for engine in engines] == [0, 0]


def test_one_fault_in_the_slices_of_both_engines_permits_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The rule that forbids is left out of every slice, and a slice believes itself.
    select = Index.select

    def forgets(self: Index, question: Question) -> Selection:
        selection = select(self, question)
        gone = sum(1 << n for n, i in enumerate(self.items) if i.id == "test.law/eea-only")
        return replace(selection, items=selection.items & ~gone)

    def every_slice_is_right(*_: object) -> None:
        return None

    monkeypatch.setattr(Index, "select", forgets)
    monkeypatch.setattr("gateway.pdp.folded.MAX_ITEMS_FOLDED", 0)
    monkeypatch.setattr("gateway.pdp.folded.MAX_ITEMS_TOGETHER", 1)
    monkeypatch.setattr("gateway.pdp.engine_rego.evaluate", every_slice_is_right)
    engines = [CedarEngine(world.program()), RegoEngine(world.program())]
    (found,) = judged(engines, REFUSED)
    said = list(found.combined.answers.values())
    assert all(isinstance(answer, Answer) and answer.permits for answer in said)
    assert found.decision.outcome is Outcome.INDETERMINATE


def test_of_a_large_program_a_share_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    program = pack().program
    vector = next(v for v in pack().vectors if v.answer.permits)
    wrong = replace(vector.answer, duties=frozenset({"x/y#z"}))
    decider = Decider(program)
    assert not any(decider.defined(wrong, vector.question) for _ in range(3))
    monkeypatch.setattr(decider_module, "CONDITIONS_EACH", 20)
    found = [decider.defined(wrong, vector.question) for _ in range(100)]
    assert 0 < found.count(False) < 50


def test_an_action_that_no_rule_names_is_held_to_the_definition() -> None:
    decider = Decider(world.program())
    question = Question("unheard-of", {}, {"Europe/Brussels": 20_000, "Pacific/Auckland": 20_000})
    nothing = Answer(frozenset(), frozenset())
    assert decider.defined(nothing, question)
    assert not decider.defined(permit(nothing), question)


def test_the_explanations_of_the_pack_are_as_they_were() -> None:
    """Each ground is an exception that certainly holds, by the definition."""
    from dsl.evaluate import truth
    from dsl.kleene import Truth

    program = pack().program
    decider = Decider(program)
    origins = dict.fromkeys(program.facts, Origin.REQUEST)
    shown = 0
    for vector in pack().vectors:
        made = decider.decide(vector.answer, vector.question, origins, today=date(2026, 11, 22))
        if not vector.answer.permits:
            continue
        expected = [
            note.id
            for rule in program.rules
            if rule.effect.value == "forbid"
            and rule.level.value == "enforce"
            and vector.question.action in rule.actions
            for note in rule.exceptions
            if truth(note.condition, vector.question) is Truth.TRUE
        ]
        shown += len(expected)
        assert [g.rule for g in made.grounds] == [*sorted(vector.answer.granted), *expected]
    assert shown
