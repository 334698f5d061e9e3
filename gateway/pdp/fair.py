"""Turns at something that serves one question at a time, shared between tenants by the time
that each has used."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from time import perf_counter

from gateway.errors import EngineUnavailableError, OverloadedError

# For which tenant the running task asks an engine; empty where for none.
asking: ContextVar[str] = ContextVar("charter.asking", default="")


class FairLock:
    """A lock that the tenant gets next which has used least of it: one that asks much waits
    behind itself, and one that comes waits for the question under way alone.

    A tenant is the one of `asking` where it acquires. Belongs to one event loop.
    """

    def __init__(self) -> None:
        self._lines: dict[str, deque[asyncio.Future[None]]] = {}
        self._used: dict[str, float] = {}  # seconds, of those who used it since it was free
        self._least = 0.0  # what whoever got it last had used then
        self._holder: str | None = None
        self._since = 0.0

    @property
    def is_free(self) -> bool:
        """Whether it is to be had at once."""
        return self._holder is None

    async def acquire(self) -> None:
        """Wait for it. Who is cancelled meanwhile has not got it."""
        tenant = asking.get()
        if self._holder is None:
            self._give(tenant)
            return
        if tenant != self._holder and tenant not in self._lines:
            # What it did not use before is no claim.
            self._used[tenant] = max(self._used.get(tenant, 0.0), self._least)
        wait = asyncio.get_running_loop().create_future()
        self._lines.setdefault(tenant, deque()).append(wait)
        try:
            await wait
        except asyncio.CancelledError:
            if not wait.cancelled():
                self.release()  # it had been given to who does not want it any more
            raise

    def release(self) -> None:
        """Give it to who is next."""
        if self._holder is None:
            raise RuntimeError("nobody has it")
        self._used[self._holder] = self._used.get(self._holder, 0.0) + perf_counter() - self._since
        self._holder = None
        while self._lines:
            tenant = min(self._lines, key=lambda name: self._used.get(name, 0.0))
            wait = self._lines[tenant].popleft()
            if not self._lines[tenant]:
                del self._lines[tenant]
            if not wait.done():  # its task is cancelled, and has not run since
                self._give(tenant)
                wait.set_result(None)
                return
        self._used.clear()
        self._least = 0.0

    def _give(self, tenant: str) -> None:
        self._holder = tenant
        self._least = max(self._least, self._used.get(tenant, 0.0))
        self._since = perf_counter()


async def turn_of(
    engine: str,
    acquire: Callable[[], Awaitable[object]],
    ended: Callable[[], int],
    limit_s: float,
    *,
    is_free: bool = False,
) -> None:
    """Acquire a turn at an engine, of which `ended` says how many have ended; without a limit
    where it is free.

    Raises:
        OverloadedError: It did not come in time, though others ended.
        EngineUnavailableError: It did not come in time, and none ended either.
    """
    if is_free:
        await acquire()
        return
    before = ended()
    try:
        async with asyncio.timeout(limit_s):
            await acquire()
    except TimeoutError as error:
        words = f"no turn within {limit_s:g} s"
        if ended() == before:
            raise EngineUnavailableError(engine, words) from error
        raise OverloadedError(f"{engine}: {words}") from error
