"""The one writer of a ledger: group commit, one signed checkpoint per group.

 1. Take everything that waits, up to a cap and in turn by tenant; never wait for more to come.
 2. Salt, hash, and sign the tree that results.
 3. BEGIN IMMEDIATE; entries, full tiles, checkpoint; COMMIT, which syncs.
 4. Only then publish the new head and answer each caller with its own proof.

What fails before the commit is rolled back and leaves the ledger usable, and so does a commit
for which the disk had no room: nothing was synced then. After any other failed commit nobody
knows what is on disk, and a second sync that succeeds proves nothing, so the writer stops for
good; a restart reads what the disk really holds. So it does where somebody else wrote to the
ledger, or another file is in its place.
"""

import logging
import sqlite3
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from time import monotonic

from gateway.errors import LedgerUnavailableError
from gateway.keys import CheckpointSigner
from gateway.ledger import storage
from gateway.ledger.bodies import Packer, Unpacker
from gateway.ledger.erasing import Erasing
from gateway.ledger.group import Group
from gateway.ledger.hand import Hand
from gateway.ledger.head import Head, Receipt, make_head
from gateway.ledger.lines import Lines
from gateway.ledger.once import Book, Once
from gateway.ledger.pending import Pending
from gateway.ledger.storage import StoredRecord
from gateway.ledger.tree import GrowingTree, Tile

# Whoever comes waits for the group under way, so it must not be large; beyond this, a sync is
# little of what a group costs.
MAX_GROUP = 128
# How often it is tried to empty what an erasure left in the side file of the database.
TIDY_S = 1.0
# After a failed append, so many seconds pass before the ledger is said to take entries again
# although none has been tried.
DOUBT_S = 10.0

_BROKEN = (
    "the ledger is read-only since a write to its disk failed; "
    "check the disk and restart the gateway"
)
_FOREIGN = (
    "the ledger is read-only since somebody else wrote to it; "
    "stop whoever that is and restart the gateway"
)

Clock = Callable[[], datetime]
Random = Callable[[int], bytes]

_said = logging.getLogger("charter")


class Writer:
    """Owns a connection and the growing tree; `head` is what is durable and published."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        tree: GrowingTree,
        head: Head,
        *,
        signer: CheckpointSigner,
        clock: Clock,
        random: Random,
        check_place: Callable[[], None],
    ) -> None:
        self.head = head
        self._connection = connection
        self._book = Book(connection)
        self._erasing = Erasing(connection)
        self._packer = Packer()
        # What bodies repeat, as somebody told it last, and the packer of it until a commit has
        # kept it.
        self._told: bytes | None = None
        self._coming: Packer | None = None
        self._read = Unpacker(connection)
        self._tree = tree
        self._origin = head.checkpoint.origin
        self._signer = signer
        self._clock = clock
        self._random = random
        self._check_place = check_place
        self._refusal: str | None = None
        self._broken: str | None = None
        self._failed_at: float | None = None
        # Told how many entries each commit made durable, in the thread of the writer.
        self.on_commit: Callable[[int], None] = lambda _: None
        self._gate = threading.Lock()
        self._lines: Lines[Pending] = Lines()
        self._hand = Hand(self)

    def submit(self, pending: Sequence[Pending]) -> None:
        """Queue appends. Each is told what became of it, whatever happens."""
        with self._gate:
            if self._refusal is None:
                self._hand.put(pending)
                return
        for one in pending:
            if one.start():
                one.end(LedgerUnavailableError(self._refusal))

    def refusal(self) -> str | None:
        """Why the next append will fail, as far as is known; None where it should not."""
        if self._refusal is not None:
            return self._refusal
        failed_at = self._failed_at
        recently = failed_at is not None and monotonic() - failed_at < DOUBT_S
        return "the last append failed" if recently else None

    def repeats(self, text: bytes) -> None:
        """Keep bodies from now on as a difference from this text."""
        self._told = text

    def is_tidy(self) -> bool:
        """Whether nothing of what is erased is left in the files of the database."""
        return self._erasing.is_tidy

    def is_broken(self) -> bool:
        """Whether it has stopped for good, so that only opening the ledger again can help."""
        return self._broken is not None

    def close(self) -> None:
        """Finish what is queued and stop."""
        with self._gate:
            self._refusal = self._refusal or "the ledger is closed"
        self._hand.close()

    def write_in(self, loop: AbstractEventLoop | None) -> None:
        """As `Hand.write_in`."""
        self._hand.write_in(loop)

    # --- in one thread ---------------------------------------------------------------

    def add(self, pending: Sequence[Pending]) -> None:
        """As of `Work`, as the three that follow."""
        for one in pending:
            self._lines.add(one)

    def has_more(self) -> bool:
        return bool(self._lines)

    def pause(self) -> float | None:
        return None if self._erasing.is_tidy else TIDY_S

    def write(self) -> None:
        group = [one for one in self._lines.take(MAX_GROUP) if one.start()]
        if not group:
            self._erasing.tidy()
            return
        try:
            self._append(group)
        except Exception as error:  # nobody above could answer the callers
            self._fail(group, error)
        for one in group:
            try:
                one.tell()
            except Exception:  # nobody above could answer the others
                _said.exception("somebody could not be told of an entry of the log")

    def _append(self, group: list[Pending]) -> None:
        """Write what is not known already, and give all their outcomes."""
        if self._broken is not None:
            raise LedgerUnavailableError(self._broken)
        now = self._clock()
        self._erasing.admit(group)
        once = self._admit(group, int(now.timestamp()))
        try:
            self._append_but(group, {}, once, now)
        except sqlite3.IntegrityError:
            # An id that exists, or somebody else took the next index. Looked up only now:
            # nearly every id is new.
            known = self._find([entry[0] for one in group for entry in one.entries])
            try:
                if not known:
                    raise
                self._append_but(group, known, once, now)
            except sqlite3.IntegrityError:
                self._stop(_FOREIGN)
                raise

    def _append_but(
        self,
        pending: list[Pending],
        known: dict[str, StoredRecord],
        once: list[Once],
        now: datetime,
    ) -> None:
        size = self._tree.size
        group = Group(pending, known, size=size, random=self._random, logged_at=rfc3339(now))
        if group.fresh:
            self._write(group, once, now)
            receipts = self.head.receipts(group.fresh, self._read_tile)
            for record, receipt in zip(group.fresh, receipts, strict=True):
                record.outcome = receipt
        group.settle(self._known)

    def _known(self, record: StoredRecord) -> Receipt:
        if record.is_erased:
            raise self._erasing.error_of(record)
        return self.head.checked_receipt(record, self._read_tile)

    def _admit(self, group: list[Pending], now: int) -> list[Once]:
        """The keys that are used up; what asks for one that cannot be has its outcome."""
        asked = [one for one in group if one.once is not None and None in one.outcomes]
        if not asked:
            return []
        keys = [one.once for one in asked if one.once is not None]
        used: list[Once] = []
        for one, key, error in zip(asked, keys, self._book.refused(keys, now), strict=True):
            if error is None:
                used.append(key)
            else:
                one.fill(error)
        return used

    def _find(self, ids: list[str]) -> dict[str, StoredRecord]:
        marks = ",".join("?" * len(ids))
        found = storage.read_records(self._connection, f"id IN ({marks})", ids, self._read)
        return {record.id: record for record in found}

    def _write(self, group: Group, once: list[Once], now: datetime) -> None:
        """Write entries, and erase by index of the entry that says why."""
        fresh = group.fresh
        size = self._tree.size
        self._tree.forget_full_tiles()
        try:
            tiles: list[Tile] = []
            for record in fresh:
                tiles += self._tree.append(record.leaf_hash)
            head = make_head(self._tree, self._origin, self._read_tile, self._signer)
            packer = self._latest_packer()
            self._connection.execute("BEGIN IMMEDIATE")
            if packer is self._coming:
                packer.number = storage.keep_text(self._connection, packer.digest, packer.text)
            packed = packer.pack([record.body for record in fresh])
            storage.insert_records(self._connection, fresh)
            storage.insert_bodies(self._connection, fresh, packed)
            self._erasing.erase(group.erased)
            storage.insert_tiles(self._connection, tiles)
            storage.insert_checkpoint(self._connection, head.size, head.note, rfc3339(now))
            keys = self._book.write(once, int(now.timestamp()))
            self._check_still_ours()
        except Exception:
            self._roll_back(size)
            raise
        try:
            self._connection.execute("COMMIT")
        except Exception as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                self._roll_back(size)  # a write had no room, before any sync
            else:
                self._stop(_BROKEN)
            raise
        self.head = head
        self._packer, self._coming = packer, None
        self._book.count(keys)
        self._failed_at = None
        if group.erased:
            self._erasing.tidy()
        self.on_commit(len(fresh))

    def _latest_packer(self) -> Packer:
        if self._told is not None:
            text, self._told = self._told, None
            packer = Packer(text)
            if packer.digest != self._packer.digest:
                self._coming = packer
        return self._coming or self._packer

    def _check_still_ours(self) -> None:
        try:
            self._check_place()
        except LedgerUnavailableError as error:
            self._stop(str(error))
            raise

    def _read_tile(self, level: int, index: int) -> bytes:
        return storage.read_tile(self._connection, level, index)

    # --- failing ---------------------------------------------------------------------

    def _roll_back(self, size: int) -> None:
        self._tree.cut_back(size)
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._stop(_BROKEN)

    def _stop(self, words: str) -> None:
        self._broken = words
        with self._gate:
            self._refusal = words

    def _fail(self, group: list[Pending], error: Exception) -> None:
        self._failed_at = monotonic()
        words = self._broken or f"the ledger could not append: {error}"
        for one in group:
            refused = LedgerUnavailableError(words)
            refused.__cause__ = error
            one.fill(refused)


def rfc3339(instant: datetime) -> str:
    """The instant in UTC, to the millisecond."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
