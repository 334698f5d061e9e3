"""Waits end in time, with no timer where nobody waits and one where many do."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.web.waits import Deadlines, within


class Timers:
    """Counts the timers that a loop is given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.set = 0
        loop = asyncio.get_running_loop()
        # `call_later` of this loop comes here as well.
        monkeypatch.setattr(loop, "call_at", self._counted(loop.call_at))

    def _counted(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            self.set += 1
            return real(*arguments, **named)

        return counted


async def at_once() -> str:
    return "done"


async def after(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "done"


async def in_steps() -> str:
    for _ in range(3):
        await asyncio.sleep(0.001)
    return "done"


async def failing() -> str:
    raise ValueError("at once")


async def failing_later() -> str:
    await asyncio.sleep(0.001)
    raise ValueError("later")


async def timing_out() -> str:
    raise TimeoutError("its own")


@pytest.mark.parametrize("begin", [at_once, in_steps, lambda: after(0)])
def test_what_ends_in_time_gives_what_it_gives(begin: Callable[[], Awaitable[str]]) -> None:
    assert asyncio.run(within(5, begin)) == "done"


def test_no_timer_is_set_where_nothing_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask() -> tuple[int, int]:
        timers = Timers(monkeypatch)
        await within(5, at_once)
        without = timers.set
        await within(5, lambda: after(0.001))
        return without, timers.set

    without, with_a_wait = asyncio.run(ask())
    assert without == 0
    assert with_a_wait > 0


def test_what_does_not_end_is_ended_and_cleans_up() -> None:
    cleaned: list[str] = []

    async def stuck() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.append("cleaned")

    with pytest.raises(TimeoutError):
        asyncio.run(within(0.02, stuck))
    assert cleaned == ["cleaned"]


@pytest.mark.parametrize("begin", [failing, failing_later])
def test_what_fails_fails_as_it_does(begin: Callable[[], Awaitable[str]]) -> None:
    with pytest.raises(ValueError, match=r"later|at once"):
        asyncio.run(within(5, begin))


def test_a_timeout_of_its_own_is_told_as_such() -> None:
    with pytest.raises(TimeoutError, match="its own"):
        asyncio.run(within(5, timing_out))


def test_whoever_is_cancelled_cancels_what_it_waits_for() -> None:
    seen: list[str] = []

    async def noted() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def ask() -> None:
        task = asyncio.create_task(within(60, noted))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(ask())
    assert seen == ["cancelled"]


def test_what_goes_on_after_a_cancellation_goes_on() -> None:
    async def stubborn() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.001)
        return "done"

    async def ask() -> str:
        task = asyncio.create_task(within(60, stubborn))
        await asyncio.sleep(0.01)
        task.cancel()
        return await task

    assert asyncio.run(ask()) == "done"


# --- many waits ----------------------------------------------------------------------


async def over(wait: asyncio.Future[None]) -> float:
    """How long a wait lasted before it was ended."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    with pytest.raises(TimeoutError):
        await wait
    return loop.time() - begun


def test_many_waits_end_in_time_with_a_timer_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask() -> tuple[list[float], int]:
        timers = Timers(monkeypatch)
        deadlines, loop = Deadlines(0.05), asyncio.get_running_loop()
        waits = [loop.create_future() for _ in range(100)]
        for wait in waits:
            deadlines.add(wait)
        set_before = timers.set
        return await asyncio.gather(*map(over, waits)), set_before

    lasted, timers = asyncio.run(ask())
    assert timers == 1
    assert min(lasted) >= 0.04
    assert max(lasted) < 5


def test_a_wait_that_begins_later_ends_later() -> None:
    async def ask() -> float:
        deadlines, loop = Deadlines(0.2), asyncio.get_running_loop()
        first, second = loop.create_future(), loop.create_future()
        deadlines.add(first)
        await asyncio.sleep(0.1)
        deadlines.add(second)
        begun = loop.time()
        await over(first)
        await over(second)
        return loop.time() - begun

    assert asyncio.run(ask()) >= 0.19


def test_what_is_over_is_left_alone_and_forgotten() -> None:
    async def ask() -> int:
        deadlines, loop = Deadlines(0.02), asyncio.get_running_loop()
        for number in range(1000):
            wait = loop.create_future()
            deadlines.add(wait)
            if number % 2:
                wait.set_result(None)
            else:
                wait.cancel()
        kept = len(deadlines._waits)  # pyright: ignore[reportPrivateUsage]
        await asyncio.sleep(0.05)
        assert not deadlines._waits  # pyright: ignore[reportPrivateUsage]
        return kept

    assert asyncio.run(ask()) == 1


def test_a_loop_after_another_has_a_timer_of_its_own() -> None:
    deadlines = Deadlines(0.02)

    async def leave() -> None:
        deadlines.add(asyncio.get_running_loop().create_future())

    async def ask() -> None:
        wait = asyncio.get_running_loop().create_future()
        deadlines.add(wait)
        await asyncio.wait_for(over(wait), 5)

    asyncio.run(leave())
    asyncio.run(ask())
