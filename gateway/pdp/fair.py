"""Turns at something that serves one after another, shared between tenants by the time that
each has used."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar

from gateway.errors import EngineLateError, OverloadedError

# For which tenant the running task asks an engine; empty where for none.
asking: ContextVar[str] = ContextVar("charter.asking", default="")


class Shares:
    """Who of several tenants is next: the one that has used least of it. One that asks much
    waits behind itself, and one that comes waits for what is under way alone."""

    def __init__(self) -> None:
        self._used: dict[str, float] = {}  # seconds, of those who used it since it was free
        self._least = 0.0  # what whoever got it last had used then

    def come(self, tenant: str) -> None:
        """It waits, and did not before. What it did not use meanwhile is no claim."""
        self._used[tenant] = max(self._used.get(tenant, 0.0), self._least)

    def next(self, waiting: Iterable[str]) -> str:
        """Of those who wait, of whom there is one at least."""
        tenant = min(waiting, key=lambda name: self._used.get(name, 0.0))
        self._least = max(self._least, self._used.get(tenant, 0.0))
        return tenant

    def used(self, tenant: str, seconds: float) -> None:
        """It has had it for so long."""
        self._used[tenant] = self._used.get(tenant, 0.0) + seconds

    def rest(self) -> None:
        """Nobody waits, and nobody has it."""
        self._used.clear()
        self._least = 0.0


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
        EngineLateError: It did not come in time, and none ended either.
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
            raise EngineLateError(engine, words) from error
        raise OverloadedError(f"{engine}: {words}") from error
