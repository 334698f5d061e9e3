"""A disk in memory whose machine crashes at an instant that a test chooses, in one process.

A ledger writes through SQLite connections of ours. At a statement that was agreed the files
are copied as a killed process leaves them, or, within a COMMIT, as a power cut may: of what
was written since the last sync any of the sectors are there, in any order. The copy is what
the next ledger opens; the one before is thrown away.
"""

import random
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.ledger import storage

SECTOR = 512
WAL = f"{storage.DATABASE}-wal"
_WAL_HEADER = 32  # https://sqlite.org/fileformat2.html#walformat
_NOT_KEPT = {f"{storage.DATABASE}-shm"}

Files = dict[str, bytes]


class Crashed(sqlite3.OperationalError):
    """What the code that runs sees of the end of its world."""


@dataclass
class Plan:
    """What happens, once: at the `at`-th statement of the writer (from 1), or at its next
    COMMIT where `at` is None.

    Attributes:
        crash: The files of the crash are kept; else only the statement fails.
        done: Whether the statement is carried out before that.
        error: The SQLite error code of the failure.
    """

    at: int | None
    crash: bool = True
    done: bool = False
    error: int = sqlite3.SQLITE_IOERR
    seen: int = 0


class Disk:
    """The folder of a ledger, and the crash that is planned for it."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder = folder
        self.chance = chance
        self.plan: Plan | None = None
        self.left: Files | None = None  # what the crash left
        self.torn = False  # and it is neither what was before nor what came after
        self._opened = 0

    def opening(self) -> None:
        """A ledger is about to be opened: its first connection is the writer's."""
        self._opened = 0

    def connect(self, path: Path) -> sqlite3.Connection:
        """As `storage.open_connection`, for `Log.open`."""
        made = sqlite3.connect(
            path, factory=_Connection, isolation_level=None, check_same_thread=False, timeout=5
        )
        # Often, so that crashes meet it.
        made.execute("PRAGMA wal_autocheckpoint=8")
        self._opened += 1
        if self._opened == 1:
            made.disk = self
        return made

    def files(self) -> Files:
        # The log before the database: between the two it may have been emptied into that.
        names = sorted(self.folder.iterdir(), key=lambda one: one.name != WAL)
        found = {one.name: one.read_bytes() for one in names if one.is_file()}
        return {name: data for name, data in found.items() if name not in _NOT_KEPT}

    def become(self, files: Files) -> None:
        """Throw away what there is."""
        shutil.rmtree(self.folder)
        self.folder.mkdir(mode=0o700)
        for name, data in files.items():
            (self.folder / name).write_bytes(data)

    def run(self, sql: str, carry_out: Callable[[], Any]) -> Any:
        """Carry out a statement of the writer, or do as is planned."""
        plan = self.plan
        if plan is None or not self._is_time(plan, sql):
            return carry_out()
        self.plan = None
        before = self.files()
        if plan.done:
            carry_out()
        if plan.crash:
            after = self.files()
            torn = sql == "COMMIT" and plan.done
            self.left = tear(before, after, self.chance) if torn else after
            self.torn = self.left not in (before, after)
        raise _failure(plan.error)

    def _is_time(self, plan: Plan, sql: str) -> bool:
        plan.seen += 1
        return sql == "COMMIT" if plan.at is None else plan.seen == plan.at


def _failure(code: int) -> Crashed:
    error = Crashed("disk I/O error" if code == sqlite3.SQLITE_IOERR else "database is full")
    error.sqlite_errorcode = code
    return error


class _Connection(sqlite3.Connection):
    disk: Disk | None = None

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:  # type: ignore[override]
        parent = super()
        if self.disk is None:
            return parent.execute(sql, *arguments)
        found: sqlite3.Cursor = self.disk.run(sql, lambda: parent.execute(sql, *arguments))
        return found

    def executemany(self, sql: str, *arguments: Any) -> sqlite3.Cursor:  # type: ignore[override]
        parent = super()
        if self.disk is None:
            return parent.executemany(sql, *arguments)
        found: sqlite3.Cursor = self.disk.run(sql, lambda: parent.executemany(sql, *arguments))
        return found


# --- what a power cut leaves ---------------------------------------------------------


def tear(before: Files, after: Files, chance: random.Random) -> Files:
    """The files as they may be when the power went within a COMMIT.

    SQLite writes to the write-ahead log and syncs it, and only then, at times, to the
    database; it syncs the first 32 bytes of a log that begins again before what follows.
    """
    if after[storage.DATABASE] != before[storage.DATABASE] and chance.random() < 0.5:
        database = _mix(before[storage.DATABASE], after[storage.DATABASE], chance)
        return {**after, storage.DATABASE: database}
    old, new = before.get(WAL, b""), after.get(WAL, b"")
    if old[:_WAL_HEADER] != new[:_WAL_HEADER]:
        if chance.random() < 0.2:
            return before
        old = new[:_WAL_HEADER] + old[_WAL_HEADER:]
    return {**before, WAL: _mix(old, new, chance)}


def _mix(old: bytes, new: bytes, chance: random.Random) -> bytes:
    """Some sectors of the new text over the old one; each with one chance for all of them,
    so that nearly nothing and nearly everything happen too."""
    share = chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))
    end = chance.choice((len(old), len(new), chance.randint(0, len(new))))
    mixed = bytearray(new[:end] if end > len(old) else old)
    for at in range(0, len(mixed), SECTOR):
        source = new if chance.random() < share else old
        part = source[at : at + SECTOR]
        mixed[at : at + len(part)] = part
        if at >= len(old) and source is old:
            mixed[at : at + SECTOR] = bytes(len(mixed[at : at + SECTOR]))  # a hole
    return bytes(mixed)
