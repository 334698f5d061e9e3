"""The entries of a ledger in ranges, checked here or in several processes, in order."""

import json
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

from gateway.keeping.entries import EntryChecker, RangeChecked
from gateway.keeping.snapshot import Snapshot, open_snapshot
from gateway.ledger.tree import TILE_WIDTH
from gateway.verify.trust import Trust

_RANGE = 8 * TILE_WIDTH


@contextmanager
def ranges_of(
    snapshot: Snapshot, folder: Path, trust: Trust, first: int, jobs: int
) -> Generator[Iterator[RangeChecked]]:
    """All ranges in order, checked here or in processes of their own."""
    bounds = [(at, min(at + _RANGE, snapshot.size)) for at in range(first, snapshot.size, _RANGE)]
    if jobs == 1 or len(bounds) < 2:
        checker = EntryChecker(snapshot, trust)
        yield (checker.check(*one) for one in bounds)
        return
    with ProcessPoolExecutor(
        jobs,
        mp_context=get_context("spawn"),
        initializer=_start,
        initargs=(folder, json.dumps(trust.to_json())),
    ) as pool:
        yield _in_order(pool, bounds, 2 * jobs)


def _in_order(
    pool: ProcessPoolExecutor, bounds: Sequence[tuple[int, int]], ahead: int
) -> Iterator[RangeChecked]:
    """Results in the order of `bounds`, with so many asked for ahead and no more."""
    asked: deque[Future[RangeChecked]] = deque()
    for one in bounds:
        asked.append(pool.submit(_check, one))
        if len(asked) > ahead:
            yield asked.popleft().result()
    while asked:
        yield asked.popleft().result()


# --- in a process of its own ---------------------------------------------------------

_checker: EntryChecker | None = None
_opened: object = None  # what keeps the snapshot open for as long as the process runs


def _start(folder: Path, trust: str) -> None:
    """Make this process one that checks ranges of a ledger."""
    global _checker, _opened
    opened = open_snapshot(folder)
    _checker = EntryChecker(opened.__enter__(), Trust.from_json(trust.encode()))
    _opened = opened


def _check(bounds: tuple[int, int]) -> RangeChecked:
    """Check a range in a process that was started for it."""
    if _checker is None:
        raise AssertionError("`_start` was not called in this process")
    return _checker.check(*bounds)
