"""How an event loop waits for the thread that writes: woken once for many answers."""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from math import inf
from time import perf_counter

from gateway.ledger.head import Receipt

_Waiter = asyncio.Future[None]
_LOOK_S = 0.1


class Waiting:
    """Waits of the event loop that runs, one at a time. `asyncio.wrap_future` would wake it for
    every entry; a commit group answers many in one go."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: deque[_Waiter] = deque()
        self._woken = False
        self._until: dict[_Waiter, float] = {}
        self._looking = False

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
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # the one before has ended, and wakes nobody any more
            self._loop, self._over, self._woken = loop, deque(), False
            self._until, self._looking = {}, False
        waiter = loop.create_future()
        answer.add_done_callback(lambda _: self._tell(waiter))
        self._until[waiter] = until
        if not self._looking:
            self._looking = True
            loop.call_later(_LOOK_S, self._look)
        try:
            await waiter
        finally:
            self._until.pop(waiter, None)

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

    def _tell(self, waiter: _Waiter) -> None:
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
