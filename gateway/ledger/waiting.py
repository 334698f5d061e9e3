"""How an event loop hands over to the thread that writes, and waits for it: what one turn of the
loop logs is handed over in one go, and many answers wake the loop once."""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from math import inf
from time import perf_counter

from gateway.ledger.head import Receipt
from gateway.ledger.interface import Ledger
from gateway.ledger.once import Once

_Waiter = asyncio.Future[None]
_LOOK_S = 0.1
_Entry = tuple[str, str, bytes]


@dataclass(eq=False, slots=True)
class _Due:
    """Entries that belong together and are not handed over yet."""

    ledger: Ledger
    entries: Sequence[_Entry]
    once: Once | None
    waiter: _Waiter
    answers: list[Future[Receipt]] = field(default_factory=list[Future[Receipt]])


class Waiting:
    """Waits of the event loop that runs, one at a time. `asyncio.wrap_future` would wake it for
    every entry; a commit group answers many in one go."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: deque[_Waiter] = deque()
        self._woken = False
        self._until: dict[_Waiter, float] = {}
        self._looking = False
        self._due: list[_Due] = []

    async def append(
        self,
        ledger: Ledger,
        entries: Sequence[_Entry],
        until: float = inf,
        *,
        once: Once | None = None,
    ) -> list[Receipt]:
        """Log entries together, one at least, after whatever else is to run in this turn of the
        loop; raises as `Ledger.append_all` and `all`.

        What a turn logs reaches the thread that writes in one go, before it wakes up and wants
        the interpreter. Whoever is cancelled before has nothing logged, and later has those
        entries cancelled that are not being written yet, unless a key belongs to them.

        Args:
            until: As of `all`.
            once: As of `Ledger.append_all`.
        """
        due = _Due(ledger, entries, once, self._waiter(until))
        if not self._due:
            due.waiter.get_loop().call_soon(self._hand_over)
        self._due.append(due)
        try:
            await due.waiter
        except asyncio.CancelledError:
            for answer in due.answers if once is None else ():
                answer.cancel()
            raise
        finally:
            self._until.pop(due.waiter, None)
        # Nearly always all have ended: they do so in order.
        return await self.all(due.answers, until, whole=once is not None)

    def _hand_over(self) -> None:
        handed, self._due = self._due, []
        for due in handed:
            if due.waiter.done():
                continue  # cancelled meanwhile, or too late
            try:
                due.answers = due.ledger.append_all(due.entries, once=due.once)
            except Exception as error:
                due.waiter.set_exception(error)
            else:
                due.answers[-1].add_done_callback(partial(self._tell, due.waiter))

    async def all(
        self, answers: Sequence[Future[Receipt]], until: float = inf, *, whole: bool = False
    ) -> list[Receipt]:
        """The receipts of entries that were appended together; raises what one of them does.

        Whoever is cancelled meanwhile cancels the entries that are not being written yet.

        Args:
            until: By the clock of `time.perf_counter`, how long to wait; to a tenth of a
                second, for one timer looks after all who wait.
            whole: All entries are logged or none, whoever is cancelled.

        Raises:
            TimeoutError: It did not end in time; the entries may be logged nevertheless.
        """
        try:
            for answer in reversed(answers):  # they end in order, so the first is the last
                if not answer.done():
                    await self._end_of(answer, until)
        except asyncio.CancelledError:
            for answer in answers if not whole else ():
                answer.cancel()
            raise
        return [answer.result() for answer in answers]

    async def _end_of(self, answer: Future[Receipt], until: float) -> None:
        waiter = self._waiter(until)
        answer.add_done_callback(partial(self._tell, waiter))
        try:
            await waiter
        finally:
            self._until.pop(waiter, None)

    def _waiter(self, until: float) -> _Waiter:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # the one before has ended, and wakes nobody any more
            self._loop, self._over, self._woken = loop, deque(), False
            self._until, self._looking, self._due = {}, False, []
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

    def _tell(self, waiter: _Waiter, _: object) -> None:
        """Called in the thread that answers. First the answer and then the look at the flag,
        which `_wake` takes down before it looks for answers: none is left behind."""
        self._over.append(waiter)
        if not self._woken:
            self._woken = True
            waiter.get_loop().call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._woken = False
        while self._over:
            waiter = self._over.popleft()
            if not waiter.done():
                waiter.set_result(None)
