"""A whole replay: stretches of a ledger, one after the other or in several processes."""

import asyncio
import os
import signal
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from typing import Protocol

from gateway.replay.plan import Plan
from gateway.replay.stored import count_stored, ledgers_of
from gateway.replay.stretch import Again
from gateway.replay.tally import Tally

STRETCH = 500
# Below it, another process starts for longer than it helps.
WORTH_A_PROCESS = 3 * STRETCH

Told = Callable[[int, int], None]
"""Takes how many entries are done, and how many there are."""
Heard = Callable[[Tally], None]
"""Takes what was found in one stretch, in order."""

Stretch = tuple[Path, int, int]  # the folder of a ledger, and where in it
Task = tuple[Path, int, int, int | None]


class _Pool(Protocol):
    def submit(self, task: Task) -> "Future[Tally]": ...


def replay(
    plan: Plan,
    *,
    workers: int,
    limit: int | None = None,
    told: Told = lambda _done, _of: None,
    heard: Heard = lambda _: None,
) -> Tally:
    """Decide again what a plan says.

    Args:
        workers: Processes to use, at most.
        limit: After how many decisions to stop, the oldest first.

    Raises:
        LedgerError: There is no ledger that can be read.
        ConfigurationError: What the plan names cannot be used.
    """
    stretches, size = _stretches(plan.state)
    done = 0
    total = Tally(plan.examples)
    workers = 1 if size < WORTH_A_PROCESS else workers
    ahead = 1 if workers == 1 else 2 * workers
    with _pool(plan, workers) as pool:
        waiting: deque[tuple[Task, Future[Tally]]] = deque()
        left = iter(stretches)

        def fill() -> None:
            while len(waiting) < ahead and (nxt := next(left, None)) is not None:
                task = (*nxt, limit)
                waiting.append((task, pool.submit(task)))

        fill()
        while waiting:
            (ledger, first, end, _), future = waiting.popleft()
            part = future.result()
            if limit is not None and total.matched + part.matched > limit:
                part = pool.submit((ledger, first, end, limit - total.matched)).result()
            heard(part)
            total.merge(part)
            done += end - first
            told(done, size)
            if limit is not None and total.matched >= limit:
                break
            fill()
        for _, future in waiting:
            future.cancel()
    return total


def _stretches(state: Path) -> tuple[list[Stretch], int]:
    """All that is to be read, the oldest first, and how many entries it is."""
    found: list[Stretch] = []
    total = 0
    for ledger in ledgers_of(state):
        size = count_stored(ledger)
        total += size
        found += [(ledger, at, min(at + STRETCH, size)) for at in range(0, size, STRETCH)]
    return found, total


# --- here ----------------------------------------------------------------------------


class _Here:
    """In this process, when it is submitted."""

    def __init__(self, plan: Plan) -> None:
        self._runner = asyncio.Runner()
        self._again = Again(plan)

    def submit(self, task: Task) -> "Future[Tally]":
        done: Future[Tally] = Future()
        done.set_result(self._runner.run(self._again.stretch(*task)))
        return done

    def close(self) -> None:
        self._runner.run(self._again.close())
        self._runner.close()


# --- in other processes --------------------------------------------------------------

_mine: list[_Here] = []


def _begin(plan: Plan) -> None:
    # Whoever interrupts means the process that was started; it stops the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with, args=(parent_process(),), daemon=True).start()
    _mine.append(_Here(plan))


def _end_with(parent: BaseProcess | None) -> None:
    """Nobody would take what is found once the other process is gone, however it went."""
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(task: Task) -> Tally:
    return _mine[0].submit(task).result()


class _There:
    def __init__(self, executor: ProcessPoolExecutor) -> None:
        self._executor = executor

    def submit(self, task: Task) -> "Future[Tally]":
        return self._executor.submit(_work, task)


@contextmanager
def _pool(plan: Plan, workers: int) -> Generator[_Pool]:
    if workers == 1:
        here = _Here(plan)
        try:
            yield here
        finally:
            here.close()
        return
    # Started anew: one that is forked could wait for ever for a lock of a thread it has not.
    executor = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (plan,))
    try:
        yield _There(executor)
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
