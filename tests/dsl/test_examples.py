"""Inline examples: which questions they become, and when they hold."""

from collections.abc import Mapping

import pytest

from dsl.compile import compile_charters
from dsl.evaluate import evaluate
from dsl.examples import IMPLICIT_PERMIT, Case, UnknownFixtureError, cases, failure, of_charter
from dsl.source import SourceText
from tests.dsl.mistake_files import BASE

HEAD = """charter test.examples
  law GDPR "Regulation (EU) 2016/679"
  as of 2026-11-22
import base
"""
STAY = """rule stay "Personal data stays"
  cites GDPR art 44
  in force from 2018-05-25
  on place, flow
  when data.labels has personal
  require destination.countries within EEA
  except clauses "Contract clauses"
    cites GDPR art 46
    when transfer.mechanism = scc-m2
    oblige keep-record
  because "It stays."
  remedy "Choose another site."
"""
FIXTURES: dict[str, dict[str, dict[str, object]]] = {
    "site": {
        "fr/paris": {"countries": ["FR"], "operator_country": "FR"},
        "us/east": {"countries": ["US"]},
        "nobody/knows": {"countries": ["US", "Atlantis"]},
    }
}


def made(
    text: str, fixtures: Mapping[str, Mapping[str, Mapping[str, object]]] = FIXTURES
) -> list[Case]:
    compiled = compile_charters([BASE, SourceText("examples.charter", HEAD + text)])
    model, program = compiled.require()
    return list(cases(model, program, fixtures))


def failures(text: str) -> list[str | None]:
    return [failure(case, evaluate(case.program, case.question)) for case in made(text)]


def example(outcome: str, *lines: str) -> str:
    return STAY + f'  example "E" is {outcome}\n' + "".join(f"    {line}\n" for line in lines)


HEALTH, PARIS, VIRGINIA = (
    "data.labels = {health}",
    "destination = fr/paris",
    "destination = us/east",
)

HOLDS = [
    ("permitted", (HEALTH, PARIS)),
    ("denied", (HEALTH, VIRGINIA, "transfer.mechanism = none")),
    ("undetermined", (HEALTH, VIRGINIA)),
    ("undetermined", (HEALTH, VIRGINIA, "transfer.mechanism = unknown")),
    ("undetermined", (VIRGINIA, "transfer.mechanism = none")),
    ("undetermined", (HEALTH, "destination = nobody/knows", "transfer.mechanism = none")),
    ("permitted", ("data.labels = {public}", VIRGINIA)),
    ("permitted with keep-record", (HEALTH, VIRGINIA, "transfer.mechanism = scc-m2")),
    ("permitted", (HEALTH, PARIS, "transfer.mechanism = scc-m2")),
    ("permitted", (HEALTH, VIRGINIA, "as of 2018-05-24")),
    ("denied", (HEALTH, VIRGINIA, "as of 2018-05-25", "transfer.mechanism = none")),
    # What an example states itself counts before the catalogue.
    ("permitted", (HEALTH, VIRGINIA, "destination.countries = {AT}")),
    ("denied", ("destination.countries = {US}", HEALTH, PARIS, "transfer.mechanism = none")),
    (
        "undetermined",
        (HEALTH, VIRGINIA, "destination.countries = unknown", "transfer.mechanism = none"),
    ),
]


@pytest.mark.parametrize(("outcome", "lines"), HOLDS)
def test_an_example_that_is_true_holds(outcome: str, lines: tuple[str, ...]) -> None:
    assert failures(example(outcome, *lines)) == [None, None]


FAILS = [
    ("denied", (HEALTH, PARIS), "expected denied, got permit"),
    (
        "permitted",
        (HEALTH, VIRGINIA, "transfer.mechanism = none"),
        "expected permitted, got forbidden by test.examples/stay",
    ),
    (
        "denied",
        (HEALTH, VIRGINIA),
        "expected denied, got undetermined by test.examples/stay; not known: transfer.mechanism",
    ),
    (
        "undetermined",
        (HEALTH, VIRGINIA, "transfer.mechanism = none"),
        "expected undetermined, got forbidden by test.examples/stay",
    ),
    (
        "permitted",
        (HEALTH, VIRGINIA, "transfer.mechanism = scc-m2"),
        "expected obligations none, got keep-record",
    ),
    (
        "permitted with keep-record, tell-officer",
        (HEALTH, VIRGINIA, "transfer.mechanism = scc-m2"),
        "expected obligations keep-record, tell-officer, got keep-record",
    ),
    (
        "permitted with keep-record",
        (HEALTH, PARIS),
        "expected obligations keep-record, got none",
    ),
]


@pytest.mark.parametrize(("outcome", "lines", "why"), FAILS)
def test_an_example_that_is_false_says_why(outcome: str, lines: tuple[str, ...], why: str) -> None:
    assert failures(example(outcome, *lines)) == [why, why]


def test_an_example_runs_on_every_action_of_its_rule() -> None:
    assert [case.question.action for case in made(example("permitted", HEALTH, PARIS))] == [
        "flow",
        "place",
    ]


def test_an_example_can_choose_one_action() -> None:
    found = made(example("permitted", HEALTH, PARIS, "for place"))
    assert [case.question.action for case in found] == ["place"]
    assert found[0].name == 'test.examples/stay "E" [place]'
    assert found[0].span.text.startswith('example "E"')


def test_facts_of_the_catalogue_pass_the_same_door_as_all() -> None:
    (case, _) = made(example("undetermined", HEALTH, "destination = nobody/knows"))
    assert case.question.facts == {"data.labels": ("health", "personal", "special-category")}


def test_a_place_that_no_fixture_has_is_an_error_at_its_example() -> None:
    with pytest.raises(UnknownFixtureError, match="no site `mars/crater`") as caught:
        made(example("denied", HEALTH, "destination = mars/crater"))
    assert caught.value.span.text.startswith('example "E"')


def test_no_fixtures_at_all_is_the_same_error() -> None:
    with pytest.raises(UnknownFixtureError):
        made(example("permitted", HEALTH, PARIS), {})


PERMIT = """rule enter "Some may"
  cites GDPR art 6
  on place
  when transfer.assessed
  permit
"""


@pytest.mark.parametrize(
    ("outcome", "line", "holds"),
    [
        ("permitted", "transfer.assessed = yes", True),
        ("denied", "transfer.assessed = no", True),
        ("undetermined", "transfer.assessed = unknown", True),
        ("permitted", "transfer.assessed = no", False),
        ("denied", "transfer.assessed = unknown", False),
    ],
)
def test_a_permission_is_tested_without_the_implicit_permit(
    outcome: str, line: str, holds: bool
) -> None:
    (found,) = failures(f'{PERMIT}  example "E" is {outcome}\n    {line}\n')
    assert (found is None) is holds


def test_uncovered_is_not_denied_where_everything_else_is_permitted() -> None:
    (case, _) = made(example("denied", HEALTH, PARIS))
    nothing = of_charter(case.program, "test.examples", implicit_permit=False)
    assert failure(case, evaluate(nothing, case.question)) == "expected denied, got uncovered"


def test_rules_of_other_charters_take_no_part() -> None:
    other = SourceText(
        "other.charter",
        HEAD.replace("test.examples", "test.examples-too")
        + STAY.replace("require destination.countries within EEA", "forbid"),
    )
    text = HEAD + example("permitted", HEALTH, PARIS)
    compiled = compile_charters([BASE, SourceText("examples.charter", text), other])
    model, program = compiled.require()
    (case, _) = cases(model, program, FIXTURES)
    assert {rule.id for rule in case.program.rules} == {IMPLICIT_PERMIT, "test.examples/stay"}
    assert failure(case, evaluate(case.program, case.question)) is None


def test_the_implicit_permit_is_a_rule_among_sorted_rules() -> None:
    (case, _) = made(example("permitted", HEALTH, PARIS))
    ids = [rule.id for rule in case.program.rules]
    assert ids == sorted(ids)
    assert IMPLICIT_PERMIT in ids
