"""Duties of a rule and of its exceptions: two deadlines are told, two ways are refused."""

import pytest

from dsl.compile import compile_charters
from dsl.diagnostics import Severity
from dsl.source import SourceText
from tests.dsl.mistake_files import BASE, MORE
from tests.dsl.test_check_language import HEAD

RULE = """rule r "R"
  cites GDPR art 44
  on flow
  {effect}
  when data.labels has personal
{own}
  except e "E"
    cites GDPR art 46
{days}
    when {when}
{first}
  except f "F"
    cites GDPR art 49
    when transfer.assessment_age at most 30 days
{second}
"""
REASONS = '  because "B"\n  remedy "R"\n'
KEEP = "  oblige keep-record within {}"
NOTIFY = "  oblige notify with authority = {}, copies = 2 within 72 hours"


def told(
    own: str = "",
    first: str = "",
    second: str = "",
    *,
    when: str = "transfer.assessed",
    effect: str = "forbid",
    days: str = "",
) -> list[tuple[str, Severity]]:
    text = RULE.format(own=own, first=first, second=second, when=when, effect=effect, days=days)
    text += REASONS if effect == "forbid" else ""
    found = compile_charters([BASE, MORE, SourceText("whole.charter", HEAD + text)])
    return [(d.code, d.severity) for d in found.diagnostics if d.code in ("CH0317", "CH0325")]


MONTH, DAYS, AT_ONCE = KEEP.format("30 days"), KEEP.format("72 hours"), "  oblige keep-record"
WARNED = [("CH0325", Severity.WARNING)]
REFUSED = [("CH0317", Severity.ERROR)]


@pytest.mark.parametrize(("one", "other"), [(MONTH, DAYS), (MONTH, AT_ONCE), (AT_ONCE, DAYS)])
def test_two_deadlines_for_one_duty_are_told(one: str, other: str) -> None:
    assert told(own=one, first=other) == WARNED
    assert told(own=one, second=other) == WARNED
    assert told(first=one, second=other) == WARNED
    assert told(own=one, first=other, second=one) == WARNED * 2


@pytest.mark.parametrize("duty", [MONTH, AT_ONCE, NOTIFY.format("cnil")])
def test_one_deadline_in_both_places_is_not(duty: str) -> None:
    assert told(own=duty, first=duty, second=duty) == []
    assert told(own=KEEP.format("120 minutes"), first=KEEP.format("2 hours")) == []


def test_a_permission_frees_from_its_duties_where_an_exception_holds() -> None:
    assert told(own=MONTH, first=DAYS, effect="permit") == []
    assert told(own=NOTIFY.format("cnil"), first=NOTIFY.format("bnetza"), effect="permit") == []


def test_exceptions_of_a_permission_are_compared_with_each_other() -> None:
    assert told(first=MONTH, second=DAYS, effect="permit") == WARNED


@pytest.mark.parametrize(
    ("when", "days"),
    [
        ("transfer.assessment_age more than 60 days", ""),
        ("transfer.assessed and not transfer.assessment_age at most 30 days", ""),
    ],
)
def test_what_never_holds_together_may_ask_for_what_it_likes(when: str, days: str) -> None:
    assert told(first=MONTH, second=DAYS, when=when, days=days) == []
    assert told(first=NOTIFY.format("a"), second=NOTIFY.format("b"), when=when) == []
    # The rule holds together with each of its exceptions.
    assert told(own=MONTH, first=DAYS, when=when) == WARNED


def test_a_rule_that_refuses_and_its_exception_may_not_ask_in_two_ways() -> None:
    assert told(own=NOTIFY.format("cnil"), first=NOTIFY.format("bnetza")) == REFUSED
    assert told(own=NOTIFY.format("cnil"), second=NOTIFY.format("bnetza")) == REFUSED


def test_another_duty_is_no_clash() -> None:
    assert told(own=MONTH, first="  oblige tell-officer within 72 hours") == []


def test_two_ways_are_told_before_two_deadlines() -> None:
    shorter = NOTIFY.format("bnetza").replace("72 hours", "7 days")
    assert told(own=NOTIFY.format("cnil"), first=shorter) == REFUSED
