"""The database itself: its pages, its tables, and the triggers that refuse changes."""

import sqlite3
from collections.abc import Iterator

from gateway.keeping.finding import Finding
from gateway.keeping.snapshot import Snapshot
from gateway.ledger.bodies import Form
from gateway.ledger.ended import refuse_more
from gateway.ledger.erased_after import TABLE, has_table
from gateway.ledger.log import ENDED
from gateway.ledger.once import create_table
from gateway.ledger.schema import create_schema, take_erasures_after

_MOST = 20
_ONCE = {"table once", "index once_until"}  # made right after the others, in another commit


def check_structure(snapshot: Snapshot) -> Iterator[Finding]:
    """The schema is ours, and ids are unique even where nothing enforces that any more."""
    ended = ENDED in snapshot.meta
    there = _schema(snapshot.connection)
    wanted = _schema(_fresh(ended=ended, after=ended and f"table {TABLE}" in there))
    missing = wanted.keys() - there.keys()
    if missing == _ONCE:
        said = (
            "there is no table for keys under which questions were asked: the gateway was stopped "
            "before it had made one, or somebody removed it"
        )
        yield Finding("schema", said, level="notice")
        missing = set[str]()
    for name in sorted(missing):
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


_LEFT = "(salt IS NOT zeroblob(length(salt)) OR data IS NOT zeroblob(length(data)))"
_NOT_ERASED = f"""
SELECT idx FROM erasure JOIN body USING (idx) WHERE form IS NOT ? OR {_LEFT} ORDER BY idx LIMIT ?
"""  # noqa: S608
# Where the body is there, `gateway.keeping.across` knows whether it should be.
_NOT_ERASED_AFTER = f"""
SELECT idx FROM {TABLE} JOIN body USING (idx) WHERE form IS ? AND {_LEFT} ORDER BY idx LIMIT ?
"""  # noqa: S608


def check_erasures(snapshot: Snapshot) -> Iterator[Finding]:
    """That of what is erased nothing is left."""
    arguments = (int(Form.ERASED), _MOST)
    queries = [_NOT_ERASED]
    if has_table(snapshot.connection):
        queries.append(_NOT_ERASED_AFTER)
    for query in queries:
        for (index,) in snapshot.connection.execute(query, arguments):
            said = f"entry {index} is erased, and its body is still there"
            yield Finding("erasure", said, index)


def _duplicates(connection: sqlite3.Connection) -> Iterator[Finding]:
    query = "SELECT id, min(idx), count(*) FROM record GROUP BY id HAVING count(*) > 1 LIMIT ?"
    for entry_id, first, times in connection.execute(query, (_MOST,)):
        yield Finding("duplicate", f"{times} entries have one id", first, entry_id)


def _fresh(*, ended: bool, after: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    create_schema(connection)
    create_table(connection)
    if ended:
        refuse_more(connection)
    if after:
        take_erasures_after(connection)
    return connection


def _schema(connection: sqlite3.Connection) -> dict[str, str]:
    query = "SELECT type, name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'"
    return {
        f"{kind} {name}": " ".join(sql.split()) for kind, name, sql in connection.execute(query)
    }
