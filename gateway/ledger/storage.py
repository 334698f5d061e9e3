"""SQLite tables that refuse update and delete, and connections that lose nothing.

WAL with `synchronous=FULL` syncs on every commit; NORMAL would not, and a power cut would
take acknowledged entries. Wrappers and builds differ in their defaults, so both settings
are made on every connection and read back.
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sqlite_utils import Database

from gateway.errors import LedgerError
from gateway.ledger.entry import commit
from gateway.ledger.tree import Tile

SCHEMA_VERSION = 1
DATABASE = "ledger.sqlite3"

Connect = Callable[[Path], sqlite3.Connection]


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """One entry as it was appended. `logged_at` is RFC 3339 in UTC."""

    index: int
    id: str
    tenant: str
    leaf_hash: bytes
    salt: bytes
    body: bytes
    logged_at: str


# --- connections ---------------------------------------------------------------------


def open_connection(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode that other threads may use, one at a time."""
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)


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
    }
    for name, (value, expected) in settings.items():
        connection.execute(f"PRAGMA {name}={value}")
        (found,) = connection.execute(f"PRAGMA {name}").fetchone()
        if found != expected:
            raise LedgerError(f"the database refuses {name}={value}: it stays {found}")


# --- schema --------------------------------------------------------------------------

_TABLES: dict[str, tuple[dict[str, type], str | tuple[str, ...]]] = {
    "record": (
        {
            "idx": int,
            "id": str,
            "tenant": str,
            "leaf_hash": bytes,
            "salt": bytes,
            "body": bytes,
            "logged_at": str,
        },
        "idx",
    ),
    "tile": ({"level": int, "idx": int, "hashes": bytes}, ("level", "idx")),
    "checkpoint": ({"tree_size": int, "note": str, "logged_at": str}, "tree_size"),
    "meta": ({"key": str, "value": str}, "key"),
}

_REFUSE = """
CREATE TRIGGER {table}_refuses_{action} BEFORE {action} ON {table}
BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END
"""
# A gap would be an entry without a leaf, and REPLACE would take the row of an id that
# exists without asking the trigger on DELETE.
_NEXT_ONLY = """
CREATE TRIGGER record_refuses_gap BEFORE INSERT ON record
WHEN NEW.idx IS NOT (SELECT COALESCE(MAX(idx) + 1, 0) FROM record)
  OR EXISTS (SELECT 1 FROM record WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'record takes the next index and a new id only'); END
"""
_LARGER_ONLY = """
CREATE TRIGGER checkpoint_refuses_smaller BEFORE INSERT ON checkpoint
WHEN NEW.tree_size <= (SELECT MAX(tree_size) FROM checkpoint)
BEGIN SELECT RAISE(ABORT, 'checkpoint takes a larger size only'); END
"""


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether the database holds no table yet."""
    return connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)


def create_schema(connection: sqlite3.Connection) -> None:
    """Make tables and triggers; the caller holds a transaction."""
    database = Database(connection, execute_plugins=False, recursive_triggers=False)
    for name, (columns, key) in _TABLES.items():
        table = database.table(name)
        table.create(columns, pk=key, not_null=set(columns), strict=True)
        for action in ("UPDATE", "DELETE"):
            connection.execute(_REFUSE.format(table=name, action=action))
    connection.execute("CREATE UNIQUE INDEX record_id ON record (id)")
    connection.execute(_NEXT_ONLY)
    connection.execute(_LARGER_ONLY)


# --- statements ----------------------------------------------------------------------

_ROWS = 64  # of one statement
_RECORD_COLUMNS = "idx, id, tenant, leaf_hash, salt, body, logged_at"


def read_meta(connection: sqlite3.Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT key, value FROM meta"))


def insert_meta(connection: sqlite3.Connection, values: dict[str, str]) -> None:
    connection.executemany("INSERT INTO meta VALUES (?, ?)", list(values.items()))


def insert_records(connection: sqlite3.Connection, records: Sequence[StoredRecord]) -> None:
    """Insert entries, many with one statement: each statement lets go of the interpreter,
    and where another thread is busy it takes milliseconds to get it back."""
    for first in range(0, len(records), _ROWS):
        rows = records[first : first + _ROWS]
        values: list[object] = []
        for r in rows:
            values += (r.index, r.id, r.tenant, r.leaf_hash, r.salt, r.body, r.logged_at)
        connection.execute(_insert_of(len(rows)), values)


@cache
def _insert_of(rows: int) -> str:
    marks = ",".join(["(?, ?, ?, ?, ?, ?, ?)"] * rows)
    return f"INSERT INTO record ({_RECORD_COLUMNS}) VALUES {marks}"  # noqa: S608


def insert_tiles(connection: sqlite3.Connection, tiles: Sequence[Tile]) -> None:
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


def read_records(
    connection: sqlite3.Connection, where: str, arguments: Sequence[object]
) -> list[StoredRecord]:
    """The entries that `where`, a constant of the caller, selects; in order of index."""
    query = f"SELECT {_RECORD_COLUMNS} FROM record WHERE {where} ORDER BY idx"  # noqa: S608
    return [StoredRecord(*row) for row in connection.execute(query, arguments)]


def read_commitments(connection: sqlite3.Connection, first: int, count: int) -> list[bytes]:
    """What the entries from an index on commit to, at most so many."""
    query = "SELECT salt, body FROM record WHERE idx >= ? AND idx < ? ORDER BY idx"
    found = connection.execute(query, (first, first + count))
    return [commit(salt, body) for salt, body in found]
