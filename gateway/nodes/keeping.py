"""The rows of the store: evidence that is kept, what stands of each node, and how far each TPM
has counted. All in the transaction of whoever calls."""

import sqlite3
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Self

from gateway.attestation.evidence import Claims
from gateway.attestation.result import Freshness, Verdict
from gateway.nodes.attested import Attested
from gateway.nodes.challenge import VALID, milliseconds
from gateway.nodes.errors import EvidenceStoreError
from gateway.nodes.terms import Terms

EVIDENCE = "evidence"
# Devices of one tenant whose counts are remembered; the longest unseen is forgotten first.
MAX_SEEN = 50_000
# How long what stood, counted and ended is kept, where no record names it.
KEPT = timedelta(days=30)

_LONGEST_MS = VALID // timedelta(milliseconds=1)

Count = tuple[int, int]


@dataclass(frozen=True)
class Row:
    """Evidence that stands, or could.

    Attributes:
        id: Of the submission.
        device: The key of its TPM, where it has counts.
        resets, restarts, clock: What its TPM counts (TPM 2.0 Library, Part 1, section 36).
        ends_ms: When it ends, where it was accepted.
    """

    tenant: str
    node: str
    id: str
    sha256: str
    nonce: bytes | None
    at_ms: int
    produced_ms: int | None
    device: str | None
    resets: int | None
    restarts: int | None
    clock: int | None
    ends_ms: int | None

    @classmethod
    def of(cls, attested: Attested, name: str) -> Self:
        result, claims = attested.result, attested.result.claims
        is_accepted = result.verdict is Verdict.ACCEPTED and result.valid_until is not None
        produced = None if claims is None else claims.produced_at
        return cls(
            attested.tenant,
            attested.node,
            name,
            result.evidence_sha256,
            attested.nonce if result.freshness is Freshness.CHALLENGED else None,
            milliseconds(result.appraised_at),
            None if produced is None else milliseconds(produced),
            *_counts(claims),
            milliseconds(result.valid_until) if is_accepted and result.valid_until else None,
        )

    @property
    def count(self) -> Count | None:
        """How often its TPM was started; grows."""
        if self.resets is None or self.restarts is None:
            return None
        return self.resets, self.restarts

    @property
    def is_challenged(self) -> bool:
        return self.nonce is not None

    def takes_over(self, old: "Row", before: Attested | None, now: datetime) -> bool:
        """Whether it stands in the place of another.

        Args:
            before: What the other comes to by what is in force; None where to nothing.
        """
        if self.device == old.device and self.count is not None and old.count is not None:
            if self.count != old.count:
                return self.count > old.count
            if (self.clock or 0) < (old.clock or 0):
                return False
        if self.is_challenged:
            # The one that was overtaken has been judged before. None is by more than a challenge
            # lasts: what stands after that was judged by a clock that was ahead.
            ahead = old.at_ms - self.at_ms
            return not old.is_challenged or ahead <= 0 or ahead > _LONGEST_MS
        if old.is_challenged:
            # What anybody may have kept must not end what was asked for, nor hide that it
            # was refused.
            return before is None or _has_ended(before, now)
        return (self.produced_ms or self.at_ms) >= (old.produced_ms or 0)


def _has_ended(before: Attested, now: datetime) -> bool:
    return before.result.verdict is Verdict.ACCEPTED and not before.counts_at(now)


def _counts(claims: Claims | None) -> tuple[str | None, int | None, int | None, int | None]:
    if claims is None:
        return None, None, None, None
    detail = claims.detail
    counted = [detail.get(name) for name in ("reset_count", "restart_count", "clock_ms")]
    keys = [one.sha256 for one in claims.used if one.kind == "attestation-key"]
    numbers = [one for one in counted if isinstance(one, int)]
    if len(numbers) != len(counted) or not keys:
        return None, None, None, None
    resets, restarts, clock = numbers
    # A clock has 64 bits and a column 63; no TPM runs for that long.
    return keys[0], resets, restarts, min(clock, 2**63 - 1)


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
    db.executemany(
        "INSERT INTO document (sha256, tenant, kind, body, named) VALUES (?, '', ?, ?, 1) "
        "ON CONFLICT DO NOTHING",
        [(digest, kind, data) for digest, (kind, data) in terms.files.items()],
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
