"""Of many rules regopy has modules for every question from the start, and keeps few others."""

import asyncio
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dsl.core import Effect
from dsl.evaluate import evaluate
from dsl.facts import Question
from gateway import bundle
from gateway.bundle import Bundle
from gateway.errors import ConfigurationError
from gateway.pdp import catalogue, cedar_slices, engine_rego, folded
from gateway.pdp.cedar_slices import CedarSlices
from gateway.pdp.child import Confinement
from gateway.pdp.engine_cedar import CedarEngine
from gateway.pdp.engine_child import ChildEngine
from gateway.pdp.engine_rego import RegoEngine
from gateway.pdp.folded import Folder, joined
from gateway.pdp.health import Guarded
from gateway.pdp.judge import Judge
from gateway.pdp.slices import Index
from tests.agreement import ask
from tests.bench.generated import write_charters

RULES = 60


@cache
def many() -> Bundle:
    with TemporaryDirectory() as name:
        folder = write_charters(Path(name) / "charters", RULES)
        compiled = bundle.compile_folder(folder)
        _, program = compiled.require()
        known = catalogue.load(folder / "fixtures" / "sites.toml", program)
        return bundle.build(compiled, known.raw_facts())


def without_kind(question: Question) -> Question:
    facts = {path: value for path, value in question.facts.items() if path != "data.labels"}
    return replace(question, facts=facts)


def hidden() -> list[Question]:
    """Questions of which the kind of data is hidden, so that every rule can apply."""
    found = [v.question for v in many().vectors if "data.labels" in v.question.facts]
    return [without_kind(question) for question in found[:40:4]]


def test_a_question_that_hides_the_kind_of_data_waits_for_no_module(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = many().program
    monkeypatch.setattr(folded, "MAX_ITEMS_TOGETHER", 32)
    engine = RegoEngine(program)

    def none_is_made(*_: object, **__: object) -> None:
        raise ConfigurationError("nobody may wait for a module")

    monkeypatch.setattr(engine_rego, "load", none_is_made)
    for question in hidden():
        keys = Folder(program).keys(question)
        assert keys is not None
        assert len(keys.general) > 2
        assert asyncio.run(ask(engine, question)) == evaluate(program, question)
    asyncio.run(engine.close())


@pytest.mark.parametrize("together", [16, 128])
def test_every_vector_is_answered_as_defined_whatever_is_put_together(
    monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    monkeypatch.setattr(folded, "MAX_ITEMS_TOGETHER", together)
    engine = RegoEngine(many().program)
    for vector in many().vectors:
        assert asyncio.run(ask(engine, vector.question)) == vector.answer
    asyncio.run(engine.close())


def test_a_group_that_is_left_out_shows_in_the_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Folder.keys

    def one_less(self: Folder, question: Question) -> folded.Keys | None:
        found = keys(self, question)
        return found and replace(found, general=found.general[:1])

    monkeypatch.setattr(folded, "MAX_ITEMS_TOGETHER", 32)
    monkeypatch.setattr(Folder, "keys", one_less)
    engine = RegoEngine(many().program)
    said = [asyncio.run(ask(engine, vector.question)) for vector in many().vectors]
    assert [vector.answer for vector in many().vectors] != said
    asyncio.run(engine.close())


def test_few_vectors_are_put_with_every_rule() -> None:
    """Those at the bounds of a rule are about the kind of data that it is for."""
    folder = Folder(many().program)
    found = [folder.keys(vector.question) for vector in many().vectors]
    assert sum(keys is not None and len(keys.wide) > 5 for keys in found) <= 10


def test_modules_for_every_question_are_no_part_of_those_that_are_kept() -> None:
    engine = RegoEngine(many().program, fold_after=1)
    for question in hidden():
        asyncio.run(ask(engine, question))
    assert engine._modules.kept() == []  # pyright: ignore[reportPrivateUsage]
    asyncio.run(engine.close())


def test_two_actions_with_the_same_rules_share_their_modules() -> None:
    program = many().program
    granting = next(r for r in program.rules if r.effect is Effect.PERMIT and "place" in r.actions)
    others = [rule for rule in program.rules if rule.effect is not Effect.PERMIT]
    alike = replace(granting, actions=tuple(sorted({"place", "flow"})))
    rules = sorted([alike, *others], key=lambda rule: rule.id)
    engine = RegoEngine(replace(program, rules=tuple(rules)))
    general = engine._general  # pyright: ignore[reportPrivateUsage]
    assert [id(m) for m in general["place"]] == [id(m) for m in general["flow"]]
    asyncio.run(engine.close())


def test_actions_that_are_permitted_otherwise_share_none() -> None:
    engine = RegoEngine(many().program)
    general = engine._general  # pyright: ignore[reportPrivateUsage]
    assert not {id(m) for m in general["place"]} & {id(m) for m in general["flow"]}
    asyncio.run(engine.close())


def test_an_action_that_no_rule_is_about_has_a_module_that_refuses() -> None:
    program = many().program
    question = replace(many().vectors[0].question, action="purge")
    engine = RegoEngine(program)
    assert asyncio.run(ask(engine, question)) == evaluate(program, question)
    asyncio.run(engine.close())


@pytest.mark.parametrize(
    ("groups", "most", "together"),
    [
        ([], 4, []),
        ([0b11, 0b1100], 4, [0b1111]),
        ([0b11, 0b1100], 3, [0b11, 0b1100]),
        ([0b11111, 0b100000], 2, [0b11111, 0b100000]),
        # What all have counts once.
        ([0b101, 0b1001, 0b10001], 4, [0b11101]),
        ([0b1, 0b10, 0b100, 0b1000, 0b10000], 2, [0b11, 0b1100, 0b10000]),
    ],
)
def test_groups_are_put_together_as_far_as_they_fit(
    groups: list[int], most: int, together: list[int]
) -> None:
    assert list(joined(groups, most)) == together


# --- blocks of Cedar ---------------------------------------------------------------------


MOST = 32


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cedar_slices, "MAX_TOGETHER", MOST)


@pytest.mark.parametrize("most", [1, 7, 100])
def test_blocks_have_every_item_once_and_none_is_larger_than_allowed(most: int) -> None:
    index = Index(many().program, "place", denied=False)
    blocks = index.blocks(most)
    assert sum(blocks) == index.every
    assert max(block.bit_count() for block in blocks) == most
    assert len(blocks) == -(-len(index.items) // most)


def test_items_that_one_literal_settles_stand_in_as_few_blocks_as_can_be() -> None:
    index = Index(many().program, "place", denied=False)
    of_kinds = [
        index.select(v.question).items
        for v in many().vectors
        if v.question.action == "place" and "data.labels" in v.question.facts
    ]
    blocks = index.blocks(MOST)
    asked = [sum(1 for block in blocks if block & items) for items in of_kinds]
    assert len(blocks) == 4
    assert max(asked) <= 3


@pytest.mark.usefixtures("small_blocks")
def test_questions_to_which_all_can_apply_share_what_is_parsed() -> None:
    cedar = CedarEngine(many().program)
    parsed: list[int] = []
    asked = [question for question in hidden() if question.action == "place"]
    for question in asked:
        assert cedar.at_once(question) == evaluate(many().program, question)
        parsed.append(len(slices_of(cedar)._parsed))  # pyright: ignore[reportPrivateUsage]
    items = len(Index(many().program, "place", denied=False).items)
    assert len(asked) > 1
    assert parsed == [-(-items // MOST)] * len(asked)


@pytest.mark.parametrize("most", [1, 5])
def test_every_answer_from_blocks_is_that_of_one_set(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(cedar_slices, "MAX_TOGETHER", most)
    cedar = CedarEngine(many().program)
    for question in (*(v.question for v in many().vectors[::10]), *hidden()[:3]):
        assert cedar.at_once(question) == evaluate(many().program, question)


@pytest.mark.usefixtures("small_blocks")
def test_a_block_that_is_left_out_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = Index.blocks
    monkeypatch.setattr(Index, "blocks", lambda index, most: blocks(index, most)[1:])  # type: ignore[misc]
    cedar = CedarEngine(many().program)
    assert any(cedar.at_once(q) != evaluate(many().program, q) for q in hidden())


@pytest.mark.usefixtures("small_blocks")
def test_a_check_leaves_blocks_and_distrust_does_not() -> None:
    cedar = CedarEngine(many().program)
    cedar.at_once(hidden()[0])
    made = slices_of(cedar)
    Guarded(cedar, many().vectors).checked()
    assert made._parsed  # pyright: ignore[reportPrivateUsage]
    assert not made._kept._known  # pyright: ignore[reportPrivateUsage]
    Guarded(cedar, many().vectors).forget()
    assert not made._parsed  # pyright: ignore[reportPrivateUsage]


# --- what a check leaves behind --------------------------------------------------------


async def checked(engine: Guarded) -> None:
    judge = Judge(many().program, catalogue.empty(), [engine])
    await judge.check((v.question, v.answer) for v in many().vectors[:8])
    await judge.close()


def slices_of(cedar: CedarEngine) -> CedarSlices:
    assert cedar._slices is not None  # pyright: ignore[reportPrivateUsage]
    return cedar._slices  # pyright: ignore[reportPrivateUsage]


def test_slices_made_for_a_check_are_not_kept() -> None:
    cedar = CedarEngine(many().program)
    asyncio.run(checked(Guarded(cedar, many().vectors)))
    assert not slices_of(cedar)._kept._known  # pyright: ignore[reportPrivateUsage]


def test_a_process_is_not_started_again_for_what_a_check_left() -> None:
    program = many().program
    child = ChildEngine("reference", program, Confinement())
    asyncio.run(checked(Guarded(child, many().vectors)))
    assert child.restarts == 0


def test_an_engine_that_misjudges_a_vector_keeps_what_shows_it() -> None:
    cedar = CedarEngine(many().program)
    wrong = replace(many().vectors[0].answer, granted=frozenset({"x/y"}))
    judge = Judge(many().program, catalogue.empty(), [Guarded(cedar, many().vectors)])
    with pytest.raises(ConfigurationError, match="misjudge"):
        asyncio.run(judge.check([(many().vectors[0].question, wrong)]))
    assert slices_of(cedar)._kept._known  # pyright: ignore[reportPrivateUsage]


def test_memory_that_is_given_back_is_less() -> None:
    """In a process of its own: of this one nobody knows what it holds."""
    words = (
        "from gateway.cli.memory import give_back\n"
        "from gateway.pdp.process import memory_of\n"
        "held = [bytearray(50_000) for _ in range(2000)]\n"
        "kept = held[::50]\n"
        "del held\n"
        "before = memory_of('self')\n"
        "give_back()\n"
        "assert memory_of('self') < before - 50_000_000\n"
    )
    subprocess.run([sys.executable, "-c", words], check=True)
