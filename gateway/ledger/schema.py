"""Tables of the ledger. They refuse what would change what was logged.

    record      what the tree commits to, one row for each entry
    body        the bodies, with their salts: beside the tree, so that one can be erased
    text        what bodies are kept as a difference from
    erasure     which entries are erased, and which entry says why
    erasure_after   the same by entries of a later log, where this one has ended
    tile, checkpoint, meta

Version 1 had the body in `record`; see `gateway.ledger.migrate`.
"""

import sqlite3

from sqlite_utils import Database

SCHEMA_VERSION = 2

_Table = tuple[dict[str, type], str | tuple[str, ...]]

_RECORD: _Table = (
    {"idx": int, "id": str, "tenant": str, "commitment": bytes, "logged_at": str},
    "idx",
)
_BODY: _Table = (
    {"idx": int, "form": int, "text": int, "salt": bytes, "data": bytes},
    "idx",
)
_TABLES: dict[str, _Table] = {
    "tile": ({"level": int, "idx": int, "hashes": bytes}, ("level", "idx")),
    "checkpoint": ({"tree_size": int, "note": str, "logged_at": str}, "tree_size"),
    "meta": ({"key": str, "value": str}, "key"),
}
_NEW: dict[str, _Table] = {
    "record": _RECORD,
    "body": _BODY,
    "text": ({"number": int, "digest": bytes, "data": bytes}, "number"),
    "erasure": ({"idx": int, "by_idx": int}, "idx"),
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
_NEW_BODY_ONLY = """
CREATE TRIGGER body_refuses_gap BEFORE INSERT ON body
WHEN NEW.idx IS NOT (SELECT COALESCE(MAX(idx) + 1, 0) FROM body)
BEGIN SELECT RAISE(ABORT, 'body takes the next index only'); END
"""
# Zeros of the same length are written over a cell where it is; whatever else would move it,
# and leave what it was elsewhere in the page.
_ERASE_ONLY = """
CREATE TRIGGER body_refuses_update BEFORE UPDATE ON body
WHEN NEW.idx IS NOT OLD.idx OR OLD.form = 5 OR NEW.form IS NOT 5 OR NEW.text IS NOT OLD.text
  OR NEW.salt IS NOT zeroblob(length(OLD.salt)) OR NEW.data IS NOT zeroblob(length(OLD.data))
  OR NOT EXISTS ({erased})
BEGIN SELECT RAISE(ABORT, 'body takes an erasure only'); END
"""
_ERASED = "SELECT 1 FROM erasure WHERE idx = OLD.idx"
_ERASED_ONCE = """
CREATE TRIGGER erasure_refuses_again BEFORE INSERT ON erasure
WHEN EXISTS (SELECT 1 FROM erasure WHERE idx = NEW.idx OR idx = NEW.by_idx OR by_idx = NEW.idx)
  OR NEW.idx >= NEW.by_idx OR NOT EXISTS (SELECT 1 FROM record WHERE idx = NEW.by_idx)
BEGIN SELECT RAISE(ABORT, 'erasure takes an entry once, and none that says why'); END
"""

_NEW_TEXT_ONLY = """
CREATE TRIGGER text_refuses_again BEFORE INSERT ON text
WHEN EXISTS (SELECT 1 FROM text WHERE number = NEW.number)
BEGIN SELECT RAISE(ABORT, 'text takes a new number only'); END
"""
# Of a log that has ended. Who says why can change as long as the body is there.
_AFTER = (
    """
    CREATE TABLE erasure_after (
      idx INTEGER PRIMARY KEY, by_id TEXT NOT NULL, digest BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TRIGGER erasure_after_refuses_again BEFORE INSERT ON erasure_after
    WHEN EXISTS (SELECT 1 FROM erasure WHERE idx = NEW.idx OR by_idx = NEW.idx)
      OR NOT EXISTS (SELECT 1 FROM body WHERE idx = NEW.idx AND form IS NOT 5)
    BEGIN SELECT RAISE(ABORT, 'erasure_after takes an entry that is not erased'); END
    """,
    """
    CREATE TRIGGER erasure_after_refuses_update BEFORE UPDATE ON erasure_after
    WHEN NEW.idx IS NOT OLD.idx
      OR NOT EXISTS (SELECT 1 FROM body WHERE idx = OLD.idx AND form IS NOT 5)
    BEGIN SELECT RAISE(ABORT, 'erasure_after is fixed once the body is gone'); END
    """,
)


def create_schema(connection: sqlite3.Connection) -> None:
    """Make tables and triggers; the caller holds a transaction."""
    _create(connection, _TABLES)
    connection.execute(_LARGER_ONLY)
    create_new_tables(connection)


def create_new_tables(connection: sqlite3.Connection) -> None:
    """Make what version 2 does not share with version 1."""
    _create(connection, _NEW)
    connection.execute("CREATE UNIQUE INDEX record_id ON record (id)")
    connection.execute("CREATE UNIQUE INDEX erasure_by ON erasure (by_idx)")
    for statement in (_NEXT_ONLY, _NEW_BODY_ONLY, _NEW_TEXT_ONLY, _ERASED_ONCE):
        connection.execute(statement)
    connection.execute(_ERASE_ONLY.format(erased=_ERASED))


def take_erasures_after(connection: sqlite3.Connection) -> None:
    """Make the table by which a log that has ended can have bodies erased on the word of a
    later one, where it is missing; the caller holds a transaction."""
    query = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'erasure_after'"
    if connection.execute(query).fetchone() is not None:
        return
    for statement in _AFTER:
        connection.execute(statement)
    connection.execute(refusal("erasure_after", "DELETE"))
    connection.execute("DROP TRIGGER body_refuses_update")
    after = "SELECT 1 FROM erasure_after WHERE idx = OLD.idx"
    connection.execute(_ERASE_ONLY.format(erased=f"{_ERASED} UNION ALL {after}"))


def _create(connection: sqlite3.Connection, tables: dict[str, _Table]) -> None:
    database = Database(connection, execute_plugins=False, recursive_triggers=False)
    for name, (columns, key) in tables.items():
        table = database.table(name)
        table.create(columns, pk=key, not_null=set(columns), strict=True)
        for action in ("UPDATE", "DELETE"):
            if (name, action) != ("body", "UPDATE"):
                connection.execute(refusal(name, action))


def refusal(table: str, action: str) -> str:
    """The trigger by which a table refuses UPDATE or DELETE."""
    return _REFUSE.format(table=table, action=action)
