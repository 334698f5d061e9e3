"""Erasure in a log that has ended: its database takes that yet, and nothing else.

 1. A row of `erasure_after` names the entry that is going to say why, and the SHA-256 of it.
 2. That entry is logged, in the log that grows.
 3. Body and salt are overwritten with zeros, and the side file of the database is emptied.

What was stopped after the second step is finished at the next opening; what was stopped before
it was never said, and the row alone means nothing.

Whoever calls this has the lock of the log that grows, so nobody else does. The file is not
locked by itself: closing a handle of it would drop the locks of those who read it here.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import LedgerError, LedgerUnavailableError
from gateway.ledger import storage
from gateway.ledger.bodies import Form
from gateway.ledger.erased import ErasedEntryError, ErasureRefusedError, NothingToEraseError
from gateway.ledger.schema import take_erasures_after

TABLE = "erasure_after"


@dataclass(frozen=True, slots=True)
class Meant:
    """An erasure that was begun in a log that has ended: of the entry `index`, by the entry
    `by_id` of a later log, whose body has the SHA-256 `digest`; `is_done` where the body of
    the entry is gone."""

    index: int
    by_id: str
    digest: bytes
    is_done: bool

    def is_by(self, body: bytes) -> bool:
        """Whether a body is that of the entry which says why."""
        return hashlib.sha256(body).digest() == self.digest


IsLogged = Callable[[Meant], bool]


def meant(connection: sqlite3.Connection) -> Iterator[Meant]:
    """The erasures that were begun, in order of index."""
    if not has_table(connection):
        return
    query = (
        f"SELECT idx, by_id, digest, form FROM {TABLE} LEFT JOIN body USING (idx) "  # noqa: S608
        "ORDER BY idx"
    )
    for index, by_id, digest, form in connection.execute(query):
        yield Meant(index, by_id, bytes(digest), form == Form.ERASED)


def has_table(connection: sqlite3.Connection) -> bool:
    """Whether anything was ever erased there after the end of the log."""
    query = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?"
    return connection.execute(query, (TABLE,)).fetchone() is not None


def begin(folder: Path, target: str, by_id: str, body: bytes) -> None:
    """Take the first step; the same again, or with another entry that says why, replaces it.

    Raises:
        ErasedEntryError: It is erased already.
        ErasureRefusedError: It is not there, or says why another one is erased.
        LedgerError: The ledger cannot be written.
    """
    with _writable(folder) as connection, _transaction(connection):
        found = storage.find_place(connection, target)
        if found is None:
            raise NothingToEraseError(f"there is no entry {target!r} to erase")
        index, says_why = found
        if says_why:
            raise ErasureRefusedError(f"entry {index} says why another is erased, and stays")
        eraser = storage.find_eraser(connection, index) or _done_by(connection, index)
        if eraser is not None:
            raise ErasedEntryError(entry_id=target, index=index, erasure_id=eraser)
        take_erasures_after(connection)
        query = (
            f"INSERT INTO {TABLE} VALUES (?, ?, ?) "  # noqa: S608
            "ON CONFLICT (idx) DO UPDATE SET by_id = excluded.by_id, digest = excluded.digest"
        )
        connection.execute(query, (index, by_id, hashlib.sha256(body).digest()))


def finish(folder: Path, is_logged: IsLogged) -> bool:
    """Take the third step wherever the second was taken; whether nothing of what is erased is
    left in the files.

    Raises:
        LedgerError: The ledger cannot be written.
    """
    with _readable(folder) as connection:
        if not has_table(connection):
            return True
    with _writable(folder) as connection:
        waiting = [one for one in meant(connection) if not one.is_done and is_logged(one)]
        if waiting:
            with _transaction(connection):
                for one in waiting:
                    storage.overwrite_body(connection, one.index)
        # Also what a process that ended before may have left.
        return storage.truncate_wal(connection)


def _done_by(connection: sqlite3.Connection, index: int) -> str | None:
    found = (one.by_id for one in meant(connection) if one.index == index and one.is_done)
    return next(found, None)


# --- connections ---------------------------------------------------------------------


@contextmanager
def _readable(folder: Path) -> Generator[sqlite3.Connection]:
    uri = f"{(folder / storage.DATABASE).absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise LedgerError(f"the ledger in {folder} cannot be read: {error}") from error


@contextmanager
def _writable(folder: Path) -> Generator[sqlite3.Connection]:
    path = folder / storage.DATABASE
    try:
        with closing(storage.open_connection(path)) as connection:
            storage.make_durable(connection)
            yield connection
    except (sqlite3.Error, OSError) as error:
        raise LedgerUnavailableError(
            f"nothing can be erased in the ledger in {folder}: {error}"
        ) from error


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Generator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
