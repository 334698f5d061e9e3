"""A log that has ended: it takes nothing any more, and is read and proved for ever.

The database itself refuses entries, tiles and checkpoints from then on, whoever asks.
"""

import sqlite3
from asyncio import AbstractEventLoop
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import cast

from gateway.errors import LedgerError, LedgerUnavailableError
from gateway.keys import CheckpointPublicKey
from gateway.ledger import storage
from gateway.ledger.guard import LedgerEndedError
from gateway.ledger.head import Head, restore_head
from gateway.ledger.lock import lock_file
from gateway.ledger.log import ENDED, Log
from gateway.ledger.pending import Pending
from gateway.ledger.writer import Writer

_TABLES = ("record", "tile", "checkpoint")
_REFUSE = """
CREATE TRIGGER IF NOT EXISTS {table}_has_ended BEFORE INSERT ON {table}
BEGIN SELECT RAISE(ABORT, 'the log has ended'); END
"""


def refuse_more(connection: sqlite3.Connection) -> None:
    """Make the triggers by which a log that has ended takes nothing."""
    for table in _TABLES:
        connection.execute(_REFUSE.format(table=table))


def end_log(folder: Path, successor: str) -> None:
    """Have the ledger in a folder refuse everything from now on; the same again does nothing.

    Args:
        successor: The origin of the log that takes its place.

    Raises:
        LedgerUnavailableError: Somebody has it open.
        LedgerError: It cannot be written.
    """
    path = folder / storage.DATABASE
    try:
        with lock_file(path), closing(storage.open_connection(path)) as connection:
            storage.make_durable(connection)
            connection.execute("BEGIN IMMEDIATE")
            if ENDED not in storage.read_meta(connection):
                storage.insert_meta(connection, {ENDED: successor})
            refuse_more(connection)
            connection.execute("COMMIT")
    except (sqlite3.Error, OSError) as error:
        raise LedgerError(f"the ledger in {folder} cannot be ended: {error}") from error


def open_ended(folder: Path, key: CheckpointPublicKey) -> Log:
    """A ledger that has ended, to be read; what is appended is refused.

    Args:
        key: That of its last checkpoint.

    Raises:
        LedgerError: It has not ended, is not signed by the key, or is damaged.
    """
    uri = f"{(folder / storage.DATABASE).absolute().as_uri()}?mode=ro"
    with ExitStack() as resources:
        try:
            reader = sqlite3.connect(
                uri, uri=True, isolation_level=None, check_same_thread=False, timeout=5
            )
            resources.callback(reader.close)
            if ENDED not in storage.read_meta(reader):
                raise LedgerError(f"the log in {folder} has not ended")
            _, head = restore_head(reader, key.name, key)
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger in {folder} cannot be read: {error}") from error
        writer = cast("Writer", _Nobody(head))
        return Log(writer, reader, resources.pop_all())
    raise AssertionError("unreachable: the stack suppresses nothing")


class _Nobody:
    """In the place of a writer."""

    words = "this log has ended: nothing is appended to it any more"

    def __init__(self, head: Head) -> None:
        self.head = head

    def submit(self, pending: Sequence[Pending]) -> None:
        for one in pending:
            if one.start():
                one.end(LedgerEndedError(self.words))

    def refusal(self) -> str:
        return self.words

    def is_broken(self) -> bool:
        return False

    def is_tidy(self) -> bool:
        return True

    def repeats(self, text: bytes) -> None:
        raise LedgerUnavailableError(self.words)

    def write_in(self, loop: AbstractEventLoop | None) -> None:
        """There is nothing to write."""

    def close(self) -> None:
        """There is nothing to finish."""
