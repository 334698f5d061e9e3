"""`charter replay`: what an operator runs before other rules come into force."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.cli.commands import Charter, Ran, here
from tests.gateway.replay.worlds import Past, law
from tests.gateway.serving import Served, served
from tests.gateway.world import CHARTERS, LAW, SITES, question, write_project

ENGINES = ("--engines", "reference", "--workers", "1")
STRICTER = LAW.replace("more than 365 days", "more than 5 days")


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    """Three decisions, and an act of the gateway."""
    past = Past(tmp_path_factory.mktemp("past"))
    past.decide({}, {"resource__id": "far"}, {}, own="reload")
    return past


@pytest.fixture
def stricter(tmp_path: Path) -> Path:
    folder = write_project(tmp_path / "stricter")
    (folder / "law.charter").write_text(STRICTER)
    return folder


def replay(past: Past, *more: str | Path) -> Ran:
    ran = here("replay", "--state", past.state, *ENGINES, *more)
    ran.check_clean()
    return ran


def test_what_comes_out_as_recorded_ends_with_0(past: Past) -> None:
    ran = replay(past)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == (
        "3 decisions of 4 entries decided again.\n"
        "  3 came out as recorded\n"
        "  0 came out otherwise\n"
        "2 distinct questions, 2 put to the engines.\n"
    )


def test_what_would_change_is_told_by_rule_with_examples_and_ends_with_1(
    past: Past, stricter: Path
) -> None:
    ran = replay(past, "--policies", stricter, "--examples", "1")
    assert (ran.code, ran.err) == (1, "")
    assert ran.out == (
        "3 decisions of 4 entries decided again.\n"
        "  0 would be the same\n"
        "  3 would change\n"
        "     2 permit -> deny\n"
        "2 distinct questions, 2 put to the engines.\n"
        "\n"
        "test.law/fresh\n"
        "  permit -> deny: 2 decisions\n"
        f"    {past.ids[0]}  place, destination near  tenant clinic-a  2026-11-22T09:30:15.250Z\n"
        "  also forbidden: 1 decision\n"
        f"    {past.ids[1]}  place, destination far  tenant clinic-a  2026-11-22T09:30:15.250Z\n"
    )


def test_for_logs_there_are_no_empty_lines_and_no_layout(past: Past, stricter: Path) -> None:
    ran = replay(past, "--policies", stricter, "--format", "plain")
    assert ran.code == 1
    assert all(line and line == line.strip() for line in ran.out.splitlines())
    assert "permit -> deny: 2 decisions" in ran.out.splitlines()


def test_for_programs_there_are_the_same_counts_and_groups(past: Past, stricter: Path) -> None:
    ran = replay(past, "--policies", stricter, "--format", "json")
    told = json.loads(ran.out)
    assert (ran.code, told["what_if"], told["changed"], told["own_entries"]) == (1, True, 3, 1)
    first = told["groups"][0]
    assert (first["rule"], first["change"], first["count"]) == (
        "test.law/fresh", "permit -> deny", 2,
    )  # fmt: skip
    assert [one["id"] for one in first["examples"]] == [past.ids[0], past.ids[2]]


def test_a_stream_has_a_line_for_each_decision_that_changes_and_the_counts_last(
    past: Past, stricter: Path
) -> None:
    ran = replay(past, "--policies", stricter, "--format", "ndjson", "--examples", "0")
    *lines, last = [json.loads(line) for line in ran.out.splitlines()]
    assert [line["id"] for line in lines] == past.ids
    assert last["summary"]["decisions"] == 3
    assert last["summary"]["groups"][0]["examples"] == []
    assert replay(past, "--format", "ndjson").out.count("\n") == 1


def test_another_bundle_can_be_a_file_a_folder_or_charters(
    past: Past, stricter: Path, tmp_path: Path
) -> None:
    compiled = tmp_path / "compiled"
    assert here("compile", stricter, "-o", compiled).code == 0
    folder = replay(past, "--bundle", compiled, "--format", "json").out
    assert folder == replay(past, "--policies", stricter, "--format", "json").out
    (kept,) = (past.state / "bundles").glob("bundle-*")
    assert replay(past, "--bundle", kept).code == 0


def test_another_catalogue_with_an_overlay_and_another_day(past: Past, tmp_path: Path) -> None:
    (tmp_path / "sites.toml").write_text(SITES)
    (tmp_path / "ours.toml").write_text(
        'format = "charter-overlay/v1"\ntitle = "Ours"\nauthor = "We"\nas_of = 2026-11-22\n'
        '[[withdraw]]\nentity = "site"\nid = "near"\nreason = "gone"\n'
    )
    catalogue = ("--catalogue", tmp_path / "sites.toml")
    assert replay(past, *catalogue).code == 0
    ran = replay(past, *catalogue, "--overlay", tmp_path / "ours.toml")
    assert ran.code == 1
    assert "No rule in particular\n  permit -> not-answered: 2 decisions" in ran.out
    assert "/resource/id: the catalogue vouches for no site `near`" in ran.out
    early = replay(past, "--at", "2026-06-30")
    assert "test.law/eea-only\n  deny -> permit: 1 decision" in early.out


SELECTIONS: list[tuple[tuple[str, ...], int]] = [
    (("--tenant", "clinic-a"), 3),
    (("--tenant", "bank-b"), 0),
    (("--site", "far"), 1),
    (("--decision", "permit"), 2),
    (("--rule", "test.law/eea-only"), 1),
    (("--from", "2026-11-22"), 3),
    (("--from", "2026-11-22T09:30:16Z"), 0),
    (("--from", "2026-11-23"), 0),
    (("--until", "2026-11-22"), 3),
    (("--until", "2026-11-22T09:30:15Z"), 0),
    (("--until", "2026-11-21"), 0),
    (("--limit", "2"), 2),
    (("--sample", "0"), 0),
]


@pytest.mark.parametrize(("options", "meant"), SELECTIONS)
def test_only_the_decisions_that_are_meant_are_counted(
    past: Past, options: tuple[str, ...], meant: int
) -> None:
    told = json.loads(replay(past, *options, "--format", "json").out)
    assert told["decisions"] == meant


def test_one_decision_is_named_by_its_id(past: Past) -> None:
    ran = replay(past, "--id", past.ids[1], "--format", "json")
    assert json.loads(ran.out)["decisions"] == 1


def test_what_cannot_be_told_ends_with_1_only_where_that_is_asked_for(tmp_path: Path) -> None:
    past = Past(tmp_path, keeps=False)
    past.decide({})
    ran = replay(past)
    assert ran.code == 0
    assert "  1 cannot be told\n" in ran.out
    assert "the bundle is not in the state folder: 1 decision\n" in ran.out
    assert replay(past, "--strict").code == 1


MISTAKES: list[tuple[tuple[str, ...], str]] = [
    (("--at", "tomorrow"), "is no day"),
    (("--from", "2026-11-22T09:30:16"), "names no time zone"),
    (("--sample", "101"), "is no percentage"),
    (("--limit", "0"), "nothing would be decided again"),
    (("--workers", "0"), "nobody would answer"),
    (("--examples", "5000"), "at most 1000"),
    (("--engines", "cadar"), "there is no engine `cadar`"),
    (("--decision", "maybe"), "invalid choice"),
    (("--policies", "a", "--bundle", "b"), "not allowed with"),
    (("--overlay", "x.toml"), "give --catalogue as well"),
    (("--opa-url", "http://127.0.0.1:1"), "--engines cedar,opa"),
    (("--policies", "no-such-folder"), "cannot read it"),
    (("--bundle", "no-such-file"), "cannot read it"),
    (("--catalogue", "no-such-file"), "cannot read it"),
    (("--colour",), "unrecognized arguments"),
]


@pytest.mark.parametrize(("options", "words"), MISTAKES)
def test_a_mistake_is_one_line_and_never_reads_as_a_difference(
    past: Past, options: tuple[str, ...], words: str
) -> None:
    ran = here("replay", "--state", past.state, *options)
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.line


def test_a_mistake_in_other_commands_keeps_its_code() -> None:
    assert here("verify", "--colour").code == 1


def test_charters_with_errors_are_no_difference(past: Past, tmp_path: Path) -> None:
    folder = write_project(tmp_path / "wrong")
    (folder / "law.charter").write_text(CHARTERS["law.charter"].replace("forbid", "forbit"))
    ran = replay(past, "--policies", folder)
    assert (ran.code, ran.out) == (2, "")
    assert "error" in ran.err


def test_a_folder_that_is_no_state_is_refused(tmp_path: Path) -> None:
    ran = here("replay", "--state", tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert "there is no ledger" in ran.line
    assert list(tmp_path.iterdir()) == []


def test_other_rules_that_cannot_read_another_catalogue_are_refused_at_once(
    past: Past, tmp_path: Path
) -> None:
    (tmp_path / "c.toml").write_text(SITES.replace("tier", "storeys"))
    bundle = law()
    (tmp_path / "b").mkdir()
    for name, data in bundle.files.items():
        path = tmp_path / "b" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    ran = replay(past, "--bundle", tmp_path / "b", "--catalogue", tmp_path / "c.toml")
    assert (ran.code, ran.out) == (2, "")
    assert "storeys" in ran.line


# --- beside a gateway ------------------------------------------------------------------


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with served(tmp_path_factory.mktemp("gateway")) as running:
        yield running


def test_what_a_gateway_decides_is_decided_again_while_it_runs(
    gateway: Served, charter: Charter
) -> None:
    state = gateway.policies.parent / "state"
    for site in ("near", "far", "near"):
        reply = gateway.ask(question(resource__id=site), token=gateway.own)
        assert reply.status == 200, reply.body
    ran = charter("replay", "--state", state, "--format", "json")
    told: dict[str, Any] = json.loads(ran.out)
    assert (ran.code, told["decisions"], told["same"]) == (0, 3, 3)
    assert told["same_from_facts_alone"] == 0
    assert told["own_entries"] == 1  # the first proof


def test_what_the_command_line_decides_is_decided_again(tmp_path: Path, charter: Charter) -> None:
    project = write_project(tmp_path / "policies")
    asked = tmp_path / "question.json"
    asked.write_text(json.dumps(question()))
    state = tmp_path / "state"
    assert charter("decide", asked, "--policies", project, "--state", state).code == 0
    assert replay(Past(tmp_path), "--strict").code == 0
