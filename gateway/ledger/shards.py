"""One log in the place of another: what is recorded goes into the newest, and what was recorded
before is found in those that have ended.

    shards/<n>/ledger/   shards/<n>/vkey
"""

import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from gateway.errors import LedgerError, LedgerUnavailableError
from gateway.keys import CheckpointPublicKey
from gateway.ledger import erased_after
from gateway.ledger.ended import open_ended
from gateway.ledger.erased import ErasedEntryError
from gateway.ledger.head import Receipt
from gateway.ledger.interface import OwnLedger
from gateway.ledger.log import Log
from gateway.ledger.once import Once
from gateway.ledger.pending import Pending
from gateway.ledger.storage import StoredRecord
from gateway.ledger.tiles import TileReader

FOLDER = "shards"
VKEY = "vkey"
TIDY_S = 1.0
Over = Callable[[Log, Path, CheckpointPublicKey], OwnLedger]


class Sharded:
    """Keeps to `gateway.ledger.interface.OwnLedger`, and owns the ledgers below it.

    Args:
        older: Those that have ended, each with the folder of its database.
    """

    def __init__(self, newest: OwnLedger, older: Sequence[tuple[OwnLedger, Path]]) -> None:
        self._newest = newest
        self._older = [one for one, _ in older]
        self._folders = [folder for _, folder in older]
        # One erasure at a time; without any there is no thread.
        self._eraser = ThreadPoolExecutor(1, "erasing")
        self._stop = threading.Event()
        self._tidying: threading.Thread | None = None

    @property
    def size(self) -> int:
        return self._newest.size

    @property
    def eager(self) -> int:
        return self._newest.eager

    def write_in(self, loop: AbstractEventLoop | None) -> None:
        self._newest.write_in(loop)

    def append(self, entry_id: str, tenant: str, body: bytes) -> "Future[Receipt]":
        return self._newest.append(entry_id, tenant, body)

    def append_all(
        self, entries: Sequence[tuple[str, str, bytes]], *, once: Once | None = None
    ) -> "list[Future[Receipt]]":
        return self._newest.append_all(entries, once=once)

    def hand_over(self, pending: Sequence[Pending]) -> None:
        appended = [one for one in pending if one.erases is None]
        if appended:
            self._newest.hand_over(appended)
        for one in pending:
            if one.erases is not None:
                self._eraser.submit(self._erase_for, one, one.erases)

    def erase(self, target: str, entry_id: str, tenant: str, body: bytes) -> "Future[Receipt]":
        """As `Log.erase`. What is in a log that has ended is erased there once the entry that
        says why is in the newest one; see `gateway.ledger.erased_after`."""
        return self._eraser.submit(self._erase, target, entry_id, tenant, body)

    def _erase_for(self, pending: Pending, target: str) -> None:
        if not pending.start():
            return
        try:
            pending.outcomes = [self._erase(target, *pending.entries[0])]
        except LedgerError as error:
            pending.fill(error)
        except BaseException as error:  # whoever waits must be told
            refused = LedgerUnavailableError(f"the ledger could not erase: {error}")
            refused.__cause__ = error
            pending.fill(refused)
        pending.tell()

    def _erase(self, target: str, entry_id: str, tenant: str, body: bytes) -> Receipt:
        holder = next((n for n, one in enumerate(self._older) if _holds(one, target)), None)
        if holder is None:
            return self._newest.erase(target, entry_id, tenant, body).result()
        # What is logged already, as far as it came, is gone on with.
        if self._newest.get(entry_id) is None:
            self._tidy()
            erased_after.begin(self._folders[holder], target, entry_id, body)
        try:
            return self._newest.append(entry_id, tenant, body).result()
        finally:  # also where it is logged, and witnesses are missing
            if not self._tidy():
                self._tidy_later()

    def _tidy(self) -> bool:
        """Finish all erasures that are logged; whether nothing of them is left."""
        tidy = [erased_after.finish(one, self._is_logged) for one in self._folders]
        return all(tidy)  # each was tried

    def _is_logged(self, meant: erased_after.Meant) -> bool:
        return _is_logged([self._newest, *self._older], meant)

    def _tidy_later(self) -> None:
        if self._tidying is None:
            self._tidying = threading.Thread(target=self._tidy_on, name="tidying", daemon=True)
            self._tidying.start()

    def _tidy_on(self) -> None:
        """Until nobody reads an older state any more."""
        while not self._stop.wait(TIDY_S):
            try:
                if self._eraser.submit(self._tidy).result():
                    self._tidying = None
                    return
            except (LedgerError, RuntimeError):  # the next time, or the next opening, may do
                continue

    def is_tidy(self) -> bool:
        return self._tidying is None and self._newest.is_tidy()

    def repeats(self, text: bytes) -> None:
        self._newest.repeats(text)

    def refusal(self) -> str | None:
        return self._newest.refusal()

    def is_broken(self) -> bool:
        return self._newest.is_broken()

    def on_commit(self, told: Callable[[int], None]) -> None:
        self._newest.on_commit(told)

    def latest_checkpoint(self) -> str:
        return self._newest.latest_checkpoint()

    def get_at(self, index: int) -> StoredRecord | None:
        """Of the newest log alone: each counts from 0."""
        return self._newest.get_at(index)

    def get(self, entry_id: str, *, tenant: str | None = None) -> StoredRecord | None:
        found = self._newest.get(entry_id, tenant=tenant)
        for one in self._older if found is None else ():
            found = found or one.get(entry_id, tenant=tenant)
        return found

    def find_once(self, key: bytes, now: int) -> Once | None:
        found = self._newest.find_once(key, now)
        for one in self._older if found is None else ():
            found = found or one.find_once(key, now)
        return found

    def proof(self, entry_id: str) -> str | None:
        """Against the newest checkpoint of the log that has the entry."""
        found = self._newest.proof(entry_id)
        for one in self._older if found is None else ():
            found = found or one.proof(entry_id)
        return found

    def witnessed(self) -> str | None:
        return self._newest.witnessed()

    def close(self) -> None:
        self._stop.set()
        tidying = self._tidying
        self._eraser.shutdown()
        if tidying is not None:
            tidying.join()
        self._newest.close()
        for one in self._older:
            one.close()


def with_older(newest: OwnLedger, state: Path, over: Over | None = None) -> OwnLedger:
    """A ledger and those before it in a state folder; it is closed where these cannot be read.

    Args:
        over: Makes what is asked of a log that has ended, given its folder and key.

    Raises:
        LedgerError: One that has ended cannot be read.
    """
    opened: list[tuple[OwnLedger, Path]] = []
    try:
        for folder in shard_folders(state):
            key, ledger = _key(folder), folder / "ledger"
            # Who says why is in a later log, and these are open already.
            later = [newest, *(one for one, _ in opened)]
            erased_after.finish(ledger, partial(_is_logged, later))
            ended = open_ended(ledger, key)
            opened.append((ended if over is None else over(ended, ledger, key), ledger))
    except BaseException:
        Sharded(newest, opened).close()
        raise
    return Sharded(newest, opened) if opened else newest


def _holds(ledger: OwnLedger, entry_id: str) -> bool:
    try:
        return ledger.get(entry_id) is not None
    except ErasedEntryError:
        return True


def _is_logged(ledgers: Sequence[OwnLedger], meant: erased_after.Meant) -> bool:
    """Whether one of the ledgers has the very entry that is to say why."""
    for one in ledgers:
        found = one.get(meant.by_id)
        if found is not None:
            return meant.is_by(found.body)
    return False


def ended_tiles(state: Path, number: int) -> TileReader | None:
    """The log that ended as number `number`, as tiles; None where there is none."""
    folder = state / FOLDER / str(number)
    return TileReader.open(folder / "ledger") if folder in shard_folders(state) else None


def shard_folders(state: Path) -> list[Path]:
    """The folders of logs that have ended, the newest first."""
    folder = state / FOLDER
    if not folder.is_dir():
        return []
    numbers = [int(one.name) for one in folder.iterdir() if one.name.isdecimal()]
    return [folder / str(number) for number in sorted(numbers, reverse=True)]


def _key(folder: Path) -> CheckpointPublicKey:
    try:
        return CheckpointPublicKey.from_vkey((folder / VKEY).read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise LedgerError(f"{folder / VKEY} does not name the key of a log: {error}") from error
