"""Inline examples of the whole language: reasons, advice, preferences, maps, lists, dates."""

import pytest

from dsl.compile import compile_charters
from dsl.core import Level
from dsl.evaluate import evaluate
from dsl.examples import Case, cases, failure
from dsl.fold import paths_read
from dsl.source import SourceText
from tests.dsl.test_lower_whole import HEAD, WORDS

FIXTURES: dict[str, dict[str, dict[str, object]]] = {
    "site": {
        "eu/one": {
            "holders": [
                {"country": "DE", "share": "60", "since": "2020-01-01"},
                {"country": "US", "share": "24.5", "since": "2026-06-01"},
            ],
            "seal[SOV-1]": "SEAL-3",
            "seal[SOV-2]": "SEAL-2",
            "load": "12.5",
        },
        "eu/two": {"holders": [{"country": "US", "share": "10"}, {"country": "US"}]},
        "eu/three": {"holders": []},
    }
}


def made(text: str) -> list[Case]:
    files = [SourceText("wide.charter", WORDS), SourceText("test.charter", HEAD + text)]
    compiled = compile_charters(files)
    assert [d.message for d in compiled.errors] == []
    model, program = compiled.require()
    return list(cases(model, program, FIXTURES))


def outcome(text: str) -> str | None:
    (case,) = made(text)
    return failure(case, evaluate(case.program, case.question))


def example(expected: str, *lines: str) -> str:
    return f'  example "E" is {expected}\n' + "".join(f"    {line}\n" for line in lines)


OWNERS = """rule owners "Owners sit here"
  cites GDPR art 44
  level warn
  on place
  require destination.non_eu_share at most 24 %
  except renewed "The contract runs on"
    cites GDPR art 46
    when contract.ends on or after today + 30 days
    oblige notify with authority = bnetza, copies = 1 within 2 weeks
    advise start-logs
  because "B."
  remedy "R."
"""
ONE, TWO, THREE = (f"destination = eu/{name}" for name in ("one", "two", "three"))
RENEWED, ENDED = "contract.ends = 2026-12-22", "contract.ends = 2026-12-21"
HOLDS = [
    ("denied", (ONE, ENDED)),
    ("denied by owners", (ONE, ENDED)),
    ("undetermined", (ONE,)),
    ("undetermined by owners", (ONE,)),
    ("undetermined by owners", (TWO, ENDED)),
    ("permitted", (THREE, ENDED)),
    ("permitted by renewed with notify advised start-logs", (ONE, RENEWED)),
    ("permitted with notify advised start-logs", (ONE, RENEWED)),
    ("permitted", (ONE, ENDED, "destination.non_eu_share = 24 percent")),
    ("denied", (THREE, ENDED, "destination.non_eu_share = 24.01 percent")),
    ("undetermined", (THREE, ENDED, "destination.non_eu_share = unknown")),
    ("permitted by renewed with notify advised start-logs", (ONE, ENDED, "as of 2026-11-21")),
]


@pytest.mark.parametrize(("expected", "lines"), HOLDS)
def test_an_example_that_is_true_holds(expected: str, lines: tuple[str, ...]) -> None:
    assert outcome(OWNERS + example(expected, *lines)) is None


FAILS = [
    ("denied", (THREE, ENDED), "expected denied, got permit"),
    ("permitted with notify", (ONE, RENEWED), "expected advice none, got start-logs"),
    ("permitted advised start-logs", (ONE, RENEWED), "expected obligations none, got notify"),
    (
        "permitted by renewed",
        (THREE, RENEWED),
        "expected permitted by test.wide/owners/renewed, got by none",
    ),
]


@pytest.mark.parametrize(("expected", "lines", "why"), FAILS)
def test_an_example_that_is_false_says_why(expected: str, lines: tuple[str, ...], why: str) -> None:
    assert outcome(OWNERS + example(expected, *lines)) == why


TWO_RULES = (
    OWNERS
    + """rule sealed "Sealed"
  cites GDPR art 44
  on place
  when contract.ends before 2027-01-01
  forbid
  because "B."
  remedy "R."
"""
)


@pytest.mark.parametrize(
    ("expected", "lines", "why"),
    [
        ("denied by sealed", (THREE, ENDED), None),
        ("denied by owners, sealed", (ONE, ENDED), None),
        ("denied", (ONE, ENDED), None),
        (
            "denied by sealed",
            (ONE, ENDED),
            "expected denied by test.wide/sealed, got by test.wide/owners, test.wide/sealed",
        ),
        (
            "denied by owners, sealed",
            (THREE, ENDED),
            "expected denied by test.wide/owners, test.wide/sealed, got by test.wide/sealed",
        ),
        # What is only possibly broken is not a reason beside what certainly is.
        ("denied by sealed", (TWO, ENDED), None),
        ("undetermined by owners, sealed", (ONE,), None),
        (
            "undetermined by sealed",
            (ONE,),
            "expected undetermined by test.wide/sealed, got by test.wide/owners, test.wide/sealed",
        ),
    ],
)
def test_exactly_the_rules_named_are_the_reason(
    expected: str, lines: tuple[str, ...], why: str | None
) -> None:
    assert outcome(TWO_RULES + example(expected, *lines)) == why


PERMITS = """rule small "Small sites"
  cites GDPR art 44
  on place
  when destination.load at most 12.5 megawatts
  permit
rule sealed "Sealed sites"
  cites GDPR art 44
  on place
  when destination.seal[SOV-1] at least SEAL-3
  permit
"""


@pytest.mark.parametrize(
    ("expected", "lines", "why"),
    [
        ("permitted by small, sealed", (ONE,), None),
        ("permitted by sealed", (ONE, "destination.load = 13 megawatts"), None),
        (
            "permitted by sealed",
            (ONE,),
            "expected permitted by test.wide/sealed, got by test.wide/sealed, test.wide/small",
        ),
        ("undetermined by small, sealed", (THREE,), None),
        ("undetermined by sealed", (THREE, "destination.load = 13 megawatts"), None),
        (
            "denied",
            (ONE, "destination.load = 13 megawatts", "every destination.seal = SEAL-1"),
            None,
        ),
        (
            "permitted by sealed",
            (
                "destination.load = 13 megawatts",
                "every destination.seal = SEAL-1",
                "destination.seal[SOV-1] = SEAL-4",
            ),
            None,
        ),
    ],
)
def test_exactly_the_permissions_named_are_the_ground(
    expected: str, lines: tuple[str, ...], why: str | None
) -> None:
    assert outcome(PERMITS + example(expected, *lines)) == why


PREFERS = """rule assured "Assured sites first"
  cites GDPR art 44
  on place
  prefer 10
  when destination.seal[SOV-2] at least SEAL-2
"""


@pytest.mark.parametrize(
    ("expected", "lines", "why"),
    [
        ("preferred", (ONE,), None),
        ("permitted", (THREE,), None),
        ("permitted", (ONE, "destination.seal[SOV-2] = SEAL-1"), None),
        ("preferred", (THREE,), "expected preferred, got permitted without preference"),
        ("permitted", (ONE,), "expected permitted, got preferred"),
        ("denied", (ONE,), "expected denied, got permit"),
    ],
)
def test_a_preference_shows_in_its_example(
    expected: str, lines: tuple[str, ...], why: str | None
) -> None:
    assert outcome(PREFERS + example(expected, *lines)) == why


def test_an_example_runs_on_the_rule_as_if_it_were_enforced() -> None:
    (case,) = made(OWNERS + example("denied", ONE, ENDED))
    assert {rule.level for rule in case.program.rules} == {Level.ENFORCE}


PROFILE = """profile clinics "Hospitals"
  charters test.wide
  permit place, flow
"""


def test_an_example_asks_for_no_profile() -> None:
    (case,) = made(PROFILE + OWNERS + example("denied", ONE, ENDED))
    assert "deployment.profile" not in paths_read(case.program)
    assert "test.wide/clinics" not in {rule.id for rule in case.program.rules}
    assert failure(case, evaluate(case.program, case.question)) is None


def test_what_a_profile_permits_is_no_ground_of_an_example() -> None:
    lines = ("destination.load = 13 megawatts", "every destination.seal = SEAL-1")
    small = PERMITS.partition("rule sealed")[0]
    assert outcome(PROFILE + small + example("denied", *lines[:1])) is None


def test_an_example_can_be_made_to_fail_by_any_day() -> None:
    text = OWNERS + example("denied", ONE, ENDED, "as of 2026-11-21")
    assert outcome(text) == "expected denied, got permit"
