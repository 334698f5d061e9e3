"""docs/language.md: its truth tables are asked of every engine, its grammar is the grammar,
and its vocabularies are those the tests compile with."""

import asyncio
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from dsl.compile import compile_charters
from dsl.examples import Case, cases, failure
from dsl.parse import parse
from dsl.source import SourceText
from gateway.pdp.engine import Engine
from gateway.pdp.engine_cedar import CedarEngine
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.pdp.engine_rego import RegoEngine
from tests.dsl.pages import HEAD, vocabularies

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
ENGINES = (ReferenceEngine, CedarEngine, RegoEngine)
# What a rule that permits on the condition alone makes of its value.
OUTCOMES = {"true": "permitted", "false": "denied", "unknown": "undetermined"}


@dataclass(frozen=True)
class Row:
    """One row of a truth table: what is stated, and the value of the condition."""

    stated: tuple[str, ...]
    value: str


@dataclass(frozen=True)
class Table:
    condition: str
    rows: tuple[Row, ...]


def _tables() -> list[Table]:
    blocks = re.findall(r"^```truth\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return [_table(block) for block in blocks]


def _table(block: str) -> Table:
    condition, *lines = block.rstrip().splitlines()
    rows = [re.split(r" {2,}", line.strip()) for line in lines]
    return Table(condition, tuple(Row(tuple(stated), value) for *stated, value in rows))


def _charter(table: Table) -> SourceText:
    text = HEAD + 'rule shown "The rule of this table"\n  cites GDPR art 44\n  on place, flow\n'
    text += f"  when {table.condition}\n  permit\n"
    for number, row in enumerate(table.rows):
        stated = "".join(f"    {line}\n" for line in row.stated)
        text += f'  example "row {number + 1}" is {OUTCOMES[row.value]}\n{stated}'
    return SourceText("table.charter", text)


@cache
def _cases(table: Table) -> tuple[Case, ...]:
    model, program = compile_charters([*vocabularies(), _charter(table)]).require()
    return tuple(cases(model, program, {}))


async def _wrong(table: Table, engine: Engine) -> list[str]:
    try:
        said = [(case, failure(case, await engine.ask(case.question))) for case in _cases(table)]
    finally:
        await engine.close()
    return [f"{case.title}: {why}" for case, why in said if why is not None]


@pytest.mark.parametrize("make", ENGINES)
@pytest.mark.parametrize("table", _tables(), ids=lambda table: table.condition)
def test_every_row_of_a_truth_table_is_what_the_engine_says(
    table: Table, make: type[ReferenceEngine]
) -> None:
    program = _cases(table)[0].program
    assert asyncio.run(_wrong(table, make(program))) == []


@pytest.mark.parametrize("table", _tables(), ids=lambda table: table.condition)
def test_a_table_with_one_value_changed_is_noticed(table: Table) -> None:
    first = table.rows[0]
    other = "false" if first.value == "true" else "true"
    wrong = Table(table.condition, (Row(first.stated, other), *table.rows[1:]))
    assert asyncio.run(_wrong(wrong, ReferenceEngine(_cases(wrong)[0].program))) != []


def test_truth_tables_show_every_relation_of_a_condition() -> None:
    text = " ".join(table.condition for table in _tables())
    words = [
        "is not", "in {", "has", "within", "touches", "at least", "at most", "more than",
        "less than", "on or after", "after today", "within the last", "within the next",
        "is known", "every", "some", "not ", " and ", " or ", "today",
    ]  # fmt: skip
    assert [word for word in words if word not in text] == []


def test_the_grammar_on_the_page_is_the_one_that_is_read() -> None:
    shown = re.findall(r"^```lark\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert shown == [(ROOT / "dsl" / "grammar.lark").read_text(encoding="utf-8")]


def test_the_vocabularies_on_the_page_are_those_the_tests_use() -> None:
    shown = {parse(SourceText("page.charter", text)).charter is not None for text in _bases()}
    assert shown == {True}
    assert _bases() == [source.text for source in vocabularies()]


def _bases() -> list[str]:
    end = PAGE.partition("\n## A vocabulary\n")[2]
    return re.findall(r"^```charter\n(.*?)^```", end, re.MULTILINE | re.DOTALL)
