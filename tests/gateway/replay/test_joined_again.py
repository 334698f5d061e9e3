"""Whoever stated a fact, it is joined again as it was: callers, catalogue, registry, sources,
calculation, profile. And what was disputed stays unknown."""

from pathlib import Path
from typing import Any

import pytest

from gateway.callers import Caller
from gateway.erasure import Grounds, erase
from gateway.errors import LedgerError
from gateway.replay.plan import Filters
from gateway.sources import Sources
from tests.gateway import whole
from tests.gateway.pdp.test_registry import DATASETS
from tests.gateway.replay.worlds import Past, groups_of, law, plain
from tests.gateway.sources import parts
from tests.gateway.test_in_force import other_law
from tests.gateway.world import LAW, NOW, SITES, VOCABULARY

PERMITS = Filters(outcome="permit")


@pytest.fixture
def past(tmp_path: Path) -> Past:
    return Past(tmp_path)


# --- calculation and profile -----------------------------------------------------------

EVERY_CONSTRUCT: tuple[dict[str, Any], ...] = (
    whole.asked(),
    whole.asked(resource={"type": "site", "id": "far"}),
    whole.asked(context={}),
    whole.asked(**whole.LEAVE),
    whole.asked(subject={"type": "robot", "id": "r"}),
    whole.asked(context={"contract": {"ends": "2026-11-23", "price": "0.01", "persons": 0}}),
)


def test_derived_facts_and_profiles_are_those_of_the_record(past: Past) -> None:
    for tenant in ("clinic-a", "clinic-b", "nobody-in-particular"):
        past.decide(
            *EVERY_CONSTRUCT, of=whole.made(), sites=whole.SITES, caller=Caller("c", tenant)
        )
    found = past.replay(engines=("reference", "cedar", "rego"))
    number = 3 * len(EVERY_CONSTRUCT)
    assert plain(found) == {"decisions": number, "same": number, "changed": 0, "cannot_tell": 0}


def test_a_derived_fact_that_was_computed_otherwise_is_found(past: Past) -> None:
    past.decide(whole.asked(), of=whole.made(), sites=whole.SITES)
    derived = sorted(whole.made().program.derived)

    def change(predicate: dict[str, Any]) -> None:
        (fact,) = [one for one in predicate["facts"] if one["path"] in derived][:1]
        fact["value"] = "99.99" if isinstance(fact["value"], str) else not fact["value"]

    past.rewrite(change)
    assert list(groups_of(past.replay())) == [("-", "facts differ")]


def test_the_profile_is_that_of_the_tenant_and_not_that_of_the_record(past: Past) -> None:
    past.decide(
        whole.asked(),
        of=whole.made(),
        sites=whole.SITES,
        caller=Caller("c", "clinic-a"),
    )

    def change(predicate: dict[str, Any]) -> None:
        predicate["tenant"] = "nobody-in-particular"

    past.rewrite(change)
    assert ("-", "facts differ") in groups_of(past.replay())


# --- the registry ----------------------------------------------------------------------


def test_labels_of_data_sets_are_added_again(past: Past) -> None:
    named: dict[str, Any] = {"labels": ["public"], "datasets": ["ehr-lake"]}
    past.decide({"context__data": named}, sites=SITES + DATASETS)
    assert plain(past.replay())["same"] == 1


def test_a_data_set_of_another_tenant_is_not_joined(past: Past, tmp_path: Path) -> None:
    named: dict[str, Any] = {"labels": ["public"], "datasets": ["ehr-lake"]}
    past.decide({"context__data": named}, sites=SITES + DATASETS)
    other = tmp_path / "other.toml"
    other.write_text(SITES + DATASETS.replace('"clinic-a"', '"clinic-c"'))
    assert list(groups_of(past.replay(catalogue=(other,)))) == [("-", "permit -> not-answered")]


# --- sources ---------------------------------------------------------------------------

PLACES = """\
format = "charter-catalogue/v1"
title = "Sites"
as_of = 2026-11-22

[[site]]
id = "near"
valid_from = 2026-01-01
source = "made up"
facts = { open = true, countries = ["FR"], seal = { SOV-2 = "SEAL-2" } }
"""
ASKED: dict[str, Any] = {"subject": {"type": "workload", "id": "w-1"}, "context": {}}


def told(past: Past, **changes: Any) -> None:
    sources = Sources(
        parts.program(),
        [parts.source(parts.Told(lambda _: parts.answer(**changes))), parts.verifier()],
    )
    past.decide(ASKED, of=parts.made(), sites=PLACES, sources=sources)


def test_what_sources_said_is_taken_from_the_record_and_nobody_is_asked(past: Past) -> None:
    told(past)
    found = past.replay()
    assert plain(found) == {"decisions": 1, "same": 1, "changed": 0, "cannot_tell": 0}
    assert past.replay(filters=PERMITS).matched == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"observed_at": "2026-11-22T09:00:00Z"},  # too old to be believed
        {"facts": {"staff": ["US"], "holders": [{"country": "US", "share": "75"}]}},
        {"facts": {}},
        {"format": "charter-facts/v9"},
    ],
)
def test_what_a_source_did_not_state_stays_unknown(past: Past, changes: dict[str, Any]) -> None:
    told(past, **changes)
    assert plain(past.replay())["same"] == 1
    assert past.replay(filters=PERMITS).matched == 0


def test_a_statement_that_was_taken_out_of_the_record_is_missed(past: Past) -> None:
    told(past)
    past.rewrite(lambda predicate: predicate["sources"].clear())
    assert ("-", "facts differ") in groups_of(past.replay())


# --- what callers dispute --------------------------------------------------------------


@pytest.mark.parametrize(
    "claims", [{"destination.open": False}, {"destination.countries": ["DE"], "origin.open": True}]
)
def test_what_the_caller_disputed_is_unknown_again(past: Past, claims: dict[str, Any]) -> None:
    past.decide({}, claims=claims)
    found = past.replay()
    assert plain(found) == {"decisions": 1, "same": 1, "changed": 0, "cannot_tell": 0}
    assert past.replay(filters=PERMITS).matched == 0


def test_a_dispute_that_was_taken_out_of_the_record_is_missed(past: Past) -> None:
    past.decide({}, claims={"destination.open": False})
    past.rewrite(lambda predicate: predicate.pop("disputed"))
    assert ("-", "facts differ") in groups_of(past.replay())


# --- what is erased --------------------------------------------------------------------


def test_an_erased_decision_is_told_as_such_and_the_erasure_is_no_decision(past: Past) -> None:
    past.decide({}, {"resource__id": "far"})
    grounds = Grounds(reason="a mistake", authority="GDPR art 17", by="an officer")
    with past.open_ledger() as log:
        erase(log, past.decision_key, entry=past.ids[0], grounds=grounds, now=NOW)
    found = past.replay()
    assert plain(found) == {"decisions": 2, "same": 1, "changed": 0, "cannot_tell": 1}
    assert [one.id for one in found.unknown["erased"].examples] == past.ids[:1]
    assert found.own == 1


# --- what is decided once ----------------------------------------------------------------


DATED = """
record lease "The lease" from request at context.lease
  field begins date
  field ends   date
derive lease.is_one "It ends after it begins" as whether lease.begins before lease.ends
"""
ONE = """
rule leased "A lease is one"
  cites LEX art 9
  on place
  require lease.is_one
  because "The law says so."
  remedy "State both dates."
"""


@pytest.mark.parametrize("first", [0, 1, 2])
def test_decisions_that_rules_see_alike_each_ask_for_what_is_missing_in_them(
    past: Past, first: int
) -> None:
    """What the rule reads is derived from two dates, and unknown where one is."""
    stated: list[dict[str, Any]] = [{}, {"begins": "2026-11-01"}, {"ends": "2027-06-30"}]
    asked = [{"context__lease": one} for one in stated]
    past.decide(
        *asked[first:],
        *asked[:first],
        of=law(
            words=VOCABULARY.replace("\nobligation keep", DATED + "\nobligation keep"),
            law=LAW + ONE,
        ),
    )
    assert plain(past.replay())["same"] == 3


# --- ledgers that have ended -------------------------------------------------------------


def test_ledgers_that_have_ended_are_read_first(past: Past) -> None:
    past.decide({}, {"resource__id": "far"})
    for number in (1, 2):
        (past.state / "shards" / str(number)).mkdir(parents=True)
        (past.state / "ledger").rename(past.state / "shards" / str(number) / "ledger")
        past.decide({"subject__id": f"later-{number}"})
    found = past.replay(core=other_law().files["core.json"], examples=9)
    assert (found.looked, found.changed) == (4, 4)
    ids = [one.id for group in found.groups.values() for one in group.examples]
    assert list(dict.fromkeys(ids)) == [past.ids[0], past.ids[2], past.ids[3], past.ids[1]]
    assert past.replay(limit=2).matched == 2


def test_a_ledger_that_has_ended_and_cannot_be_read_is_no_small_matter(past: Past) -> None:
    past.decide({})
    (past.state / "shards" / "1" / "ledger").mkdir(parents=True)
    with pytest.raises(LedgerError, match="there is no ledger"):
        past.replay()
