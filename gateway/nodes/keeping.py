"""The rows of the store: evidence that is kept, what stands of each node, and how far each TPM
has counted. All in the transaction of whoever calls."""

import sqlite3
from dataclasses import astuple
from datetime import datetime, timedelta
from hashlib import sha256

from gateway.nodes.attested import Attested
from gateway.nodes.challenge import milliseconds
from gateway.nodes.errors import EvidenceStoreError
from gateway.nodes.row import Count, Row
from gateway.nodes.terms import Terms

EVIDENCE = "evidence"
# Devices of one tenant whose counts are remembered; the longest unseen is forgotten first.
MAX_SEEN = 50_000
# How long what stood, counted and ended is kept, where no record names it.
KEPT = timedelta(days=30)

# --- documents -----------------------------------------------------------------------


def is_erased(db: sqlite3.Connection, attested: Attested) -> bool:
    """Whether this very evidence was kept once and erased, or is about to be."""
    query = (
        "SELECT 1 FROM document WHERE sha256 = ? AND tenant = ? "
        "AND (body IS NULL OR erasure IS NOT NULL)"
    )
    row = attested.result.evidence_sha256, attested.tenant
    return db.execute(query, row).fetchone() is not None


def keep(db: sqlite3.Connection, attested: Attested, document: bytes, *, is_named: bool) -> None:
    db.execute(
        "INSERT INTO document (sha256, tenant, kind, body, named) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET named = max(named, excluded.named)",
        (attested.result.evidence_sha256, attested.tenant, EVIDENCE, document, int(is_named)),
    )


def keep_terms(db: sqlite3.Connection, terms: Terms) -> None:
    """What it was judged by, so that it can be done again."""
    for digest, (kind, data) in terms.files.items():
        # A register can be large, and is there but for the first time.
        query = "SELECT 1 FROM document WHERE sha256 = ? AND tenant = ''"
        if db.execute(query, (digest,)).fetchone() is None:
            db.execute(
                "INSERT INTO document (sha256, tenant, kind, body, named) VALUES (?, '', ?, ?, 1)",
                (digest, kind, data),
            )


def name(db: sqlite3.Connection, row: Row) -> None:
    """A record names it from now on."""
    db.execute(
        "UPDATE document SET named = 1 WHERE sha256 = ? AND tenant = ?", (row.sha256, row.tenant)
    )


def document(db: sqlite3.Connection, row: Row) -> bytes | None:
    """The evidence; None where it was erased since.

    Raises:
        EvidenceStoreError: What is there is other evidence.
    """
    query = "SELECT body FROM document WHERE sha256 = ? AND tenant = ?"
    found = db.execute(query, (row.sha256, row.tenant)).fetchone()
    if found is None or found[0] is None:
        return None
    data = bytes(found[0])
    if sha256(data).hexdigest() != row.sha256:
        raise EvidenceStoreError(f"evidence {row.sha256} is kept with other bytes")
    return data


# --- what stands ---------------------------------------------------------------------


def standing(db: sqlite3.Connection, tenant: str, node: str) -> Row | None:
    # What is marked to be erased counts no longer than until then.
    query = (
        "SELECT s.* FROM standing s JOIN document d ON d.sha256 = s.sha256 AND d.tenant = s.tenant "
        "WHERE s.tenant = ? AND s.node = ? AND d.body IS NOT NULL AND d.erasure IS NULL"
    )
    found = db.execute(query, (tenant, node)).fetchone()
    return None if found is None else Row(*found)


def put(db: sqlite3.Connection, new: Row, old: Row | None) -> None:
    marks = ", ".join("?" * len(astuple(new)))
    db.execute(f"INSERT OR REPLACE INTO standing VALUES ({marks})", astuple(new))  # noqa: S608
    if old is not None:
        _let_go(db, old.tenant, old.sha256)


def _let_go(db: sqlite3.Connection, tenant: str, digest: str) -> None:
    """Remove evidence that stands for nothing any more, unless a record names it."""
    db.execute(
        "DELETE FROM document WHERE sha256 = ? AND tenant = ? AND named = 0 AND body IS NOT NULL "
        "AND NOT EXISTS (SELECT 1 FROM standing s WHERE s.tenant = document.tenant "
        "AND s.sha256 = document.sha256)",
        (digest, tenant),
    )


def tidy(db: sqlite3.Connection, now: datetime) -> None:
    """Remove what counted once and ended long ago. What was refused stays: it is newer than
    what somebody may have kept."""
    before = (milliseconds(now - KEPT),)
    query = "DELETE FROM standing WHERE ends_ms < ? RETURNING tenant, sha256"
    for tenant, digest in db.execute(query, before).fetchall():
        _let_go(db, tenant, digest)


# --- how far each TPM has counted ----------------------------------------------------


def _seen(db: sqlite3.Connection, row: Row) -> tuple[Count, int] | None:
    query = "SELECT resets, restarts, clock FROM seen WHERE tenant = ? AND device = ?"
    found = db.execute(query, (row.tenant, row.device)).fetchone()
    return None if found is None else ((found[0], found[1]), found[2])


def is_behind(db: sqlite3.Connection, row: Row) -> bool:
    """Whether its TPM was seen to have counted further, so that it was made before."""
    seen = None if row.count is None else _seen(db, row)
    if seen is None or row.count is None:
        return False
    count, clock = seen
    if row.count != count:
        return row.count < count
    return not row.is_challenged and (row.clock or 0) < clock


def advance(db: sqlite3.Connection, row: Row) -> None:
    """Remember how far it has counted. What stood of the device before it was started again
    ends."""
    if row.count is None:
        return
    seen = _seen(db, row)
    mine = row.count, row.clock or 0
    if seen is not None and seen >= mine:
        return
    db.execute(
        "INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?, ?)",
        (row.tenant, row.device, *row.count, row.clock or 0, row.at_ms),
    )
    if seen is None:
        _forget(db, row.tenant)
    query = (
        "DELETE FROM standing WHERE tenant = ? AND device = ? AND (resets, restarts) < (?, ?) "
        "RETURNING sha256"
    )
    for (digest,) in db.execute(query, (row.tenant, row.device, *row.count)).fetchall():
        _let_go(db, row.tenant, digest)


def _forget(db: sqlite3.Connection, tenant: str) -> None:
    many = db.execute("SELECT COUNT(*) FROM seen WHERE tenant = ?", (tenant,)).fetchone()[0]
    if many > MAX_SEEN:
        db.execute(
            "DELETE FROM seen WHERE rowid IN "
            "(SELECT rowid FROM seen WHERE tenant = ? ORDER BY at_ms LIMIT ?)",
            (tenant, many - MAX_SEEN),
        )
