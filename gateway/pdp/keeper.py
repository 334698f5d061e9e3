"""Keeper: sees to it that one process is there.

It starts it, starts it again when it has ended, later each time that it does not last, and
can start a successor before the present one goes. What it hands out has been started and
proved by whoever says how to start one.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import Context
from typing import Generic, Protocol, TypeVar

from gateway.errors import EngineError, EngineUnavailableError

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 8.0
# A process that lived for so long is no longer one that does not last.
LASTING_S = 30.0

log = logging.getLogger("charter")


class Kept(Protocol):
    """A process that can be used."""

    @property
    def ended(self) -> asyncio.Future[str]:
        """Done when it has ended, with why."""
        ...

    def kill(self) -> None: ...

    async def close(self) -> None:
        """Let it finish what it has begun, then end it."""
        ...


K = TypeVar("K", bound=Kept)


class Keeper(Generic[K]):
    """Keeps one process, which `start` makes.

    Args:
        name: Of the engine, for messages.
        start: Makes one and does not return before it can be believed; raises an
            `EngineError`, and leaves nothing running, where that fails.
    """

    def __init__(self, name: str, start: Callable[[], Awaitable[K]]) -> None:
        self._name = name
        self._start = start
        self._current: K | None = None
        self._why = "its process has not started"
        self._task: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False
        self._opening = asyncio.Lock()
        self.restarts = 0  # after an end that nobody asked for

    def running(self) -> K:
        """The process, as far as is known.

        Raises:
            EngineUnavailableError: There is none at present.
        """
        current = self._current
        if current is None:
            raise EngineUnavailableError(self._name, self._why)
        if current.ended.done():
            raise EngineUnavailableError(
                self._name, f"its process ended ({current.ended.result()})"
            )
        return current

    @property
    def is_running(self) -> bool:
        return self._current is not None and not self._current.ended.done()

    @property
    def is_open(self) -> bool:
        """Whether it was started once, or will not be any more."""
        return self._task is not None or self._closed

    async def open(self) -> None:
        """Start it, once; afterwards it is kept until `close`.

        Raises:
            EngineError: It cannot be started.
        """
        if self.is_open:
            return
        async with self._opening:
            if self._task is None and not self._closed:
                self._current = await self._start()
                # In no context: what is logged there is about no request.
                self._task = asyncio.create_task(self._keep(), context=Context())

    async def _keep(self) -> None:
        pause = FIRST_PAUSE_S
        loop = asyncio.get_running_loop()
        while not self._closed:
            current, since = self._current, loop.time()
            if current is not None:
                why = await asyncio.shield(current.ended)
                if self._current is not current:
                    continue  # a successor had taken its place
                self._current, self._why = None, f"its process ended ({why}) and starts again"
                await current.close()
                log.error("engine %s: its process ended (%s)", self._name, why)
                self.restarts += 1
                pause = FIRST_PAUSE_S if loop.time() - since > LASTING_S else pause
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)
            try:
                self._current = await self._start()
            except EngineError as error:
                self._why = f"its process does not start: {error.detail}"
                log.error("engine %s: its process does not start: %s", self._name, error.detail)  # noqa: TRY400

    def condemn(self) -> None:
        """End it now; another is started."""
        if self._current is not None:
            self._current.kill()

    def renew(self) -> None:
        """Start a successor, and let the present one finish when that is there. Nothing if
        that is under way."""
        if self._renewing is None or self._renewing.done():
            work = self._renew(self._current)
            self._renewing = asyncio.create_task(work, context=Context())

    async def _renew(self, before: K | None) -> None:
        try:
            successor = await self._start()
        except EngineError as error:
            log.warning("engine %s: no successor starts: %s", self._name, error.detail)
            return
        if self._closed or before is None or self._current is not before:
            await successor.close()
            return
        self._current = successor
        closing = asyncio.create_task(before.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """End it, and start no other."""
        self._closed = True
        self._why = "the engine is closed"
        for task in (self._task, self._renewing):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        current, self._current = self._current, None
        if current is not None:
            await current.close()
        await asyncio.gather(*self._closing)
