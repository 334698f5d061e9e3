"""Appends on their way to the disk, and how whoever waits for them is told."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from gateway.errors import LedgerError
from gateway.ledger.head import Receipt
from gateway.ledger.once import Once

Entry = tuple[str, str, bytes]
"""Id, tenant and body."""

Outcome = Receipt | LedgerError | None
"""What became of an entry; None as long as that is not known."""

_turns = threading.Lock()


class Pending:
    """Appends of one tenant that belong together: all of them are in one commit or in none.

    Attributes:
        entries: One at least.
        once: The key that is used up with them.
        erases: The id of the entry whose body goes with their commit.
        outcomes: Of each entry, for whoever is told.
    """

    __slots__ = ("_is_cancelled", "_is_started", "entries", "erases", "once", "outcomes")

    def __init__(
        self, entries: Sequence[Entry], *, once: Once | None = None, erases: str | None = None
    ) -> None:
        if not entries:
            raise ValueError("what is appended has one entry at least")
        self.entries = entries
        self.once = once
        self.erases = erases
        self.outcomes: list[Outcome] = [None] * len(entries)
        self._is_started = self._is_cancelled = False

    @property
    def tenant(self) -> str:
        return self.entries[0][1]

    def __len__(self) -> int:
        return len(self.entries)

    def start(self) -> bool:
        """Whether somebody still waits; if so it cannot be cancelled from here on, and is told."""
        with _turns:
            self._is_started = not self._is_cancelled
        return self._is_started

    def cancel(self) -> bool:
        """Have nothing of it logged; whether it was early enough for that."""
        with _turns:
            self._is_cancelled = not self._is_started
        return self._is_cancelled

    def tell(self) -> None:
        """Called once, in any thread, when all outcomes are known; quick, and never fails."""
        raise NotImplementedError

    def fill(self, error: LedgerError) -> None:
        """Give what has no outcome yet this one."""
        self.outcomes = [error if one is None else one for one in self.outcomes]

    def end(self, error: LedgerError) -> None:
        """Tell that what has no outcome yet has this one."""
        self.fill(error)
        self.tell()

    def receipts(self) -> list[Receipt]:
        """Of all entries, once it is told; raises what the first without one has come to."""
        found: list[Receipt] = []
        for one in self.outcomes:
            if not isinstance(one, Receipt):
                raise one or AssertionError("it is not told yet")
            found.append(one)
        return found


class _Promised(Pending):
    """Each entry has a future, and can be cancelled alone."""

    __slots__ = ("futures",)

    def __init__(
        self, entries: Sequence[Entry], *, once: Once | None = None, erases: str | None = None
    ) -> None:
        super().__init__(entries, once=once, erases=erases)
        self.futures: list[Future[Receipt]] = [Future() for _ in entries]

    def start(self) -> bool:
        left = [at for at, one in enumerate(self.futures) if one.set_running_or_notify_cancel()]
        if len(left) < len(self.futures):
            self.entries = [self.entries[at] for at in left]
            self.outcomes = [self.outcomes[at] for at in left]
            self.futures = [self.futures[at] for at in left]
        return bool(left)

    def tell(self) -> None:
        for future, outcome in zip(self.futures, self.outcomes, strict=True):
            if isinstance(outcome, Receipt):
                future.set_result(outcome)
            else:
                future.set_exception(outcome or AssertionError("it is told too early"))


def promise(
    hand_over: Callable[[Sequence[Pending]], None],
    entries: Sequence[Entry],
    *,
    once: Once | None = None,
    erases: str | None = None,
) -> "list[Future[Receipt]]":
    """Hand entries over that belong together; a future for each."""
    if not entries:
        return []
    pending = _Promised(entries, once=once, erases=erases)
    futures = pending.futures
    hand_over([pending])
    return futures
