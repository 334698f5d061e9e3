"""A ledger of version 1 becomes one of version 2 where it is, a part with each commit.

Version 1 had the leaf, salt and body of an entry in one row. The leaves stay what they were:
the commitment that a leaf is made of follows from salt and body. What was stopped in the
middle goes on at the next opening.
"""

import sqlite3

from gateway.ledger import storage
from gateway.ledger.bodies import Packer
from gateway.ledger.entry import DIGEST_SIZE, SALT_SIZE, commit, entry_leaf
from gateway.ledger.schema import SCHEMA_VERSION, create_new_tables, refusal
from gateway.ledger.storage import StoredRecord

OLD_VERSION = "1"
_AT_ONCE = 256  # entries of one commit
_READ = """
SELECT idx, id, tenant, leaf_hash, salt, body, logged_at FROM record_1 ORDER BY idx LIMIT ?
"""


def migrate(connection: sqlite3.Connection) -> int:
    """Bring a ledger that is of version 1, or on its way, to this one; how many entries were
    moved. The caller has the lock of the ledger, and knows that it is the right one."""
    if storage.read_meta(connection).get("schema_version") == OLD_VERSION:
        _begin(connection)
    if not is_moving(connection):
        return 0
    packer, moved = Packer(), 0
    while count := _move(connection, packer):
        moved += count
    connection.execute("DROP TABLE record_1")
    return moved


def is_moving(connection: sqlite3.Connection) -> bool:
    """Whether a ledger was begun to be brought to this version, and is not yet."""
    query = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?"
    return connection.execute(query, ("record_1",)).fetchone() is not None


def _begin(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for trigger in ("refuses_UPDATE", "refuses_DELETE", "refuses_gap"):
            connection.execute(f"DROP TRIGGER record_{trigger}")
        connection.execute("DROP INDEX record_id")
        connection.execute("ALTER TABLE record RENAME TO record_1")
        create_new_tables(connection)
        connection.execute("DROP TRIGGER meta_refuses_UPDATE")
        query = "UPDATE meta SET value = ? WHERE key = 'schema_version'"
        connection.execute(query, (str(SCHEMA_VERSION),))
        connection.execute(refusal("meta", "UPDATE"))
        connection.execute("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise


def _move(connection: sqlite3.Connection, packer: Packer) -> int:
    records = [_record(*row) for row in connection.execute(_READ, (_AT_ONCE,)).fetchall()]
    if not records:
        return 0
    connection.execute("BEGIN IMMEDIATE")
    try:
        storage.insert_records(connection, records)
        packed = packer.pack([record.body for record in records])
        storage.insert_bodies(connection, records, packed)
        connection.execute("DELETE FROM record_1 WHERE idx <= ?", (records[-1].index,))
        connection.execute("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise
    return len(records)


def _record(
    index: int, entry_id: str, tenant: str, leaf: bytes, salt: bytes, body: bytes, logged_at: str
) -> StoredRecord:
    commitment = commit(salt, body) if len(salt) == SALT_SIZE else b""
    if entry_leaf(commitment) != leaf:
        # It was damaged before. It stays so: this is the commitment of nothing.
        commitment = bytes(DIGEST_SIZE)
    return StoredRecord(index, entry_id, tenant, commitment, salt, body, logged_at)


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")
