"""A ledger of version 1 is read, proven and continued by this version, however often its
migration is stopped."""

import sqlite3
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import LedgerError
from gateway.keys import CheckpointKey
from gateway.ledger import migrate, storage
from gateway.ledger.checkpoint import check_extends, verify_checkpoint
from gateway.ledger.log import Log
from gateway.ledger.proof import verify_proof
from tests.gateway.ledger.kept import (
    KEPT_ORIGIN,
    KEPT_SIZE,
    expected,
    kept_key,
    open_kept,
    unpack_kept,
)
from tests.gateway.ledger.logs import tamper


def check_kept(log: Log, key: CheckpointKey) -> None:
    """Everything that version 1 said of its ledger still holds."""
    told = expected()
    seen = verify_checkpoint(told.pop("checkpoint").encode(), key.public, origin=KEPT_ORIGIN)
    new = verify_checkpoint(log.latest_checkpoint().encode(), key.public, origin=KEPT_ORIGIN)
    check_extends(seen, new, log.consistency(seen.size, new.size))
    for entry_id, of in told.items():
        record = log.get(entry_id)
        assert record is not None, f"{entry_id} is lost"
        assert record.index == of["index"]
        assert record.leaf_hash.hex() == of["leaf"]
        assert record.logged_at == of["logged_at"]
        assert sha256(record.body).hexdigest() == of["sha256"]
        for proof in (of["proof"], log.proof(entry_id)):
            place = verify_proof(record.body, str(proof), key.public, origin=KEPT_ORIGIN)
            assert place.index == of["index"]


def version_of(folder: Path) -> str:
    connection = sqlite3.connect(folder / storage.DATABASE)
    version = storage.read_meta(connection)["schema_version"]
    connection.close()
    return version


def test_a_ledger_of_version_1_is_brought_to_this_one_and_continued(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = kept_key(tmp_path)
    unpack_kept(tmp_path / "log")
    assert version_of(tmp_path / "log") == "1"
    with open_kept(tmp_path / "log", key) as log:
        assert log.size == KEPT_SIZE
        assert f"{KEPT_SIZE} entries are moved" in caplog.text
        check_kept(log, key)
        assert log.append("new", "clinic-a", b"{}").result().index == KEPT_SIZE
        repeated = log.append("kept-0", "clinic-b", b'{"entry": 0}').result()
        assert repeated.index == 0
        known = log.find_once(b"k" * 32, 0)
        assert known is not None
        assert known.answer == "kept-261"
    assert version_of(tmp_path / "log") == "2"
    with open_kept(tmp_path / "log", key) as log:
        assert log.size == KEPT_SIZE + 1
        check_kept(log, key)


class Stopped(sqlite3.Connection):
    """A process that ends before its n-th statement that writes."""

    left: int

    def execute(self, sql: str, *arguments: object) -> sqlite3.Cursor:  # type: ignore[override]
        if not sql.lstrip().startswith(("SELECT", "PRAGMA", "ROLLBACK")):
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
        return super().execute(sql, *arguments)  # type: ignore[arg-type]


def stopping_after(statements: int) -> Callable[[Path], sqlite3.Connection]:
    def connect(path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(
            path, factory=Stopped, isolation_level=None, check_same_thread=False
        )
        connection.left = statements
        return connection

    return connect


def test_a_migration_that_is_stopped_anywhere_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "_AT_ONCE", 100)
    key = kept_key(tmp_path)
    stopped = 0
    for statements in range(200):
        folder = tmp_path / str(statements)
        unpack_kept(folder)
        try:
            open_kept(folder, key, connect=stopping_after(statements)).close()
        except KeyboardInterrupt:
            stopped += 1
        if statements % 4 and statements < 40:
            continue  # opened below by itself; here every fourth, to the end
        with open_kept(folder, key) as log:
            assert log.size == KEPT_SIZE
            check_kept(log, key)
        if stopped <= statements:
            break
    assert 40 < stopped < 200


def test_an_entry_that_was_damaged_before_is_found_damaged_after(tmp_path: Path) -> None:
    key = kept_key(tmp_path)
    unpack_kept(tmp_path / "log")
    tamper(tmp_path / "log", "UPDATE record SET body = x'7b7d' WHERE idx = 47")
    restore_triggers(tmp_path / "log")
    with open_kept(tmp_path / "log", key) as log:
        with pytest.raises(LedgerError, match="entry 47 is not what was logged"):
            log.get("kept-47")
        with pytest.raises(LedgerError, match="entry 47 is not what was logged"):
            log.proof("kept-47")
        assert log.get("kept-46") is not None


def restore_triggers(folder: Path) -> None:
    connection = sqlite3.connect(folder / storage.DATABASE)
    for name in ("record_refuses_UPDATE", "record_refuses_DELETE", "meta_refuses_UPDATE"):
        table, _, action = name.partition("_refuses_")
        connection.execute(f"CREATE TRIGGER {name} BEFORE {action} ON {table} BEGIN SELECT 1; END")
    connection.execute(
        "CREATE TRIGGER record_refuses_gap BEFORE DELETE ON tile BEGIN SELECT 1; END"
    )
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE record SET leaf_hash = zeroblob(32) WHERE idx = 260",
        "UPDATE record SET salt = zeroblob(32) WHERE idx = 261",
        "UPDATE checkpoint SET note = 'x' WHERE tree_size = 262",
        "UPDATE meta SET value = '3' WHERE key = 'schema_version'",
        "UPDATE meta SET value = 'other' WHERE key = 'origin'",
    ],
)
def test_a_ledger_of_version_1_that_contradicts_itself_is_not_opened(
    tmp_path: Path, damage: str
) -> None:
    key = kept_key(tmp_path)
    unpack_kept(tmp_path / "log")
    tamper(tmp_path / "log", damage)
    restore_triggers(tmp_path / "log")
    with pytest.raises(LedgerError):
        open_kept(tmp_path / "log", key)


def test_a_ledger_of_another_key_is_refused_before_anything_is_moved(tmp_path: Path) -> None:
    path = unpack_kept(tmp_path / "log")
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="is signed by"):
        open_kept(tmp_path / "log", CheckpointKey.generate(KEPT_ORIGIN))
    assert version_of(tmp_path / "log") == "1"
    assert len(path.read_bytes()) == len(before)


def test_what_is_moved_leaves_nothing_of_its_old_place(tmp_path: Path) -> None:
    key = kept_key(tmp_path)
    path = unpack_kept(tmp_path / "log")
    connection: Any = sqlite3.connect(path)
    (body,) = connection.execute("SELECT body FROM record WHERE idx = 47").fetchone()
    connection.close()
    assert body[1000:1200] in path.read_bytes()
    open_kept(tmp_path / "log", key).close()
    assert body[1000:1200] not in path.read_bytes()
