"""Tree to model: levels, maps, dates, decimals, derived facts, duties, profiles, claims."""

import pytest

from dsl import model, tree
from dsl.check_condition import ConditionChecker
from dsl.compile import Compiled, compile_charters
from dsl.core import (
    Aggregate,
    DaysBetween,
    Due,
    DueUnit,
    DutyKind,
    FactType,
    InForce,
    Kind,
    Level,
    Origin,
    Profile,
    Shift,
)
from dsl.found import Found
from dsl.parse import parse
from dsl.resolve import resolve
from dsl.source import SourceText
from dsl.tree import Relation
from tests.dsl.mistake_files import BASE, MORE

HEAD = """charter test.check
  law GDPR "Regulation (EU) 2016/679" celex 32016R0679
  time zone Europe/Brussels
  as of 2026-11-22
import base
import more

"""
PERMIT = 'rule r "R"\n  cites GDPR art 44\n  on flow\n  permit\n'
BRUSSELS = "Europe/Brussels"


def compiled(text: str) -> Compiled:
    return compile_charters([BASE, MORE, SourceText("check.charter", HEAD + text)])


def checked(text: str) -> model.Model:
    return compiled(text).require()[0]


def when(condition: str) -> model.Condition:
    made = checked(f"{PERMIT}  when {condition}\n").rules[0].when
    assert made is not None
    return made


def a_test(condition: str) -> model.Test:
    made = when(condition)
    assert isinstance(made, model.Test)
    return made


# --- which relation goes with which fact ---------------------------------------------

PATHS = {
    "level": "operator.overall",
    "key": "operator.seal[SOV-1]",
    "every": "every operator.seal",
    "date": "contract.ends",
    "share": "contract.share",
    "margin": "operator.margin",
    "derived date": "contract.notice_by",
    "derived number": "operator.foreign_share",
    "map": "operator.seal",
    "list": "operator.holders",
    "every fact": "every operator.overall",
    "unknown key": "operator.seal[SOV-9]",
}
LEVELS, DATES = {"level", "key", "every"}, {"date", "derived date"}
KNOWABLE = {*LEVELS, *DATES, "share", "margin", "derived number"}
OPERANDS = {
    "is known": KNOWABLE,
    "= SEAL-2": LEVELS,
    "in {SEAL-1, SEAL-2}": LEVELS,
    "at least SEAL-2": LEVELS,
    "less than SEAL-2": LEVELS,
    "at least SEAL-9": set[str](),
    "before 2027-01-12": DATES,
    "on or after today": DATES,
    "on or after today - 2 weeks": DATES,
    "is not 2027-01-12": DATES,
    "= today + 3 days": DATES,
    "within 30 days": DATES,
    "within the last 5 weeks": DATES,
    "within the next 0 days": DATES,
    "within the next 6 months": set[str](),
    "before today + 36 hours": set[str](),
    "before today - 36501 days": set[str](),
    "more than 24.5 percent": {"share", "derived number"},
    "more than 24.5 %": {"share", "derived number"},
    "= 24 percent": {"share", "derived number"},
    "less than 24.125 percent": set[str](),
    "less than -1 percent": set[str](),
    "more than -20 eur": {"margin"},
    "more than 20 eur": {"margin"},
    "has SEAL-2": set[str](),
    "within EEA": set[str](),
}


@pytest.mark.parametrize("operand", OPERANDS)
@pytest.mark.parametrize("kind", PATHS)
def test_a_relation_goes_with_some_kinds_of_fact_only(kind: str, operand: str) -> None:
    found = compiled(f"{PERMIT}  when {PATHS[kind]} {operand}\n")
    assert (found.program is not None) is (kind in OPERANDS[operand])
    assert len(found.errors) == (kind not in OPERANDS[operand])


@pytest.mark.parametrize(
    ("condition", "bound"),
    [
        ("contract.share more than 24 percent", 2400),
        ("contract.share more than 24.1 %", 2410),
        ("contract.share more than 24.10 percent", 2410),
        ("contract.share more than 0.01 percent", 1),
        ("operator.load more than 1 gigawatt", 10_000),
        ("operator.load more than 0.5 gigawatts", 5_000),
        ("operator.load more than 1 200 megawatts", 12_000),
        ("operator.load more than 100 kilowatts", 1),
        ("operator.margin more than -5 eur", -5),
        ("transfer.assessment_age more than 2 weeks", 14),
        ("transfer.assessment_age more than 48 hours", 2),
        ("contract.ends after 2027-01-12", 20_830),
        ("contract.ends after today", 0),
        ("contract.ends after today - 2 weeks", -14),
        ("contract.ends after today + 1 day", 1),
    ],
)
def test_a_bound_counts_the_steps_of_its_fact(condition: str, bound: int) -> None:
    assert a_test(condition).bound == bound


@pytest.mark.parametrize(
    "condition",
    [
        "operator.load more than 50 kilowatts",
        "operator.load more than 0.05 megawatts",
        "transfer.assessment_age more than 36 hours",
        "transfer.assessment_age more than 0.5 weeks",
        "contract.share more than 24.101 percent",
    ],
)
def test_a_bound_that_does_not_come_out_even_is_refused(condition: str) -> None:
    (error,) = compiled(f"{PERMIT}  when {condition}\n").errors
    assert error.code == "CH0220"


def test_dates_that_count_from_today_keep_the_clock_of_the_charter() -> None:
    assert a_test("contract.ends before 2027-01-12").clock is None
    assert a_test("contract.ends before today").clock == BRUSSELS
    near = a_test("contract.ends within 2 weeks")
    assert (near.relation, near.days, near.clock) == (Relation.LAST, 14, BRUSSELS)
    near = a_test("contract.ends within the next 30 days")
    assert (near.relation, near.days, near.clock) == (Relation.NEXT, 30, BRUSSELS)


@pytest.mark.parametrize(
    ("relation", "first", "last"),
    [
        ("before", None, 20_829),
        ("on or before", None, 20_830),
        ("after", 20_831, None),
        ("on or after", 20_830, None),
    ],
)
def test_today_compared_with_a_day_is_an_interval(
    relation: str, first: int | None, last: int | None
) -> None:
    made = when(f"today {relation} 2027-01-12")
    assert made == model.Today(InForce(BRUSSELS, first, last))


def test_a_level_is_compared_by_its_place_and_a_map_by_its_keys() -> None:
    made = a_test("operator.overall at least SEAL-2")
    assert made.fact.order == ("SEAL-0", "SEAL-1", "SEAL-2", "SEAL-3", "SEAL-4")
    assert made.region == model.Region({"SEAL-2": ()})
    keyed = a_test("operator.seal[SOV-2] at least SEAL-2").fact
    assert (keyed.path, keyed.wire[-2:]) == ("operator.seal[SOV-2]", ("seal", "SOV-2"))
    for word, every in (("every", True), ("some", False)):
        each = when(f"{word} operator.seal less than SEAL-3")
        assert isinstance(each, model.Each)
        assert each.every is every
        assert [test.fact.path[-7:] for test in each.tests] == ["[SOV-1]", "[SOV-2]", "[SOV-3]"]


# --- zones put together --------------------------------------------------------------


@pytest.mark.parametrize(
    ("region", "members"),
    [
        ("EEA - {DE}", {"AT": (), "BE": (), "FR": (), "NO": ()}),
        ("EEA - {DE} + {DE}", {"AT": (), "BE": (), "DE": (), "FR": (), "NO": ()}),
        ("{GB, US} - ADEQUATE", {"GB": ((None, 18_805), (22_641, None)), "US": ()}),
        ("ADEQUATE - {GB}", {"BR": ((20_479, None),)}),
        ("ADEQUATE + {GB}", {"BR": ((20_479, None),), "GB": ()}),
        ("TRUSTED - EEA", {"BR": ((20_479, None),)}),
    ],
)
def test_a_region_has_the_days_of_its_parts_from_left_to_right(
    region: str, members: dict[str, tuple[tuple[int | None, int | None], ...]]
) -> None:
    made = a_test(f"destination.countries within {region}").region
    assert made is not None
    days = {v: tuple((p.first, p.last) for p in periods) for v, periods in made.members.items()}
    assert days == members


# --- derived facts -------------------------------------------------------------------


def derived(declaration: str, path: str) -> tuple[FactType, model.Derivation]:
    made = checked(declaration + PERMIT)
    return made.facts[path], made.derived[path]


WHOLE = (Kind.INTEGER, "percent", 2, False, Origin.CATALOGUE)
AGE = (Kind.INTEGER, "days", 0, True)


@pytest.mark.parametrize(
    ("declaration", "made"),
    [
        ("operator.a as the sum of operator.holders.share", WHOLE),
        ("operator.a as the largest operator.holders.share else 1 percent", WHOLE),
        (
            "operator.a as the number of operator.holders",
            (Kind.INTEGER, "items", 0, False, Origin.CATALOGUE),
        ),
        (
            "contract.a as contract.ends plus 3 months",
            (Kind.DAY, None, 0, False, Origin.REQUEST),
        ),
        (
            "operator.a as the days from operator.audited_on to today",
            (*AGE, Origin.CATALOGUE),
        ),
        (
            "contract.a as the days from operator.audited_on to contract.ends",
            (*AGE, Origin.REQUEST),
        ),
    ],
)
def test_a_derived_fact_has_the_type_of_what_it_is_made_of_and_the_weakest_origin(
    declaration: str, made: tuple[object, ...]
) -> None:
    fact, _ = derived(f"derive {declaration}\n\n", declaration.split()[0])
    assert (fact.kind, fact.unit, fact.scale, fact.may_be_negative, fact.origin) == made
    assert fact.wire == ()


@pytest.mark.parametrize(
    ("computation", "made"),
    [
        ("contract.ends plus 6 months", Shift("contract.ends", 6, 0)),
        ("contract.ends minus 2 years", Shift("contract.ends", -24, 0)),
        ("contract.ends plus 2 weeks", Shift("contract.ends", 0, 14)),
        ("contract.ends minus 30 days", Shift("contract.ends", 0, -30)),
        ("the days from contract.ends to today", DaysBetween("contract.ends", None, BRUSSELS)),
        ("the days from today to contract.ends", DaysBetween(None, "contract.ends", BRUSSELS)),
    ],
)
def test_a_date_is_moved_or_counted_from(computation: str, made: model.Derivation) -> None:
    assert derived(f"derive contract.a as {computation}\n\n", "contract.a")[1] == made


def test_an_aggregation_asks_of_the_fields_of_its_elements() -> None:
    text = "derive operator.a as the smallest operator.holders.share where holders.veto else 2 %\n"
    _, made = derived(text, "operator.a")
    assert isinstance(made, model.Tally)
    assert (made.aggregate, made.list, made.field) == (
        Aggregate.SMALLEST,
        "operator.holders",
        "share",
    )
    assert made.otherwise == 200
    assert isinstance(made.where, model.Test)
    assert made.where.fact.path == "holders.veto"


# --- duties --------------------------------------------------------------------------


def test_a_duty_has_its_parameters_as_they_go_out_sorted_by_name() -> None:
    declared = (
        'obligation report "Report" has a deadline\n'
        "  field share number of percent\n  field copies number of items\n"
        "  field urgent yes or no\n  field first date\n  field to_whom identifier\n"
        "  field level seal\n\n"
    )
    duty = (
        "  oblige report with to_whom = bnetza, copies = 2, share = 2.5 %, urgent = yes,\n"
        "    first = 2027-01-12, level = SEAL-1 within 72 hours\n"
    )
    text = f'{declared}rule r "R"\n  cites GDPR art 44\n  on flow\n{duty}'
    (made,) = checked(text).rules[0].obliges
    assert made.parameters == (
        ("copies", 2),
        ("first", "2027-01-12"),
        ("level", "SEAL-1"),
        ("share", "2.50"),
        ("to_whom", "bnetza"),
        ("urgent", True),
    )
    assert made.due == Due(72 * 60, DueUnit.MINUTES)


@pytest.mark.parametrize(
    ("written", "due"),
    [
        ("90 minutes", Due(90, DueUnit.MINUTES)),
        ("1 hour", Due(60, DueUnit.MINUTES)),
        ("14 days", Due(14, DueUnit.DAYS)),
        ("2 weeks", Due(14, DueUnit.DAYS)),
        ("6 months", Due(6, DueUnit.MONTHS)),
        ("5 years", Due(60, DueUnit.MONTHS)),
        ("1.5 hours", Due(90, DueUnit.MINUTES)),
        ("1.5 days", None),
        ("30 seconds", None),
        ("36501 days", None),
        ("3 megawatts", None),
    ],
)
def test_a_deadline_counts_minutes_days_or_months(written: str, due: Due | None) -> None:
    found = compiled(
        f'rule r "R"\n  cites GDPR art 44\n  on flow\n  oblige keep-record within {written}\n'
    )
    assert len(found.errors) == (due is None)
    if found.model is not None:
        assert found.model.rules[0].obliges[0].due == due


def test_advice_of_a_rule_and_of_an_exception_is_advice() -> None:
    text = (
        'rule r "R"\n  cites GDPR art 44\n  on flow\n  when data.labels has health\n  forbid\n'
        "  advise start-logs\n"
        '  except e "E"\n    cites GDPR art 46\n    when transfer.assessed\n    advise start-logs\n'
        '  because "B"\n  remedy "R"\n'
    )
    made = checked(text).rules[0]
    both = (*made.obliges, *made.exceptions[0].obliges)
    assert [one.kind for one in both] == [DutyKind.ADVICE, DutyKind.ADVICE]


# --- levels of rules, preferences, knowing -------------------------------------------


@pytest.mark.parametrize(
    ("clause", "level"),
    [("", "enforce"), ("  level warn\n", "warn"), ("  level shadow\n", "shadow")],
)
def test_a_rule_has_a_level(clause: str, level: str) -> None:
    assert checked(PERMIT + clause).rules[0].level is Level(level)


@pytest.mark.parametrize(
    ("weight", "fits"), [("1", True), ("1000", True), ("0", False), ("1001", False)]
)
def test_a_preference_has_a_weight_from_1_to_1000(weight: str, fits: bool) -> None:
    found = compiled(f'rule r "R"\n  cites GDPR art 44\n  on flow\n  prefer {weight}\n')
    assert bool(found.errors) is not fits
    if found.model is not None:
        rule = found.model.rules[0]
        assert (rule.effect, rule.weight) == (model.Effect.PREFER, int(weight))


KNOWN, HIDDEN = "data.owner is known", "data.owner is not known"
PLACES = {
    "permit when": ("permit\n  when {}", {KNOWN}),
    "prefer when": ("prefer 3\n  when {}", {KNOWN}),
    "forbid when": ("forbid\n  when {}", {HIDDEN}),
    "require when": ("require transfer.assessed\n  when {}", {HIDDEN}),
    "require": ("require {}", {KNOWN}),
    "oblige when": ("oblige keep-record\n  when {}", {HIDDEN}),
    "advise when": ("advise start-logs\n  when {}", {HIDDEN}),
    "permit with duty": ("permit\n  oblige keep-record\n  when {}", set[str]()),
    "exception": (
        'forbid\n  when transfer.assessed\n  except e "E"\n    cites GDPR art 46\n    when {}',
        set[str](),
    ),
}
SPELLINGS = {
    "{}": False,
    "not ({})": True,
    "not (not ({}))": False,
    "not (transfer.assessed and not ({}))": False,
    "data.labels has public or ({})": False,
    "not (data.labels has public or {})": True,
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("asked", [KNOWN, HIDDEN])
@pytest.mark.parametrize("place", PLACES)
def test_nobody_gains_by_hiding_a_fact(place: str, asked: str, spelling: str) -> None:
    clauses, allowed = PLACES[place]
    meant = ({KNOWN, HIDDEN} - {asked}).pop() if SPELLINGS[spelling] else asked
    body = clauses.format(spelling.format(asked))
    reasons = '\n  because "B"\n  remedy "R"' if "forbid" in body or "require" in body else ""
    found = compiled(f'rule r "R"\n  cites GDPR art 44\n  on flow\n  {body}{reasons}\n')
    assert [d.code for d in found.errors] == ([] if meant in allowed else ["CH0313"])


# --- examples ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "given"),
    [
        ("operator.overall = SEAL-1", {"operator.overall": "SEAL-1"}),
        ("operator.seal[SOV-2] = SEAL-1", {"operator.seal[SOV-2]": "SEAL-1"}),
        ("operator.seal[SOV-2] = unknown", {"operator.seal[SOV-2]": None}),
        ("contract.ends = 2027-01-12", {"contract.ends": "2027-01-12"}),
        ("contract.share = 24 percent", {"contract.share": "24.00"}),
        ("contract.share = 24.1 %", {"contract.share": "24.10"}),
        ("operator.load = 1.2 gigawatts", {"operator.load": "1200.0"}),
        ("operator.margin = -3 eur", {"operator.margin": -3}),
        ("operator.foreign_share = 3 percent", {"operator.foreign_share": "3.00"}),
        ("contract.notice_by = 2027-01-12", {"contract.notice_by": "2027-01-12"}),
    ],
)
def test_an_example_states_wire_values(line: str, given: dict[str, object]) -> None:
    (example,) = checked(f'{PERMIT}  example "E" is permitted\n    {line}\n').rules[0].examples
    assert example.given == given


def test_one_key_wins_over_every_key_wherever_it_stands() -> None:
    lines = "    operator.seal[SOV-2] = SEAL-1\n    every operator.seal = SEAL-3\n"
    (example,) = checked(f'{PERMIT}  example "E" is permitted\n{lines}').rules[0].examples
    levels = {path[-6:-1]: raw for path, raw in example.given.items()}
    assert levels == {"SOV-1": "SEAL-3", "SOV-2": "SEAL-1", "SOV-3": "SEAL-3"}


REASONS = (
    'rule stay "S"\n  cites GDPR art 44\n  on flow\n  when data.labels has health\n  forbid\n'
    '  except same "E"\n    cites GDPR art 46\n    when transfer.assessed\n'
    '  because "B"\n  remedy "R"\n{}\n'
    'rule go "G"\n  cites GDPR art 44\n  on flow\n  when data.labels has public\n  forbid\n'
    '  except same "E"\n    cites GDPR art 46\n    when transfer.assessed\n'
    '  except own "E"\n    cites GDPR art 46\n    when transfer.mechanism = none\n'
    '  because "B"\n  remedy "R"\n'
    'rule wide "W"\n  cites GDPR art 44\n  on flow\n  permit\n'
    'rule mark "M"\n  cites GDPR art 44\n  on flow\n  oblige keep-record\n'
)


@pytest.mark.parametrize(
    ("outcome", "by"),
    [
        ("denied", None),
        ("denied by stay", ("test.check/stay",)),
        ("denied by stay, go", ("test.check/go", "test.check/stay")),
        ("undetermined by wide", ("test.check/wide",)),
        ("permitted by wide", ("test.check/wide",)),
        ("permitted by same", ("test.check/stay/same",)),
        ("permitted by own, wide", ("test.check/go/own", "test.check/wide")),
        ("denied by same", "CH0205"),
        ("denied by mark", "CH0324"),
        ("permitted by stay", "CH0324"),
        ("permitted by elsewhere", "CH0205"),
        ("preferred", "CH0324"),
        ("permitted advised start-logs", None),
        ("permitted advised keep-record", "CH0203"),
        ("permitted with start-logs", "CH0203"),
    ],
)
def test_an_example_names_its_reasons(outcome: str, by: tuple[str, ...] | str | None) -> None:
    example = f'  example "E" is {outcome}\n    data.labels = {{health}}\n'
    found = compiled(REASONS.format(example))
    if isinstance(by, str):
        assert [d.code for d in found.errors] == [by]
        return
    rule = next(r for r in found.require()[0].rules if r.id == "test.check/stay")
    assert rule.examples[0].by == by


# --- profiles and claims -------------------------------------------------------------


def test_profiles_say_what_is_in_force_for_whom_and_permitted_at_all() -> None:
    made = checked(
        'profile clinics "C"\n  charters test.check, base\n  tenants clinic-b, clinic-a\n'
        "  permit flow, place\n  when data.labels within {public}\n"
        'profile others "O"\n  charters base, test.check\n' + PERMIT
    )
    assert made.profiles == (
        Profile("clinics", "C", ("base", "test.check"), ("clinic-a", "clinic-b")),
        Profile("others", "O", ("base", "test.check"), ()),
    )
    (permit,) = made.permits
    assert (permit.id, permit.profile, permit.actions) == (
        "test.check/clinics",
        "clinics",
        ("flow", "place"),
    )
    assert isinstance(permit.when, model.Test)
    fact = made.facts["deployment.profile"]
    assert (fact.values, fact.origin, fact.wire) == (("clinics", "others"), Origin.CATALOGUE, ())


def test_without_profiles_nobody_asks_for_one() -> None:
    made = checked(PERMIT)
    assert (made.profiles, made.permits) == ((), ())
    assert "deployment.profile" not in made.facts


def test_a_rule_cannot_ask_for_the_profile() -> None:
    text = 'profile p "P"\n  charters test.check\n' + PERMIT + "  when deployment.profile = p\n"
    assert [d.code for d in compiled(text).errors] == ["CH0201"]


def test_a_claim_has_its_actions_its_law_and_its_condition() -> None:
    made = checked(
        'invariant home "H"\n  cites GDPR art 44\n  on flow, place\n'
        "  never permits data.labels has health and data.owner is known\n" + PERMIT
    )
    (claim,) = made.invariants
    assert (claim.id, claim.actions) == ("test.check/home", ("flow", "place"))
    assert [citation.locator for citation in claim.citations] == ["art 44"]
    assert isinstance(claim.condition, model.And)


# --- nothing is lost in silence ------------------------------------------------------


def test_a_condition_of_which_nothing_is_understood_is_an_error() -> None:
    """No grammar writes it, but a tree can be made of anything."""
    source = SourceText("odd.charter", "contract.ends within")
    span = source.span(0, len(source.text))
    scope = next(
        s
        for s in resolve([parsed(MORE), parsed(BASE)], Found()).scopes
        if "more" in s.charter.name.text
    )
    for path in ("contract.ends", "contract.share", "operator.overall", "operator.seal"):
        for relation in (Relation.IS, Relation.LAST, Relation.AT_LEAST):
            found = Found()
            asked = tree.Test(tree.Word(path, span), relation, None, span)
            assert ConditionChecker(scope, found).check(asked) is None
            assert found.errors == 1


def parsed(source: SourceText) -> tree.Charter:
    charter = parse(source).charter
    assert charter is not None
    return charter
