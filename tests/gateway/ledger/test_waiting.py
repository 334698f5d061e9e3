"""An event loop that waits for entries is woken once for many, and forgets none."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.errors import LedgerUnavailableError
from gateway.ledger.head import Receipt
from gateway.ledger.interface import Ledger
from gateway.ledger.once import Once
from gateway.ledger.waiting import Waiting
from tests.gateway.ledger.logs import open_log


def receipt(index: int) -> Receipt:
    return Receipt(index, index + 1, b"", "", "")


def in_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


async def begun(*waits: asyncio.Task[Any]) -> None:
    """Let tasks run until they wait."""
    for _ in range(3):
        await asyncio.sleep(0)
    assert not any(wait.done() for wait in waits)


def test_many_answers_in_one_go_wake_the_loop_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask() -> tuple[list[list[Receipt]], int]:
        loop, woken = asyncio.get_running_loop(), 0
        call = loop.call_soon_threadsafe

        def counted(*arguments: Any) -> asyncio.Handle:
            nonlocal woken
            woken += 1
            return call(*arguments)

        waiting = Waiting()
        answers: list[Future[Receipt]] = [Future() for _ in range(50)]
        waits = [asyncio.create_task(waiting.all([answer])) for answer in answers]
        await begun(*waits)
        monkeypatch.setattr(loop, "call_soon_threadsafe", counted)

        def write() -> None:
            for index, answer in enumerate(answers):
                answer.set_result(receipt(index))

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
            answers: list[Future[Receipt]] = [Future() for _ in range(4)]
            waits = [asyncio.create_task(waiting.all([answer])) for answer in answers]
            await asyncio.sleep(0)

            def write(answers: list[Future[Receipt]] = answers, turn: int = turn) -> None:
                for answer in answers:
                    answer.set_result(receipt(turn))

            thread = in_thread(write)
            for (one,) in await asyncio.wait_for(asyncio.gather(*waits), 10):
                found.append(one.index)
            thread.join()
        return found

    assert asyncio.run(ask()) == [turn for turn in range(300) for _ in range(4)]


def test_entries_that_end_in_any_order_are_told_in_their_own() -> None:
    async def ask(order: list[int]) -> list[int]:
        answers: list[Future[Receipt]] = [Future() for _ in range(3)]
        wait = asyncio.create_task(Waiting().all(answers))
        for index in order:
            await begun(wait)
            answers[index].set_result(receipt(index))
        return [one.index for one in await wait]

    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        assert asyncio.run(ask(order)) == [0, 1, 2]


def test_what_is_answered_already_is_not_waited_for() -> None:
    async def ask() -> list[Receipt]:
        answer: Future[Receipt] = Future()
        answer.set_result(receipt(7))
        return await Waiting().all([answer])

    assert asyncio.run(ask()) == [receipt(7)]


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_one_that_fails_is_raised_also_among_others(failing: int) -> None:
    async def ask() -> None:
        answers: list[Future[Receipt]] = [Future() for _ in range(3)]
        wait = asyncio.create_task(Waiting().all(answers))
        await begun(wait)
        for index, answer in enumerate(answers):
            if index == failing:
                answer.set_exception(LedgerUnavailableError("the disk is full"))
            else:
                answer.set_result(receipt(index))
        await wait

    with pytest.raises(LedgerUnavailableError, match="disk is full"):
        asyncio.run(ask())


def test_who_is_cancelled_cancels_what_is_not_written_yet_and_nothing_else() -> None:
    async def ask() -> tuple[bool, bool, Receipt]:
        waiting = Waiting()
        written: Future[Receipt] = Future()
        written.set_running_or_notify_cancel()
        queued: Future[Receipt] = Future()
        other: Future[Receipt] = Future()
        left = asyncio.create_task(waiting.all([written, queued]))
        stayed = asyncio.create_task(waiting.all([other]))
        await begun(left, stayed)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        written.set_result(receipt(0))  # nobody waits for it any more
        other.set_result(receipt(1))
        (found,) = await stayed
        return written.cancelled(), queued.cancelled(), found

    assert asyncio.run(ask()) == (False, True, receipt(1))


def test_a_loop_after_another_is_woken_as_well() -> None:
    waiting = Waiting()

    async def ask(leaves: bool) -> None:
        answer: Future[Receipt] = Future()
        wait = asyncio.create_task(waiting.all([answer]))
        await begun(wait)
        if not leaves:
            in_thread(lambda: answer.set_result(receipt(0))).join()
            await asyncio.wait_for(wait, 10)

    for leaves in (False, True, False):
        asyncio.run(ask(leaves))


# --- handing over --------------------------------------------------------------------


class Queue:
    """Takes appends, and answers those it is told to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.taken: list[tuple[list[str], Once | None]] = []
        self.answers: list[Future[Receipt]] = []
        self._error = error

    def append_all(
        self, entries: Sequence[tuple[str, str, bytes]], *, once: Once | None = None
    ) -> list[Future[Receipt]]:
        if self._error is not None:
            raise self._error
        self.taken.append(([entry for entry, _, _ in entries], once))
        futures: list[Future[Receipt]] = [Future() for _ in entries]
        self.answers += futures
        return futures


def appending(
    waiting: Waiting, queue: Queue, *ids: str, once: Once | None = None
) -> "asyncio.Task[list[Receipt]]":
    entries = [(one, "t", b"x") for one in ids]
    return asyncio.create_task(waiting.append(cast("Ledger", queue), entries, once=once))


KEY = Once(b"k" * 32, "t", b"d" * 32, "a", 1)


def test_what_one_turn_of_the_loop_logs_is_handed_over_together_and_in_order() -> None:
    async def ask() -> tuple[Queue, list[list[Receipt]]]:
        waiting, queue = Waiting(), Queue()
        waits = [appending(waiting, queue, *ids) for ids in (("a",), ("b", "c"), ("d",))]
        await asyncio.sleep(0)  # each has begun, and none is handed over
        assert queue.taken == []
        await begun(*waits)
        for number, answer in enumerate(queue.answers):
            answer.set_result(receipt(number))
        return queue, await asyncio.gather(*waits)

    queue, found = asyncio.run(ask())
    assert [ids for ids, _ in queue.taken] == [["a"], ["b", "c"], ["d"]]
    assert [[one.index for one in receipts] for receipts in found] == [[0], [1, 2], [3]]


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
        queue.answers[-1].set_result(receipt(0))
        await stayed
        return queue

    assert [ids for ids, _ in asyncio.run(ask()).taken] == [["b"]]


@pytest.mark.parametrize(("once", "is_cancelled"), [(None, True), (KEY, False)])
def test_who_is_cancelled_later_cancels_what_waits_unless_a_key_belongs_to_it(
    once: Once | None, is_cancelled: bool
) -> None:
    async def ask() -> list[bool]:
        waiting, queue = Waiting(), Queue()
        left = appending(waiting, queue, "a", "b", once=once)
        await begun(left)
        assert queue.taken == [(["a", "b"], once)]
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        return [answer.cancelled() for answer in queue.answers]

    assert asyncio.run(ask()) == [is_cancelled, is_cancelled]


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
        queue.answers[0].set_result(receipt(0))
        assert await after == [receipt(0)]

    asyncio.run(ask())


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_one_of_several_that_fails_is_raised_when_all_have_ended(failing: int) -> None:
    async def ask() -> None:
        waiting, queue = Waiting(), Queue()
        wait = appending(waiting, queue, "a", "b", "c")
        await begun(wait)
        for index in (2, 0, 1):  # in any order
            await begun(wait)
            if index == failing:
                queue.answers[index].set_exception(LedgerUnavailableError("the disk is full"))
            else:
                queue.answers[index].set_result(receipt(index))
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
