"""The store as one process uses it: two connections, so that who looks something up does not
wait for who writes to disk, and one line in the log when it fails and when it works again."""

import logging
import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from gateway.nodes.errors import EvidenceStoreError
from gateway.nodes.store import close, open_store, trouble

log = logging.getLogger("charter")


class Access:
    """A connection that is opened when it is first needed, and used by one thread at a time.
    After a failure it is opened anew.

    Args:
        words: For what it is, as the log says it.
    """

    def __init__(self, path: Path, words: str) -> None:
        self._path = path
        self._words = words
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._is_failing = False

    @contextmanager
    def use(self) -> Generator[sqlite3.Connection]:
        """The connection, for the length of the block.

        Raises:
            EvidenceStoreError: The store cannot be used; the log has said so once.
        """
        with self._lock:
            try:
                with trouble(self._path):
                    if self._db is None:
                        self._db = open_store(self._path)
                    yield self._db
            except EvidenceStoreError as error:
                self._let_go()
                if not self._is_failing:
                    words = f"no evidence counts until it can be {self._words} again: {error}"
                    log.error(words)  # noqa: TRY400 - where it happened says nothing more
                self._is_failing = True
                raise
            if self._is_failing:
                self._is_failing = False
                log.info("evidence is %s again, and counts", self._words)

    def close(self) -> None:
        with self._lock:
            self._let_go()

    def _let_go(self) -> None:
        if self._db is not None:
            close(self._db)
            self._db = None
