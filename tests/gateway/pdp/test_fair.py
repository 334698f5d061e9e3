"""One at a time, in turn by tenant: whoever floods waits behind itself."""

import asyncio
import time
from collections import Counter

import pytest

from gateway.pdp.fair import FairLock, asking


class Line:
    """Tasks of tenants that want the lock, and who got it in which order."""

    def __init__(self, lock: FairLock) -> None:
        self.lock = lock
        self.seen: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def _one(self, tenant: str, seconds: float) -> None:
        asking.set(tenant)
        await self.lock.acquire()
        try:
            self.seen.append(tenant)
            time.sleep(seconds)  # noqa: ASYNC251 - used, as an engine is
            await asyncio.sleep(0)
        finally:
            self.lock.release()

    async def ask(self, tenant: str, count: int = 1, seconds: float = 0.001) -> None:
        self.tasks += [asyncio.create_task(self._one(tenant, seconds)) for _ in range(count)]
        await asyncio.sleep(0)

    async def until(self, number: int) -> None:
        for _ in range(1_000_000):
            if len(self.seen) >= number:
                return
            await asyncio.sleep(0)
        raise AssertionError(f"only {len(self.seen)} came to their turn")

    async def end(self) -> list[BaseException | None]:
        return await asyncio.gather(*self.tasks, return_exceptions=True)


def test_who_comes_waits_for_the_question_under_way_alone() -> None:
    async def flood() -> None:
        line = Line(FairLock())
        await line.ask("a", 30)
        await line.until(5)
        before = len(line.seen)
        await line.ask("b")
        await line.end()
        assert line.seen.index("b") <= before + 1

    asyncio.run(flood())


def test_two_that_flood_share_it_by_time_and_not_by_number() -> None:
    async def flood() -> None:
        line = Line(FairLock())
        await line.ask("slow", 20, 0.01)
        await line.ask("quick", 60, 0.001)
        await line.until(40)
        counted = Counter(line.seen[:40])
        for task in line.tasks:
            task.cancel()
        await line.end()
        assert counted["quick"] >= 2 * counted["slow"], counted
        assert counted["slow"] >= 2

    asyncio.run(flood())


def test_who_was_away_has_no_claim_to_the_time_it_did_not_use() -> None:
    async def flood() -> None:
        line = Line(FairLock())
        await line.ask("a", 80)
        await line.until(30)
        await line.ask("b", 30)
        await line.until(50)
        assert 4 <= Counter(line.seen[32:50])["a"] <= 14, line.seen[30:50]
        await line.end()

    asyncio.run(flood())


@pytest.mark.parametrize("cancelled", [[1], [1, 2], [2, 0], [0, 1, 2], [3]])
def test_whoever_is_cancelled_holding_or_waiting_keeps_nobody_from_it(cancelled: list[int]) -> None:
    async def flood() -> None:
        line = Line(FairLock())
        await line.ask("a", 3)
        await line.ask("b", 1)
        for number in cancelled:  # all before any of them runs again
            line.tasks[number].cancel()
        said = await line.end()
        assert {type(one) for one in said} <= {asyncio.CancelledError, type(None)}
        assert [said[number] for number in range(4) if number not in cancelled] == (
            [None] * (4 - len(cancelled))
        )
        await asyncio.wait_for(line.lock.acquire(), 1)

    asyncio.run(flood())


def test_who_is_cancelled_as_it_gets_it_hands_it_on() -> None:
    async def flood() -> None:
        lock = FairLock()
        await lock.acquire()
        gets = asyncio.create_task(lock.acquire())
        waits = asyncio.create_task(lock.acquire())
        await asyncio.sleep(0)
        lock.release()
        gets.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gets
        await asyncio.wait_for(waits, 1)

    asyncio.run(flood())


def test_nobody_gives_back_what_nobody_has() -> None:
    with pytest.raises(RuntimeError):
        FairLock().release()
