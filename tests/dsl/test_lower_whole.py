"""Lowering of levels, maps, dates, what is known, profiles, preferences, levels of rules,
derived facts and invariants: each construct and the core it comes to."""

import pytest

from dsl import core
from dsl.compile import compile_charters
from dsl.core import (
    PROFILE_PATH,
    Aggregate,
    And,
    AtLeast,
    Condition,
    Constant,
    DaysBetween,
    Due,
    DueUnit,
    DutyKind,
    Effect,
    InForce,
    Known,
    Level,
    Not,
    NotBefore,
    OneOf,
    Or,
    Program,
    Shift,
    Tally,
)
from dsl.evaluate import truth
from dsl.facts import Question, day_of
from dsl.kleene import Truth
from dsl.source import SourceText
from dsl.wellformed import check_program

WORDS = """charter wide
  title "Words for every construct"
  time zone Europe/Brussels

action place "Run a workload"
action flow "Move data"

levels seal "SEAL levels" of SEAL-0 < SEAL-1 < SEAL-2 < SEAL-3 < SEAL-4
enumeration country "Country" of DE, FR, US
enumeration objective "Objective" of SOV-1, SOV-2, SOV-3
structure holder "One who holds a part"
  field country country
  field share number of percent
  field since date

entity site "A site"
  field holders list of holder
  field seal map of objective to seal
  field load number of megawatts with 1 decimal
  field margin number of eur or negative

record destination "Where it would run" is site from catalogue at resource on place, flow
record contract "The contract" from request at context.contract
  field ends date
  field notified_on date
  field rank seal
  field report identifier

derive destination.non_eu_share "Share from outside" as
  the sum of destination.holders.share where not holders.country in {DE, FR}
derive destination.largest "Largest" as the largest destination.holders.share else 1.5 percent
derive destination.many "How many" as the number of destination.holders
  where holders.since within the last 365 days
derive contract.notice_ends "Notice" as contract.notified_on plus 6 months
derive contract.before "Before" as contract.notified_on minus 2 weeks
derive contract.age "Age" as the days from contract.notified_on to today

obligation notify "Notify the authority" has a deadline
  field authority identifier
  field copies number of items
advice start-logs "Begin to keep logs"
"""
HEAD = """charter test.wide
  law GDPR "Regulation (EU) 2016/679"
  time zone Europe/Brussels
  as of 2026-11-22
import wide
"""
ZONE = "Europe/Brussels"


def program(text: str, *more: str) -> Program:
    files = [SourceText("wide.charter", WORDS), SourceText("test.charter", HEAD + text)]
    files += [SourceText(f"more{number}.charter", other) for number, other in enumerate(more)]
    compiled = compile_charters(files)
    assert [d.message for d in compiled.errors] == []
    _, made = compiled.require()
    check_program(made)
    return made


def rules(text: str, *more: str) -> dict[str, core.Rule]:
    return {rule.id.partition("/")[2]: rule for rule in program(text, *more).rules}


def rule(clauses: str) -> str:
    return f'rule r "R"\n  cites GDPR art 44\n  on place\n{clauses}'


def formula(condition: str) -> Condition:
    return rules(rule(f"  permit\n  when {condition}\n"))["r"].formula


def day(text: str) -> int:
    number = day_of(text)
    assert number is not None
    return number


# --- levels and maps -----------------------------------------------------------------

RANK = "contract.rank"
TOP = ("SEAL-3", "SEAL-4")
LEVELS = [
    ("at least SEAL-3", OneOf(RANK, TOP)),
    ("more than SEAL-2", OneOf(RANK, TOP)),
    ("less than SEAL-3", Not(OneOf(RANK, TOP))),
    ("at most SEAL-2", Not(OneOf(RANK, TOP))),
    ("in {SEAL-4, SEAL-3}", OneOf(RANK, TOP)),
    ("= SEAL-2", OneOf(RANK, ("SEAL-2",))),
    ("is not SEAL-2", Not(OneOf(RANK, ("SEAL-2",)))),
    ("at least SEAL-4", OneOf(RANK, ("SEAL-4",))),
]


@pytest.mark.parametrize(("test", "expected"), LEVELS)
def test_an_order_of_levels_is_the_set_at_or_above(test: str, expected: Condition) -> None:
    assert formula(f"contract.rank {test}") == expected


def sov(number: int, *levels: str) -> OneOf:
    return OneOf(f"destination.seal[SOV-{number}]", levels)


MAPS = [
    ("destination.seal[SOV-2] at least SEAL-3", sov(2, *TOP)),
    ("every destination.seal at least SEAL-3", And(tuple(sov(n, *TOP) for n in (1, 2, 3)))),
    ("some destination.seal at least SEAL-3", Or(tuple(sov(n, *TOP) for n in (1, 2, 3)))),
    (
        "not every destination.seal at least SEAL-3",
        Or(tuple(Not(sov(n, *TOP)) for n in (1, 2, 3))),
    ),
    (
        "some destination.seal less than SEAL-3",
        Or(tuple(Not(sov(n, *TOP)) for n in (1, 2, 3))),
    ),
    (
        "every destination.seal is known",
        And(tuple(Known(f"destination.seal[SOV-{n}]") for n in (1, 2, 3))),
    ),
]


@pytest.mark.parametrize(("condition", "expected"), MAPS)
def test_a_map_is_a_fact_for_each_key(condition: str, expected: Condition) -> None:
    assert formula(condition) == expected


# --- numbers and dates ---------------------------------------------------------------

LOAD, ENDS = "destination.load", "contract.ends"
FIRST = day("2027-01-12")
NUMBERS_AND_DATES = [
    ("destination.load at least 24.5 megawatts", AtLeast(LOAD, 245)),
    ("destination.load more than 24.5 megawatts", AtLeast(LOAD, 246)),
    ("destination.load at least 1 gigawatt", AtLeast(LOAD, 10_000)),
    ("destination.load less than 24 megawatts", Not(AtLeast(LOAD, 240))),
    ("destination.load = 2 megawatts", And((AtLeast(LOAD, 20), Not(AtLeast(LOAD, 21))))),
    ("destination.non_eu_share at most 24 %", Not(AtLeast("destination.non_eu_share", 2401))),
    ("contract.ends on or after 2027-01-12", AtLeast(ENDS, FIRST)),
    ("contract.ends after 2027-01-12", AtLeast(ENDS, FIRST + 1)),
    ("contract.ends before 2027-01-12", Not(AtLeast(ENDS, FIRST))),
    ("contract.ends on or before 2027-01-12", Not(AtLeast(ENDS, FIRST + 1))),
    ("contract.ends = 2027-01-12", And((AtLeast(ENDS, FIRST), Not(AtLeast(ENDS, FIRST + 1))))),
    (
        "contract.ends is not 2027-01-12",
        Or((Not(AtLeast(ENDS, FIRST)), AtLeast(ENDS, FIRST + 1))),
    ),
    ("contract.ends on or after today", NotBefore(ENDS, ZONE, 0)),
    ("contract.ends after today", NotBefore(ENDS, ZONE, 1)),
    ("contract.ends before today", Not(NotBefore(ENDS, ZONE, 0))),
    ("contract.ends on or before today", Not(NotBefore(ENDS, ZONE, 1))),
    ("contract.ends on or after today + 30 days", NotBefore(ENDS, ZONE, 30)),
    ("contract.ends on or after today + 2 weeks", NotBefore(ENDS, ZONE, 14)),
    ("contract.ends before today - 30 days", Not(NotBefore(ENDS, ZONE, -30))),
    ("contract.ends = today", And((NotBefore(ENDS, ZONE, 0), Not(NotBefore(ENDS, ZONE, 1))))),
    (
        "contract.ends within the last 365 days",
        And((NotBefore(ENDS, ZONE, -365), Not(NotBefore(ENDS, ZONE, 1)))),
    ),
    (
        "contract.ends within 365 days",
        And((NotBefore(ENDS, ZONE, -365), Not(NotBefore(ENDS, ZONE, 1)))),
    ),
    (
        "contract.ends within the next 2 weeks",
        And((NotBefore(ENDS, ZONE, 0), Not(NotBefore(ENDS, ZONE, 15)))),
    ),
    (
        "not contract.ends within the next 30 days",
        Or((Not(NotBefore(ENDS, ZONE, 0)), NotBefore(ENDS, ZONE, 31))),
    ),
    ("today on or after 2027-01-12", InForce(ZONE, FIRST, None)),
    ("today before 2027-01-12", InForce(ZONE, None, FIRST - 1)),
    ("contract.report is known", Known("contract.report")),
]


@pytest.mark.parametrize(("condition", "expected"), NUMBERS_AND_DATES)
def test_numbers_and_dates_come_to_one_comparison(condition: str, expected: Condition) -> None:
    assert formula(condition) == expected


# Of a date that lies so many days after today.
NEAR = [
    ("within the last 30 days", {-31: False, -30: True, 0: True, 1: False}),
    ("within 30 days", {-31: False, -30: True, 0: True, 1: False}),
    ("within the next 30 days", {-1: False, 0: True, 30: True, 31: False}),
    ("on or after today + 30 days", {29: False, 30: True, 31: True}),
    ("after today + 30 days", {30: False, 31: True}),
    ("before today - 30 days", {-31: True, -30: False, -29: False}),
    ("on or before today - 30 days", {-31: True, -30: True, -29: False}),
    ("= today", {-1: False, 0: True, 1: False}),
    ("is not today", {-1: True, 0: False, 1: True}),
]


@pytest.mark.parametrize(("test", "days"), NEAR)
def test_a_date_near_today_counts_from_the_day_itself(test: str, days: dict[int, bool]) -> None:
    condition = formula(f"contract.ends {test}")
    for distance, expected in days.items():
        asked = Question("place", {"contract.ends": 20_779 + distance}, {ZONE: 20_779})
        assert truth(condition, asked) is Truth.of(expected)


def test_what_is_required_to_be_known_breaks_where_it_is_hidden() -> None:
    clauses = '  require contract.report is known\n  because "B."\n  remedy "R."\n'
    made = rules(rule(clauses))["r"]
    assert made.formula == Not(Known("contract.report"))


# --- rules ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clause", "level"),
    [
        ("", Level.ENFORCE),
        ("  level enforce\n", Level.ENFORCE),
        ("  level warn\n", Level.WARN),
        ("  level shadow\n", Level.SHADOW),
    ],
)
def test_a_rule_keeps_its_level(clause: str, level: Level) -> None:
    clauses = (
        f'{clause}  forbid\n  when contract.ends before today\n  because "B."\n  remedy "R."\n'
    )
    assert rules(rule(clauses))["r"].level is level


def test_a_preference_keeps_its_weight() -> None:
    made = rules(rule("  prefer 10\n  when destination.load less than 5 megawatts\n"))["r"]
    assert (made.effect, made.weight) == (Effect.PREFER, 10)
    assert made.formula == Not(AtLeast(LOAD, 50))


def test_duties_keep_deadline_parameters_and_kind() -> None:
    clauses = (
        "  oblige notify with copies = 2, authority = bnetza within 72 hours\n"
        "  advise start-logs\n"
        "  when contract.ends before today\n"
        '  because "B."\n'
    )
    notify, logs = rules(rule(clauses))["r"].duties
    assert notify.id == "test.wide/r#notify"
    assert notify.due == Due(72 * 60, DueUnit.MINUTES)
    assert notify.parameters == (("authority", "bnetza"), ("copies", 2))
    assert (notify.kind, logs.kind) == (DutyKind.OBLIGATION, DutyKind.ADVICE)
    assert (logs.obligation, logs.due, logs.parameters) == ("start-logs", None, ())
    assert notify.condition == logs.condition == Not(NotBefore(ENDS, ZONE, 0))


# --- profiles ------------------------------------------------------------------------

OTHER = """charter test.other
  law GDPR "Regulation (EU) 2016/679"
  as of 2026-11-22
import wide
rule o "O"
  cites GDPR art 44
  on place
  permit
"""
PROFILES = """profile clinics "What hospitals run under"
  charters test.wide, test.other
  permit place, flow
  when contract.report is known
profile banks "What banks run under"
  charters test.wide
  tenants bank-a, bank-b
"""
EXCEPTED = rule("""  when contract.ends before today
  forbid
  oblige notify with authority = bnetza, copies = 2 within 3 days
  except way "W"
    cites GDPR art 46
    when contract.report = yearly
    advise start-logs
  because "B."
  remedy "R."
""")


def profiled() -> Program:
    return program("import test.other\n" + PROFILES + EXCEPTED, OTHER)


def test_every_rule_asks_first_for_the_profiles_of_its_charter() -> None:
    made = profiled()
    for rule_id, names in (("test.wide/r", ("banks", "clinics")), ("test.other/o", ("clinics",))):
        found = next(rule for rule in made.rules if rule.id == rule_id)
        conditions = [found.formula, *(note.condition for note in found.exceptions)]
        conditions += [duty.condition for duty in found.duties]
        for condition in conditions:
            assert core.conjuncts(condition)[0] == OneOf(PROFILE_PATH, names)


def test_the_permit_of_a_profile_is_a_rule() -> None:
    (permit,) = (rule for rule in profiled().rules if rule.id == "test.wide/clinics")
    assert permit.effect is Effect.PERMIT
    assert set(permit.actions) == {"place", "flow"}
    assert permit.title == "What hospitals run under"
    assert permit.citations == ()
    mine, known = OneOf(PROFILE_PATH, ("clinics",)), Known("contract.report")
    assert permit.formula == And((mine, known))


def test_the_profile_is_a_fact_that_no_request_states() -> None:
    made = profiled()
    fact = made.facts[PROFILE_PATH]
    assert fact.values == ("banks", "clinics")
    assert (fact.wire, fact.origin) == ((), core.Origin.CATALOGUE)
    assert [profile.name for profile in made.profiles] == ["banks", "clinics"]
    assert made.profiles[0].tenants == ("bank-a", "bank-b")
    assert made.profiles[1].tenants == ()


def test_a_charter_in_no_profile_is_in_force_for_nobody() -> None:
    text = PROFILES.replace("test.wide, test.other", "test.wide") + EXCEPTED
    made = rules("import test.other\n" + text, OTHER)
    assert made["o"].formula == OneOf(PROFILE_PATH, ())


def test_without_profiles_nothing_asks_for_one() -> None:
    made = program(EXCEPTED)
    assert PROFILE_PATH not in made.facts
    assert made.profiles == ()
    assert made.rules[0].formula == And(
        (Not(NotBefore(ENDS, ZONE, 0)), Not(OneOf("contract.report", ("yearly",))))
    )


# --- derived facts and invariants ----------------------------------------------------


def test_derived_facts_keep_how_they_are_computed() -> None:
    listed = "destination.holders"
    assert program(EXCEPTED).derived == {
        "contract.age": DaysBetween("contract.notified_on", None, ZONE),
        "contract.before": Shift("contract.notified_on", 0, -14),
        "contract.notice_ends": Shift("contract.notified_on", 6, 0),
        "destination.largest": Tally(
            Aggregate.LARGEST, listed, "share", Constant(value=True), otherwise=150
        ),
        "destination.many": Tally(
            Aggregate.NUMBER,
            listed,
            None,
            And((NotBefore("holders.since", ZONE, -365), Not(NotBefore("holders.since", ZONE, 1)))),
        ),
        "destination.non_eu_share": Tally(
            Aggregate.SUM, listed, "share", Not(OneOf("holders.country", ("DE", "FR")))
        ),
    }


def test_an_invariant_is_a_claim_beside_the_rules() -> None:
    claim = """invariant at-home "Never leaves"
  cites GDPR art 44
  on place
  never permits contract.report is not known and not contract.rank at least SEAL-3
"""
    made = program(claim + EXCEPTED)
    (invariant,) = made.invariants
    assert invariant.id == "test.wide/at-home"
    assert invariant.actions == ("place",)
    assert [cites.locator for cites in invariant.citations] == ["art 44"]
    assert invariant.condition == And((Not(Known("contract.report")), Not(OneOf(RANK, TOP))))
    assert [rule.id for rule in made.rules] == ["test.wide/r"]
