"""What an explanation says of rules that are seldom written: it must not be the opposite."""

import pytest

from dsl.compile import compile_charters
from dsl.explain import explain
from dsl.explain_text import to_plain
from dsl.source import SourceText

HEAD = """charter words
  law ACT "An act" url "https://example.org/act"
action place "Run a workload"
enumeration part "Part" of one, two
enumeration country "Country" of AT, BE, FR, US
levels seal "Seals" of SEAL-0 < SEAL-1
taxonomy kind "Kinds"
  term public "P"
  term personal "P"
  term health "H" under personal
record x "X" from request at context.x
  field open     map of part to yes or no
  field seal     map of part to seal
  field lands    map of part to set of country
  field country  country
  field kind     kind
obligation tell "Tell the officer"
zone LATE "Late" member US from 2026-01-01
zone EEA "EEA" member AT, BE, FR
zone BOTH "Both" as EEA + LATE
"""

SAID = {
    "every x.open = no": '"open" is true of the X in no respect',
    "not every x.open = no": '"open" is true of the X in at least one respect',
    "not some x.open is not yes": '"open" is true of the X in every respect',
    "some x.open = no": '"open" is not true of the X in at least one respect',
    "every x.seal is not SEAL-1": "no seal of the X is SEAL-1",
    "not every x.seal is not SEAL-1": "at least one seal of the X is SEAL-1",
    "some x.seal is not SEAL-1": "at least one seal of the X is not SEAL-1",
    "not some x.seal is not SEAL-1": "every seal of the X is SEAL-1",
    "every x.seal is known": "every seal of the X is known",
    "some x.seal is known": "at least one seal of the X is known",
    "not every x.seal is not known": "at least one seal of the X is known",
    "not some x.seal is not known": "every seal of the X is known",
    "every x.open is known": 'every "open" of the X is known',
    "every x.lands within EEA": "every lands of the X lies entirely in EEA",
    "not every x.lands within EEA": "not every lands of the X lies entirely in EEA",
    "not some x.lands within {AT, BE}": "no lands of the X is entirely among AT and BE",
    "some x.lands touches EEA": "at least one lands of the X lies at least in part in EEA",
    "not every x.lands touches {AT}": "not every lands of the X is at least in part among AT",
    "x.country in EEA - {FR} + {US}": (
        "the country of the X lies in EEA, less FR, with US, in this order"
    ),
    "not x.kind in {personal, public} - {health}": (
        "it is not so that the kind of the X is personal or public, but not in health"
    ),
}


def told(rule: str) -> str:
    compiled = compile_charters([SourceText("x", f"{HEAD}{rule}")])
    checked, program = compiled.require()
    return to_plain(explain(checked, program, compiled.sources, "r"))


@pytest.mark.parametrize("condition", SAID)
def test_what_is_asked_of_all_and_what_is_denied_is_said(condition: str) -> None:
    text = told(f'rule r "R" cites ACT art 1 on place permit when {condition}\n')
    assert f"It applies when {SAID[condition]}." in text


@pytest.mark.parametrize("level", ["warn", "shadow"])
def test_no_duty_is_claimed_of_a_rule_that_is_not_enforced(level: str) -> None:
    rule = f"""rule r "R" cites ACT art 1 level {level} on place forbid when x.country = US
  oblige tell
  except e "E" cites ACT art 2 when x.kind = public oblige tell within 2 days
  because "B" remedy "R"
"""
    enforced = told(rule.replace(f"level {level}", ""))
    assert "Whoever it applies to and is permitted has to tell the officer." in enforced
    assert "Who relies on it has to tell the officer, within 2 days of the decision." in enforced
    text = told(rule)
    assert "Once the rule is enforced, whoever it applies to and is permitted has to tell" in text
    assert "Once the rule is enforced, who relies on it has to tell the officer" in text


def test_a_permission_that_only_warns_is_not_said_to_permit() -> None:
    text = told('rule r "R" cites ACT art 1 level warn on place permit when x.country = US\n')
    assert "it permits only what is certainly so" not in text


@pytest.mark.parametrize(("zone", "dated"), [("LATE", True), ("BOTH", True), ("EEA", False)])
def test_a_zone_put_together_of_dated_ones_depends_on_the_day(zone: str, dated: bool) -> None:
    text = told(f'rule r "R" cites ACT art 1 on place permit when x.country in {zone}\n')
    assert ("Who belongs to it depends on the day." in text) is dated


DERIVED = """entity shop "A shop"
  field shares list of stake
  field opened date
  field closed date
structure stake "A stake"
  field part number of percent
record s "S" is shop from catalogue at context.s on place
derive s.whole_share "Share of all owners together" as the sum of s.shares.part
derive s.last_day "Last day to object" as s.opened plus 6 months
derive s.early as s.closed minus 6 months
derive s.in_order "Closed after it was opened" as whether s.closed after s.opened
"""
NAMED = {
    "s.whole_share at least 50 percent": (
        '"Share of all owners together" of the S is at least 50 percent'
    ),
    "s.whole_share is known": '"Share of all owners together" of the S is known',
    "s.last_day before 2026-01-01": 'the date "Last day to object" of the S is before 2026-01-01',
    # Without a title there is the name alone.
    "s.early before today": 'the date "early" of the S is before today',
    "not s.in_order": '"Closed after it was opened" is not true of the S',
}


@pytest.mark.parametrize("condition", NAMED)
def test_a_derived_fact_is_called_by_its_title(condition: str) -> None:
    text = told(f'{DERIVED}rule r "R" cites ACT art 1 on place permit when {condition}\n')
    assert f"It applies when {NAMED[condition]}." in text
    assert "the whole share" not in text
    facts = next(line for line in text.splitlines() if line.startswith("facts 1: "))
    assert "calculated from what is stated by the catalogue" in facts
    assert facts.count("Share of all owners together") <= 1


def test_a_fact_that_is_stated_is_called_by_its_name() -> None:
    """Its title is a sentence as often as not."""
    stated = DERIVED.replace("opened date", 'opened date "When it was opened"')
    rule = 'rule r "R" cites ACT art 1 on place permit when s.opened before today\n'
    assert 'the date "opened" of the S is before today' in told(f"{stated}{rule}")
