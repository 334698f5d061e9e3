"""`charter ledger fsck` says what is missing of a log that has ended."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import exit_codes
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
