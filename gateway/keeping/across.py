"""What one log says of another: entries of logs that have ended, erased on the word of a later
one. Neither log can show alone that both did what they say.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from gateway.errors import LedgerError
from gateway.keeping.entries import Elsewhere, says_erased
from gateway.keeping.finding import Finding
from gateway.keeping.payload import read_predicate
from gateway.keeping.snapshot import Snapshot, open_snapshot
from gateway.ledger import storage
from gateway.ledger.erased_after import Meant, meant
from gateway.ledger.storage import StoredRecord


def check_across(
    folders: Sequence[Path], elsewhere: Sequence[Elsewhere], *, all_there: bool
) -> list[Finding]:
    """Hold the logs of one gateway against each other.

    Args:
        folders: Of all ledgers.
        elsewhere: What their entries say of erased entries of other logs.
        all_there: Whether no log that ended was moved away.
    """
    with ExitStack() as opened:
        logs: dict[str, Snapshot] = {}
        for folder in folders:
            one = opened.enter_context(open_snapshot(folder))
            logs[one.meta.get("origin", "")] = one
        try:
            # One after the other: a log that was erased from meanwhile has its word already.
            return [*_erased(logs, all_there=all_there), *_said(logs, elsewhere)]
        except sqlite3.Error as error:
            return [Finding("database", f"a database cannot be read: {error}")]


def _erased(logs: Mapping[str, Snapshot], *, all_there: bool) -> Iterator[Finding]:
    """That of what is erased, or was begun to be, a later log says why."""
    for origin, log in logs.items():
        for one in meant(log.connection):
            others = [other for name, other in logs.items() if name != origin]
            names = _says_why(others, one, log, origin)
            if one.is_done and not names:
                said = (
                    f"entry {one.index} of {origin} is erased, and no entry of a later log says why"
                )
                level = "damage" if all_there else "notice"
                yield Finding("tombstone", said, one.index, level=level)
            elif names and not one.is_done:
                said = (
                    f"entry {one.index} of {origin} is erased by the word of {one.by_id}, and its "
                    "body is still there: that was begun and not finished"
                )
                yield Finding("unfinished", said, one.index)


def _says_why(others: Sequence[Snapshot], one: Meant, log: Snapshot, origin: str) -> bool:
    record = _bare(log, one.index)
    for other in others:
        found = storage.find_place(other.connection, one.by_id)
        if found is None or record is None:
            continue
        try:
            why = other.record(found[0])
            said = read_predicate(why.body) if why is not None else {}
        except (LedgerError, ValueError, LookupError, TypeError):
            return False
        return says_erased(said, record, origin)
    return False


def _bare(log: Snapshot, index: int) -> StoredRecord | None:
    """An entry without its body, which may be erased or damaged."""
    query = "SELECT id, tenant, commitment, logged_at FROM record WHERE idx = ?"
    row = log.connection.execute(query, (index,)).fetchone()
    if row is None:
        return None
    return StoredRecord(index, row[0], row[1], bytes(row[2]), b"", b"", row[3])


def _said(logs: Mapping[str, Snapshot], elsewhere: Sequence[Elsewhere]) -> Iterator[Finding]:
    """That what a log says to be erased in another one is."""
    begun = {(origin, one.index) for origin, log in logs.items() for one in meant(log.connection)}
    for one in elsewhere:
        if one.log in logs and (one.log, one.index) not in begun:
            said = (
                f"entry {one.index} of {one.log} is erased, as entry {one.by_index} of a later "
                "log says, and its body is still there"
            )
            yield Finding("erasure", said, one.index)
