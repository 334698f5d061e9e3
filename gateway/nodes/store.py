"""Where evidence is kept: one SQLite file beside the ledger, shared by all processes of a gateway.

    document     evidence, by digest and tenant; and policies, anchors and registers that were
                 in force, of tenant ''. A body is NULL once it was erased
    challenge    those that are open; one that was used is gone
    standing     of each node and tenant, the evidence that counts
    seen         of each device, how far its TPM has counted

What comes of evidence is not kept: it is judged again from what is here.
"""

import os
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from gateway.nodes.errors import EvidenceStoreError

FILE = "attestation.sqlite3"
VERSION = 1
# Another process of the gateway writes for a few milliseconds at most.
BUSY_S = 5.0

_SCHEMA = """
CREATE TABLE document (
    sha256 TEXT NOT NULL, tenant TEXT NOT NULL, kind TEXT NOT NULL, body BLOB, erasure TEXT,
    named INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (sha256, tenant)
);
CREATE TABLE challenge (
    id TEXT PRIMARY KEY, tenant TEXT NOT NULL, caller TEXT NOT NULL, node TEXT NOT NULL,
    purpose TEXT NOT NULL, nonce BLOB NOT NULL, expires_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX challenge_of ON challenge (tenant, expires_ms);
CREATE INDEX challenge_until ON challenge (expires_ms);
CREATE TABLE standing (
    tenant TEXT NOT NULL, node TEXT NOT NULL, id TEXT NOT NULL, sha256 TEXT NOT NULL, nonce BLOB,
    at_ms INTEGER NOT NULL, produced_ms INTEGER, device TEXT, resets INTEGER, restarts INTEGER,
    clock INTEGER, ends_ms INTEGER, PRIMARY KEY (tenant, node)
);
CREATE INDEX standing_by ON standing (tenant, sha256);
CREATE INDEX standing_until ON standing (ends_ms);
CREATE TABLE seen (
    tenant TEXT NOT NULL, device TEXT NOT NULL, resets INTEGER NOT NULL,
    restarts INTEGER NOT NULL, clock INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, device)
);
CREATE TRIGGER document_erased AFTER UPDATE OF body ON document WHEN NEW.body IS NULL
BEGIN DELETE FROM standing WHERE tenant = NEW.tenant AND sha256 = NEW.sha256; END;
"""


def open_store(path: Path) -> sqlite3.Connection:
    """The store, made where it is missing, readable by its owner alone. Every transaction is
    the caller's; the connection may go from thread to thread.

    Raises:
        EvidenceStoreError: It cannot be opened, is none, or of a later version.
    """
    with trouble(path):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA secure_delete = ON")
            _make(db, path)
        except BaseException:
            db.close()
            raise
    return db


def _make(db: sqlite3.Connection, path: Path) -> None:
    with writing(db):
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise EvidenceStoreError(f"{path}: a later version of Charter has written it")
        if version == 0:
            for statement in _statements(_SCHEMA):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")


def _statements(script: str) -> list[str]:
    """Each alone: `executescript` would end the transaction first."""
    found: list[str] = []
    text = ""
    for line in script.splitlines():
        text += line + "\n"
        if sqlite3.complete_statement(text):
            found.append(text)
            text = ""
    return found


@contextmanager
def writing(db: sqlite3.Connection) -> Generator[sqlite3.Connection]:
    """One transaction, which nobody else writes beside: all of the block, or nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


@contextmanager
def trouble(path: Path) -> Generator[None]:
    """Turns what goes wrong with the file in the block into `EvidenceStoreError`."""
    try:
        yield
    except sqlite3.Error as error:
        raise EvidenceStoreError(f"{path}: {error}") from error
    except OSError as error:
        raise EvidenceStoreError(f"{path}: {error.strerror}") from error


def close(db: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error), closing(db):
        pass
