"""Who does the writing of a ledger: a thread of its own, or an event loop that does little else."""

import threading
from asyncio import AbstractEventLoop
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from typing import Protocol

from gateway.ledger.pending import Pending


class Work(Protocol):
    """What is to be done, in one thread at a time."""

    def add(self, pending: Sequence[Pending]) -> None:
        """Have it wait for a commit group."""
        ...

    def write(self) -> None:
        """Write the next group; where nothing waits, tidy up."""
        ...

    def has_more(self) -> bool:
        """Whether anything waits."""
        ...

    def pause(self) -> float | None:
        """In how many seconds `write` is to be called although nothing has come; None where
        there is nothing to tidy up."""
        ...


class Hand:
    """Does the work of one writer, at first in a thread."""

    def __init__(self, work: Work) -> None:
        self._work = work
        # None is the end.
        self._queue: SimpleQueue[Sequence[Pending] | None] = SimpleQueue()
        self._loop: AbstractEventLoop | None = None
        self._loop_thread = 0
        self._is_due = self._is_later = False
        self._thread = self._begin()

    def put(self, pending: Sequence[Pending]) -> None:
        """Have it written; in any thread."""
        self._queue.put(pending)
        loop = self._loop
        if loop is None or self._is_due:
            return
        self._is_due = True
        if threading.get_ident() == self._loop_thread:
            loop.call_soon(self._turn)
        else:
            loop.call_soon_threadsafe(self._turn)

    def write_in(self, loop: AbstractEventLoop | None) -> None:
        """Write in a loop from now on, of which this is the thread, or in a thread again."""
        if loop is self._loop:
            return
        if self._loop is None:
            self._queue.put(None)
            self._thread.join()
        self._loop = loop
        if loop is None:
            self._thread = self._begin()
        else:
            self._loop_thread = threading.get_ident()
            self._is_due = True
            loop.call_soon(self._turn)

    def close(self) -> None:
        """Finish what has come, and end; not in another thread while a loop writes."""
        self._queue.put(None)
        if self._loop is None:
            self._thread.join()
        else:
            self._loop = None
            self._run()

    # --- in a thread -----------------------------------------------------------------

    def _begin(self) -> threading.Thread:
        thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        last = False
        while not last or self._work.has_more():
            last = self._look(last)
            self._work.write()

    def _look(self, last: bool) -> bool:
        """Take what has come, and wait where there is nothing at all. Whether nothing more
        will come."""
        try:
            while not last:
                block = not self._work.has_more()
                following = self._queue.get(block=block, timeout=self._work.pause())
                if following is None:
                    return True
                self._work.add(following)
        except Empty:
            pass
        return last

    # --- in a loop -------------------------------------------------------------------

    def _turn(self) -> None:
        loop = self._loop
        self._is_due = False  # before it is looked for what has come: what comes after is due again
        if loop is None:
            return
        while not self._queue.empty():
            following = self._queue.get()
            if following is not None:
                self._work.add(following)
        self._work.write()
        if self._work.has_more():
            if not self._is_due:
                self._is_due = True
                loop.call_soon(self._turn)
        elif (pause := self._work.pause()) is not None and not self._is_later:
            self._is_later = True
            loop.call_later(pause, self._later)

    def _later(self) -> None:
        self._is_later = False
        if not self._is_due:
            self._turn()
