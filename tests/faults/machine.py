"""The model of a ledger under a machine that crashes: a plain list, and what must hold of the
ledger beside it. The steps are in `test_machine.py`."""

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from gateway.errors import CheckpointSignatureError, LedgerUnavailableError
from gateway.keys import CheckpointKey, CheckpointPublicKey
from gateway.keys.overlap import Overlap
from gateway.ledger.checkpoint import Checkpoint, check_extends, verify_checkpoint
from gateway.ledger.entry import commit, entry_leaf
from gateway.ledger.erased import ErasedEntryError
from gateway.ledger.guard import Guard
from gateway.ledger.head import Receipt
from gateway.ledger.log import Log
from gateway.ledger.proof import parse_place, verify_proof
from tests.faults.crashing import Disk, Files, Plan
from tests.faults.history import root_of
from tests.gateway.ledger.logs import NOW, ORIGIN, body_of, open_log

TENANT = "clinic-a"
MEMORY = Path("/dev/shm")  # noqa: S108 - what is synced is simulated, and a disk takes long
# As many as a history may have had; made once, for all of them.
KEYS = [CheckpointKey.generate(ORIGIN) for _ in range(8)]
# How often each fault came about, of all histories.
HAPPENED: Counter[str] = Counter()


class Parts:
    """A signer, a clock and a source of randomness, of which one can fail."""

    def __init__(self) -> None:
        self.failing = ""
        self.now = NOW

    def clock(self) -> datetime:
        if self.failing == "clock":
            raise OSError("no clock")
        return self.now

    def random(self, size: int) -> bytes:
        if self.failing == "random":
            raise OSError("no entropy")
        size -= self.failing == "short random"
        return random.randbytes(size)  # noqa: S311


class Signer:
    def __init__(self, key: CheckpointKey, parts: Parts) -> None:
        self._key, self._parts = key, parts
        self.key_id, self.public = key.key_id, key.public

    def sign(self, message: bytes) -> bytes:
        if self._parts.failing == "signer":
            raise OSError("token removed")
        return self._key.sign(message)


class Model(RuleBasedStateMachine):
    """`entries` are the ids in the log, by index; `erased` names for some of them the entry
    that says why."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.parts = Parts()
        self.entries: list[str] = []
        self.erased: dict[str, str] = {}
        self.seen: list[Checkpoint] = []
        self.copies: list[tuple[int, Files]] = []
        self.made = 0
        self.keys = 1  # the last of so many signs
        self.overlap = False  # and the one before it alongside

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

    @property
    def seen_file(self) -> Path:
        return self.place / "seen.checkpoint"

    def open(self, *seen: tuple[str, bytes]) -> Log:
        *earlier, key = KEYS[: self.keys]
        signer = Signer(key, self.parts)
        old = Overlap(signer, Signer(earlier[-1], self.parts)) if self.overlap else signer
        self.disk.opening()
        return open_log(
            self.disk.folder,
            connect=self.disk.connect,
            signer=old,
            earlier=[one.public for one in earlier],
            clock=self.parts.clock,
            random=self.parts.random,
            guard=Guard(self.seen_file, seen=seen, interval_s=3600),
        )

    # --- appending -------------------------------------------------------------------

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
                self.check_receipt(one, receipt)
        self.entries += ids

    def send_in_vain(self, ids: list[str]) -> None:
        for answer in self.log.append_all([(one, TENANT, body_of(one)) for one in ids]):
            with pytest.raises(LedgerUnavailableError):
                answer.result(timeout=30)

    def erase(self, target: str, why: str) -> None:
        """Erase one for what another, new entry says, and look that nothing of it is left."""
        stored = self.log.get(target)
        assert stored is not None
        receipt = self.log.erase(target, why, TENANT, body_of(why)).result(timeout=30)
        assert receipt.index == len(self.entries)
        self.entries.append(why)
        self.erased[target] = why
        self.check_gone(target, stored.salt)

    # --- crashes ---------------------------------------------------------------------

    def reopen(self) -> None:
        self.log.close()
        self.log = self.open()

    def crash_to(self, files: Files) -> None:
        written = self.seen_file.read_bytes()
        self.log.close()
        if self.disk.chance.random() < 0.5:  # what was seen was not written in time
            self.seen_file.write_bytes(written)
        self.disk.plan = None
        self.disk.become(files)

    def crash_within(self, plan: Plan, act: Callable[[], None]) -> bool:
        """Do something until the planned crash. Whether it came: else it is done."""
        self.disk.left, self.disk.plan = None, plan
        try:
            act()
        except LedgerUnavailableError:
            assert self.disk.left is not None
        if self.disk.left is None:  # it took fewer statements
            self.disk.plan = None
            return False
        HAPPENED["killed" if plan.at else "power cut"] += 1
        HAPPENED["torn"] += self.disk.torn
        self.crash_to(self.disk.left)
        return True

    def settle(self, ids: list[str], *, again: bool) -> None:
        """R3: what was not acknowledged is there as a whole or not at all, and repeating it
        makes one of it."""
        there = [self.log.get(one) is not None for one in ids]
        assert len(set(there)) == 1, "half of a group is there"
        HAPPENED["whole" if there[0] else "absent"] += 1
        if there[0]:
            self.entries += ids
            self.check_there(len(self.entries) - 1)
            if again:
                first = self.log.append(ids[0], TENANT, body_of(ids[0])).result(timeout=30)
                assert self.entries[first.index] == ids[0]
        elif again:
            self.send(ids)

    def settle_erasure(self, target: str, why: str, salt: bytes) -> None:
        """Both are there, the erasure and the entry that says why, or neither is."""
        if self.log.get(why) is None:
            HAPPENED["not erased"] += 1
            self.check_there(self.entries.index(target))
            return
        HAPPENED["erased"] += 1
        self.entries.append(why)
        self.erased[target] = why
        self.check_there(self.entries.index(target))
        self.check_gone(target, salt)

    # --- what holds ------------------------------------------------------------------

    def key(self) -> CheckpointPublicKey:
        """The newest key that signed the latest checkpoint."""
        for key in reversed(KEYS[: self.keys]):
            try:
                note = self.log.latest_checkpoint().encode()
                verify_checkpoint(note, key.public, origin=ORIGIN)
            except CheckpointSignatureError:
                continue
            return key.public
        raise AssertionError("none of its keys signed the checkpoint")

    def head(self) -> Checkpoint:
        return verify_checkpoint(self.log.latest_checkpoint().encode(), self.key(), origin=ORIGIN)

    def check_receipt(self, one: str, receipt: Receipt) -> None:
        """Both keys sign during an overlap: whoever knows either believes it."""
        signing = KEYS[self.keys - 1 - self.overlap : self.keys]
        for key in signing:
            proof = verify_proof(body_of(one), receipt.proof_text, key.public, origin=ORIGIN)
            assert (proof.index, proof.checkpoint.size) == (receipt.index, receipt.tree_size)

    def check_there(self, index: int) -> None:
        """What is served of an entry is what was logged, or that it is erased."""
        one = self.entries[index]
        if one in self.erased:
            for read in (lambda: self.log.get(one), lambda: self.log.get_at(index)):
                with pytest.raises(ErasedEntryError) as caught:
                    read()
                assert caught.value.erasure_id == self.erased[one]
            return
        for found in (self.log.get(one, tenant=TENANT), self.log.get_at(index)):
            assert found is not None, f"{one} is lost"
            assert (found.index, found.id, found.body) == (index, one, body_of(one))
        assert self.log.get(one, tenant="clinic-b") is None

    def check_proof(self, index: int) -> None:
        one = self.entries[index]
        text = self.log.proof(one)
        assert text is not None, f"{one} is lost"
        if one in self.erased:
            assert parse_place(text).index == index
        else:
            proof = verify_proof(body_of(one), text, self.key(), origin=ORIGIN)
            assert (proof.index, proof.checkpoint.size) == (index, len(self.entries))

    def check_gone(self, target: str, salt: bytes) -> None:
        if self.log.is_tidy():
            for name, data in self.disk.files().items():
                assert salt not in data, f"the salt of {target} is in {name}"
                assert body_of(target) not in data, f"the body of {target} is in {name}"

    def check_extends(self, log: Log, old: Checkpoint, new: Checkpoint) -> None:
        path = log.consistency(old.size, new.size) if old.size else []
        check_extends(old, new, path)

    @invariant()
    def each_checkpoint_extends_those_before(self) -> None:
        if not hasattr(self, "log"):
            return
        assert self.log.size == len(self.entries), "lost, or twice"
        new = self.head()
        assert new.size == len(self.entries)
        for old in self.seen[-2:] + self.seen[:: max(1, len(self.seen) // 3)]:
            self.check_extends(self.log, old, new)
        if not self.seen or self.seen[-1] != new:
            self.seen.append(new)

    def audit(self) -> None:
        """R8: the root from the entries, by the definition of RFC 6962 section 2.1."""
        leaves: list[bytes] = []
        for index, one in enumerate(self.entries):
            self.check_there(index)
            text = self.log.proof(one)
            assert text is not None
            if one in self.erased:
                leaves.append(entry_leaf(parse_place(text).commitment))
            else:
                found = self.log.get_at(index)
                assert found is not None
                leaves.append(entry_leaf(commit(found.salt, found.body)))
        assert self.head().root == root_of(leaves)
