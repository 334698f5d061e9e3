"""The database itself: its pages, its tables, and the triggers that refuse changes."""

import sqlite3
from collections.abc import Iterator

from gateway.keeping.finding import Finding
from gateway.keeping.snapshot import Snapshot
from gateway.ledger.bodies import Form
from gateway.ledger.ended import refuse_more
from gateway.ledger.log import ENDED
from gateway.ledger.once import create_table
from gateway.ledger.schema import create_schema

_MOST = 20


def check_structure(snapshot: Snapshot) -> Iterator[Finding]:
    """The schema is ours, and ids are unique even where nothing enforces that any more."""
    ended = ENDED in snapshot.meta
    wanted, there = _schema(_fresh(ended=ended)), _schema(snapshot.connection)
    for name in sorted(wanted.keys() - there.keys()):
        yield Finding("schema", f"{name} is missing, so the database no longer refuses changes")
    for name in sorted(wanted.keys() & there.keys()):
        if name.startswith("trigger ") and wanted[name] != there[name]:
            yield Finding("schema", f"{name} is not the one that was made")
    for name in sorted(there.keys() - wanted.keys()):
        if name.startswith("trigger "):
            yield Finding("schema", f"{name} is none of ours")
    if "index record_id" not in there:
        yield from _duplicates(snapshot.connection)


def check_pages(snapshot: Snapshot) -> Iterator[Finding]:
    """What SQLite finds wrong with its own file; reads all of it."""
    for (said,) in snapshot.connection.execute(f"PRAGMA integrity_check({_MOST})"):
        if said != "ok":
            yield Finding("database", f"the database file is damaged: {' '.join(said.split())}")


def check_identity(snapshot: Snapshot, origins: dict[str, list[str]]) -> Iterator[Finding]:
    """That the ledger is of a log that is trusted.

    Args:
        origins: The keys, as vkeys, of each log that is.
    """
    origin, vkey = snapshot.meta.get("origin", ""), snapshot.meta.get("vkey", "")
    if vkey not in origins.get(origin, []):
        yield Finding("identity", f"the log `{origin}` with key {vkey} is not one that is trusted")


_NOT_ERASED = """
SELECT idx FROM erasure JOIN body USING (idx) WHERE form IS NOT ? OR
salt IS NOT zeroblob(length(salt)) OR data IS NOT zeroblob(length(data)) ORDER BY idx LIMIT ?
"""


def check_erasures(snapshot: Snapshot) -> Iterator[Finding]:
    """That of what is erased nothing is left."""
    arguments = (int(Form.ERASED), _MOST)
    for (index,) in snapshot.connection.execute(_NOT_ERASED, arguments):
        yield Finding("erasure", f"entry {index} is erased, and its body is still there", index)


def _duplicates(connection: sqlite3.Connection) -> Iterator[Finding]:
    query = "SELECT id, min(idx), count(*) FROM record GROUP BY id HAVING count(*) > 1 LIMIT ?"
    for entry_id, first, times in connection.execute(query, (_MOST,)):
        yield Finding("duplicate", f"{times} entries have one id", first, entry_id)


def _fresh(*, ended: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    create_schema(connection)
    create_table(connection)
    if ended:
        refuse_more(connection)
    return connection


def _schema(connection: sqlite3.Connection) -> dict[str, str]:
    query = "SELECT type, name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'"
    return {
        f"{kind} {name}": " ".join(sql.split()) for kind, name, sql in connection.execute(query)
    }
