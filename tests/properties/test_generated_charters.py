"""Generated charters get one answer everywhere; `make agree` asks many more.

`CHARTER_AGREE_PAIRS` sets how many questions are asked here.
"""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import pytest

from dsl.core import And, Constant, Program, Rule
from dsl.evaluate import Answer
from dsl.model import Model
from tests import agree
from tests.agreeing import one_program
from tests.agreeing.opa_batch import BatchOpa
from tests.agreeing.shrink import shrunken
from tests.dsl import naive
from tests.dsl.naive_facts import Asked
from tests.opa import require_opa, run_opa

PER_PROGRAM = 60
PROGRAMS = max(25, int(os.environ.get("CHARTER_AGREE_PAIRS", "0")) // PER_PROGRAM)
SEED = 1


@pytest.fixture(scope="module")
def opa() -> Iterator[BatchOpa]:
    with run_opa() as server, closing(BatchOpa(server)) as client:
        yield client


def test_the_model_and_every_engine_answer_alike(opa: BatchOpa) -> None:
    pairs = 0
    for number in range(PROGRAMS):
        outcome = one_program.run(SEED, number, PER_PROGRAM, opa)
        assert outcome.differences == [], f"program {number}"
        pairs += outcome.pairs
    assert pairs == PROGRAMS * PER_PROGRAM


# --- what would be seen --------------------------------------------------------------


class _ClosedOpa(BatchOpa):
    """A server with other policies: none of the rules is ever broken or grants."""

    def load(self, program: Program) -> None:
        super().load(replace(program, rules=tuple(_never(rule) for rule in program.rules)))


def _never(rule: Rule) -> Rule:
    return replace(rule, formula=And((rule.formula, Constant(False))))


def test_an_engine_with_other_rules_differs(opa: BatchOpa) -> None:
    with closing(_ClosedOpa(opa.server)) as other:
        outcomes = [one_program.run(SEED, number, PER_PROGRAM, other) for number in range(8)]
    told = [difference for outcome in outcomes for difference in outcome.differences]
    assert any(difference.startswith("opa says {") for difference in told)
    assert all("opa" in difference.lower() for difference in told)


def test_a_question_is_shrunk_to_what_still_differs() -> None:
    asked = Asked(
        "place",
        {"a.b": 1, "a.c": None},
        {"a.l": [{"x": 1, "y": 2}, {"x": 3}], "a.m": []},
        {"UTC": 0},
    )

    def differs(one: Asked) -> bool:
        return "a.c" in one.stated and "'x': 1" in repr(one.lists.get("a.l"))

    small = shrunken(asked, differs)
    assert (small.stated, small.lists) == ({"a.c": None}, {"a.l": [{"x": 1}]})


def test_one_seed_gives_one_program() -> None:
    assert one_program.program_of(SEED, 3) == one_program.program_of(SEED, 3)
    assert one_program.program_of(SEED, 3) != one_program.program_of(SEED, 4)


# --- the command ---------------------------------------------------------------------


def test_the_command_counts_what_it_asked(capsys: pytest.CaptureFixture[str]) -> None:
    require_opa()
    assert agree.main(["80", "--seed", "1", "--jobs", "1", "--per-program", "40"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("80 pairs of 2 programs in ")
    assert "model, definition, Cedar, regopy, OPA; seed 1" in told
    assert told.endswith("no difference\n")


def test_the_command_fails_on_a_difference(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(checked: Model, asked: Asked) -> Answer:
        honest = naive.answer(checked, asked)
        return replace(honest, noted=honest.noted | {"never/heard-of"})

    monkeypatch.setattr(one_program, "naive", SimpleNamespace(answer=answer))
    arguments = ["40", "--seed", "1", "--only", "1", "--per-program", "20", "--without-opa"]
    assert agree.main(arguments) == 1
    told = capsys.readouterr().out
    assert "program 1 of seed 1: the model says" in told
    assert "DIFFERENCES in 1 programs: 1" in told
    # Nothing of the question matters to this difference, and nothing of it is left.
    assert "on {'Europe/Brussels'" in told
    assert "}: {} {}\n" in told
