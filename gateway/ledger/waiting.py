"""How an event loop hands over to the thread that writes, and waits for it: what one turn of the
loop logs is handed over in one go, and many answers wake the loop once."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from math import inf
from threading import get_ident
from time import perf_counter

from gateway.ledger.head import Receipt
from gateway.ledger.interface import Ledger
from gateway.ledger.once import Once
from gateway.ledger.pending import Entry, Pending

_Waiter = asyncio.Future[None]
_LOOK_S = 0.1


class _Awaited(Pending):
    """Whoever waits for it does so in an event loop."""

    __slots__ = ("_waiting", "ledger", "waiter")

    def __init__(
        self,
        waiting: "Waiting",
        waiter: _Waiter,
        ledger: Ledger,
        entries: Sequence[Entry],
        once: Once | None,
    ) -> None:
        super().__init__(entries, once=once)
        self._waiting = waiting
        self.waiter = waiter
        self.ledger = ledger

    def tell(self) -> None:
        self._waiting.tell(self.waiter)


class Waiting:
    """Waits of the event loop that runs, one at a time. Futures of threads would wake it for
    every entry; a commit group answers many in one go."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: deque[_Waiter] = deque()
        self._woken = False
        self._thread = 0  # of the loop
        self._until: dict[_Waiter, float] = {}
        self._looking = False
        self._due: list[_Awaited] = []
        self._due_entries = 0

    async def append(
        self,
        ledger: Ledger,
        entries: Sequence[Entry],
        until: float = inf,
        *,
        once: Once | None = None,
    ) -> list[Receipt]:
        """Log entries together, one at least, after whatever else is to run in this turn of the
        loop: their receipts; raises as `Ledger.append_all`, what one of them does.

        What a turn logs reaches a thread that writes in one go, before it wakes up and wants
        the interpreter; a process that writes wants none, and gets it earlier. Whoever is
        cancelled before has nothing logged, and later has those entries cancelled that are not
        being written yet, unless a key belongs to them.

        Args:
            until: By the clock of `time.perf_counter`, how long to wait; to a tenth of a
                second, for one timer looks after all who wait.
            once: As of `Ledger.append_all`.

        Raises:
            TimeoutError: It did not end in time; the entries may be logged nevertheless.
        """
        waiter = self._waiter(until)
        pending = _Awaited(self, waiter, ledger, entries, once)
        if not self._due:
            waiter.get_loop().call_soon(self._hand_over)
        self._due.append(pending)
        self._due_entries += len(pending)
        if self._due_entries >= ledger.eager:
            self._hand_over()
        try:
            await waiter
        except asyncio.CancelledError:
            if once is None:
                pending.cancel()
            raise
        finally:
            self._until.pop(waiter, None)
        return pending.receipts()

    def _hand_over(self) -> None:
        due, self._due, self._due_entries = self._due, [], 0
        ready: dict[int, list[_Awaited]] = {}
        for pending in due:
            if not pending.waiter.done():  # neither cancelled meanwhile nor too late
                ready.setdefault(id(pending.ledger), []).append(pending)
        for together in ready.values():
            try:
                together[0].ledger.hand_over(together)
            except Exception as error:
                for pending in together:
                    if not pending.waiter.done():
                        pending.waiter.set_exception(error)

    def _waiter(self, until: float) -> _Waiter:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # the one before has ended, and wakes nobody any more
            self._loop, self._over, self._woken = loop, deque(), False
            self._thread = get_ident()
            self._until, self._looking = {}, False
            self._due, self._due_entries = [], 0
        waiter = loop.create_future()
        self._until[waiter] = until
        if not self._looking:
            self._looking = True
            loop.call_later(_LOOK_S, self._look)
        return waiter

    def _look(self) -> None:
        """End the waits whose time is over."""
        self._looking = bool(self._until)
        if not self._until or self._loop is None:
            return
        now = perf_counter()
        for waiter, until in self._until.items():
            if until <= now and not waiter.done():
                waiter.set_exception(TimeoutError())
        self._loop.call_later(_LOOK_S, self._look)

    def tell(self, waiter: _Waiter) -> None:
        """Called in the thread that answers. First the answer and then the look at the flag,
        which `_wake` takes down before it looks for answers: none is left behind."""
        if get_ident() == self._thread:
            if not waiter.done():
                waiter.set_result(None)
            return
        self._over.append(waiter)
        if not self._woken:
            self._woken = True
            with suppress(RuntimeError):  # the loop has ended, and nobody waits
                waiter.get_loop().call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._woken = False
        while self._over:
            waiter = self._over.popleft()
            if not waiter.done():
                waiter.set_result(None)
