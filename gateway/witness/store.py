"""What a witness remembers: of each log the newest checkpoint that it cosigned.

One SQLite file. Comparing with what is known and storing the new one is one transaction, so
that no race takes a log back; it is on disk before anybody is answered. After a commit that
failed nobody knows what is on disk, so nothing is stored until the witness is started again.
"""

import os
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.ledger.checkpoint import parse_checkpoint
from gateway.ledger.note import parse_note
from gateway.witness.errors import StoreError, WitnessStateError
from gateway.witness.protocol import Seen

_SCHEMA_VERSION = "1"
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE log (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL,
    note TEXT NOT NULL, time INTEGER NOT NULL
) STRICT;
CREATE TRIGGER log_refuses_smaller BEFORE UPDATE ON log
WHEN NEW.origin IS NOT OLD.origin OR NEW.size < OLD.size OR NEW.time < OLD.time
  OR (NEW.size = OLD.size AND NEW.root IS NOT OLD.root)
BEGIN SELECT RAISE(ABORT, 'a log only grows'); END;
CREATE TRIGGER log_refuses_delete BEFORE DELETE ON log
BEGIN SELECT RAISE(ABORT, 'nothing is forgotten'); END;
"""
# Not REPLACE, which deletes without asking the triggers.
_PUT = """
INSERT INTO log (origin, size, root, note, time) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (origin) DO UPDATE SET
    size = excluded.size, root = excluded.root, note = excluded.note, time = excluded.time
"""
_SETTINGS = {
    "journal_mode": ("WAL", "wal"),
    "synchronous": ("FULL", 2),
    "recursive_triggers": ("ON", 1),
    "trusted_schema": ("OFF", 0),
}
Change = Callable[[Seen | None], Seen]
"""What is known of a log to what is to be known; raises where nothing may change."""


@dataclass(frozen=True, slots=True)
class Known:
    """A log that was cosigned at least once."""

    origin: str
    size: int
    time: int


class Store:
    """An open store. Methods may be called from any thread."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._lock = threading.Lock()
        self._broken = False

    @staticmethod
    def create(path: Path, *, vkey: str) -> None:
        """Make an empty store for a key that has cosigned nothing yet.

        Raises:
            WitnessStateError: There is one, or it cannot be made.
        """
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            connection = _connect(path)
            try:
                _set(connection)
                connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
                rows = [("schema_version", _SCHEMA_VERSION), ("vkey", vkey)]
                connection.executemany("INSERT INTO meta VALUES (?, ?)", rows)
            finally:
                connection.close()
            _sync(path.parent)
        except (sqlite3.Error, OSError) as error:
            raise WitnessStateError(f"{path} cannot be made: {error}") from error

    @staticmethod
    def open(path: Path, *, vkey: str) -> "Store":
        """Open the store of a key.

        Raises:
            WitnessStateError: It is missing, damaged, or of another key.
        """
        if not path.is_file():
            raise WitnessStateError(
                f"{path} is gone, and with it what the key of this witness has cosigned: the key "
                "must not sign again; make a new folder with `charter witness new-key`, and "
                "tell the logs the new key"
            )
        connection = _connect(path)
        try:
            _set(connection)
            _check(path, connection, vkey)
        except sqlite3.Error as error:
            connection.close()
            raise WitnessStateError(f"{path} cannot be read: {error}") from error
        except WitnessStateError:
            connection.close()
            raise
        return Store(path, connection)

    def close(self) -> None:
        with self._lock:
            self._broken = True
            self._connection.close()

    def change(self, origin: str, change: Change) -> Seen:
        """Replace what is known of a log; durable when this returns.

        Raises:
            StoreError: It could not be stored, or perhaps was; nothing may be signed.
                Besides, whatever `change` raises, and then nothing has changed.
        """
        with self._lock:
            if self._broken:
                raise StoreError("the store failed before; check the disk, and start again")
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    new = change(self._find(origin))
                    root, size = new.checkpoint.root, new.checkpoint.size
                    self._connection.execute(_PUT, (origin, size, root, new.note, new.time))
                except BaseException:
                    self._roll_back()
                    raise
                self._commit()
            except sqlite3.Error as error:
                raise StoreError(f"the store takes nothing: {error}") from error
            return new

    def _commit(self) -> None:
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                self._roll_back()  # no room, before any sync
            else:
                self._broken = True
            raise

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def find(self, origin: str) -> Seen | None:
        """What is known of a log.

        Raises:
            StoreError: The disk does not answer, or answers something else.
        """
        try:
            with self._lock:
                return self._find(origin)
        except sqlite3.Error as error:
            raise StoreError(f"the store cannot be read: {error}") from error

    def known(self) -> list[Known]:
        """All logs that were cosigned, by origin; raises as `find`."""
        try:
            with self._lock:
                rows = self._connection.execute("SELECT origin, size, time FROM log ORDER BY 1")
                return [Known(*row) for row in rows]
        except sqlite3.Error as error:
            raise StoreError(f"the store cannot be read: {error}") from error

    def _find(self, origin: str) -> Seen | None:
        query = "SELECT size, root, note, time FROM log WHERE origin = ?"
        row = self._connection.execute(query, (origin,)).fetchone()
        if row is None:
            return None
        size, root, note, time = row
        checkpoint = parse_checkpoint(parse_note(note.encode()))
        if (checkpoint.origin, checkpoint.size, checkpoint.root) != (origin, size, root):
            raise StoreError(f"what is stored of {origin!r} contradicts itself")
        return Seen(checkpoint, note, time)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)


def _set(connection: sqlite3.Connection) -> None:
    for name, (value, expected) in _SETTINGS.items():
        connection.execute(f"PRAGMA {name}={value}")
        (found,) = connection.execute(f"PRAGMA {name}").fetchone()
        if found != expected:
            raise WitnessStateError(f"the database refuses {name}={value}: it stays {found}")


def _check(path: Path, connection: sqlite3.Connection, vkey: str) -> None:
    meta: dict[str, str] = dict(connection.execute("SELECT key, value FROM meta"))
    check = connection.execute("PRAGMA quick_check").fetchone()
    if check != ("ok",) or meta.get("schema_version") != _SCHEMA_VERSION:
        raise WitnessStateError(f"{path} is damaged, or of another version of Charter")
    if meta.get("vkey") != vkey:
        raise WitnessStateError(f"{path} belongs to the key {meta.get('vkey')}, not to {vkey}")


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
