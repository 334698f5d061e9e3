"""Documents of the store by their digest, to be read again and to be erased.

Each call opens the store anew and closes it: both are rare, and nothing of it stays in memory.
"""

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256 as hashed
from pathlib import Path

from gateway.nodes.errors import EvidenceStoreError
from gateway.nodes.store import close, open_store, trouble, writing

EVIDENCE = "evidence"
NOBODY = ""  # the tenant of what all evidence is judged by
_COLUMNS = "sha256, tenant, kind, body, erasure"


@dataclass(frozen=True)
class Kept:
    """A document as it is kept.

    Attributes:
        tenant: Empty of policies, anchors and registers.
        kind: `evidence`, `policy`, `anchors` or `register`.
        body: None once it was erased.
        erasure: The entry of the log that says why, or is about to.
    """

    sha256: str
    tenant: str
    kind: str
    body: bytes | None
    erasure: str | None

    def checked(self) -> bytes | None:
        """The body.

        Raises:
            EvidenceStoreError: It has not its digest.
        """
        if self.body is not None and hashed(self.body).hexdigest() != self.sha256:
            raise EvidenceStoreError(f"document {self.sha256} is kept with other bytes")
        return self.body


class Documents:
    """Those of one store, which need not be there. Blocking.

    Every method raises `EvidenceStoreError` where the store cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, sha256: str, tenants: Sequence[str]) -> Kept | None:
        """A document that one of the tenants may read; one with a body before one without."""
        found = [one for one in self.of(sha256) if one.tenant in tenants]
        return min(found, key=lambda one: one.body is None, default=None)

    def of(self, sha256: str) -> list[Kept]:
        """What is kept under a digest, of every tenant."""
        query = f"SELECT {_COLUMNS} FROM document WHERE sha256 = ? ORDER BY tenant"  # noqa: S608
        with self._store() as db:
            return [] if db is None else [_kept(*row) for row in db.execute(query, (sha256,))]

    def mark(self, sha256: str, erasure: str) -> str:
        """Name the entry that is going to say why evidence is erased; the one that was named
        before, where one was."""
        with self._store() as db:
            if db is None:
                return erasure
            with writing(db):
                named = db.execute(
                    "SELECT erasure FROM document WHERE sha256 = ? AND kind = ? "
                    "AND erasure IS NOT NULL LIMIT 1",
                    (sha256, EVIDENCE),
                ).fetchone()
                entry = erasure if named is None else str(named[0])
                db.execute(
                    "UPDATE document SET erasure = ? WHERE sha256 = ? AND kind = ?",
                    (entry, sha256, EVIDENCE),
                )
                return entry

    def remove(self, sha256: str) -> bool:
        """Overwrite the body of evidence that is marked, of every tenant.

        Returns:
            Whether nothing of it is left in the files; false while somebody reads an older
            state of them.
        """
        with self._store() as db:
            if db is None:
                return True
            with writing(db):
                db.execute(
                    "UPDATE document SET body = NULL WHERE sha256 = ? AND kind = ? "
                    "AND erasure IS NOT NULL",
                    (sha256, EVIDENCE),
                )
            # `secure_delete` has zeros written over it in the database; pages of before are
            # in the side file until that is emptied.
            (busy, *_) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not busy

    @contextmanager
    def _store(self) -> Generator[sqlite3.Connection | None]:
        with trouble(self._path):
            if not self._path.exists():
                yield None
                return
            db = open_store(self._path)
            try:
                yield db
            finally:
                close(db)


def _kept(sha256: str, tenant: str, kind: str, body: object, erasure: str | None) -> Kept:
    # Whoever changed the file could have put anything there.
    data = body if isinstance(body, bytes) else str(body).encode()
    return Kept(sha256, tenant, kind, None if body is None else data, erasure)
