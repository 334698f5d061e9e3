"""Who writes: a thread or an event loop, and from one to the other nothing is lost."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.errors import LedgerUnavailableError
from gateway.ledger.hand import Hand
from gateway.ledger.head import Receipt
from gateway.ledger.pending import Pending
from tests.gateway.ledger.logs import append, body_of, check_receipt, open_log

WITHIN_S = 10.0


class Told(Pending):
    """Says in which thread it was told."""

    def __init__(self, entry_id: str) -> None:
        super().__init__([(entry_id, "clinic-a", body_of(entry_id))])
        self.told = threading.Event()
        self.in_thread = 0

    def tell(self) -> None:
        self.in_thread = threading.get_ident()
        self.told.set()


async def told(*pending: Told) -> None:
    for one in pending:
        for _ in range(int(WITHIN_S / 0.005)):
            if one.told.is_set():
                break
            await asyncio.sleep(0.005)
        assert one.told.is_set()


def test_a_loop_writes_in_its_own_thread_and_a_thread_does_again(tmp_path: Path) -> None:
    async def case() -> None:
        loop, mine = asyncio.get_running_loop(), threading.get_ident()
        with open_log(tmp_path) as log:
            for number, (place, is_mine) in enumerate([(loop, True), (None, False), (loop, True)]):
                log.write_in(place)
                ones = [Told(f"{number}-{at}") for at in range(3)]
                log.hand_over(ones)
                await told(*ones)
                assert [one.in_thread == mine for one in ones] == [is_mine] * 3
                for one in ones:
                    check_receipt(one.entries[0][0], one.receipts()[0])
            log.write_in(None)

    asyncio.run(case())


def test_what_another_thread_hands_over_wakes_the_loop(tmp_path: Path) -> None:
    async def case() -> list[Receipt]:
        with open_log(tmp_path) as log:
            log.write_in(asyncio.get_running_loop())
            await asyncio.sleep(0.05)  # it has nothing to do, and waits
            ids = [f"e-{number}" for number in range(40)]
            receipts = await asyncio.to_thread(append, log, *ids)
            log.write_in(None)
            return receipts

    assert sorted(one.index for one in asyncio.run(case())) == list(range(40))


def test_from_thread_to_loop_and_back_nothing_is_lost_and_nothing_twice(tmp_path: Path) -> None:
    """Somebody appends all the time while it changes hands."""

    async def case() -> None:
        loop = asyncio.get_running_loop()
        with open_log(tmp_path) as log:
            stop = threading.Event()
            handed: list[Told] = []

            def go_on() -> None:
                while not stop.is_set() and len(handed) < 5000:
                    one = Told(f"e-{len(handed)}")
                    handed.append(one)
                    log.hand_over([one])

            thread = threading.Thread(target=go_on)
            thread.start()
            for turn in range(20):
                log.write_in(loop if turn % 2 == 0 else None)
                await asyncio.sleep(0.005)
            log.write_in(None)
            stop.set()
            await asyncio.to_thread(thread.join)
            await told(*handed)
            assert [one.receipts()[0].index for one in handed] == list(range(len(handed)))
            assert log.size == len(handed) > 20

    asyncio.run(case())


def test_what_waits_when_the_loop_ends_is_written_when_it_is_closed(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    ones = [Told(f"e-{at}") for at in range(3000)]  # many groups

    async def leave() -> None:
        log.write_in(asyncio.get_running_loop())
        log.hand_over(ones)

    asyncio.run(leave())
    assert not all(one.told.is_set() for one in ones)
    log.close()
    assert [one.receipts()[0].index for one in ones] == list(range(3000))
    late = Told("late")
    log.hand_over([late])
    with pytest.raises(LedgerUnavailableError):
        late.receipts()


def test_a_loop_writes_group_after_group_and_tidies_up_as_long_as_there_is_something() -> None:
    class Work:
        def __init__(self) -> None:
            self.waits: list[Pending] = []
            self.groups: list[int] = []

        def add(self, pending: Sequence[Pending]) -> None:
            self.waits += pending

        def write(self) -> None:
            self.groups.append(len(self.waits[:2]))
            self.waits = self.waits[2:]

        def has_more(self) -> bool:
            return bool(self.waits)

        def pause(self) -> float | None:
            return 0.01 if len(self.groups) < 6 else None

    async def case() -> None:
        work = Work()
        hand = Hand(work)
        hand.write_in(asyncio.get_running_loop())
        await asyncio.sleep(0.1)
        work.groups.clear()
        hand.put([Told(str(at)) for at in range(5)])
        for _ in range(int(WITHIN_S / 0.005)):
            if len(work.groups) >= 6:
                break
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
        # Two, two and one at once; then it tidies up until there is nothing to tidy.
        assert work.groups == [2, 2, 1, 0, 0, 0]
        hand.put([Told("x")])
        await asyncio.sleep(0.01)
        assert work.groups[6:] == [1]
        hand.close()

    asyncio.run(case())
