"""A recorded decision comes out again as it is recorded, or it is said what differs."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dsl.evaluate import Answer
from dsl.facts import Question
from gateway.callers import Caller
from gateway.errors import EngineAnswerError, LedgerError
from gateway.kept import FOLDER
from gateway.replay import rules, run, shelf, stretch
from gateway.replay.asked import RecordUnfitError, joined_as_recorded, moment_of
from gateway.replay.plan import Filters
from gateway.replay.stored import Kind, stored
from tests.gateway.replay.worlds import Past, groups_of, law, plain
from tests.gateway.test_in_force import other_law
from tests.gateway.world import LAW, NOW, SITES, FakeEngine, program
from tests.project import ROOT

QUESTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"resource__id": "far"},
    {"resource__id": "far", "context__transfer__tool": "clauses"},
    {"resource__id": "vague"},
    {"resource__id": "closed"},
    {"context__transfer": {}},
    {"context__transfer__age": 366},
    {"context__data__labels": []},
    {"action__name": "flow", "context__origin": {"type": "site", "id": "far"}},
    {"action__name": "purge", "resource": {"type": "any", "id": "x"},
     "context": {"data": {"datasets": ["archive"]}}},
    {"action__name": "sleep", "context": {}},
)  # fmt: skip
ALL_SAME = {"decisions": len(QUESTIONS), "same": len(QUESTIONS), "changed": 0, "cannot_tell": 0}


@pytest.fixture
def past(tmp_path: Path) -> Past:
    return Past(tmp_path)


def test_every_kind_of_decision_comes_out_as_it_is_recorded(past: Past) -> None:
    past.decide(*QUESTIONS)
    found = past.replay()
    assert plain(found) == ALL_SAME
    assert (found.from_facts, found.words) == (0, 0)


def test_the_engines_that_gateways_use_are_asked_each_distinct_question_once(past: Past) -> None:
    past.decide({}, {}, {"resource__id": "far"}, {"subject__id": "somebody-else"})
    found = past.replay(engines=("cedar", "rego"))
    assert plain(found)["same"] == 4
    assert (found.counts.distinct, found.counts.asked) == (2, 2)


def test_a_share_of_the_questions_is_put_to_engines_and_all_to_the_definition(past: Past) -> None:
    past.decide(*QUESTIONS)
    found = past.replay(share=0.4)
    assert plain(found) == ALL_SAME
    assert 0 < found.counts.asked < found.counts.distinct
    assert past.replay(share=0.0).counts.asked == 0
    assert past.replay(engines=()).counts.asked == 0


def test_decisions_of_several_rules_and_catalogues_each_come_out_under_their_own(
    past: Past,
) -> None:
    other = law(law=LAW.replace("more than 365 days", "more than 5 days"))
    past.decide({}, {"resource__id": "far"})
    past.decide({}, of=other)
    past.decide({}, sites=SITES.replace('["FR"], tier = 3', '["US"], tier = 3'))
    past.decide({}, {"resource__id": "far"}, overlays=(OVERLAY,))
    assert plain(past.replay()) == {"decisions": 6, "same": 6, "changed": 0, "cannot_tell": 0}


OVERLAY = """\
format = "charter-overlay/v1"
title = "Ours"
author = "An operator"
as_of = 2026-11-22

[[site]]
id = "far"
changes = "It was closed"
source = "made up"
facts = { open = false }
"""


def test_the_law_and_the_rows_of_the_day_of_the_record_count(past: Past) -> None:
    days = (
        datetime(2026, 2, 3, tzinfo=UTC),  # before eea-only
        datetime(2026, 6, 30, 22, 30, tzinfo=UTC),  # the next day in Brussels
        datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC),
        datetime(2027, 1, 16, tzinfo=UTC),  # after the exception
    )
    for day in days:
        past.decide(
            {"resource__id": "far", "context__transfer__tool": "clauses"},
            {"resource__id": "near"},
            now=day,
        )
    assert plain(past.replay()) == {"decisions": 8, "same": 8, "changed": 0, "cannot_tell": 0}


def test_what_the_gateway_did_itself_is_no_decision(past: Past) -> None:
    past.decide({}, own="reload")
    found = past.replay()
    assert (found.looked, found.matched, found.own) == (2, 1, 1)


# --- damaged on purpose --------------------------------------------------------------


def put(*path: Any, to: Any) -> Callable[[dict[str, Any]], object]:
    def change(predicate: dict[str, Any]) -> None:
        at: Any = predicate
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = to

    return change


def fact(path: str, value: object) -> Callable[[dict[str, Any]], object]:
    def change(predicate: dict[str, Any]) -> None:
        (one,) = [f for f in predicate["facts"] if f["path"] == path]
        one["value"] = value

    return change


DIFFER: list[tuple[dict[str, Any], Callable[[dict[str, Any]], object], tuple[str, str]]] = [
    ({}, put("decision", to="deny"), ("-", "deny -> permit")),
    ({"resource__id": "far"}, put("decision", to="permit"),
     ("-", "permit -> deny")),
    ({"resource__id": "far"}, put("reasons", to=[]), ("test.law/eea-only", "also forbidden")),
    ({"resource__id": "far"}, put("reasons", 0, "status", to="undetermined"),
     ("test.law/eea-only", "undetermined -> forbidden")),
    ({"resource__id": "far"}, put("reasons", 0, "title", to="Nothing"),
     ("-", "other words in reasons")),
    ({"resource__id": "far"}, put("reasons", 0, "facts", to=[]), ("-", "other words in reasons")),
    ({"resource__id": "far", "context__transfer__tool": "clauses"}, put("obligations", to=[]),
     ("test.law/eea-only/tools", "obligation keep-record added")),
    ({"resource__id": "far", "context__transfer__tool": "clauses"},
     put("obligations", 1, "due", to="2026-12-01"),
     ("test.law/eea-only/tools", "obligation tell-owner with another deadline")),
    ({"resource__id": "far", "context__transfer__tool": "clauses"},
     put("obligations", 0, "parameters", to={"days": "1"}),
     ("test.law/eea-only/tools", "obligation keep-record with other parameters")),
    ({}, put("grounds", to=[]), ("test.baseline/open-site", "ground added")),
    ({"context__transfer": {}, "resource__id": "far"}, put("missing", to=[]),
     ("test.law/eea-only", "also asks for transfer.tool")),
    ({}, put("warnings", to=[{"rule": "x", "status": "forbidden"}]), ("x", "warning removed")),
    ({}, fact("destination.tier", 4), ("-", "facts differ")),
    ({}, fact("destination.open", False), ("-", "facts differ")),
    ({}, put("entities", 0, "id", to="far"), ("-", "facts differ")),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "damage", "told"), DIFFER)
def test_a_record_that_says_otherwise_than_its_rules_is_found(
    past: Past,
    asked: dict[str, Any],
    damage: Callable[[dict[str, Any]], object],
    told: tuple[str, str],
) -> None:
    past.decide(asked)
    past.rewrite(damage)
    found = past.replay()
    assert plain(found) == {"decisions": 1, "same": 0, "changed": 1, "cannot_tell": 0}
    assert told in groups_of(found)
    assert groups_of(found)[told] == past.ids


UNTOLD: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (put("bundle", to="sha256:" + "0" * 64), "bundle-not-kept"),
    (put("bundle", to="../../etc/passwd"), "bundle-unreadable"),
    (put("catalogue", to="no digest"), "catalogue-unreadable"),
    (put("bundle", to=7), "foreign"),
    (put("incident", to={"kind": "engine-error", "description": "x"}), "fault"),
    (put("decided_at", to="yesterday"), "unfit"),
    (put("decided_at", to="2026-11-22T09:30:15"), "unfit"),
    (put("today", to={"Europe/Brussels": "2026-13-01"}), "unfit"),
    (put("reasons", to=None), "foreign"),
    (lambda predicate: predicate.pop("reasons"), "foreign"),
    (put("facts", to=[7]), "foreign"),
    (put("entities", to=None), "foreign"),
]


@pytest.mark.parametrize(("damage", "reason"), UNTOLD)
def test_a_record_that_cannot_be_made_again_is_told_apart(
    past: Past, damage: Callable[[dict[str, Any]], object], reason: str
) -> None:
    past.decide({})
    past.rewrite(damage)
    found = past.replay()
    assert plain(found) == {"decisions": 1, "same": 0, "changed": 0, "cannot_tell": 1}
    assert list(found.unknown) == [reason]


def test_an_action_that_the_bundle_has_not_is_a_difference(past: Past) -> None:
    past.decide({})
    past.rewrite(put("action", to="fly"))
    assert ("-", "permit -> not-answered") in groups_of(past.replay())


def test_a_decision_made_while_an_engine_failed_is_no_work_of_the_rules(past: Past) -> None:
    async def fail(_: Question) -> Answer:
        raise EngineAnswerError("bad", "no answer")

    past.decide({}, engines=[FakeEngine("bad", fail)])
    found = past.replay()
    assert list(found.unknown) == ["fault"]
    assert plain(found)["changed"] == 0


def test_without_the_catalogue_of_the_day_its_facts_are_taken_as_recorded(past: Past) -> None:
    past.decide(*QUESTIONS)
    for path in (past.state / FOLDER).glob("catalogue-*"):
        path.unlink()
    found = past.replay()
    assert plain(found) == ALL_SAME
    assert found.from_facts == len(QUESTIONS)
    past.rewrite(put("decision", to="deny"))
    assert plain(past.replay())["changed"] == 1


def test_without_the_bundle_of_the_day_nothing_is_said(tmp_path: Path) -> None:
    past = Past(tmp_path, keeps=False)
    past.decide({})
    assert list(past.replay().unknown) == ["bundle-not-kept"]


def test_a_bundle_that_was_exchanged_on_disk_is_not_believed(past: Past) -> None:
    past.decide({})
    (kept,) = (past.state / FOLDER).glob("bundle-*")
    kept.write_bytes(kept.read_bytes()[:100])
    assert list(past.replay().unknown) == ["bundle-unreadable"]


def test_an_entry_that_is_not_on_disk_as_logged_is_damaged(past: Past) -> None:
    past.decide({})
    with past.open_ledger() as log:
        record = log.get_at(0)
    assert record is not None
    assert stored(record).kind is Kind.DECISION
    other = replace(record, body=record.body.replace(b"payload", b"paylaod"))
    assert stored(other).kind is Kind.DAMAGED


def test_there_is_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="there is no ledger"):
        Past(tmp_path).replay()


# --- engines that are wrong on purpose -----------------------------------------------


def with_engine(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[Question], Answer | Exception]
) -> None:
    async def said(question: Question) -> Answer:
        found = answer(question)
        if isinstance(found, Exception):
            raise found
        return found

    def make(*_: object, **__: object) -> list[FakeEngine]:
        return [FakeEngine("fake", said)]

    monkeypatch.setattr(shelf, "make_engines", make)


def test_an_engine_that_says_otherwise_than_the_definition_is_found(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    past.decide({})
    with_engine(monkeypatch, lambda _: Answer(frozenset({"test.law/fresh"}), frozenset()))
    found = past.replay(engines=("fake",))
    assert groups_of(found) == {("-", stretch.ENGINES): past.ids}


def test_an_engine_that_fails_leaves_the_decision_untold(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    past.decide({})
    with_engine(monkeypatch, lambda _: EngineAnswerError("fake", "broken"))
    found = past.replay(engines=("fake",))
    assert list(found.unknown) == ["engine-failed"]


def test_a_definition_that_is_wrong_is_found_by_the_engines(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fast path is held to the engines as they are to it."""
    past.decide({})

    def wrong(*_: object) -> Answer:
        return Answer(frozenset(), frozenset())

    monkeypatch.setattr(rules.Rules, "_defined", wrong)
    assert groups_of(past.replay()) == {("-", stretch.ENGINES): past.ids}


# --- which -----------------------------------------------------------------------------


FILTERS: list[tuple[dict[str, Any], set[int]]] = [
    ({}, {0, 1, 2, 3}),
    ({"tenant": "clinic-a"}, {0, 1}),
    ({"tenant": "nobody"}, set()),
    ({"entity": "far"}, {1, 3}),
    ({"outcome": "permit"}, {0, 2}),
    ({"rule": "test.law/eea-only"}, {1, 3}),
    ({"rule": "test.baseline/open-site"}, {0, 2}),
    ({"since": NOW + timedelta(minutes=1)}, {2, 3}),
    ({"until": NOW + timedelta(minutes=1)}, {0, 1}),
    ({"tenant": "bank-b", "entity": "far", "outcome": "deny"}, {3}),
    ({"share": 0.0}, set()),
]


@pytest.mark.parametrize(("filters", "meant"), FILTERS)
def test_only_what_is_meant_is_decided_again(
    past: Past, filters: Mapping[str, Any], meant: set[int]
) -> None:
    two: tuple[dict[str, Any], ...] = ({}, {"resource__id": "far"})
    past.decide(*two)
    past.decide(*two, now=NOW + timedelta(minutes=2), caller=Caller("other", "bank-b"))
    found = past.replay(filters=Filters(**filters), core=_stricter(), lines=True)
    assert found.matched == len(meant)
    lines = past.replay(filters=Filters(**filters), core=_closed(), lines=True).lines
    assert {line["index"] for line in lines} == meant


def test_one_decision_can_be_named(past: Past) -> None:
    past.decide({}, {"resource__id": "far"})
    found = past.replay(filters=Filters(ids=frozenset(past.ids[1:])), core=_closed())
    assert {i for ids in groups_of(found).values() for i in ids} == set(past.ids[1:])


def test_a_limit_takes_the_oldest_and_no_more(past: Past) -> None:
    past.decide(*QUESTIONS)
    assert past.replay(limit=3).matched == 3
    assert past.replay(limit=3, filters=Filters(outcome="permit")).matched == 3
    assert past.replay(limit=100).matched == len(QUESTIONS)


def test_a_sample_is_the_same_each_time(past: Past) -> None:
    past.decide(*[{"subject__id": f"w-{n}"} for n in range(60)])
    first, again = (past.replay(filters=Filters(share=0.5)) for _ in range(2))
    assert first.matched == again.matched
    assert 10 < first.matched < 50


def test_several_processes_find_what_one_finds(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "STRETCH", 20)
    monkeypatch.setattr(run, "WORTH_A_PROCESS", 0)
    past.decide(*[{"resource__id": ("near", "far")[n % 2]} for n in range(90)])
    core = _stricter()
    alone = past.replay(core=core)
    together = past.replay(core=core, workers=2)
    assert alone.changed == 90
    one, other = alone.body(), together.body()
    for name in ("distinct_questions", "asked_of_engines"):  # each process has its own
        del one[name], other[name]
    assert one == other
    assert past.replay(core=core, workers=2, limit=47).matched == 47


INTERRUPTED = """
import sys, time
from multiprocessing import active_children
from pathlib import Path
from gateway.replay import run
from gateway.replay.plan import Plan

def told(done, of):
    print(*(child.pid for child in active_children()), flush=True)
    time.sleep(60)

if __name__ == "__main__":
    run.STRETCH, run.WORTH_A_PROCESS = 5, 0
    run.replay(Plan(Path(sys.argv[1])), workers=2, told=told)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_processes_end_with_the_one_that_was_started(
    past: Past, tmp_path: Path, number: signal.Signals
) -> None:
    past.decide(*[{"subject__id": f"w-{n}"} for n in range(40)])
    script = tmp_path / "interrupted.py"
    script.write_text(INTERRUPTED)
    with subprocess.Popen(
        [sys.executable, str(script), str(past.state)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        start_new_session=True,
    ) as started:
        assert started.stdout is not None
        children = [int(pid) for pid in started.stdout.readline().split()]
        assert len(children) == 2
        os.kill(started.pid, number)
        started.wait(20)
        deadline = time.monotonic() + 20
        while any(Path(f"/proc/{pid}/cmdline").exists() for pid in children):
            assert time.monotonic() < deadline, "a process goes on for nobody"
            time.sleep(0.05)


def _closed() -> bytes:
    """Rules under which every decision changes."""
    return other_law().files["core.json"]


def _stricter() -> bytes:
    return law(law=LAW.replace("more than 365 days", "more than 5 days")).files["core.json"]


# --- pieces ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "facts",
    [
        [{"path": "no.such", "value": 1, "origin": "request"}],
        [{"path": "destination.tier", "value": "three", "origin": "catalogue"}],
        [{"path": "destination.tier", "value": 3, "origin": "the moon"}],
        [{"value": 3}],
    ],
)
def test_facts_that_are_not_of_the_bundle_are_refused(facts: list[object]) -> None:
    predicate = {"action": "place", "facts": facts}
    days = moment_of(
        {"decided_at": "2026-11-22T00:00:00Z", "today": dict.fromkeys(ZONES, "2026-11-22")}
    ).days
    with pytest.raises(RecordUnfitError):
        joined_as_recorded(program(), predicate, days)


ZONES = ("Europe/Brussels", "Pacific/Auckland")


def test_a_record_without_the_day_of_a_time_zone_is_refused() -> None:
    days = moment_of(
        {"decided_at": "2026-11-22T00:00:00Z", "today": {"Europe/Brussels": "2026-11-22"}}
    ).days
    with pytest.raises(RecordUnfitError, match="time zone"):
        joined_as_recorded(program(), {"action": "place", "facts": []}, days)
