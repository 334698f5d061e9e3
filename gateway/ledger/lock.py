"""One writer per folder: two would sign two trees."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import LedgerUnavailableError


@contextmanager
def lock_folder(folder: Path) -> Generator[None]:
    """Hold the folder's lock; the system frees it when the process ends, however it ends.

    Raises:
        LedgerUnavailableError: Somebody holds it.
    """
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LedgerUnavailableError(
                f"the ledger in {folder} is open in another process; a ledger has one writer"
            ) from error
        yield
    finally:
        os.close(handle)
