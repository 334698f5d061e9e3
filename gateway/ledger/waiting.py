"""How an event loop waits for the thread that writes: woken once for many answers."""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future

from gateway.ledger.head import Receipt

_Waiter = asyncio.Future[None]


class Waiting:
    """Waits of the event loop that runs, one at a time. `asyncio.wrap_future` would wake it for
    every entry; a commit group answers many in one go."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: deque[_Waiter] = deque()
        self._woken = False

    async def all(self, answers: Sequence[Future[Receipt]]) -> list[Receipt]:
        """The receipts of entries that were appended together; raises what one of them does.

        Whoever is cancelled meanwhile cancels the entries that are not being written yet.
        """
        try:
            for answer in reversed(answers):  # they end in order, so the first is the last
                if not answer.done():
                    await self._end_of(answer)
        except asyncio.CancelledError:
            for answer in answers:
                answer.cancel()
            raise
        return [answer.result() for answer in answers]

    async def _end_of(self, answer: Future[Receipt]) -> None:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # the one before has ended, and wakes nobody any more
            self._loop, self._over, self._woken = loop, deque(), False
        waiter = loop.create_future()
        answer.add_done_callback(lambda _: self._tell(waiter))
        await waiter

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
