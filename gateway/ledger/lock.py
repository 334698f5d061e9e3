"""One writer per ledger: two would sign two trees.

The lock is on the database file itself, by flock(2). SQLite locks ranges of it by fcntl(2),
and on a local disk the two do not see each other. But whoever closes any handle of a file
loses all fcntl locks of his process on it, so a file that this process has locked already
is not even opened again.
"""

import fcntl
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import LedgerUnavailableError

_ours: set[tuple[int, int]] = set()


@contextmanager
def lock_file(path: Path) -> Generator[Callable[[], None]]:
    """Hold the lock of a file, which is made with mode 0600 where it is missing; the system
    frees it when the process ends, however it ends.

    Yields a check that raises `LedgerUnavailableError` once another file, or none, is in its
    place: what is written is lost then, and another process may write there.

    Raises:
        LedgerUnavailableError: Somebody holds it.
    """
    if path.exists() and _identity(os.stat(path)) in _ours:
        raise _taken(path)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _taken(path) from error
        mine = _identity(os.fstat(handle))
        _ours.add(mine)
        try:
            yield lambda: _check_place(path, mine)
        finally:
            _ours.discard(mine)
    finally:
        os.close(handle)


def _taken(path: Path) -> LedgerUnavailableError:
    return LedgerUnavailableError(
        f"the ledger in {path.parent} is open already, here or in another process; "
        "a ledger has one writer"
    )


def _check_place(path: Path, mine: tuple[int, int]) -> None:
    try:
        found = _identity(os.stat(path))
    except FileNotFoundError:
        found = None
    if found != mine:
        raise LedgerUnavailableError(
            f"the ledger is read-only since somebody moved or replaced {path}; "
            "put back the file and restart the gateway"
        )


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
