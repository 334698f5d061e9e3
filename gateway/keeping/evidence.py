"""The store of evidence beside a ledger: that what is kept there has its digest, that what
decisions name is there, and that the log says why something is not.

Read in a transaction, while its gateway runs or without it. Nothing is written.
"""

import hashlib
import os
import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import cast
from urllib.parse import quote

from gateway.keeping.finding import Finding
from gateway.keeping.named import named_documents
from gateway.keeping.payload import read_predicate
from gateway.keeping.progress import Told, nobody
from gateway.keeping.snapshot import Snapshot, open_snapshot
from gateway.ledger import storage

STORE = "attestation.sqlite3"
ACTION = "erase-evidence"
_MOST = 200  # of one kind; a store that is gone misses as many as there are decisions
Row = tuple[str, str, str, object, str | None]


def check_evidence(
    state: Path, ledgers: Sequence[Path], *, last: int | None = None, told: Told = nobody
) -> list[Finding]:
    """Check the store of a state folder or of a backup; nothing where it has none.

    Args:
        ledgers: The folders with its databases, of the one that grows first.
        last: Look for what the newest entries alone name, so many of each ledger.

    Raises:
        SnapshotError: A ledger cannot be read.
    """
    path = state / STORE
    if not path.is_file():
        return []
    try:
        with open_evidence(path) as db:
            found = [*_kept(db), *_erased(db, ledgers)]
            for folder in ledgers:
                found += _missing(db, folder, last, told)
            return found
    except sqlite3.Error as error:
        return [Finding("evidence", f"{path.name} cannot be read: {error}")]


def check_kept(state: Path) -> list[Finding]:
    """That the documents of a store have their digests."""
    path = state / STORE
    if not path.is_file():
        return []
    try:
        with open_evidence(path) as db:
            return list(_kept(db))
    except sqlite3.Error as error:
        return [Finding("evidence", f"{path.name} cannot be read: {error}")]


@contextmanager
def open_evidence(path: Path) -> Generator[sqlite3.Connection]:
    """The store as it stands at this moment, for reading."""
    fixed = not path.with_name(f"{path.name}-wal").exists() and not os.access(path.parent, os.W_OK)
    address = f"file:{quote(str(path.resolve()))}?mode=ro{'&immutable=1' if fixed else ''}"
    with closing(sqlite3.connect(address, uri=True, isolation_level=None, timeout=5)) as db:
        db.execute("PRAGMA query_only=ON")
        db.execute("PRAGMA trusted_schema=OFF")
        db.execute("BEGIN")
        yield db


def _kept(db: sqlite3.Connection) -> Iterator[Finding]:
    wrong = 0
    for sha256, _, kind, body, _ in _rows(db, "body IS NOT NULL"):
        data = body if isinstance(body, bytes) else str(body).encode()
        if hashlib.sha256(data).hexdigest() != sha256 and wrong < _MOST:
            wrong += 1
            yield Finding("evidence", f"the {kind} sha256:{sha256} is kept with other bytes")


def _erased(db: sqlite3.Connection, ledgers: Sequence[Path]) -> Iterator[Finding]:
    """That of what is erased an entry says why, and that what is said to be erased is gone."""
    rows = list(_rows(db, "body IS NULL OR erasure IS NOT NULL", "NULL, erasure"))
    there = {(row[0], row[1]) for row in _rows(db, "body IS NOT NULL AND erasure IS NOT NULL")}
    for sha256, tenant, kind, _, erasure in rows:
        said = erasure is not None and _says(ledgers, erasure, sha256)
        is_there = (sha256, tenant) in there
        if is_there and said:
            words = f"entry {erasure} says that the evidence sha256:{sha256} is erased; it is there"
            yield Finding("erasure", words, id=erasure)
        elif not is_there and not said:
            words = f"the {kind} sha256:{sha256} is erased, and no entry says why"
            yield Finding("evidence", words, id=erasure)


def _says(ledgers: Sequence[Path], entry: str, sha256: str) -> bool:
    for folder in ledgers:
        with open_snapshot(folder) as snapshot:
            place = storage.find_place(snapshot.connection, entry)
            record = None if place is None else snapshot.record(place[0])
        if record is None:
            continue
        try:
            said = read_predicate(record.body)
        except (ValueError, LookupError, TypeError):
            return False
        erased = said.get("erased")
        named = cast("dict[str, object]", erased) if isinstance(erased, dict) else {}
        return said.get("action") == ACTION and named.get("evidence") == f"sha256:{sha256}"
    return False


def _missing(
    db: sqlite3.Connection, folder: Path, last: int | None, told: Told
) -> Iterator[Finding]:
    found = 0
    with open_snapshot(folder) as snapshot:
        first = 0 if last is None else max(0, snapshot.size - last)
        for index, entry, tenant, sha256, kind in _named(snapshot, first, told):
            if found < _MOST and not _is_known(db, sha256, tenant):
                found += 1
                words = f"the {kind} sha256:{sha256}, which entry {index} names, is not kept"
                yield Finding("evidence", words, index, entry)


def _named(snapshot: Snapshot, first: int, told: Told) -> Iterator[tuple[int, str, str, str, str]]:
    """Each document that an entry names, once for a stretch of entries that name the same."""
    before: dict[str, str] = {}
    for record in snapshot.records(first, snapshot.size):
        told("evidence", record.index - first + 1, snapshot.size - first)
        try:
            named = named_documents(read_predicate(record.body)) if record.body else {}
        except (ValueError, LookupError, TypeError):
            continue  # the check of entries says so
        for sha256, kind in named.items():
            if sha256 not in before:
                yield record.index, record.id, record.tenant, sha256, kind
        before = named or before


def _is_known(db: sqlite3.Connection, sha256: str, tenant: str) -> bool:
    """Whether it is kept, or was erased, which another check looks at."""
    query = "SELECT 1 FROM document WHERE sha256 = ? AND tenant IN (?, '')"
    return db.execute(query, (sha256, tenant)).fetchone() is not None


def _rows(db: sqlite3.Connection, where: str, last: str = "body, erasure") -> Iterator[Row]:
    # Both are constants of this module.
    query = f"SELECT sha256, tenant, kind, {last} FROM document WHERE {where}"  # noqa: S608
    yield from db.execute(query)
