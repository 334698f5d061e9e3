"""What would change under other rules, another catalogue or another day, by rule."""

import asyncio
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from dsl.core_json import program_to_json
from gateway.errors import ConfigurationError
from gateway.kept import FOLDER
from gateway.pdp.stored import request_of
from gateway.pdp.supplied import NOTHING
from gateway.replay.compare import changes
from gateway.replay.plan import Plan
from gateway.replay.stretch import Again
from tests.gateway.replay.worlds import Past, groups_of, plain, program_of
from tests.gateway.test_in_force import other_law
from tests.gateway.world import LAW, SITES, VOCABULARY, program

ALIKE: list[dict[str, Any]] = [{}, {}, {}, {}, {}, {}, {}]
FAR: dict[str, Any] = {"resource__id": "far"}
CLAUSES: dict[str, Any] = {"resource__id": "far", "context__transfer__tool": "clauses"}


@pytest.fixture
def past(tmp_path: Path) -> Past:
    return Past(tmp_path)


def core(**texts: str) -> bytes:
    return program_to_json(program_of(**texts))


def other_sites(folder: Path, text: str) -> tuple[Path, ...]:
    path = folder / "other.toml"
    path.write_text(text)
    return (path,)


# --- other rules ---------------------------------------------------------------------


def test_the_same_rules_in_other_words_change_nothing(past: Past) -> None:
    past.decide({}, FAR, CLAUSES)
    found = past.replay(core=core(law=LAW.replace("The law says so.", "So says the law.")))
    assert plain(found) == {"decisions": 3, "same": 3, "changed": 0, "cannot_tell": 0}
    assert found.words == 1


def test_a_permit_that_would_be_a_denial_is_laid_to_the_rule_that_denies(past: Past) -> None:
    past.decide({}, FAR)
    found = past.replay(core=core(law=LAW.replace("more than 365 days", "more than 5 days")))
    assert groups_of(found) == {
        ("test.law/fresh", "permit -> deny"): past.ids[:1],
        ("test.law/fresh", "also forbidden"): past.ids[1:],
    }
    assert found.outcomes == {"permit -> deny": 1}


def test_a_denial_that_would_be_a_permit_is_laid_to_the_rule_that_denied(past: Past) -> None:
    past.decide(FAR)
    found = past.replay(core=core(words=VOCABULARY.replace("member BE, DE, FR", "member US")))
    assert groups_of(found) == {("test.law/eea-only", "deny -> permit"): past.ids}


def test_duties_that_would_be_others_are_named(past: Past) -> None:
    past.decide(CLAUSES)
    found = past.replay(
        core=core(
            law=LAW.replace("    oblige keep-record\n", "")
            .replace("within 30 days", "within 10 days")
            .replace("with keep-record, tell-owner", "with tell-owner")
        )
    )
    assert groups_of(found) == {
        ("test.law/eea-only/tools", "obligation keep-record removed"): past.ids,
        ("test.law/eea-only/tools", "obligation tell-owner with another deadline"): past.ids,
    }


def test_a_question_that_would_be_asked_for_more_is_told(past: Past) -> None:
    past.decide(FAR)
    text = LAW.replace(
        "when transfer.tool in {clauses, rules}",
        "when transfer.tool in {clauses, rules, none} and transfer.encrypted",
    ).replace(
        '"health data to the US without a tool" is denied',
        '"health data to the US without a tool" is undetermined',
    )
    found = past.replay(core=core(law=text))
    assert groups_of(found) == {("test.law/eea-only", "deny -> indeterminate"): past.ids}


def test_rules_that_permit_nothing_are_named_where_they_stand_in_the_way(past: Past) -> None:
    past.decide({})
    found = past.replay(core=other_law().files["core.json"])
    assert groups_of(found) == {("test.law/nothing", "permit -> deny"): past.ids}


def test_an_action_that_other_rules_have_not_is_not_answered(past: Past) -> None:
    past.decide({"action__name": "sleep", "context": {}})
    text = VOCABULARY.replace('action sleep "Do nothing anywhere"\n', "")
    found = past.replay(core=core(words=text))
    ((group, ids),) = groups_of(found).items()
    assert (group, ids) == (("-", "deny -> not-answered"), past.ids)
    (example,) = next(iter(found.groups.values())).examples
    assert "there is no action `sleep`" in example.words


def test_a_value_that_other_rules_do_not_know_is_not_answered(past: Past) -> None:
    past.decide(CLAUSES)
    words = VOCABULARY.replace("of none, clauses, rules", "of none, pledges, rules")
    text = LAW.replace("clauses", "pledges")
    found = past.replay(core=core(words=words, law=text))
    assert list(groups_of(found)) == [("-", "permit -> not-answered")]


def test_facts_that_other_rules_do_not_know_are_named(past: Past) -> None:
    past.decide({"context__transfer__encrypted": True})
    words = VOCABULARY.replace("  field encrypted yes or no\n", "")
    found = past.replay(core=core(words=words))
    assert found.left == {"transfer.encrypted"}
    assert plain(found)["same"] == 1


def test_a_fact_of_the_catalogue_is_not_laundered_into_a_statement_of_the_caller() -> None:
    """Other rules may have a request state what the catalogue stated; the caller did not."""
    facts = [
        {"path": "transfer.age", "value": 7, "origin": "catalogue"},
        {"path": "transfer.tool", "value": "none", "origin": "request"},
    ]
    predicate = {"action": "place", "facts": facts, "entities": []}
    asked = request_of(program(), predicate, NOTHING)
    assert asked["context"] == {"transfer": {"tool": "none"}}


def test_rules_that_cannot_read_the_catalogue_of_the_record_say_so(past: Past) -> None:
    past.decide({})
    words = VOCABULARY.replace("  field tier      number of days\n", "")
    found = past.replay(core=core(words=words))
    assert list(found.unknown) == ["catalogue-unreadable"]


def test_under_other_rules_a_record_without_its_catalogue_is_untold(past: Past) -> None:
    past.decide({})
    for path in (past.state / FOLDER).glob("catalogue-*"):
        path.unlink()
    found = past.replay(core=core())
    assert list(found.unknown) == ["catalogue-not-kept"]


def test_other_rules_need_no_bundle_of_the_day(tmp_path: Path) -> None:
    past = Past(tmp_path, keeps=False)
    past.decide({})
    found = past.replay(core=core(), catalogue=other_sites(tmp_path, SITES))
    assert plain(found)["same"] == 1


# --- another catalogue ---------------------------------------------------------------


def test_a_site_that_moved_changes_what_rests_on_it(past: Past, tmp_path: Path) -> None:
    past.decide({}, FAR)
    moved = SITES.replace('["FR"], tier = 3', '["US"], tier = 3')
    found = past.replay(catalogue=other_sites(tmp_path, moved))
    assert groups_of(found) == {("test.law/eea-only", "permit -> deny"): past.ids[:1]}
    (example,) = next(iter(found.groups.values())).examples
    assert example.facts == {"destination.countries": (["FR"], ["US"])}
    assert example.entities == ("destination near",)


def test_a_site_that_nobody_vouches_for_is_not_answered(past: Past, tmp_path: Path) -> None:
    past.decide({})
    without = SITES.replace('id = "near"', 'id = "nearby"')
    found = past.replay(catalogue=other_sites(tmp_path, without))
    assert list(groups_of(found)) == [("-", "permit -> not-answered")]


def test_a_fact_that_no_rule_reads_changes_nothing(past: Past, tmp_path: Path) -> None:
    past.decide({})
    found = past.replay(catalogue=other_sites(tmp_path, SITES.replace("tier = 3", "tier = 4")))
    assert plain(found)["same"] == 1


def test_a_fact_that_would_be_unknown_never_gives_a_permit(past: Past, tmp_path: Path) -> None:
    past.decide({}, FAR, CLAUSES, {"resource__id": "closed"})
    bare = (
        SITES.replace("open = true", "tier = 9").replace("tier = 3, ", "").replace("tier = 1, ", "")
    )
    found = past.replay(catalogue=other_sites(tmp_path, bare))
    assert not [change for change in found.groups if change.kind.endswith("-> permit")]
    assert found.outcomes == {"permit -> indeterminate": 2}


def test_a_catalogue_that_is_none_is_refused(past: Past, tmp_path: Path) -> None:
    past.decide({})
    with pytest.raises(ConfigurationError, match=r"other\.toml"):
        past.replay(catalogue=other_sites(tmp_path, "format = 1"))


# --- another day ---------------------------------------------------------------------


def test_another_day_is_another_law(past: Past) -> None:
    past.decide(CLAUSES, {})
    later = past.replay(day=date(2027, 1, 16))
    assert groups_of(later) == {("test.law/eea-only", "permit -> deny"): past.ids[:1]}
    earlier = past.replay(day=date(2026, 6, 30))
    assert set(groups_of(earlier)) == {
        ("test.law/eea-only/tools", "ground removed"),
        ("test.law/eea-only/tools", "obligation keep-record removed"),
        ("test.law/eea-only/tools", "obligation tell-owner removed"),
    }


def test_another_day_within_the_same_law_changes_no_deadline(past: Past) -> None:
    past.decide(CLAUSES)
    assert plain(past.replay(day=date(2026, 12, 24)))["same"] == 1


def test_a_row_that_has_lapsed_on_the_day_is_not_answered(past: Past) -> None:
    past.decide({"resource__id": "lapsing"})
    found = past.replay(day=date(2026, 11, 23))
    assert list(groups_of(found)) == [("-", "permit -> not-answered")]


# --- what is told --------------------------------------------------------------------


def test_each_change_is_counted_and_shown_by_the_oldest_decisions(past: Past) -> None:
    past.decide(*ALIKE[:7])
    found = past.replay(core=other_law().files["core.json"], examples=2)
    (group,) = found.groups.values()
    assert group.count == 7
    assert [example.id for example in group.examples] == past.ids[:2]
    assert found.lines == []


def test_a_decision_with_several_changes_is_counted_once(past: Past) -> None:
    past.decide(CLAUSES)
    found = past.replay(day=date(2026, 6, 30))
    assert (len(found.groups), found.changed) == (3, 1)


def test_every_change_has_a_line_where_they_are_asked_for(past: Past) -> None:
    past.decide(*ALIKE[:5], FAR)
    plan = Plan(past.state, core=other_law().files["core.json"], lines=True, examples=1)

    async def run() -> list[dict[str, object]]:
        again = Again(plan)
        tally = await again.stretch(past.state / "ledger", 0, 100, None)
        await again.close()
        return tally.lines

    lines = asyncio.run(run())
    assert [line["id"] for line in lines] == past.ids
    assert json.loads(json.dumps(lines[0]))["changes"] == [
        {"rule": "test.law/nothing", "change": "permit -> deny"}
    ]


# --- the comparison alone ------------------------------------------------------------

EMPTY: dict[str, Any] = {
    "decision": "permit",
    "reasons": [],
    "missing": [],
    "grounds": [],
    "obligations": [],
    "advice": [],
    "preferences": [],
    "warnings": [],
    "shadow": [],
}
DUTY: dict[str, Any] = {"id": "d", "rule": "r/a", "parameters": {}, "due": None}


DIFFERENCES: list[tuple[dict[str, Any], dict[str, Any], list[tuple[str, str]]]] = [
    ({}, {}, []),
    ({"grounds": [{"rule": "g"}]}, {}, [("g", "ground removed")]),
    ({}, {"advice": [DUTY]}, [("r/a", "advice d added")]),
    ({"obligations": [DUTY]}, {}, [("r/a", "obligation d removed")]),
    (
        {"obligations": [DUTY]},
        {"obligations": [{**DUTY, "due": "2026-12-01"}]},
        [("r/a", "obligation d with another deadline")],
    ),
    (
        {"preferences": [{"rule": "p", "weight": 1}]},
        {"preferences": [{"rule": "p", "weight": 2}]},
        [("p", "preference 1 -> 2")],
    ),
    (
        {"shadow": [{"rule": "s", "status": "forbidden"}]},
        {"shadow": [{"rule": "s", "status": "undetermined"}]},
        [("s", "trial forbidden -> undetermined")],
    ),
    (
        {"decision": "deny"},
        {"decision": "indeterminate", "reasons": [{"rule": "x", "status": "undetermined"}]},
        [("x", "deny -> indeterminate")],
    ),
    ({"decision": "deny"}, {}, [("-", "deny -> permit")]),
]


@pytest.mark.parametrize(("before", "after", "told"), DIFFERENCES)
def test_what_differs_is_told_once_by_rule(
    before: dict[str, Any], after: dict[str, Any], told: list[tuple[str, str]]
) -> None:
    found = changes({**EMPTY, **before}, {**EMPTY, **after}, same_day=True)
    assert [(change.rule, change.kind) for change in found] == told


def test_a_record_of_a_version_that_kept_less_is_compared_by_what_it_has() -> None:
    before = {name: value for name, value in EMPTY.items() if name not in ("grounds", "shadow")}
    after = {**EMPTY, "grounds": [{"rule": "g"}]}
    assert changes(before, after, same_day=True) == []
