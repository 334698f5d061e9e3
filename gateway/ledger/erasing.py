"""The writer's part in an erasure: which is admitted, and that nothing stays behind.

An entry that says why, and zeros over the body that it is about, are one commit. Pages of
before can stay in the side file of the database until that is emptied, which is tried until
nobody reads an older state any more.
"""

import sqlite3
from collections.abc import Mapping

from gateway.errors import LedgerError
from gateway.ledger import storage
from gateway.ledger.erased import ErasedEntryError, ErasureRefusedError
from gateway.ledger.pending import Pending
from gateway.ledger.storage import StoredRecord


class Erasing:
    """Belongs to the thread of the writer, but for `is_tidy`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        # A process that ended before may have left something.
        self.is_tidy = False
        self.tidy()

    def admit(self, group: list[Pending]) -> None:
        """Give erasures that cannot be their outcome."""
        targets: set[str] = set()
        for pending in group:
            if pending.erases is None or None not in pending.outcomes:
                continue
            try:
                self._check(pending.entries[0][0], pending.erases, targets)
            except LedgerError as error:
                pending.fill(error)

    def _check(self, own_id: str, target: str, targets: set[str]) -> None:
        if storage.find_place(self._connection, own_id) is not None:
            return  # it is logged, and gets the answer of before
        found = storage.find_place(self._connection, target)
        if found is None:
            raise ErasureRefusedError(f"there is no entry {target!r} to erase")
        index, says_why = found
        if says_why:
            raise ErasureRefusedError(f"entry {index} says why another is erased, and stays")
        eraser = storage.find_eraser(self._connection, index)
        if eraser is not None:
            raise ErasedEntryError(entry_id=target, index=index, erasure_id=eraser)
        if target in targets:
            raise ErasureRefusedError(f"entry {index} is being erased")
        targets.add(target)

    def erase(self, targets: Mapping[int, str]) -> None:
        """Erase in the open transaction; by index of the entry that says why, the id of the
        one that is erased."""
        for by_index, target in targets.items():
            found = storage.find_place(self._connection, target)
            if found is None:
                raise LedgerError(f"entry {target!r} is gone")
            self.is_tidy = False
            storage.erase(self._connection, found[0], by_index)

    def tidy(self) -> None:
        """Empty the side file, unless somebody reads an older state."""
        if not self.is_tidy:
            try:
                self.is_tidy = storage.truncate_wal(self._connection)
            except sqlite3.Error:
                self.is_tidy = False

    def error_of(self, record: StoredRecord) -> ErasedEntryError:
        """What is told of an erased entry."""
        eraser = storage.find_eraser(self._connection, record.index) or ""
        return ErasedEntryError(entry_id=record.id, index=record.index, erasure_id=eraser)
