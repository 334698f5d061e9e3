"""What is missing of a log that has ended is found, by fsck and before a copy is believed."""

import json
import shutil
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import exit_codes
from gateway.keeping import drill
from gateway.ledger.ended import end_log
from gateway.state import open_state, seen_place
from tests.gateway.cli.commands import Charter

OLD, NEW = "ledger.example/2026", "ledger.example/2027"


@pytest.fixture
def state(tmp_path: Path, charter: Charter) -> Path:
    """A log with three entries that has ended, and the next one."""
    folder = tmp_path / "state"
    open_state(folder, origin=OLD)
    for purpose in ("decision", "decision", "checkpoint"):
        assert charter("keys", "rotate", "--purpose", purpose, "--state", folder).code == 0
    assert shard(charter, folder).code == 0
    return folder


def shard(charter: Charter, folder: Path, *more: str) -> Any:
    said = ("--origin", NEW, "--reason", "a new year")
    return charter("ledger", "shard", "--state", folder, *said, *more)


def found(charter: Charter, folder: Path, code: int) -> list[tuple[str, str, str]]:
    said = charter("ledger", "fsck", "--state", folder, "--format", "json")
    assert said.code == code, said
    return [(one["check"], one["level"], one["what"]) for one in json.loads(said.out)["findings"]]


def cut_off(database: Path) -> None:
    """Take the newest entry of a ledger away, and leave no trace of it there."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        query = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
        triggers = connection.execute(query).fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for table, column in (("record", "idx"), ("body", "idx"), ("checkpoint", "tree_size")):
            newest = f"(SELECT max({column}) FROM {table})"  # noqa: S608 - named above
            connection.execute(f"DELETE FROM {table} WHERE {column} = {newest}")  # noqa: S608
        for _, sql in triggers:
            connection.execute(sql)


def test_a_log_that_ended_and_is_whole_is_no_finding(state: Path, charter: Charter) -> None:
    assert found(charter, state, exit_codes.OK) == []


def test_entries_that_were_cut_off_a_log_that_ended_are_damage(
    state: Path, charter: Charter
) -> None:
    cut_off(state / "shards" / "1" / "ledger" / "ledger.sqlite3")
    ((check, level, what),) = found(charter, state, exit_codes.REFUSED)
    assert (check, level) == ("ended", "damage")
    assert what == f"the log {OLD} ended with 3 entries, and 2 are there"


def test_a_log_that_ended_and_is_not_there_is_a_notice(state: Path, charter: Charter) -> None:
    shutil.rmtree(state / "shards" / "1")
    ((check, level, what),) = found(charter, state, exit_codes.OK)
    assert (check, level) == ("ended", "notice")
    assert what == f"the log {OLD} ended with 3 entries, and is not in `shards`"
    assert charter("ledger", "fsck", "--state", state, "--strict").code == exit_codes.REFUSED


def test_an_end_that_was_said_to_be_lost_is_a_notice(tmp_path: Path, charter: Charter) -> None:
    folder = tmp_path / "state"
    open_state(folder, origin=OLD)
    for _ in range(2):
        assert charter("keys", "rotate", "--purpose", "decision", "--state", folder).code == 0
    cut_off(folder / "ledger" / "ledger.sqlite3")
    assert seen_place(folder).exists()
    assert shard(charter, folder).code == exit_codes.FAILED
    assert shard(charter, folder, "--lost").code == 0
    ((check, level, _),) = found(charter, folder, exit_codes.OK)
    assert (check, level) == ("ended", "notice")


# --- without the word of the trust file ----------------------------------------------


def without_sizes(folder: Path) -> None:
    """A trust file as older versions, or an auditor, may have written it."""
    path = folder / "trust.json"
    document = json.loads(path.read_bytes())
    for one in document["further_logs"]:
        if one["origin"] == OLD:
            one.pop("last_size", None)
    path.write_text(json.dumps(document))


def test_the_next_log_says_how_far_the_one_before_came(state: Path, charter: Charter) -> None:
    without_sizes(state)
    assert found(charter, state, exit_codes.OK) == []
    cut_off(state / "shards" / "1" / "ledger" / "ledger.sqlite3")
    ((check, level, what),) = found(charter, state, exit_codes.REFUSED)
    assert (check, level) == ("ended", "damage")
    assert what == f"the log {OLD} ended with 3 entries, and 2 are there"
    shutil.rmtree(state / "shards" / "1")
    ((check, level, what),) = found(charter, state, exit_codes.OK)
    assert (check, level, "is not in `shards`" in what) == ("ended", "notice", True)


@pytest.fixture
def other_history(tmp_path: Path, charter: Charter) -> Path:
    """A log that has ended, in its place another history that the same key signed."""
    folder = tmp_path / "state"
    open_state(folder, origin=OLD)
    assert charter("keys", "rotate", "--purpose", "decision", "--state", folder).code == 0
    shutil.copytree(folder, tmp_path / "other")
    for one in (folder, tmp_path / "other"):
        assert charter("keys", "rotate", "--purpose", "decision", "--state", one).code == 0
    assert shard(charter, folder).code == 0
    ledger = folder / "shards" / "1" / "ledger"
    shutil.rmtree(ledger)
    shutil.copytree(tmp_path / "other" / "ledger", ledger)
    end_log(ledger, NEW)
    return folder


def test_another_history_of_a_log_that_ended_is_found(
    other_history: Path, charter: Charter, tmp_path: Path
) -> None:
    ran = charter("ledger", "fsck", "--state", other_history, "--format", "json")
    told = json.loads(ran.out)
    whats = [one["what"] for one in told["findings"] if one["check"] == "ended"]
    assert whats == [f"the log {OLD} has other entries than those with which it ended"]
    refused = charter("ledger", "backup", tmp_path / "copy", "--state", other_history)
    assert refused.code == exit_codes.FAILED
    assert not (tmp_path / "copy").exists()


# --- copies --------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [True, False])
def test_a_backup_whose_ended_log_was_cut_off_is_neither_made_nor_put_back(
    state: Path, charter: Charter, tmp_path: Path, sizes: bool
) -> None:
    if not sizes:
        without_sizes(state)
    kept = tmp_path / "kept"
    assert charter("ledger", "backup", kept, "--state", state).code == 0
    cut_off(state / "shards" / "1" / "ledger" / "ledger.sqlite3")
    ran = charter("ledger", "backup", tmp_path / "copy", "--state", state)
    assert (ran.code, "ended with 3 entries" in ran.err) == (exit_codes.FAILED, True), ran
    ran = charter("ledger", "drill", "--state", state)
    assert (ran.code, "ended with 3 entries" in ran.err) == (exit_codes.FAILED, True), ran
    assert not (tmp_path / "copy").exists()
    # As if the backup had been made by who does not look.
    database = kept / "shards" / "1" / "ledger" / "ledger.sqlite3"
    cut_off(database)
    manifest = json.loads((kept / "manifest.json").read_bytes())
    for one in manifest["files"]:
        if one["path"] == "shards/1/ledger/ledger.sqlite3":
            data = database.read_bytes()
            one["sha256"], one["bytes"] = sha256(data).hexdigest(), len(data)
    (kept / "manifest.json").write_text(json.dumps(manifest))
    ran = charter("ledger", "restore", kept, "--state", tmp_path / "again")
    assert (ran.code, "ended with 3 entries" in ran.err) == (exit_codes.FAILED, True), ran
    assert not (tmp_path / "again").exists()


def test_a_drill_proves_entries_of_logs_that_have_ended(state: Path, charter: Charter) -> None:
    ran = charter("ledger", "drill", "--state", state, "--format", "json")
    (told,) = json.loads(ran.out)["ended"]
    assert (told["origin"], told["size"], told["proved"]) == (OLD, 3, [0, 1, 2])
    ran = charter("ledger", "drill", "--state", state)
    assert f"ended    {OLD}, 3 entries; proved 0, 1, 2" in ran.out


@pytest.mark.parametrize("change", ["gone", "another"])
def test_a_drill_compares_logs_that_have_ended_with_those_that_are_there(
    state: Path, charter: Charter, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    real = drill.restore

    def meanwhile(*arguments: Any, **options: Any) -> Any:
        done = real(*arguments, **options)
        ended = state / "shards" / "1"
        if change == "gone":
            shutil.rmtree(ended)
        else:
            cut_off(ended / "ledger" / "ledger.sqlite3")
        return done

    monkeypatch.setattr(drill, "restore", meanwhile)
    ran = charter("ledger", "drill", "--state", state)
    words = "another log ended" if change == "gone" else "was put back as another one"
    assert (ran.code, words in ran.err) == (exit_codes.FAILED, True), ran
