"""Keys under which something was asked once, kept beside the log: the same key again leads
to the entries that were appended under it.

A row is written in the transaction of its entries, so that both are there or neither. It is
no part of the log: nothing is proven of it, and it is forgotten when its time is over.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.errors import KeysExhaustedError, KeyTakenError, LedgerError

KEY_SIZE = 32
MAX_KEYS = 100_000  # of one tenant
MAX_BYTES = 32 * 1024 * 1024  # of one tenant
# What a row takes besides its answer, roughly.
_ROW_BYTES = 160
# Rows forgotten with each that is written: more than come, and never a long transaction.
_FORGOTTEN_AT_ONCE = 50

_SCHEMA = (
    """
    CREATE TABLE IF NOT EXISTS once (
      key BLOB PRIMARY KEY, tenant TEXT NOT NULL, request BLOB NOT NULL,
      answer TEXT NOT NULL, until INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX IF NOT EXISTS once_until ON once (until)",
)
_FORGET = """
DELETE FROM once WHERE key IN (SELECT key FROM once WHERE until <= ? ORDER BY until LIMIT ?)
RETURNING tenant, length(CAST(answer AS BLOB))
"""
_OVER = """
SELECT count(*), COALESCE(sum(length(CAST(answer AS BLOB)) + ?), 0) FROM once
WHERE tenant = ? AND until <= ?
"""
_FORGET_ONE = "DELETE FROM once WHERE key = ? RETURNING tenant, length(CAST(answer AS BLOB))"


@dataclass(frozen=True, slots=True)
class Once:
    """A key that is used up until an instant.

    Attributes:
        key: 32 bytes that stand for whoever asked and the key that it chose.
        request: 32 bytes that stand for what was asked.
        answer: What leads back to the answer.
        until: Seconds since 1970, UTC, from which on the key is free again.
    """

    key: bytes
    tenant: str
    request: bytes
    answer: str
    until: int

    @property
    def size(self) -> int:
        """Bytes that count against the tenant."""
        return len(self.answer.encode()) + _ROW_BYTES


def create_table(connection: sqlite3.Connection) -> None:
    """Make the table where there is none: also in a ledger that began without it."""
    for statement in _SCHEMA:
        connection.execute(statement)


def find(connection: sqlite3.Connection, key: bytes, now: int) -> Once | None:
    """The row of a key that is used up."""
    query = "SELECT key, tenant, request, answer, until FROM once WHERE key = ? AND until > ?"
    row = connection.execute(query, (key, now)).fetchone()
    return None if row is None else Once(*row)


class Book:
    """Writes the rows, and counts those of each tenant. One writer has it."""

    def __init__(
        self, connection: sqlite3.Connection, max_keys: int = MAX_KEYS, max_bytes: int = MAX_BYTES
    ) -> None:
        self._connection = connection
        self._max_keys = max_keys
        self._max_bytes = max_bytes
        query = (
            "SELECT tenant, count(*), sum(length(CAST(answer AS BLOB)) + ?) FROM once "
            "GROUP BY tenant"
        )
        rows = connection.execute(query, (_ROW_BYTES,)).fetchall()
        self._taken: dict[str, tuple[int, int]] = {tenant: (n, size) for tenant, n, size in rows}

    def refused(self, asked: Sequence[Once], now: int) -> list[LedgerError | None]:
        """Of rows that are to be written together, why each cannot be, or None."""
        refused: list[LedgerError | None] = []
        more: dict[str, tuple[int, int]] = {}
        seen: set[bytes] = set()
        for one in asked:
            if one.key in seen or find(self._connection, one.key, now) is not None:
                refused.append(KeyTakenError())
                continue
            keys, size = more.get(one.tenant, (0, 0))
            keys, size = keys + 1, size + one.size
            if self._is_full(one.tenant, keys, size, now):
                refused.append(KeysExhaustedError())
            else:
                refused.append(None)
                seen.add(one.key)
                more[one.tenant] = (keys, size)
        return refused

    def _is_full(self, tenant: str, keys: int, size: int, now: int) -> bool:
        """Whether there is no room for so many more, not even without those whose time is
        over and that no write has forgotten yet."""
        has_keys, has_size = self._taken.get(tenant, (0, 0))
        if has_keys + keys <= self._max_keys and has_size + size <= self._max_bytes:
            return False
        over_keys, over_size = self._connection.execute(_OVER, (_ROW_BYTES, tenant, now)).fetchone()
        has_keys, has_size = has_keys - over_keys, has_size - over_size
        return has_keys + keys > self._max_keys or has_size + size > self._max_bytes

    def write(self, rows: Iterable[Once], now: int) -> Mapping[str, tuple[int, int]]:
        """Write rows that nothing refuses, in the transaction that is open, and forget some
        whose time is over. What changes of the count, for `count` after the commit."""
        changes: dict[str, tuple[int, int]] = {}
        for one in rows:
            gone = self._connection.execute(_FORGET, (now, _FORGOTTEN_AT_ONCE)).fetchall()
            # Its own key can be among those whose time is over.
            gone += self._connection.execute(_FORGET_ONE, (one.key,)).fetchall()
            for tenant, length in gone:
                _add(changes, tenant, -1, -length - _ROW_BYTES)
            self._connection.execute(
                "INSERT INTO once VALUES (?, ?, ?, ?, ?)",
                (one.key, one.tenant, one.request, one.answer, one.until),
            )
            _add(changes, one.tenant, 1, one.size)
        return changes

    def count(self, changes: Mapping[str, tuple[int, int]]) -> None:
        """Take over what a commit has made durable."""
        for tenant, (keys, size) in changes.items():
            _add(self._taken, tenant, keys, size)
            if self._taken[tenant][0] <= 0:
                del self._taken[tenant]


def _add(counts: dict[str, tuple[int, int]], tenant: str, keys: int, size: int) -> None:
    has_keys, has_size = counts.get(tenant, (0, 0))
    counts[tenant] = (has_keys + keys, has_size + size)
