"""What is said of rules, and that the truth tables are those of the definition.

`REWRITE=1 pytest tests/dsl/test_explain.py` writes the expected texts anew; they are then
read, as an officer would, before they are committed.
"""

import json
import os
import re
import time
from functools import cache
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from dsl import core
from dsl.compile import Compiled, compile_charters
from dsl.core import (
    AtLeast,
    Condition,
    Constant,
    FactType,
    Holds,
    InForce,
    Kind,
    Known,
    Not,
    NotBefore,
    OneOf,
    Origin,
    Program,
    Touches,
    Within,
)
from dsl.evaluate import truth
from dsl.explain import Explanation, UnknownRuleError, explain
from dsl.explain_table import MAX_COLUMNS, Row, Table
from dsl.explain_text import to_body, to_human, to_plain
from dsl.facts import Question
from dsl.fold import without_profiles
from dsl.kleene import Truth
from dsl.source import SourceText
from dsl.wording import in_words
from tests.dsl import generate
from tests.dsl.generate_questions import Asking
from tests.project import ROOT

FIXTURES = Path(__file__).parent / "fixtures"
slow = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
EXPECTED = FIXTURES / "explanations"


@cache
def pack() -> Compiled:
    files = sorted((ROOT / "policies").rglob("*.charter"))
    return compile_charters([SourceText(file.name, file.read_text("utf-8")) for file in files])


@cache
def shown() -> Compiled:
    file = FIXTURES / "explained.charter"
    return compile_charters([SourceText(file.name, file.read_text("utf-8"))])


def rules(compiled: Compiled) -> list[str]:
    checked, _ = compiled.require()
    return [rule.id for rule in checked.rules]


def explained(compiled: Compiled, rule: str) -> Explanation:
    checked, program = compiled.require()
    return explain(checked, program, compiled.sources, rule)


NAMES = [*rules(pack()), *rules(shown())]


def known(name: str) -> Explanation:
    """A rule of the pack, or of the charter that shows every sentence."""
    return explained(pack() if name in rules(pack()) else shown(), name)


@pytest.mark.parametrize("rule", NAMES)
def test_a_rule_is_explained_as_expected(rule: str) -> None:
    text = to_human(known(rule))
    expected = EXPECTED / f"{rule.replace('/', '.')}.txt"
    if os.environ.get("REWRITE"):
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")


def test_there_are_no_expectations_without_a_rule() -> None:
    assert {file.stem for file in EXPECTED.iterdir()} == {name.replace("/", ".") for name in NAMES}


PROGRAMMERS = re.compile(
    r"\b(boolean|null|None|True|False|formula|predicate|atom|kleene|enum|tuple|operand|NaN)\b"
    r"|[{}\[\]]|==|&&|\|\|"
)


@pytest.mark.parametrize("name", NAMES)
def test_no_word_of_programmers_is_used(name: str) -> None:
    text = (EXPECTED / f"{name.replace('/', '.')}.txt").read_text(encoding="utf-8")
    assert PROGRAMMERS.findall(text) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_form_says_the_same(name: str) -> None:
    one = known(name)
    plain = to_plain(one)
    body = json.dumps(to_body(one), ensure_ascii=False)
    human = " ".join(to_human(one).split())
    for paragraph in one.paragraphs:
        assert " ".join(paragraph.text.split()) in human
        assert paragraph.text in plain
        assert json.dumps(paragraph.text, ensure_ascii=False) in body
    assert len(plain.splitlines()) > len(one.paragraphs)
    # Nothing in a line depends on a column of a table.
    assert "\n\n" not in plain


# --- which rule ----------------------------------------------------------------------


def test_a_short_name_is_enough_where_one_rule_has_it() -> None:
    assert explained(pack(), "protected-destination").rule.startswith("eu.gdpr.transfers/")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("protected-destinaton", "did you mean `protected-destination`"),
        ("eu.gdpr.transfer/protected-destination", "`eu.gdpr.transfers/protected-destination`"),
        ("zzzzzzzz", "there are: eu.ai-act/automatic-logs, "),
        ("", "there is no rule ``"),
        ("x" * 10_000, "there is no rule"),
    ],
)
def test_a_name_that_no_rule_has_is_answered_with_the_nearest(name: str, told: str) -> None:
    with pytest.raises(UnknownRuleError, match=re.escape(told)):
        explained(pack(), name)


def test_a_name_that_several_rules_have_is_answered_with_their_ids() -> None:
    rule = 'rule same "Same" cites ACT art 1 on place permit\n'
    head = '  law ACT "The act"\n  time zone UTC\n  as of 2026-11-22\n'
    one = f'charter a.one\n{head}action place "Place"\n{rule}'
    two = f"charter a.two\n{head}import a.one\n{rule}"
    compiled = compile_charters([SourceText("one", one), SourceText("two", two)])
    with pytest.raises(UnknownRuleError, match=r"write `a\.one/same` or `a\.two/same`"):
        explained(compiled, "same")


# --- truth tables --------------------------------------------------------------------


def matching(table: Table, values: tuple[Truth, ...]) -> list[Row]:
    return [
        row
        for row in table.rows
        if all(value in cell for value, cell in zip(values, row.cells, strict=True))
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_combination_is_in_one_row_with_what_the_definition_says(name: str) -> None:
    table = known(name).table
    assert len(table.columns) <= MAX_COLUMNS
    outcomes: dict[Truth, set[str]] = {}
    for values in product(*(column.values for column in table.columns)):
        facts = {
            column.name: value is Truth.TRUE
            for column, value in zip(table.columns, values, strict=True)
            if value is not Truth.UNKNOWN
        }
        (row,) = matching(table, values)
        outcomes.setdefault(truth(table.formula, Question("", facts, {})), set()).add(row.outcome)
    assert all(len(said) == 1 for said in outcomes.values())
    assert len(outcomes) > 1


@slow
@given(generate.seeds())
def test_the_table_says_of_a_question_what_the_rule_says(seed: int) -> None:
    compiled = compile_charters(generate.sources_of(generate.chance(seed)))
    checked, lowered = compiled.require()
    program = without_profiles(lowered)
    formulas = {rule.id: rule.formula for rule in program.rules}
    tables = {rule.id: explained(compiled, rule.id).table for rule in checked.rules}
    rng, asking = generate.chance(seed, 7), Asking(checked)
    for _ in range(10):
        question = generate.question_of(program, asking.question(rng))
        for rule, table in tables.items():
            values = tuple(truth(column.condition, question) for column in table.columns)
            facts = {
                column.name: value is Truth.TRUE
                for column, value in zip(table.columns, values, strict=True)
                if value is not Truth.UNKNOWN
            }
            own = truth(table.formula, Question("", facts, {}))
            assert own is truth(formulas[rule], question)
            assert len(matching(table, values)) == 1


# --- hostile input -------------------------------------------------------------------

HEAD = """charter a.b
  law ACT "The act"
  time zone UTC
  as of 2026-11-22
action place "Place"
record data from request at context.data
"""


@pytest.mark.parametrize(
    "condition",
    [
        " and ".join(f"data.f{n}" for n in range(300)),
        " or ".join(f"data.f{n}" for n in range(300)),
        "(" * 60 + "data.f0" + ")" * 60,
        "(data.f0 and " * 29 + "(data.f1 or data.f2" + ")" * 30,
        "".join(f"(data.f{2 * n} and (data.f{2 * n + 1} or " for n in range(14))
        + "data.f99"
        + "))" * 14,
        "not " * 60 + "data.f0",
    ],
    ids=["many and", "many or", "brackets", "a deep and", "deep turns", "many not"],
)
def test_a_hostile_condition_has_a_bounded_table(condition: str) -> None:
    fields = "".join(f"  field f{n} yes or no\n" for n in range(300))
    rule = f'rule x "X" cites ACT art 1 on place permit when {condition}\n'
    compiled = compile_charters([SourceText("a", HEAD + fields + rule)])
    began = time.monotonic()
    one = explained(compiled, "x")
    assert to_human(one)
    assert to_plain(one)
    assert len(one.table.columns) <= MAX_COLUMNS
    assert time.monotonic() - began < 20


def test_what_a_terminal_would_obey_is_not_shown() -> None:
    text = "charter a.b\n" + HEAD.partition("\n")[2]
    rule = 'rule x "T\u00adX" cites ACT art 1 on place permit when data.x = "a b"\n'
    text += f"  field x identifier\n{rule}"
    shown_text = to_human(explained(compile_charters([SourceText("a", text)]), "x"))
    assert all(char.isprintable() or char == "\n" for char in shown_text)


# --- words of what is written ---------------------------------------------------------

WRITTEN = {
    "destination.certified": '"certified" is true of the destination',
    "destination.certified = no": '"certified" is not true of the destination',
    "destination.certified is not no": '"certified" is true of the destination',
    "not destination.certified = yes": '"certified" is not true of the destination',
    "not not transfer.assessed": '"Somebody assessed it" is true of the transfer',
    "destination.seat = AT": "the seat of the destination is AT",
    "not destination.seat = AT": "the seat of the destination is not AT",
    "not destination.seat is not AT": "the seat of the destination is AT",
    "destination.seat in {AT, BE, DE}": "the seat of the destination is AT, BE or DE",
    "not destination.seat in {AT}": "the seat of the destination is not AT",
    "not destination.seat in {AT, BE, DE}": "the seat of the destination is none of AT, BE and DE",
    "destination.seat in CORE + {FR}": "the seat of the destination lies in CORE or FR",
    "not destination.seat in CORE": "the seat of the destination does not lie in CORE",
    "destination.countries within CORE + {FR} - {AT}": (
        "the countries of the destination all lie in CORE or FR, but not in AT"
    ),
    "not destination.countries within CORE": (
        "the countries of the destination do not all lie in CORE"
    ),
    "destination.countries touches CORE": (
        "at least one of the countries of the destination lies in CORE"
    ),
    "not destination.countries touches {FR, US}": (
        "none of the countries of the destination is FR or US"
    ),
    "data.labels has health": "the labels of the data include health",
    "not data.labels has health": "the labels of the data do not include health",
    "destination.seal[SOV-1] more than SEAL-1": (
        "the seal of the destination for SOV-1 is more than SEAL-1"
    ),
    "every destination.seal at least SEAL-1": "every seal of the destination is at least SEAL-1",
    "not every destination.seal at least SEAL-1": (
        "not every seal of the destination is at least SEAL-1"
    ),
    "some destination.seal less than SEAL-1": (
        "at least one seal of the destination is less than SEAL-1"
    ),
    "not some destination.seal less than SEAL-1": "no seal of the destination is less than SEAL-1",
    "every destination.open": '"open" is true of the destination in every respect',
    "some destination.open = no": '"open" is not true of the destination in at least one respect',
    "not every destination.open": (
        'it is not so that "open" is true of the destination in every respect'
    ),
    "not some destination.open": '"open" is true of the destination in no respect',
    "destination.share more than 24 %": "the share of the destination is more than 24 percent",
    "not transfer.persons at most 10 000 persons": (
        "the persons of the transfer is not at most 10 000 persons"
    ),
    "transfer.ends on or before today - 1 week": (
        'the date "ends" of the transfer is on or before today minus 1 week'
    ),
    "transfer.ends = 2027-01-12": 'the date "ends" of the transfer is 2027-01-12',
    "transfer.ends within 30 days": ('the date "ends" of the transfer is within the last 30 days'),
    "not transfer.ends within the next 30 days": (
        'the date "ends" of the transfer is not within the next 30 days'
    ),
    "today before 2027-01-12": "today is before 2027-01-12",
    "not today before 2027-01-12": "it is not so that today is before 2027-01-12",
    "not (destination.certified and data.labels has health)": (
        '"certified" is not true of the destination or the labels of the data do not include health'
    ),
}


@pytest.mark.parametrize("condition", WRITTEN)
def test_a_condition_as_written_in_words(condition: str) -> None:
    text = (FIXTURES / "explained.charter").read_text(encoding="utf-8").partition("\nrule ")[0]
    text += f'\nrule x "X" cites ACT art 1 on place permit when {condition}\n'
    paragraphs = explained(compile_charters([SourceText("x", text)]), "x").paragraphs
    assert paragraphs[0].text.partition("It applies when ")[2] == f"{WRITTEN[condition]}."


# --- words of the core ---------------------------------------------------------------


def fact(
    path: str, kind: Kind, title: str = "", unit: str | None = None, scale: int = 0
) -> FactType:
    return FactType(path, kind, Origin.REQUEST, (), title, unit=unit, scale=scale)


FACTS = (
    fact("data.labels", Kind.TERMS),
    fact("destination.dpf_coverage", Kind.TERMS),
    fact("ai.area", Kind.TERM),
    fact("transfer.assessed", Kind.TRUTH),
    fact("data.sealed", Kind.TRUTH, title="It is sealed"),
    fact("csf.seal[SOV-2]", Kind.TERM),
    fact("site.share", Kind.INTEGER, scale=2, unit="percent"),
    fact("site.persons", Kind.INTEGER, unit="persons"),
    fact("contract.ends", Kind.DAY),
)
PROGRAM = Program({one.path: one for one in FACTS}, (), (), ())
A, B = OneOf("ai.area", ("none",)), Holds("data.sealed")
WORDS: dict[str, Condition] = {
    "the area of the AI is none": A,
    "the area of the AI is not none": Not(A),
    "the area of the AI is a, b or c": OneOf("ai.area", ("a", "b", "c")),
    "the area of the AI is neither a nor b": Not(OneOf("ai.area", ("a", "b"))),
    "the area of the AI is none of a, b and c": Not(OneOf("ai.area", ("a", "b", "c"))),
    'the area of the AI is "two words"': OneOf("ai.area", ("two words",)),
    "the area of the AI is a, b, c, d, e, f or 2 more": OneOf("ai.area", tuple("abcdefgh")),
    "the seal of the csf for SOV-2 is SEAL-2": OneOf("csf.seal[SOV-2]", ("SEAL-2",)),
    "the labels of the data include x": Touches("data.labels", ("x",)),
    "the labels of the data do not include any of x or y": Not(Touches("data.labels", ("x", "y"))),
    "the labels of the data are all among x and y": Within("data.labels", ("x", "y")),
    "the labels of the data are not all among x": Not(Within("data.labels", ("x",))),
    "the dpf coverage of the destination includes hr": Touches("destination.dpf_coverage", ("hr",)),
    "not all of the dpf coverage of the destination is among hr": Not(
        Within("destination.dpf_coverage", ("hr",))
    ),
    '"It is sealed" is true of the data': B,
    '"It is sealed" is not true of the data': Not(B),
    '"assessed" is true of the transfer': Holds("transfer.assessed"),
    "the share of the site is at least 24.50 percent": AtLeast("site.share", 2450),
    "the share of the site is less than 0.01 percent": Not(AtLeast("site.share", 1)),
    "the persons of the site is at least 1 person": AtLeast("site.persons", 1),
    "the persons of the site is at least 10 000 persons": AtLeast("site.persons", 10_000),
    'the date "ends" of the contract is on or after 2026-11-22': AtLeast("contract.ends", 20779),
    'the date "ends" of the contract is before today plus 30 days': Not(
        NotBefore("contract.ends", "UTC", 30)
    ),
    'the date "ends" of the contract is on or after today minus 1 day': NotBefore(
        "contract.ends", "UTC", -1
    ),
    "the area of the AI is not known": Not(Known("ai.area")),
    'it is known whether "It is sealed" is true of the data': Known("data.sealed"),
    "today, in UTC, is from 2018-05-25": InForce("UTC", 17676, None),
    "today, in UTC, is not from 1970-01-01 until 1970-01-02": Not(InForce("UTC", 0, 1)),
    "always": Constant(value=True),
    "never": Not(Constant(value=True)),
    'the area of the AI is none and "It is sealed" is true of the data': core.And((A, B)),
    'the area of the AI is none or (the area of the AI is not none and "It is sealed" is true of '
    "the data)": core.Or((A, core.And((Not(A), B)))),
}


@pytest.mark.parametrize("words", WORDS)
def test_a_condition_of_the_core_in_words(words: str) -> None:
    assert in_words(WORDS[words], PROGRAM) == words


def test_a_field_of_a_list_has_words_though_it_is_no_fact() -> None:
    fields = {"share": fact("holders.share", Kind.INTEGER, scale=2, unit="percent")}
    lists = {"site.holders": core.ListType("site.holders", Origin.CATALOGUE, (), "", fields)}
    program = Program({}, (), (), (), lists=lists)
    assert (
        in_words(AtLeast("holders.share", 2400), program)
        == "the share of the holders is at least 24.00 percent"
    )


@slow
@given(generate.seeds())
def test_every_condition_of_every_program_has_words(seed: int) -> None:
    _, program = compile_charters(generate.sources_of(generate.chance(seed))).require()
    for rule in program.rules:
        for condition in (rule.formula, *(duty.condition for duty in rule.duties)):
            assert in_words(condition, program).isprintable()
            assert in_words(core.opposite(condition), program) != in_words(condition, program)
