"""Whole histories of a ledger in one process: entries, reads, proofs, failures, crashes within
any statement, power cuts within a commit, one crash upon another, old copies put back, and a
clock that steps. A plain list is the model. R2 to R4, R8 after every step.

What fails is shrunk by hypothesis, which prints the steps and a line that repeats them.
"""

import random
import shutil
import tempfile
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.errors import EntryConflictError, GatewayError, LedgerError, LedgerUnavailableError
from gateway.ledger.checkpoint import Checkpoint
from gateway.ledger.entry import commit, entry_leaf
from gateway.ledger.log import Log
from tests.faults.crashing import Crashed, Disk, Files, Plan
from tests.faults.history import root_of
from tests.faults.tools import SEEDS
from tests.gateway.ledger.logs import (
    NOW,
    body_of,
    check_continues,
    check_proof,
    check_receipt,
    checkpoint_of,
    open_log,
)
from tests.gateway.ledger.test_durability import Switch

TENANT = "clinic-a"
MEMORY = Path("/dev/shm")  # noqa: S108 - what is synced is simulated, and a disk takes long
COUNTS = st.one_of(st.integers(1, 5), st.integers(1, 5), st.integers(100, 300))
# How often each came about, of all histories.
FAULTS = ("whole", "absent", "killed", "power cut", "torn", "killed while it opens", "old copy")
HAPPENED: Counter[str] = Counter()
SHARE = st.floats(0, 1, exclude_max=True)


class Histories(RuleBasedStateMachine):
    """`entries` is the model: the ids in the log, by index."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.parts = Switch()
        self.now = NOW
        self.entries: list[str] = []
        self.seen: list[Checkpoint] = []
        self.copies: list[tuple[int, Files]] = []
        self.made = 0

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        (self.place / "ledger").mkdir(mode=0o700)
        self.disk = Disk(self.place / "ledger", random.Random(seed))  # noqa: S311
        self.log = self.open()

    def teardown(self) -> None:
        if hasattr(self, "log"):
            self.audit()
            self.log.close()
        shutil.rmtree(self.place)

    def open(self) -> Log:
        self.disk.opening()
        return open_log(
            self.disk.folder,
            connect=self.disk.connect,
            signer=self.parts,
            clock=self.parts_clock,
            random=self.parts.random,
        )

    def parts_clock(self) -> datetime:
        self.parts.clock()
        return self.now

    # --- steps -----------------------------------------------------------------------

    def new_ids(self, count: int) -> list[str]:
        self.made += count
        return [f"entry-{number}" for number in range(self.made - count, self.made)]

    def send(self, ids: list[str]) -> None:
        """Append them in one group, and hold the receipts against the model."""
        size = len(self.entries)
        answers = self.log.append_all([(one, TENANT, body_of(one)) for one in ids])
        for number, (one, answer) in enumerate(zip(ids, answers, strict=True)):
            receipt = answer.result(timeout=30)
            assert receipt.index == size + number
            if number in (0, len(ids) - 1):
                check_receipt(one, receipt)
        self.entries += ids

    def send_in_vain(self, ids: list[str]) -> None:
        for answer in self.log.append_all([(one, TENANT, body_of(one)) for one in ids]):
            with pytest.raises(LedgerUnavailableError):
                answer.result(timeout=30)

    @rule(count=COUNTS)
    def append(self, count: int) -> None:
        for first in range(0, count, 100):
            self.send(self.new_ids(min(100, count - first)))

    @precondition(lambda self: self.entries)
    @rule(share=SHARE)
    def append_again(self, share: float) -> None:
        index = int(share * len(self.entries))
        one = self.entries[index]
        assert self.log.append(one, TENANT, body_of(one)).result(timeout=30).index == index

    @precondition(lambda self: self.entries)
    @rule(share=SHARE, of_tenant=st.booleans())
    def append_another_under_its_id(self, share: float, of_tenant: bool) -> None:
        one = self.entries[int(share * len(self.entries))]
        other = ("clinic-b", body_of(one)) if of_tenant else (TENANT, b"another body")
        with pytest.raises(EntryConflictError):
            self.log.append(one, *other).result(timeout=30)

    @precondition(lambda self: self.entries)
    @rule(share=SHARE)
    def read(self, share: float) -> None:
        index = int(share * len(self.entries))
        one = self.entries[index]
        for found in (self.log.get(one, tenant=TENANT), self.log.get_at(index)):
            assert found is not None, f"{one} is lost"
            assert (found.index, found.id, found.body) == (index, one, body_of(one))
        assert self.log.get(one, tenant="clinic-b") is None

    @rule()
    def read_what_is_not_there(self) -> None:
        assert self.log.get(f"entry-{self.made}") is None
        assert self.log.get_at(len(self.entries)) is None
        assert self.log.proof(f"entry-{self.made}") is None

    @precondition(lambda self: self.entries)
    @rule(share=SHARE)
    def prove(self, share: float) -> None:
        index = int(share * len(self.entries))
        assert check_proof(self.log, self.entries[index]) == index

    @rule(days=st.integers(-400, 400))
    def step_the_clock(self, days: int) -> None:
        self.now += timedelta(days=days)

    # --- what fails and does not crash -----------------------------------------------

    @rule(part=st.sampled_from(["signer", "clock", "random", "short random"]))
    def append_while_a_part_fails(self, part: str) -> None:
        self.parts.failing = part
        self.send_in_vain(self.new_ids(3))
        self.parts.failing = ""

    @rule()
    def append_without_room(self) -> None:
        self.disk.plan = Plan(None, crash=False, error=13)  # SQLITE_FULL
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

    def reopen(self) -> None:
        self.log.close()
        self.log = self.open()

    def crash_to(self, files: Files) -> None:
        self.log.close()
        self.disk.plan = None
        self.disk.become(files)

    def settle(self, ids: list[str], *, again: bool) -> None:
        """R3: what was not acknowledged is there as a whole or not at all, and repeating it
        makes one of it."""
        there = [self.log.get(one) is not None for one in ids]
        assert len(set(there)) == 1, "half of a group is there"
        HAPPENED["whole" if there[0] else "absent"] += 1
        if there[0]:
            self.entries += ids
            self.read(1 - 1 / (2 * len(self.entries)))
            if again:
                first = self.log.append(ids[0], TENANT, body_of(ids[0])).result(timeout=30)
                assert self.entries[first.index] == ids[0]
        elif again:
            self.send(ids)

    @rule()
    def restart(self) -> None:
        self.reopen()

    @rule()
    def killed_between_two_appends(self) -> None:
        self.crash_to(self.disk.files())
        self.log = self.open()

    @rule(at=st.integers(1, 8), count=st.sampled_from([1, 3, 90]), done=st.booleans(),
          again=st.booleans())  # fmt: skip
    def killed_within_an_append(self, at: int, count: int, done: bool, again: bool) -> None:
        self._crash_within_an_append(Plan(at, done=done), count, again=again)

    @rule(count=st.sampled_from([1, 3, 90]), again=st.booleans())
    def power_cut_within_a_commit(self, count: int, again: bool) -> None:
        self._crash_within_an_append(Plan(None, done=True), count, again=again)

    def _crash_within_an_append(self, plan: Plan, count: int, *, again: bool) -> None:
        ids = self.new_ids(count)
        self.disk.left, self.disk.plan = None, plan
        try:
            self.send(ids)
        except LedgerUnavailableError:
            assert self.disk.left is not None
        if self.disk.left is None:  # the append has fewer statements
            self.disk.plan = None
            return
        HAPPENED["killed" if plan.at else "power cut"] += 1
        HAPPENED["torn"] += self.disk.torn
        self.crash_to(self.disk.left)
        self.log = self.open()
        self.settle(ids, again=again)

    @rule(first=st.integers(1, 12), second=st.integers(1, 12), done=st.booleans())
    def killed_and_killed_again_while_it_opens(self, first: int, second: int, done: bool) -> None:
        ids = self.new_ids(2)
        self._crash_twice(ids, Plan(first, done=done), second)

    @rule(second=st.integers(1, 12))
    def power_cut_and_killed_while_it_opens(self, second: int) -> None:
        self._crash_twice(self.new_ids(2), Plan(None, done=True), second)

    def _crash_twice(self, ids: list[str], plan: Plan, second: int) -> None:
        self.disk.left, self.disk.plan = None, plan
        try:
            self.send(ids)
        except LedgerUnavailableError:
            self.crash_to(self.disk.left or {})
        else:
            self.disk.plan, ids = None, []
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
        if ids:
            self.settle(ids, again=True)

    # --- old copies ------------------------------------------------------------------

    @rule()
    def copy(self) -> None:
        self.copies = [*self.copies[-3:], (len(self.entries), self.disk.files())]

    @precondition(lambda self: any(size < len(self.entries) for size, _ in self.copies))
    @rule(share=SHARE)
    def put_an_old_copy_back(self, share: float) -> None:
        """It opens, for it agrees with itself; whoever has seen more can tell (F15)."""
        HAPPENED["old copy"] += 1
        older = [files for size, files in self.copies if size < len(self.entries)]
        newest = self.disk.files()
        self.crash_to(older[int(share * len(older))])
        with self.open() as log:
            assert log.size < len(self.entries)
            for index in range(0, log.size, 17):
                found = log.get_at(index)
                assert found is not None
                assert found.id == self.entries[index]
            with pytest.raises(GatewayError):
                check_continues(log, self.seen[-1])
        self.disk.become(newest)
        self.log = self.open()

    # --- what holds ------------------------------------------------------------------

    @invariant()
    def each_checkpoint_extends_those_before(self) -> None:
        if not hasattr(self, "log"):
            return
        assert self.log.size == len(self.entries), "lost, or twice"
        new = checkpoint_of(self.log)
        assert new.size == len(self.entries)
        for old in self.seen[-2:] + self.seen[:: max(1, len(self.seen) // 3)]:
            check_continues(self.log, old)
        if not self.seen or self.seen[-1] != new:
            self.seen.append(new)

    def audit(self) -> None:
        """R8: the root from the entries, by the definition of RFC 6962 section 2.1."""
        leaves: list[bytes] = []
        for index, one in enumerate(self.entries):
            found = self.log.get_at(index)
            assert found is not None
            assert (found.id, found.body) == (one, body_of(one))
            leaves.append(entry_leaf(commit(found.salt, found.body)))
        assert checkpoint_of(self.log).root == root_of(leaves)


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
    assert all(HAPPENED[name] > 5 for name in FAULTS), f"a fault did not happen: {HAPPENED}"
