"""A ledger as it stands at one moment, for reading: while its gateway runs, and without it.

One read transaction of SQLite (WAL): the writer goes on and is not seen. As long as it lasts
the writer cannot shorten its WAL file, so nobody should keep it for longer than the work.
"""

import os
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

from gateway.keeping.errors import SnapshotError
from gateway.ledger import storage
from gateway.ledger.bodies import Unpacker
from gateway.ledger.entry import entry_leaf
from gateway.ledger.migrate import is_moving
from gateway.ledger.schema import SCHEMA_VERSION
from gateway.ledger.storage import StoredRecord

# Rows that are in memory at once: a body has up to 4 MiB, and usually 10 KB.
_ROWS = 256
_TILES_KEPT = 64


class Snapshot:
    """What was committed when it was opened; see `open_snapshot`. For one thread."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.connection = connection
        self._unpacker = Unpacker(connection)
        self.meta = storage.read_meta(connection)
        version = self.meta.get("schema_version", "")
        if version != str(SCHEMA_VERSION):
            raise SnapshotError(
                f"the ledger in {path.parent} is of schema version {version or 'unknown'}, and "
                f"this program reads {SCHEMA_VERSION}: let the gateway open it once, "
                "which brings an older one up to date, or use the version that wrote it"
            )
        if is_moving(connection):
            raise SnapshotError(
                f"the ledger in {path.parent} was stopped on its way from an older version, and "
                "nothing of that is damage: let the gateway open it once, which goes on"
            )
        self.size = storage.count_records(connection)
        self.tile = lru_cache(_TILES_KEPT)(self._tile)

    def records(self, first: int, end: int) -> Iterator[StoredRecord]:
        """The entries from `first` to before `end`, in order; those that are missing are
        left out.

        Raises:
            LedgerError: A body is not there, or is none that was written.
        """
        for at in range(first, end, _ROWS):
            bounds = [at, min(at + _ROWS, end)]
            yield from storage.read_records(
                self.connection, "idx >= ? AND idx < ?", bounds, self._unpacker
            )

    def record(self, index: int) -> StoredRecord | None:
        """The entry at an index; raises as `records`."""
        return next(self.records(index, index + 1), None)

    def leaf(self, index: int) -> bytes | None:
        """The leaf hash of an entry, whatever its body is."""
        found = storage.read_commitments(self.connection, index, 1)
        return entry_leaf(found[0]) if found else None

    def checkpoints(self, first_size: int) -> Iterator[tuple[int, str, str]]:
        """Size, note and instant of every checkpoint from a size on, in order."""
        query = (
            "SELECT tree_size, note, logged_at FROM checkpoint WHERE tree_size >= ? "
            "ORDER BY tree_size"
        )
        yield from self.connection.execute(query, (first_size,))

    def _tile(self, level: int, index: int) -> bytes:
        return storage.read_tile(self.connection, level, index)


@contextmanager
def open_snapshot(folder: Path) -> Generator[Snapshot]:
    """The ledger in a folder, at the moment of this call. Nothing is written there.

    Args:
        folder: The one with the database.

    Raises:
        SnapshotError: There is none, or none that this program can read.
        sqlite3.Error: While reading, where the database is damaged.
    """
    path = folder / storage.DATABASE
    if not path.is_file():
        raise SnapshotError(f"{folder}: there is no ledger here")
    try:
        connection = sqlite3.connect(
            _address(path), uri=True, isolation_level=None, check_same_thread=False, timeout=5
        )
    except sqlite3.Error as error:
        raise SnapshotError(f"{path}: cannot open it: {error}") from error
    with closing(connection):
        try:
            connection.execute("PRAGMA query_only=ON")
            connection.execute("PRAGMA trusted_schema=OFF")
            connection.execute("BEGIN")
            empty = storage.is_empty(connection)  # the first read takes the snapshot
            snapshot = None if empty else Snapshot(path, connection)
        except sqlite3.Error as error:
            raise SnapshotError(f"{path}: cannot read it: {error}") from error
        if snapshot is None:
            raise SnapshotError(f"{path}: there is no ledger in it yet")
        yield snapshot


def _address(path: Path) -> str:
    """A database that nobody may write beside, such as on a read-only disk, is read as it is:
    where there is no WAL file, it is whole."""
    fixed = not path.with_name(path.name + "-wal").exists() and not _may_write(path.parent)
    return f"file:{quote(str(path.resolve()))}?mode=ro{'&immutable=1' if fixed else ''}"


def _may_write(folder: Path) -> bool:
    return os.access(folder, os.W_OK)
