"""Time limits that cost nothing where nobody waits: a timer for each request would be a good
part of what the request costs."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class _Begun(Generic[T]):
    """The rest of something awaited that has begun and waits for `waited_for`."""

    def __init__(self, steps: Generator[Any, Any, T], waited_for: object) -> None:
        self._steps = steps
        self._waited_for = waited_for

    def __await__(self) -> Generator[Any, Any, T]:
        waited_for = self._waited_for
        try:
            while True:
                try:
                    sent = yield waited_for
                except BaseException as error:  # such as that the task is cancelled
                    waited_for = self._steps.throw(error)
                else:
                    waited_for = self._steps.send(sent)
        except StopIteration as end:
            return end.value


async def within(seconds: float, begin: Callable[[], Awaitable[T]]) -> T:
    """What is awaited, as in `asyncio.timeout(seconds)`; but where it does not have to wait,
    no timer is set.

    Raises:
        TimeoutError: It did not end in time.
    """
    steps: Generator[Any, Any, T] = begin().__await__()
    try:
        waited_for = next(steps)
    except StopIteration as end:
        return end.value
    async with asyncio.timeout(seconds):
        return await _Begun(steps, waited_for)


class Deadlines:
    """Ends waits of one length that last too long, with one timer for all of them."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waits: deque[tuple[float, asyncio.Future[None]]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None  # in which a timer runs

    def add(self, wait: asyncio.Future[None]) -> None:
        """Have a wait that begins now end with `TimeoutError` unless it is over in time."""
        while self._waits and self._waits[0][1].done():
            self._waits.popleft()
        loop = wait.get_loop()
        self._waits.append((loop.time() + self._seconds, wait))
        if self._loop is not loop:
            self._loop = loop
            loop.call_later(self._seconds, self._look)

    def _look(self) -> None:
        assert self._loop is not None  # noqa: S101 - its timer calls
        now = self._loop.time()
        while self._waits and (self._waits[0][1].done() or self._waits[0][0] <= now):
            wait = self._waits.popleft()[1]
            if not wait.done():
                wait.set_exception(TimeoutError())
        if self._waits:
            self._loop.call_at(self._waits[0][0], self._look)
        else:
            self._loop = None
