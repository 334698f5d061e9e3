"""Lowering gives one form, and each construct its own."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsl.compile import compile_charters
from dsl.core import And, AtLeast, Condition, Constant, Holds, InForce, Not, OneOf, Or, Rule, atoms
from dsl.evaluate import evaluate, truth
from dsl.facts import Question
from dsl.kleene import Truth
from dsl.lower import conjunction, disjunction
from dsl.source import SourceText
from dsl.wellformed import check_program
from tests.dsl import generate
from tests.dsl.mistake_files import BASE

HEAD = """charter test.lower
  law GDPR "Regulation (EU) 2016/679"
  time zone Europe/Brussels
  as of 2026-11-22
import base
"""


def rules(text: str) -> dict[str, Rule]:
    compiled = compile_charters([BASE, SourceText("lower.charter", HEAD + text)])
    assert compiled.errors == ()
    _, program = compiled.require()
    return {rule.id.partition("/")[2]: rule for rule in program.rules}


def formula(condition: str) -> Condition:
    text = f'rule r "R"\n  cites GDPR art 44\n  on place\n  permit\n  when {condition}\n'
    return rules(text)["r"].formula


# --- one form; the oracle is in `tests/properties/test_lowering.py` --------------------


@settings(max_examples=150, deadline=None)
@given(generate.sources())
def test_every_program_is_well_formed_and_in_one_form(sources: list[SourceText]) -> None:
    _, program = compile_charters(sources).require()
    check_program(program)
    for rule in program.rules:
        for condition in (rule.formula, *(duty.condition for duty in rule.duties)):
            assert list(_faults(condition)) == []


def _faults(condition: Condition) -> list[str]:
    """What is not in the one form: flat, without repeats, `not` only before atoms."""
    if isinstance(condition, Not):
        return ["not before no atom"] if isinstance(condition.operand, (And, Or, Not)) else []
    if not isinstance(condition, (And, Or)):
        return []
    kind = type(condition)
    faults = ["of one operand"] if len(condition.operands) < 2 else []
    faults += ["not flat" for part in condition.operands if isinstance(part, kind)]
    faults += ["constant" for part in condition.operands if isinstance(part, Constant)]
    faults += ["repeat"] if len(set(condition.operands)) < len(condition.operands) else []
    return faults + [fault for part in condition.operands for fault in _faults(part)]


@settings(max_examples=100, deadline=None)
@given(generate.sources(), st.data())
def test_white_space_carries_no_meaning(sources: list[SourceText], data: st.DataObject) -> None:
    spaces = st.sampled_from([" ", "  ", "\n", "\t", "\r\n", " \n\n "])
    seed = data.draw(st.lists(spaces, min_size=7, max_size=7))
    respaced = [SourceText(s.name, _respaced(s.text, seed)) for s in sources]
    assert compile_charters(respaced).program == compile_charters(sources).program


def _respaced(text: str, spaces: list[str]) -> str:
    pieces = re.split(r'("[^"\n]*")', text)
    count = 0
    for number in range(0, len(pieces), 2):
        words = re.split(r"\s+", pieces[number])
        out = words[0]
        for word in words[1:]:
            out += spaces[count % len(spaces)] + word
            count += 1
        pieces[number] = out
    return "".join(pieces)


# --- spellings -----------------------------------------------------------------------

SAME = [
    ("not transfer.mechanism = scc-m1", "transfer.mechanism is not scc-m1"),
    ("transfer.mechanism = scc-m1", "transfer.mechanism in {scc-m1}"),
    ("transfer.mechanism in {scc-m1, scc-m2}", "transfer.mechanism in {scc-m2, scc-m1}"),
    ("transfer.mechanism in {scc-m1} + {scc-m2}", "transfer.mechanism in {scc-m2, scc-m1}"),
    ("transfer.mechanism in {scc-m1, scc-m1}", "transfer.mechanism = scc-m1"),
    ("transfer.mechanism = scc-m1", 'transfer.mechanism = "scc-m1"'),
    ("transfer.assessment_age more than 5 days", "transfer.assessment_age at least 6 days"),
    ("transfer.assessment_age less than 6 days", "transfer.assessment_age at most 5 days"),
    ("transfer.assessment_age at most 1 day", "transfer.assessment_age at most 1 days"),
    (
        "not transfer.assessment_age at least 6 days",
        "transfer.assessment_age at most 5 days",
    ),
    ("transfer.assessment_age at least 6 days", "not transfer.assessment_age less than 6 days"),
    ("not transfer.assessment_age = 5 days", "transfer.assessment_age is not 5 days"),
    ("transfer.assessment_age at most 007 days", "transfer.assessment_age at most 7 days"),
    ("transfer.assessed", "transfer.assessed = yes"),
    ("not transfer.assessed", "transfer.assessed = no"),
    ("transfer.assessed is not yes", "transfer.assessed = no"),
    ("transfer.assessed is not no", "transfer.assessed"),
    ("data.labels has personal", "data.labels touches {personal}"),
    ("not not transfer.assessed", "transfer.assessed"),
    ("((transfer.assessed))", "transfer.assessed"),
    (
        "transfer.assessed and (data.labels has personal and data.labels has health)",
        "transfer.assessed and data.labels has personal and data.labels has health",
    ),
    (
        "not (transfer.assessed and data.labels has personal)",
        "not transfer.assessed or not data.labels has personal",
    ),
    (
        "not (transfer.assessed or data.labels has personal)",
        "not transfer.assessed and not data.labels has personal",
    ),
    ("transfer.assessed and transfer.assessed", "transfer.assessed"),
    ("destination.countries within EEA", "destination.countries within {NO, FR, DE, BE, AT}"),
    ("destination.countries within EEA + {AT}", "destination.countries within EEA"),
    ("destination.countries within ADEQUATE + EEA", "destination.countries within EEA + ADEQUATE"),
    (
        "destination.countries within {BR, GB} + ADEQUATE",
        "destination.countries within {GB, BR}",
    ),
    ("data.kind in {personal}", "data.kind in {personal, health, special-category}"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_two_spellings_of_a_condition_are_one_core(one: str, other: str) -> None:
    assert formula(one) == formula(other)


DIFFERENT = [
    ("transfer.assessment_age more than 5 days", "transfer.assessment_age at least 5 days"),
    ("transfer.assessment_age less than 5 days", "transfer.assessment_age at most 5 days"),
    ("destination.countries within EEA", "destination.countries touches EEA"),
    ("destination.countries within EEA", "destination.countries within EEA + ADEQUATE"),
    ("destination.countries within {BR, GB}", "destination.countries within ADEQUATE"),
    ("data.labels has health", "data.labels has personal"),
    ("data.kind = personal", "data.kind = health"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_two_conditions_that_mean_different_things_differ(one: str, other: str) -> None:
    assert formula(one) != formula(other)


def test_a_broader_term_of_one_value_holds_the_narrower_ones() -> None:
    assert formula("data.kind = special-category") == OneOf(
        "data.kind", ("health", "special-category")
    )


def test_the_largest_number_has_a_core() -> None:
    assert formula("transfer.assessment_age more than 9007199254740991 days") == AtLeast(
        "transfer.assessment_age", 2**53
    )


# --- days ----------------------------------------------------------------------------

BR_FIRST, GB_FIRST, GB_LAST = 20479, 18806, 22640
DAYS = [
    ("BR", BR_FIRST - 1, Truth.FALSE),
    ("BR", BR_FIRST, Truth.TRUE),
    ("BR", BR_FIRST + 40_000, Truth.TRUE),
    ("GB", GB_FIRST - 1, Truth.FALSE),
    ("GB", GB_FIRST, Truth.TRUE),
    ("GB", GB_LAST, Truth.TRUE),
    ("GB", GB_LAST + 1, Truth.FALSE),
    ("AT", -700_000, Truth.TRUE),
    ("AT", 2_900_000, Truth.TRUE),
    ("US", GB_FIRST, Truth.FALSE),
]


@pytest.mark.parametrize(("country", "day", "expected"), DAYS)
@pytest.mark.parametrize(
    ("condition", "path"),
    [
        ("destination.countries within EEA + ADEQUATE", "destination.countries"),
        ("destination.countries touches EEA + ADEQUATE", "destination.countries"),
        ("destination.operator_country in EEA + ADEQUATE", "destination.operator_country"),
    ],
)
def test_a_member_belongs_from_its_first_to_its_last_day(
    condition: str, path: str, country: str, day: int, expected: Truth
) -> None:
    value = country if path.endswith("operator_country") else (country,)
    question = Question("place", {path: value}, {"UTC": day, "Europe/Brussels": day})
    assert truth(formula(condition), question) is expected


@pytest.mark.parametrize(
    ("day", "expected"), [(GB_FIRST - 1, Truth.FALSE), (GB_FIRST, Truth.UNKNOWN)]
)
def test_nothing_touches_a_zone_before_its_first_member(day: int, expected: Truth) -> None:
    question = Question("place", {}, {"UTC": day, "Europe/Brussels": day})
    assert truth(formula("destination.countries touches ADEQUATE"), question) is expected


@pytest.mark.parametrize(
    ("clause", "days"),
    [
        ("in force from 2026-01-26", {20478: False, 20479: True, 99999: True}),
        ("in force until 2026-01-26", {-9999: True, 20479: True, 20480: False}),
        (
            "in force from 2026-01-26 until 2026-01-26",
            {20478: False, 20479: True, 20480: False},
        ),
        ("in force until 2026-01-28 from 2026-01-26", {20478: False, 20481: True, 20482: False}),
        ("", {-9999: True, 0: True, 99999: True}),
    ],
)
def test_a_rule_is_in_force_from_its_first_to_its_last_day(
    clause: str, days: dict[int, bool]
) -> None:
    text = f'rule r "R"\n  cites GDPR art 44\n  on place\n  permit\n  {clause}\n'
    rule = rules(text)["r"]
    for day, expected in days.items():
        question = Question("place", {}, {"Europe/Brussels": day})
        assert truth(rule.formula, question) is Truth.of(expected)


def test_a_rule_without_dates_has_none_in_its_formula() -> None:
    assert formula("transfer.assessed") == Holds("transfer.assessed")


def test_a_zone_keeps_the_time_zone_of_its_own_charter() -> None:
    formulas = formula("destination.countries within ADEQUATE")
    zones = {atom.time_zone for atom in atoms(formulas) if isinstance(atom, InForce)}
    assert zones == {"UTC"}


# --- duties --------------------------------------------------------------------------

DUTIES = """rule r "R"
  cites GDPR art 44
  on place
  when data.labels has personal
  {effect}
  oblige tell-officer
  except way "W"
    cites GDPR art 46
    when transfer.assessed
    oblige keep-record within 3 days
  because "B."
  remedy "R."
rule all "A"
  cites GDPR art 44
  on place
  permit
"""


@pytest.mark.parametrize(
    ("effect", "assessed", "expected"),
    [
        ("require destination.countries within EEA", True, {"r#tell-officer", "r/way#keep-record"}),
        ("forbid", True, {"r#tell-officer", "r/way#keep-record"}),
        ("permit", True, {"r/way#keep-record"}),
        ("permit", False, {"r#tell-officer"}),
        ("permit", None, {"r#tell-officer", "r/way#keep-record"}),
        ("", True, {"r/way#keep-record"}),
        ("", False, {"r#tell-officer"}),
        ("", None, {"r#tell-officer", "r/way#keep-record"}),
    ],
)
def test_duties_follow_the_effect_and_the_exception(
    effect: str, assessed: bool | None, expected: set[str]
) -> None:
    compiled = compile_charters(
        [BASE, SourceText("lower.charter", HEAD + DUTIES.format(effect=effect))]
    )
    _, program = compiled.require()
    facts = {"data.labels": ("personal",), "destination.countries": ("US",)}
    known = {} if assessed is None else {"transfer.assessed": assessed}
    question = Question("place", {**facts, **known}, {"UTC": 0, "Europe/Brussels": 0})
    answer = evaluate(program, question)
    assert {duty.removeprefix("test.lower/") for duty in answer.duties} == expected


def test_a_duty_of_a_requirement_that_is_met_needs_no_exception() -> None:
    text = DUTIES.format(effect="require destination.countries within EEA")
    _, program = compile_charters([BASE, SourceText("lower.charter", HEAD + text)]).require()
    facts = {
        "data.labels": ("personal",),
        "destination.countries": ("AT",),
        "transfer.assessed": True,
    }
    question = Question("place", facts, {"UTC": 0, "Europe/Brussels": 0})
    assert evaluate(program, question).duties == {"test.lower/r#tell-officer"}


# --- the one form --------------------------------------------------------------------

A, B = OneOf("a.a", ("x",)), OneOf("a.b", ("x",))
YES, NO = Constant(value=True), Constant(value=False)


@pytest.mark.parametrize(
    ("operands", "joined", "parted"),
    [
        ([], YES, NO),
        ([A], A, A),
        ([A, A], A, A),
        ([A, B], And((A, B)), Or((A, B))),
        ([A, YES], A, YES),
        ([A, NO], NO, A),
        ([And((A, B)), A], And((A, B)), Or((And((A, B)), A))),
        ([Or((A, B)), A], And((Or((A, B)), A)), Or((A, B))),
        ([A, Not(A)], And((A, Not(A))), Or((A, Not(A)))),
    ],
)
def test_conjunctions_and_disjunctions_have_one_form(
    operands: list[Condition], joined: Condition, parted: Condition
) -> None:
    assert conjunction(operands) == joined
    assert disjunction(operands) == parted
