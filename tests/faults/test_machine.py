"""Whole histories of a ledger in one process: entries, reads, proofs, erasures, other keys,
failures, crashes within any statement, power cuts within a commit, one crash upon another, old
copies put back, and a clock that steps. A plain list is the model. R2 to R4, R8 after every
step.

What fails is shrunk by hypothesis, which prints the steps and a line that repeats them.
"""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from gateway.errors import LedgerError
from gateway.ledger.erased import ErasedEntryError
from gateway.ledger.guard import LedgerBehindError
from tests.faults.crashing import Crashed, Plan
from tests.faults.machine import HAPPENED, KEYS, TENANT, Model
from tests.faults.tools import SEEDS
from tests.gateway.ledger.logs import body_of

SQLITE_FULL = 13
COUNTS = st.one_of(st.integers(1, 5), st.integers(1, 5), st.integers(100, 300))
GROUPS = st.sampled_from([1, 3, 90])
SHARE = st.floats(0, 1, exclude_max=True)
FAULTS = (
    "whole", "absent", "killed", "power cut", "torn", "killed while it opens", "old copy",
    "erased", "not erased", "another key",
)  # fmt: skip


class Histories(Model):
    def some(self, share: float) -> int:
        return int(share * len(self.entries))

    def erasable(self) -> list[str]:
        kept = set(self.erased) | set(self.erased.values())
        return [one for one in self.entries if one not in kept]

    # --- entries ---------------------------------------------------------------------

    @rule(count=COUNTS)
    def append(self, count: int) -> None:
        for first in range(0, count, 100):
            self.send(self.new_ids(min(100, count - first)))

    @precondition(lambda self: self.entries)
    @rule(share=SHARE)
    def append_again(self, share: float) -> None:
        index = self.some(share)
        one = self.entries[index]
        answer = self.log.append(one, TENANT, body_of(one))
        if one in self.erased:
            with pytest.raises(ErasedEntryError):
                answer.result(timeout=30)
        else:
            assert answer.result(timeout=30).index == index

    @precondition(lambda self: self.entries)
    @rule(share=SHARE, of_tenant=st.booleans())
    def append_another_under_its_id(self, share: float, of_tenant: bool) -> None:
        one = self.entries[self.some(share)]
        other = ("clinic-b", body_of(one)) if of_tenant else (TENANT, b"another body")
        with pytest.raises(LedgerError):
            self.log.append(one, *other).result(timeout=30)

    @precondition(lambda self: self.entries)
    @rule(share=SHARE)
    def read(self, share: float) -> None:
        self.check_there(self.some(share))

    @rule()
    def read_what_is_not_there(self) -> None:
        assert self.log.get(f"entry-{self.made}") is None
        assert self.log.get_at(len(self.entries)) is None
        assert self.log.proof(f"entry-{self.made}") is None

    @precondition(lambda self: self.entries)
    @rule(share=SHARE)
    def prove(self, share: float) -> None:
        self.check_proof(self.some(share))

    @rule(days=st.integers(-400, 400))
    def step_the_clock(self, days: int) -> None:
        self.parts.now += timedelta(days=days)

    @precondition(lambda self: self.erasable())
    @rule(share=SHARE)
    def erase_one(self, share: float) -> None:
        erasable = self.erasable()
        self.erase(erasable[int(share * len(erasable))], *self.new_ids(1))
        HAPPENED["erased"] += 1

    @precondition(lambda self: self.erased)
    @rule(share=SHARE)
    def erase_what_is_erased_or_says_why(self, share: float) -> None:
        fixed = [*self.erased, *self.erased.values()]
        (why,) = self.new_ids(1)
        answer = self.log.erase(fixed[int(share * len(fixed))], why, TENANT, body_of(why))
        with pytest.raises(LedgerError):
            answer.result(timeout=30)

    @precondition(lambda self: self.keys < len(KEYS) and not self.overlap)
    @rule()
    def take_another_key_beside_the_old_one(self) -> None:
        HAPPENED["another key"] += 1
        self.keys, self.overlap = self.keys + 1, True
        self.reopen()

    @precondition(lambda self: self.overlap)
    @rule()
    def end_the_old_key(self) -> None:
        self.overlap = False
        self.reopen()

    # --- what fails and does not crash -----------------------------------------------

    @rule(part=st.sampled_from(["signer", "clock", "random", "short random"]))
    def append_while_a_part_fails(self, part: str) -> None:
        self.parts.failing = part
        self.send_in_vain(self.new_ids(3))
        self.parts.failing = ""

    @rule()
    def append_without_room(self) -> None:
        self.disk.plan = Plan(None, crash=False, error=SQLITE_FULL)
        self.send_in_vain(self.new_ids(3))

    @rule(done=st.booleans(), again=st.booleans())
    def append_on_a_disk_that_fails(self, done: bool, again: bool) -> None:
        """Nobody knows what such a disk holds: nothing more until it is opened again."""
        ids = self.new_ids(3)
        self.disk.plan = Plan(None, crash=False, done=done)
        self.send_in_vain(ids)
        assert self.log.is_broken()
        self.send_in_vain(self.new_ids(1))
        assert self.log.size == len(self.entries)
        self.reopen()
        self.settle(ids, again=again)

    # --- crashes ---------------------------------------------------------------------

    @rule()
    def restart(self) -> None:
        self.reopen()

    @rule()
    def killed_between_two_appends(self) -> None:
        self.crash_to(self.disk.files())
        self.log = self.open()

    @rule(at=st.integers(1, 10), count=GROUPS, done=st.booleans(), again=st.booleans())
    def killed_within_an_append(self, at: int, count: int, done: bool, again: bool) -> None:
        self.crash_within_an_append(Plan(at, done=done), count, again=again)

    @rule(count=GROUPS, again=st.booleans())
    def power_cut_within_a_commit(self, count: int, again: bool) -> None:
        self.crash_within_an_append(Plan(None, done=True), count, again=again)

    def crash_within_an_append(self, plan: Plan, count: int, *, again: bool) -> None:
        ids = self.new_ids(count)
        if self.crash_within(plan, lambda: self.send(ids)):
            self.log = self.open()
            self.settle(ids, again=again)

    @precondition(lambda self: self.erasable())
    @rule(at=st.one_of(st.none(), st.integers(1, 14)), done=st.booleans(), share=SHARE)
    def crash_within_an_erasure(self, at: int | None, done: bool, share: float) -> None:
        erasable = self.erasable()
        target = erasable[int(share * len(erasable))]
        stored = self.log.get(target)
        assert stored is not None
        (why,) = self.new_ids(1)
        if self.crash_within(Plan(at, done=done), lambda: self.erase(target, why)):
            self.log = self.open()
            if target in self.erased:  # it was answered; the crash came in the tidying
                self.check_there(self.entries.index(target))
            else:
                self.settle_erasure(target, why, stored.salt)

    @rule(at=st.one_of(st.none(), st.integers(1, 10)), second=st.integers(1, 24))
    def killed_again_while_it_opens(self, at: int | None, second: int) -> None:
        ids = self.new_ids(2)
        crashed = self.crash_within(Plan(at, done=True), lambda: self.send(ids))
        if not crashed:
            self.crash_to(self.disk.files())
        self.disk.left, self.disk.plan = None, Plan(second, done=True)
        try:
            self.log = self.open()
        except LedgerError as error:
            if not isinstance(error.__cause__, Crashed):
                raise
            HAPPENED["killed while it opens"] += 1
            assert self.disk.left is not None
            self.disk.become(self.disk.left)
            self.log = self.open()
        self.disk.plan = None
        if crashed:
            self.settle(ids, again=True)

    # --- old copies ------------------------------------------------------------------

    @rule()
    def copy(self) -> None:
        self.copies = [*self.copies[-3:], (len(self.entries), self.disk.files())]

    @precondition(lambda self: any(size < len(self.entries) for size, _ in self.copies))
    @rule(share=SHARE, is_lost=st.booleans())
    def put_an_old_copy_back(self, share: float, is_lost: bool) -> None:
        """F15: it is refused, for what was seen, here or by others, is more."""
        HAPPENED["old copy"] += 1
        older = [files for size, files in self.copies if size < len(self.entries)]
        newest, note = self.disk.files(), self.log.latest_checkpoint().encode()
        self.log.close()
        self.disk.become(older[int(share * len(older))])
        elsewhere = [("witness", note)] if is_lost else []
        if is_lost:
            self.seen_file.unlink()
        with pytest.raises(LedgerBehindError):
            self.open(*elsewhere)
        self.disk.become(newest)
        self.log = self.open(*elsewhere)


def test_whatever_happens_to_a_ledger_it_is_the_list_of_what_it_acknowledged() -> None:
    HAPPENED.clear()
    run_state_machine_as_test(  # pyright: ignore[reportUnknownMemberType]
        Histories,
        settings=settings(
            max_examples=30 if SEEDS == 1 else 100 * SEEDS,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
            derandomize=SEEDS == 1,
        ),
    )
    assert all(HAPPENED[name] > 1 for name in FAULTS), f"a fault did not happen: {HAPPENED}"
