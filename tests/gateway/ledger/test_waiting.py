"""An event loop that waits for entries is woken once for many, and forgets none."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.errors import LedgerError, LedgerUnavailableError
from gateway.ledger.head import Receipt
from gateway.ledger.interface import Ledger
from gateway.ledger.once import Once
from gateway.ledger.waiting import Waiting
from tests.gateway.ledger.handed import Queue, answer, receipt
from tests.gateway.ledger.logs import open_log

FULL = LedgerUnavailableError("the disk is full")
KEY = Once(b"k" * 32, "t", b"d" * 32, "a", 1)


def in_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


async def begun(*waits: asyncio.Task[Any]) -> None:
    """Let tasks run until they wait."""
    for _ in range(3):
        await asyncio.sleep(0)
    assert not any(wait.done() for wait in waits)


def appending(
    waiting: Waiting, queue: Queue, *ids: str, once: Once | None = None
) -> "asyncio.Task[list[Receipt]]":
    entries = [(one, "t", b"x") for one in ids]
    return asyncio.create_task(waiting.append(cast("Ledger", queue), entries, once=once))


# --- waking --------------------------------------------------------------------------


def test_many_answers_in_one_go_wake_the_loop_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask() -> tuple[list[list[Receipt]], int]:
        loop, woken = asyncio.get_running_loop(), 0
        call = loop.call_soon_threadsafe

        def counted(*arguments: Any) -> asyncio.Handle:
            nonlocal woken
            woken += 1
            return call(*arguments)

        waiting, queue = Waiting(), Queue()
        waits = [appending(waiting, queue, f"e-{number}") for number in range(50)]
        await begun(*waits)
        monkeypatch.setattr(loop, "call_soon_threadsafe", counted)

        def write() -> None:
            for index, pending in enumerate(queue.taken):
                answer(pending, receipt(index))

        # The loop stands still meanwhile, as it does while it answers others.
        in_thread(write).join()
        return await asyncio.gather(*waits), woken

    receipts, woken = asyncio.run(ask())
    assert [one.index for (one,) in receipts] == list(range(50))
    assert woken == 1


def test_no_answer_is_forgotten_that_comes_while_the_loop_wakes() -> None:
    async def ask() -> list[int]:
        waiting = Waiting()
        found: list[int] = []
        for turn in range(300):
            queue = Queue()
            waits = [appending(waiting, queue, f"e-{number}") for number in range(4)]
            await begun(*waits)

            def write(queue: Queue = queue, turn: int = turn) -> None:
                for pending in queue.taken:
                    answer(pending, receipt(turn))

            thread = in_thread(write)
            for (one,) in await asyncio.wait_for(asyncio.gather(*waits), 10):
                found.append(one.index)
            thread.join()
        return found

    assert asyncio.run(ask()) == [turn for turn in range(300) for _ in range(4)]


def test_a_loop_after_another_is_woken_as_well() -> None:
    waiting = Waiting()

    async def ask(leaves: bool) -> None:
        queue = Queue()
        wait = appending(waiting, queue, "e")
        await begun(wait)
        if not leaves:
            in_thread(lambda: answer(queue.taken[0], receipt(0))).join()
            await asyncio.wait_for(wait, 10)

    for leaves in (False, True, False):
        asyncio.run(ask(leaves))


def test_an_answer_to_a_loop_that_has_ended_harms_nobody() -> None:
    waiting, queue = Waiting(), Queue()

    async def leave() -> None:
        await begun(appending(waiting, queue, "left", once=KEY))

    asyncio.run(leave())
    answer(queue.taken[0], receipt(0))

    async def ask() -> list[Receipt]:
        wait = appending(waiting, queue, "stays")
        await begun(wait)
        answer(queue.taken[1], receipt(1))
        return await wait

    assert asyncio.run(ask()) == [receipt(1)]


# --- handing over --------------------------------------------------------------------


def test_what_one_turn_of_the_loop_logs_is_handed_over_together_and_in_order() -> None:
    async def ask() -> tuple[Queue, list[list[Receipt]]]:
        waiting, queue = Waiting(), Queue()
        waits = [appending(waiting, queue, *ids) for ids in (("a",), ("b", "c"), ("d",))]
        await asyncio.sleep(0)  # each has begun, and none is handed over
        assert queue.taken == []
        await begun(*waits)
        for first, pending in zip((0, 1, 3), queue.taken, strict=True):
            answer(pending, *(receipt(first + at) for at in range(len(pending))))
        return queue, await asyncio.gather(*waits)

    queue, found = asyncio.run(ask())
    assert queue.handed == [3]
    assert queue.ids == [["a"], ["b", "c"], ["d"]]
    assert [[one.index for one in receipts] for receipts in found] == [[0], [1, 2], [3]]


@pytest.mark.parametrize(
    ("entries", "handed"),
    [((1, 1, 1), [3]), ((1, 1, 1, 1), [4]), ((1,) * 9, [4, 4, 1]), ((3, 2, 1), [2, 1]),
     ((5, 1), [1, 1]), ((100,), [1])],
)  # fmt: skip
def test_a_ledger_that_wants_some_at_once_gets_them_before_the_turn_ends(
    entries: tuple[int, ...], handed: list[int]
) -> None:
    async def ask() -> tuple[Queue, list[list[Receipt]]]:
        waiting, queue = Waiting(), Queue(eager=4)
        waits = [
            appending(waiting, queue, *(f"{number}-{at}" for at in range(count)))
            for number, count in enumerate(entries)
        ]
        await asyncio.sleep(0)
        early = sum(entries) // 4 * 4 > 0
        assert bool(queue.handed) == early
        await begun(*waits)
        for number, pending in enumerate(queue.taken):
            answer(pending, *([receipt(number)] * len(pending)))
        return queue, await asyncio.gather(*waits)

    queue, found = asyncio.run(ask())
    assert queue.handed == handed
    assert [len(ids) for ids in queue.ids] == list(entries)
    assert [receipts[0].index for receipts in found] == list(range(len(entries)))


def test_an_answer_in_the_thread_of_the_loop_wakes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask() -> list[Receipt]:
        waiting, queue = Waiting(), Queue()
        wait = appending(waiting, queue, "e")
        await begun(wait)
        monkeypatch.setattr(asyncio.get_running_loop(), "call_soon_threadsafe", None)
        answer(queue.taken[0], receipt(7))
        answer_again = queue.taken[0]
        answer_again.tell()  # is told once, and the second harms nobody
        return await wait

    assert asyncio.run(ask()) == [receipt(7)]


def test_a_ledger_that_fails_early_fails_those_it_was_handed_and_no_others() -> None:
    async def ask() -> list[object]:
        waiting = Waiting()
        bad, good = Queue(error=FULL, eager=1), Queue()
        lost, kept = appending(waiting, bad, "a"), appending(waiting, good, "b")
        for _ in range(3):
            await asyncio.sleep(0)
        answer(good.taken[0], receipt(1))
        return list(await asyncio.gather(lost, kept, return_exceptions=True))

    assert asyncio.run(ask()) == [FULL, [receipt(1)]]


def test_what_one_turn_logs_in_two_ledgers_reaches_each() -> None:
    async def ask() -> list[list[list[str]]]:
        waiting, queues = Waiting(), [Queue(), Queue(FULL), Queue()]
        waits = [appending(waiting, queue, f"{n}") for n, queue in enumerate([*queues, *queues])]
        await asyncio.sleep(0.01)
        for queue in queues:
            for pending in queue.taken:
                answer(pending, receipt(0))
        ended = await asyncio.gather(*waits, return_exceptions=True)
        assert [isinstance(one, LedgerUnavailableError) for one in ended] == [
            False,
            True,
            False,
        ] * 2
        return [queue.ids for queue in queues]

    assert asyncio.run(ask()) == [[["0"], ["3"]], [], [["2"], ["5"]]]


@pytest.mark.parametrize("once", [None, KEY])
def test_who_is_cancelled_before_it_is_handed_over_logs_nothing(once: Once | None) -> None:
    async def ask() -> Queue:
        waiting, queue = Waiting(), Queue()
        left = appending(waiting, queue, "a", once=once)
        stayed = appending(waiting, queue, "b")
        await asyncio.sleep(0)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        await begun(stayed)
        answer(queue.taken[-1], receipt(0))
        await stayed
        return queue

    assert asyncio.run(ask()).ids == [["b"]]


@pytest.mark.parametrize(("once", "is_logged"), [(None, False), (KEY, True)])
def test_who_is_cancelled_later_takes_back_what_waits_unless_a_key_belongs_to_it(
    once: Once | None, is_logged: bool
) -> None:
    async def ask() -> bool:
        waiting, queue = Waiting(), Queue()
        left = appending(waiting, queue, "a", "b", once=once)
        await begun(left)
        assert [(one.once, len(one)) for one in queue.taken] == [(once, 2)]
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        return queue.taken[0].start()

    assert asyncio.run(ask()) is is_logged


def test_who_is_cancelled_takes_back_nothing_that_is_being_written_and_nothing_of_others() -> None:
    async def ask() -> list[Receipt]:
        waiting, queue = Waiting(), Queue()
        left, stayed = appending(waiting, queue, "a"), appending(waiting, queue, "b")
        await begun(left, stayed)
        written, other = queue.taken
        assert written.start()
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        assert not written.cancel()
        written.outcomes = [receipt(0)]
        written.tell()  # nobody waits for it any more
        answer(other, receipt(1))
        return await stayed

    assert asyncio.run(ask()) == [receipt(1)]


def test_a_ledger_that_takes_nothing_fails_each_and_the_next_is_handed_over() -> None:
    async def ask() -> None:
        waiting = Waiting()
        broken = Queue(LedgerUnavailableError("the ledger is closed"))
        waits = [appending(waiting, broken, name) for name in "ab"]
        for wait in waits:
            with pytest.raises(LedgerUnavailableError, match="closed"):
                await wait
        queue = Queue()
        after = appending(waiting, queue, "c")
        await begun(after)
        answer(queue.taken[0], receipt(0))
        assert await after == [receipt(0)]

    asyncio.run(ask())


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_one_of_several_that_fails_is_raised(failing: int) -> None:
    async def ask() -> None:
        waiting, queue = Waiting(), Queue()
        wait = appending(waiting, queue, "a", "b", "c")
        await begun(wait)
        answer(queue.taken[0], *(FULL if at == failing else receipt(at) for at in range(3)))
        await wait

    with pytest.raises(LedgerUnavailableError, match="disk is full"):
        asyncio.run(ask())


def test_what_comes_too_late_is_told_so_before_it_is_written() -> None:
    async def ask() -> None:
        entries = [("a", "t", b"x")]
        await Waiting().append(cast("Ledger", Queue()), entries, until=0.0)

    with pytest.raises(TimeoutError):
        asyncio.run(ask())


def test_a_real_log_answers_all_of_a_turn_from_one_group(tmp_path: Path) -> None:
    async def ask() -> list[Receipt]:
        waiting = Waiting()
        with open_log(tmp_path) as log:
            appends = (waiting.append(log, [(f"e-{n}", "t", b"body")]) for n in range(20))
            return [receipt for (receipt,) in await asyncio.gather(*appends)]

    receipts = asyncio.run(ask())
    assert sorted(one.index for one in receipts) == list(range(20))
    assert {one.tree_size for one in receipts} == {20}


def test_a_real_log_refuses_alone_what_it_cannot_store(tmp_path: Path) -> None:
    async def ask() -> list[object]:
        waiting = Waiting()
        with open_log(tmp_path) as log:
            appends = [waiting.append(log, [(name, "t", b"body")]) for name in ("a", "", "b")]
            return list(await asyncio.gather(*appends, return_exceptions=True))

    first, refused, second = asyncio.run(ask())
    assert isinstance(refused, LedgerError)
    assert isinstance(first, list)
    assert isinstance(second, list)
