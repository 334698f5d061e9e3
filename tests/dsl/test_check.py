"""Tree to model: which relations go with which facts, and what becomes of clauses."""

import pytest

from dsl import model
from dsl.compile import Compiled, compile_charters
from dsl.core import Citation, Due, DueUnit, InForce
from dsl.source import SourceText
from dsl.tree import Expected
from tests.dsl.mistake_files import BASE

HEAD = """charter test.check
  law GDPR "Regulation (EU) 2016/679" celex 32016R0679
  law GUIDE "Guidelines" url "https://example.org/guide"
  law PAPER "A paper"
  time zone Europe/Brussels
  as of 2026-11-22
import base
"""


def compiled(text: str) -> Compiled:
    return compile_charters([BASE, SourceText("check.charter", HEAD + text)])


def rule(text: str) -> model.Rule:
    checked, _ = compiled(text).require()
    return checked.rules[0]


PERMIT = 'rule r "R"\n  cites GDPR art 44\n  on place\n  permit\n'

PATHS = {
    "truth": "transfer.assessed",
    "term": "transfer.mechanism",
    "name": "data.owner",
    "terms": "data.labels",
    "number": "transfer.assessment_age",
}
OPERANDS = {
    "": {"truth"},
    "= yes": {"truth"},
    "is not no": {"truth"},
    "= none": {"term", "name"},
    "is not none": {"term", "name"},
    "in {none}": {"term", "name"},
    "has public": {"terms"},
    "within {public}": {"terms"},
    "touches {public}": {"terms"},
    "= 3 days": {"number"},
    "is not 3 days": {"number"},
    "at least 3 days": {"number"},
    "at most 3 days": {"number"},
    "more than 3 days": {"number"},
    "less than 3 days": {"number"},
    "at least 3": set[str](),
    "at least 3 hours": set[str](),
    "in {yes}": set[str](),
    "in {3 days}": set[str](),
    "in {}": set[str](),
    "= 7": set[str](),
}


@pytest.mark.parametrize("operand", OPERANDS)
@pytest.mark.parametrize("kind", PATHS)
def test_a_relation_goes_with_some_kinds_of_fact_only(kind: str, operand: str) -> None:
    found = compiled(f"{PERMIT}  when {PATHS[kind]} {operand}\n")
    assert (found.program is not None) is (kind in OPERANDS[operand])
    assert len(found.errors) == (kind not in OPERANDS[operand])


@pytest.mark.parametrize(
    ("effect", "expected"),
    [
        ("permit", model.Effect.PERMIT),
        ("forbid", model.Effect.FORBID),
        ("require transfer.assessed", model.Effect.REQUIRE),
        ("oblige keep-record", model.Effect.OBLIGE),
    ],
)
def test_a_rule_has_one_effect(effect: str, expected: model.Effect) -> None:
    text = f'rule r "R"\n  cites GDPR art 44\n  on place\n  {effect}\n  because "B"\n  remedy "R"\n'
    assert rule(text).effect is expected


def test_every_clause_arrives_in_the_model() -> None:
    made = rule(
        'rule r "Title"\n'
        "  cites GDPR art 46(2)(c) cites GUIDE point 3 cites PAPER chapter V\n"
        "  in force from 2018-05-25 until 2030-01-01\n"
        "  on flow, place, flow\n"
        "  when transfer.assessed\n"
        "  require destination.countries within EEA\n"
        "  oblige tell-officer\n"
        '  except way "Way"\n'
        "    cites GDPR art 49 in force until 2020-01-01 when transfer.mechanism = none\n"
        "    oblige keep-record within 1 day\n"
        '  because "One." "Two."\n'
        '  remedy "First." remedy "Second."\n'
    )
    brussels = "Europe/Brussels"
    assert (made.id, made.charter, made.title) == ("test.check/r", "test.check", "Title")
    assert made.actions == ("flow", "place")
    assert made.in_force == InForce(brussels, 17676, 21915)
    assert (made.because, made.remedies) == ("One. Two.", ("First.", "Second."))
    assert made.obliges == (model.Oblige("tell-officer", "Tell the data protection officer", None),)
    (way,) = made.exceptions
    assert (way.id, way.title, way.in_force) == (
        "test.check/r/way",
        "Way",
        InForce(brussels, None, 18262),
    )
    day = Due(1, DueUnit.DAYS)
    assert way.obliges == (model.Oblige("keep-record", "Keep a record of the transfer", day),)
    assert [citation.locator for citation in way.citations] == ["art 49"]
    eur_lex = "https://eur-lex.europa.eu/legal-content/EN/TXT/?uri=CELEX:32016R0679"
    assert made.citations == (
        Citation("GDPR", "Regulation (EU) 2016/679", "art 46(2)(c)", "32016R0679", eur_lex),
        Citation("GUIDE", "Guidelines", "point 3", None, "https://example.org/guide"),
        Citation("PAPER", "A paper", "chapter V", None, None),
    )


def test_a_rule_without_dates_is_always_in_force() -> None:
    assert rule(PERMIT).in_force == InForce("Europe/Brussels", None, None)
    assert (rule(PERMIT).when, rule(PERMIT).require) == (None, None)


EXAMPLE = PERMIT + '  example "E" is {outcome}\n'


@pytest.mark.parametrize(
    ("line", "path", "raw"),
    [
        ("transfer.assessed = yes", "transfer.assessed", True),
        ("transfer.assessed = no", "transfer.assessed", False),
        ("transfer.assessed = unknown", "transfer.assessed", None),
        ("transfer.mechanism = none", "transfer.mechanism", "none"),
        ('transfer.mechanism = "other tool"', "transfer.mechanism", "other tool"),
        ("transfer.assessment_age = 365 days", "transfer.assessment_age", 365),
        ("data.labels = {health, public}", "data.labels", ["health", "public"]),
        ("destination.certificates = {}", "destination.certificates", []),
        ("data.owner = aws/eu", "data.owner", "aws/eu"),
        ("data.owner = CLINIC", "data.owner", "CLINIC"),
    ],
)
def test_an_example_states_raw_values(line: str, path: str, raw: object) -> None:
    (example,) = rule(EXAMPLE.format(outcome=f"denied\n    {line}")).examples
    assert example.given == {path: raw}
    assert example.expected is Expected.DENIED


@pytest.mark.parametrize(
    "line",
    [
        "transfer.assessed = none",
        "transfer.mechanism = yes",
        "transfer.mechanism = {none}",
        "transfer.assessment_age = 3 hours",
        "transfer.assessment_age = {3 days}",
        "data.labels = {}",
        "data.labels = {3}",
        "data.owner = null",
        'data.owner = ""',
        "destination = {aws/eu}",
        "nowhere = aws/eu",
    ],
)
def test_an_example_cannot_state_what_no_fact_is(line: str) -> None:
    found = compiled(EXAMPLE.format(outcome=f"denied\n    {line}"))
    assert len(found.errors) == 1
    assert found.errors[0].span.text in line


def test_an_example_has_its_day_its_action_and_its_place() -> None:
    text = EXAMPLE.replace("on place", "on place, flow").format(
        outcome="permitted with tell-officer, keep-record\n    as of 2018-05-25\n    for flow\n"
        "    destination = aws/us-east-1"
    )
    (example,) = rule(text).examples
    assert example.day == 17676
    assert example.actions == ("flow",)
    assert example.entities == {"destination": "aws/us-east-1"}
    assert example.obligations == ("keep-record", "tell-officer")


def test_an_example_falls_back_on_the_day_of_the_head() -> None:
    (example,) = rule(EXAMPLE.format(outcome="undetermined")).examples
    assert (example.day, example.actions) == (20779, ("place",))
    assert example.expected is Expected.UNDETERMINED


def test_a_place_of_an_example_can_be_unknown() -> None:
    (example,) = rule(EXAMPLE.format(outcome="denied\n    destination = unknown")).examples
    assert (example.given, example.entities) == ({}, {})


def test_a_rule_with_an_error_hides_no_error_of_another() -> None:
    found = compiled(
        PERMIT.replace("GDPR", "GPDR")
        + PERMIT.replace("rule r", "rule s").replace("place", "plaice")
        + PERMIT.replace("rule r", "rule t")
        + "  when data.lables has public and data.labels\n"
    )
    assert [d.code for d in found.errors] == ["CH0216", "CH0205", "CH0201", "CH0203"]


@pytest.mark.parametrize(
    "broken",
    [
        "record extra from nobody at context.extra\n  field size number of days\n",
        "record extra from request at context.extra\n  field size number of dais\n",
        "record extra from request at nowhere.extra\n  field size number of days\n",
        "record extra is sight from catalogue at context.extra on place\n",
    ],
)
def test_a_use_of_something_broken_is_no_second_error(broken: str) -> None:
    use = PERMIT + "  when extra.size at least 3 days\n"
    assert len(compiled(broken + use).errors) == 1


def test_an_import_that_leads_nowhere_is_the_only_error_of_its_file() -> None:
    text = HEAD.replace("import base", "import bass") + PERMIT + "  when data.labels has x\n"
    found = compile_charters([BASE, SourceText("check.charter", text)])
    assert [d.code for d in found.errors] == ["CH0208"]


def test_a_name_from_a_charter_that_is_not_imported_is_unknown() -> None:
    text = HEAD.replace("import base\n", "") + PERMIT
    found = compile_charters([BASE, SourceText("check.charter", text)])
    assert [d.code for d in found.errors] == ["CH0205"]
