"""SQLite connections that lose nothing, and the statements of the ledger.

WAL with `synchronous=FULL` syncs on every commit; NORMAL would not, and a power cut would
take acknowledged entries. Wrappers and builds differ in their defaults, so the settings
are made on every connection and read back.
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from gateway.errors import LedgerError
from gateway.ledger.bodies import Form, Packed, Unpacker
from gateway.ledger.entry import entry_leaf
from gateway.ledger.tree import Tile

DATABASE = "ledger.sqlite3"
_BUSY_S = 5

Connect = Callable[[Path], sqlite3.Connection]


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """One entry as it was appended. `commitment` is what the tree holds of salt and body;
    `logged_at` is RFC 3339 in UTC. Of an erased one salt and body are empty, and `erased_by`
    is the index of the entry that says why, or `erased_after` the id of one in a later log."""

    index: int
    id: str
    tenant: str
    commitment: bytes
    salt: bytes
    body: bytes
    logged_at: str
    erased_by: int | None = None
    erased_after: str | None = None

    @property
    def is_erased(self) -> bool:
        return self.erased_by is not None or self.erased_after is not None

    @property
    def leaf_hash(self) -> bytes:
        return entry_leaf(self.commitment)


class Placed(Protocol):
    """An entry that is appended or stored, without its body."""

    @property
    def index(self) -> int: ...
    @property
    def id(self) -> str: ...
    @property
    def tenant(self) -> str: ...
    @property
    def commitment(self) -> bytes: ...
    @property
    def leaf_hash(self) -> bytes: ...
    @property
    def salt(self) -> bytes: ...
    @property
    def logged_at(self) -> str: ...


# --- connections ---------------------------------------------------------------------


def open_connection(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode that other threads may use, one at a time."""
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_S)


def make_durable(connection: sqlite3.Connection) -> None:
    """Set what durability needs, and read it back.

    Raises:
        LedgerError: The database does not take a setting.
    """
    settings = {
        "journal_mode": ("WAL", "wal"),
        "synchronous": ("FULL", 2),
        # Otherwise REPLACE deletes rows without asking the triggers.
        "recursive_triggers": ("ON", 1),
        "trusted_schema": ("OFF", 0),
        # What is deleted is overwritten.
        "secure_delete": ("ON", 1),
    }
    for name, (value, expected) in settings.items():
        connection.execute(f"PRAGMA {name}={value}")
        (found,) = connection.execute(f"PRAGMA {name}").fetchone()
        if found != expected:
            raise LedgerError(f"the database refuses {name}={value}: it stays {found}")


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether the database holds no table yet."""
    return connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)


def truncate_wal(connection: sqlite3.Connection, wait_ms: int = 100) -> bool:
    """Bring all that is committed into the file and empty the side file, in which pages stay
    as they were before an erasure; whether nobody who reads was in the way."""
    connection.execute(f"PRAGMA busy_timeout={wait_ms}")
    try:
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout={_BUSY_S * 1000}")
    return busy == 0


# --- statements ----------------------------------------------------------------------

_ROWS = 64  # of one statement


def read_meta(connection: sqlite3.Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT key, value FROM meta"))


def insert_meta(connection: sqlite3.Connection, values: dict[str, str]) -> None:
    connection.executemany("INSERT INTO meta VALUES (?, ?)", list(values.items()))


def insert_records(connection: sqlite3.Connection, records: Sequence[Placed]) -> None:
    """Insert entries without their bodies, many with one statement: each statement lets go of
    the interpreter, and where another thread is busy it takes milliseconds to get it back."""
    for first in range(0, len(records), _ROWS):
        rows = records[first : first + _ROWS]
        values: list[object] = []
        for r in rows:
            values += (r.index, r.id, r.tenant, r.commitment, r.logged_at)
        connection.execute(_insert_of("record", len(rows)), values)


def insert_bodies(
    connection: sqlite3.Connection, records: Sequence[Placed], packed: Sequence[Packed]
) -> None:
    """Insert the bodies of entries, packed, in the same order."""
    for first in range(0, len(records), _ROWS):
        rows = records[first : first + _ROWS]
        values: list[object] = []
        for r, p in zip(rows, packed[first : first + _ROWS], strict=True):
            values += (r.index, int(p.form), p.text, r.salt, p.data)
        connection.execute(_insert_of("body", len(rows)), values)


_COLUMNS = {
    "record": "idx, id, tenant, commitment, logged_at",
    "body": "idx, form, text, salt, data",
}


@cache
def _insert_of(table: str, rows: int) -> str:
    marks = ",".join(["(?, ?, ?, ?, ?)"] * rows)
    return f"INSERT INTO {table} ({_COLUMNS[table]}) VALUES {marks}"  # noqa: S608


def keep_text(connection: sqlite3.Connection, digest: bytes, data: bytes) -> int:
    """Keep a text that bodies are a difference from, where it is not kept; its number, 0 of
    an empty one."""
    if not data:
        return 0
    row = connection.execute("SELECT number FROM text WHERE digest = ?", (digest,)).fetchone()
    if row is None:
        query = (
            "INSERT INTO text VALUES ((SELECT COALESCE(MAX(number), 0) + 1 FROM text), ?, ?) "
            "RETURNING number"
        )
        row = connection.execute(query, (digest, data)).fetchone()
    return int(row[0])


def erase(connection: sqlite3.Connection, index: int, by_index: int) -> None:
    """Overwrite body and salt of an entry, in the transaction that logs why."""
    connection.execute("INSERT INTO erasure VALUES (?, ?)", (index, by_index))
    overwrite_body(connection, index)


def overwrite_body(connection: sqlite3.Connection, index: int) -> None:
    """Write zeros over body and salt of an entry, of which it is said that it is erased."""
    query = (
        "UPDATE body SET form = ?, salt = zeroblob(length(salt)), data = zeroblob(length(data)) "
        "WHERE idx = ?"
    )
    connection.execute(query, (int(Form.ERASED), index))


def find_place(connection: sqlite3.Connection, entry_id: str) -> tuple[int, bool] | None:
    """The index of an entry, and whether it says why another one is erased."""
    query = (
        "SELECT idx, EXISTS (SELECT 1 FROM erasure WHERE by_idx = record.idx) "
        "FROM record WHERE id = ?"
    )
    row = connection.execute(query, (entry_id,)).fetchone()
    return None if row is None else (int(row[0]), bool(row[1]))


def find_eraser(connection: sqlite3.Connection, index: int) -> str | None:
    """The id of the entry that says why an entry is erased; None where it is not."""
    query = "SELECT id FROM record WHERE idx = (SELECT by_idx FROM erasure WHERE idx = ?)"
    row = connection.execute(query, (index,)).fetchone()
    return None if row is None else str(row[0])


def _find_later_eraser(connection: sqlite3.Connection, index: int) -> str | None:
    """The id of the entry of a later log that says why an entry is erased. Only a log that has
    ended has the table, and only once it was needed."""
    query = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'erasure_after'"
    if connection.execute(query).fetchone() is None:
        return None
    query = "SELECT by_id FROM erasure_after WHERE idx = ?"
    row = connection.execute(query, (index,)).fetchone()
    return None if row is None else str(row[0])


def insert_tiles(connection: sqlite3.Connection, tiles: Sequence[Tile]) -> None:
    if not tiles:
        return  # as nearly always, and a statement lets go of the interpreter
    rows = [(tile.level, tile.index, tile.hashes) for tile in tiles]
    connection.executemany("INSERT INTO tile (level, idx, hashes) VALUES (?, ?, ?)", rows)


def insert_checkpoint(
    connection: sqlite3.Connection, tree_size: int, note: str, logged_at: str
) -> None:
    connection.execute("INSERT INTO checkpoint VALUES (?, ?, ?)", (tree_size, note, logged_at))


def count_records(connection: sqlite3.Connection) -> int:
    """The number of entries; they are gapless from 0."""
    row = connection.execute("SELECT COALESCE(MAX(idx) + 1, 0) FROM record").fetchone()
    return int(row[0])


def latest_checkpoint(connection: sqlite3.Connection) -> tuple[int, str] | None:
    """Size and note of the largest checkpoint."""
    query = "SELECT tree_size, note FROM checkpoint ORDER BY tree_size DESC LIMIT 1"
    row: tuple[int, str] | None = connection.execute(query).fetchone()
    return row


def read_tile(connection: sqlite3.Connection, level: int, index: int) -> bytes:
    """The hashes of a full tile.

    Raises:
        LedgerError: The tile is not there, or not full.
    """
    query = "SELECT hashes FROM tile WHERE level = ? AND idx = ?"
    row = connection.execute(query, (level, index)).fetchone()
    if row is None or len(row[0]) != 256 * 32:
        raise LedgerError(f"the ledger is damaged: tile {index} of level {level} is missing")
    return bytes(row[0])


def read_commitments(connection: sqlite3.Connection, first: int, count: int) -> list[bytes]:
    """What the tree holds of `count` entries from `first` on, erased ones too; fewer where
    there are fewer."""
    query = "SELECT commitment FROM record WHERE idx >= ? AND idx < ? ORDER BY idx"
    return [bytes(row[0]) for row in connection.execute(query, (first, first + count))]


def read_records(
    connection: sqlite3.Connection,
    where: str,
    arguments: Sequence[object],
    unpacker: Unpacker | None = None,
) -> list[StoredRecord]:
    """The entries that `where`, a constant of the caller, selects by columns of `record`; in
    order of index.

    Args:
        unpacker: One of this connection that is kept, where more is read than once.

    Raises:
        LedgerError: A body is not there, or is none that was written here.
    """
    unpacker = unpacker or Unpacker(connection)
    query = (
        "SELECT idx, id, tenant, commitment, logged_at, form, text, salt, data, by_idx "  # noqa: S608
        f"FROM record LEFT JOIN body USING (idx) LEFT JOIN erasure USING (idx) WHERE {where} "
        "ORDER BY idx"
    )
    rows = connection.execute(query, arguments).fetchall()
    return [_record(row, unpacker, connection) for row in rows]


def _record(
    row: tuple[Any, ...], unpacker: Unpacker, connection: sqlite3.Connection
) -> StoredRecord:
    index, entry_id, tenant, commitment, logged_at, form, text, salt, data, erased_by = row
    if form == Form.ERASED:
        after = _find_later_eraser(connection, index) if erased_by is None else None
        erased = StoredRecord(
            index, entry_id, tenant, commitment, b"", b"", logged_at, erased_by, after
        )
        if erased.is_erased:
            return erased
    try:
        # Without a body there is no form, and none is read.
        body = unpacker.unpack(Packed(form, text, data))
    except LedgerError as error:
        raise LedgerError(
            f"the ledger is damaged: entry {index} is not what was logged ({error}); "
            "restore the ledger from a replica"
        ) from error
    return StoredRecord(index, entry_id, tenant, commitment, salt, body, logged_at)
