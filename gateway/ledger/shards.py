"""One log in the place of another: what is recorded goes into the newest, and what was recorded
before is found in those that have ended.

    shards/<n>/ledger/   shards/<n>/vkey
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

from gateway.errors import LedgerError
from gateway.keys import CheckpointPublicKey
from gateway.ledger.ended import open_ended
from gateway.ledger.erased import ErasureRefusedError
from gateway.ledger.head import Receipt
from gateway.ledger.interface import OwnLedger
from gateway.ledger.log import Log
from gateway.ledger.once import Once
from gateway.ledger.storage import StoredRecord
from gateway.ledger.tiles import TileReader

FOLDER = "shards"
VKEY = "vkey"
_STAYS = (
    "entry {!r} is in a log that has ended: nothing can be written there, not even that it was "
    "erased"
)
Over = Callable[[Log, Path, CheckpointPublicKey], OwnLedger]


class Sharded:
    """Keeps to `gateway.ledger.interface.OwnLedger`, and owns the ledgers below it."""

    def __init__(self, newest: OwnLedger, older: Sequence[OwnLedger]) -> None:
        self._newest = newest
        self._older = older

    @property
    def size(self) -> int:
        return self._newest.size

    def append(self, entry_id: str, tenant: str, body: bytes) -> "Future[Receipt]":
        return self._newest.append(entry_id, tenant, body)

    def append_all(
        self, entries: Sequence[tuple[str, str, bytes]], *, once: Once | None = None
    ) -> "list[Future[Receipt]]":
        return self._newest.append_all(entries, once=once)

    def erase(self, target: str, entry_id: str, tenant: str, body: bytes) -> "Future[Receipt]":
        """In the newest log alone."""
        if any(one.get(target) is not None for one in self._older):
            refused: Future[Receipt] = Future()
            refused.set_exception(ErasureRefusedError(_STAYS.format(target)))
            return refused
        return self._newest.erase(target, entry_id, tenant, body)

    def is_tidy(self) -> bool:
        return self._newest.is_tidy()

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
    opened: list[OwnLedger] = []
    try:
        for folder in shard_folders(state):
            key = _key(folder)
            ended = open_ended(folder / "ledger", key)
            opened.append(ended if over is None else over(ended, folder / "ledger", key))
    except BaseException:
        Sharded(newest, opened).close()
        raise
    return Sharded(newest, opened) if opened else newest


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
