"""A decision of a log that has ended is erased: every command that looks at it says so, and what
does not hold between the two logs is found."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import exit_codes
from gateway.erasure import tombstone
from gateway.keeping import backup
from gateway.keeping.backup import back_up
from gateway.keeping.errors import BackupError
from gateway.ledger import erased_after
from gateway.ledger.erased import ErasedEntryError
from gateway.ledger.shards import with_older
from gateway.state import open_state
from gateway.verify import Trust
from gateway.verify.erased import verify_answer
from gateway.verify.refused import DecisionErasedError
from tests.gateway.cli.commands import Charter
from tests.gateway.keeping.states import NOW, ORIGIN, copied, decided_state

NEXT = "ledger.example/next"
WHY = ("--reason", "asked for", "--authority", "GDPR art 17", "--by", "operations")
ENDED = Path("shards/1/ledger")


class Ended:
    def __init__(self, folder: Path, ids: list[str]) -> None:
        self.folder, self.ids = folder, ids


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    folder = tmp_path_factory.mktemp("ended") / "state"
    return Ended(folder, decided_state(folder, [{}, {}, {}]))


@pytest.fixture
def ended(made: Ended, tmp_path: Path, charter: Charter) -> Ended:
    """Three decisions in a log that has ended; the second is erased."""
    folder = copied(made.folder, tmp_path / "state")
    shutil.copy(made.folder.with_name("state.seen"), folder.with_name("state.seen"))
    said = ("--origin", NEXT, "--reason", "a new year")
    assert charter("ledger", "shard", "--state", folder, *said).code == 0
    shutil.copytree(folder / "shards", tmp_path / "before")
    ran = charter("ledger", "erase", made.ids[1], "--state", folder, *WHY)
    assert (ran.code, "entry 1 says" in ran.out) == (0, True), ran
    return Ended(folder, made.ids)


def fsck(charter: Charter, folder: Path) -> tuple[int, list[tuple[str, str]]]:
    ran = charter("ledger", "fsck", "--state", folder, "--format", "json")
    told = json.loads(ran.out)
    everything = [*told["findings"], *(one for log in told["ended"] for one in log["findings"])]
    return ran.code, [(one["check"], one["what"]) for one in everything if one["level"] == "damage"]


def told_of(folder: Path, decision: str) -> Any:
    state = open_state(folder)
    with closing(with_older(state.open_ledger(), folder)) as ledger:
        with pytest.raises(ErasedEntryError) as caught:
            ledger.get(decision)
        return tombstone(ledger, caught.value)


def change(database: Path, *statements: str) -> None:
    """Change a ledger behind its back."""
    with closing(sqlite3.connect(database / "ledger.sqlite3", isolation_level=None)) as connection:
        query = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
        triggers = connection.execute(query).fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            assert connection.execute(statement).rowcount > 0
        for _, sql in triggers:
            connection.execute(sql)


# --- what holds ----------------------------------------------------------------------


def test_fsck_export_stats_and_replay_say_that_it_is_erased(
    ended: Ended, charter: Charter, tmp_path: Path
) -> None:
    assert fsck(charter, ended.folder) == (exit_codes.OK, [])
    ran = charter("replay", "--state", ended.folder, "--format", "json")
    assert "erased" in ran.out, ran
    old = tmp_path / "old"
    shutil.copytree(ended.folder / "shards" / "1" / "ledger", old / "ledger")
    ran = charter("ledger", "export", "--state", old)
    rows = [json.loads(line) for line in ran.out.splitlines()]
    assert [row["kind"] for row in rows] == ["decision", "erased", "decision"]
    assert rows[1]["erased_by"] is None
    ran = charter("ledger", "stats", "--state", old, "--format", "json")
    assert json.loads(ran.out)["verdicts"]["erased"] == 1


def test_the_tombstone_verifies_offline_and_names_the_log_of_the_decision(
    ended: Ended, charter: Charter, tmp_path: Path
) -> None:
    told = told_of(ended.folder, ended.ids[1])
    assert (told["erased"]["log"], told["erased"]["index"]) == (ORIGIN, 1)
    saved = tmp_path / "tombstone.json"
    saved.write_text(json.dumps(told))
    ran = charter("verify", saved, "--trust", ended.folder / "trust.json")
    assert ran.code == exit_codes.INDETERMINATE
    assert "erased" in ran.out
    other = told_of(ended.folder, ended.ids[1]) | {"place": told["proof"]}
    saved.write_text(json.dumps(other))
    ran = charter("verify", saved, "--trust", ended.folder / "trust.json")
    assert ran.code == exit_codes.REFUSED


def test_a_trust_file_that_does_not_know_the_log_that_ended_refuses_its_tombstone(
    ended: Ended,
) -> None:
    told = told_of(ended.folder, ended.ids[1])
    document = json.loads((ended.folder / "trust.json").read_bytes())
    with pytest.raises(DecisionErasedError):
        verify_answer(told, Trust.from_json(json.dumps(document).encode()))
    del document["further_logs"]
    with pytest.raises(Exception, match=r"expected .ledger"):
        verify_answer(told, Trust.from_json(json.dumps(document).encode()))


def test_a_backup_is_put_back_and_a_drill_is_passed(
    ended: Ended, charter: Charter, tmp_path: Path
) -> None:
    kept, again = tmp_path / "backup", tmp_path / "again"
    assert charter("ledger", "backup", kept, "--state", ended.folder).code == 0
    assert charter("ledger", "restore", kept, "--state", again).code == 0
    assert fsck(charter, again) == (exit_codes.OK, [])
    assert charter("ledger", "drill", "--state", ended.folder).code == 0
    for name in ("decision.key", "checkpoint.key", "tokens.json"):
        shutil.copy(ended.folder / name, again / name)
    (again / "restored.json").unlink()
    assert told_of(again, ended.ids[1])["erased"]["log"] == ORIGIN


def test_it_is_not_erased_twice(ended: Ended, charter: Charter) -> None:
    ran = charter("ledger", "erase", ended.ids[1], "--state", ended.folder, *WHY)
    assert ran.code == exit_codes.FAILED
    assert "is erased; see" in ran.err
    assert fsck(charter, ended.folder) == (exit_codes.OK, [])


# --- what does not -------------------------------------------------------------------


def test_the_log_of_before_the_erasure_is_found_where_it_was_put_back(
    ended: Ended, charter: Charter, tmp_path: Path
) -> None:
    shutil.rmtree(ended.folder / "shards")
    shutil.move(tmp_path / "before", ended.folder / "shards")
    code, ((check, what),) = fsck(charter, ended.folder)
    assert (code, check) == (exit_codes.REFUSED, "erasure")
    assert f"entry 1 of {ORIGIN} is erased, as entry 1 of a later log says" in what
    with pytest.raises(BackupError, match="its body is still there"):
        back_up(ended.folder, tmp_path / "copy", now=NOW)
    assert charter("ledger", "erase", ended.ids[1], "--state", ended.folder, *WHY).code == 0
    assert fsck(charter, ended.folder) == (exit_codes.OK, [])


def test_an_erasure_that_was_cut_off_is_told_from_damage(
    ended: Ended, charter: Charter, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as cut:
        cut.setattr(erased_after.storage, "overwrite_body", interrupt)
        ran = charter("ledger", "erase", ended.ids[2], "--state", ended.folder, *WHY)
        assert ran.code != 0
    code, ((check, what),) = fsck(charter, ended.folder)
    assert (code, check) == (exit_codes.REFUSED, "unfinished")
    assert f"entry 2 of {ORIGIN}" in what
    told_of(ended.folder, ended.ids[2])  # what opens it finishes it
    assert fsck(charter, ended.folder) == (exit_codes.OK, [])


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


GONE = (
    "UPDATE body SET form = 5, salt = zeroblob(length(salt)), data = zeroblob(length(data)) "
    "WHERE idx = 2"
)
BROKEN = {
    "a body that is back": (
        ("UPDATE body SET data = x'7b7d' WHERE idx = 1",),
        "erasure",
    ),
    "a word that is of no entry": (
        ("UPDATE erasure_after SET by_id = 'nobody' WHERE idx = 1",),
        "tombstone",
    ),
    "a word for another entry": (
        ("UPDATE erasure_after SET idx = 2 WHERE idx = 1", GONE),
        "tombstone",
    ),
    "an erasure that nobody ordered": (
        ("INSERT INTO erasure_after VALUES (2, 'nobody', x'00')", GONE),
        "tombstone",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_was_changed_of_an_erasure_is_found(ended: Ended, charter: Charter, name: str) -> None:
    statements, check = BROKEN[name]
    change(ended.folder / ENDED, *statements)
    code, found = fsck(charter, ended.folder)
    assert code == exit_codes.REFUSED
    assert check in {one for one, _ in found}


@pytest.mark.parametrize("name", ["erasure_after_refuses_DELETE", "body_refuses_update"])
def test_a_trigger_that_is_missing_is_found(ended: Ended, charter: Charter, name: str) -> None:
    database = ended.folder / ENDED / "ledger.sqlite3"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(f"DROP TRIGGER {name}")
    code, ((check, what),) = fsck(charter, ended.folder)
    assert (code, check, name in what) == (exit_codes.REFUSED, "schema", True)


def test_a_log_that_said_why_and_was_moved_away_is_no_damage(
    ended: Ended, charter: Charter, tmp_path: Path
) -> None:
    said = ("--origin", "third.example", "--reason", "another year")
    assert charter("ledger", "shard", "--state", ended.folder, *said).code == 0
    assert fsck(charter, ended.folder) == (exit_codes.OK, [])
    shutil.move(ended.folder / "shards" / "2", tmp_path / "archive")
    assert fsck(charter, ended.folder) == (exit_codes.OK, [])
    ran = charter("ledger", "fsck", "--state", ended.folder, "--strict")
    assert "no entry of a later log says why" in ran.out


# --- meanwhile -----------------------------------------------------------------------


def test_what_is_erased_while_a_backup_is_made_is_erased_in_the_backup(
    ended: Ended, tmp_path: Path, charter: Charter, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, times = backup.files.copy_database, [0]

    def and_erase(source: Path, target: Path, told: Any) -> None:
        copy(source, target, told)
        times[0] += 1
        if times[0] == 1:  # the log that ended is copied, the other one is not
            ran = charter("ledger", "erase", ended.ids[2], "--state", ended.folder, *WHY)
            assert ran.code == 0

    monkeypatch.setattr(backup.files, "copy_database", and_erase)
    made = back_up(ended.folder, tmp_path / "copy", now=NOW)
    assert times[0] == 4
    assert fsck(charter, made.folder) == (exit_codes.OK, [])


def test_a_backup_gives_up_where_records_are_erased_all_the_time(
    ended: Ended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter(range(1000))
    monkeypatch.setattr(backup, "_erased_in", lambda _: [next(times)])  # pyright: ignore[reportUnknownArgumentType, reportUnknownLambdaType]
    with pytest.raises(BackupError, match="erased all the time"):
        back_up(ended.folder, tmp_path / "copy", now=NOW)
    assert not (tmp_path / "copy").exists()
