"""The guard against forks: a log is not signed on behind what was seen of it.

An honest restore of a backup is what would fork a log: it has fewer entries than were signed,
and the next decision would take a number that another has. So before anything is appended,
the ledger is compared with the newest checkpoint that was kept apart from it, and with those
that others have seen. While the log grows, the file is written every few seconds and at the
end, not for every entry: what is younger only others can know.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.errors import CheckpointMalformedError, LedgerError
from gateway.keys import CheckpointPublicKey
from gateway.ledger.checkpoint import Checkpoint
from gateway.ledger.seen import Seen, SeenFile

INTERVAL_S = 5.0

RootAt = Callable[[int], bytes]
"""Gives the root of the tree at a size that the ledger has."""

log = logging.getLogger("charter")


class LedgerBehindError(LedgerError):
    """More of this log was seen than is in the ledger: `seen`, if it is known."""

    reason = "ledger-behind"

    def __init__(self, words: str, seen: Seen | None = None) -> None:
        super().__init__(words)
        self.seen = seen


class LedgerEndUnknownError(LedgerBehindError):
    """The ledger was restored from a backup, and nothing seen of its log is as new as it."""


class LedgerForkedError(LedgerError):
    """Another history of this log was seen than is in the ledger: `seen`."""

    reason = "ledger-forked"

    def __init__(self, words: str, seen: Seen) -> None:
        super().__init__(words)
        self.seen = seen


class LedgerEndedError(LedgerError):
    """The log has ended; another has taken its place."""

    reason = "ledger-ended"


class Guard:
    """Watches over one open ledger.

    Args:
        file: Where what was seen is kept.
        seen: What others have seen: where it comes from, and a signed checkpoint.
        restored: A file that is there since the ledger was restored from a backup; it goes
            once something shows that nothing is missing.
    """

    def __init__(
        self,
        file: Path,
        *,
        seen: Sequence[tuple[str, bytes]] = (),
        restored: Path | None = None,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._file = SeenFile(file)
        self._seen = seen
        self._restored = restored
        self._interval_s = interval_s
        self._keys: Sequence[CheckpointPublicKey] = ()
        self._newest: Callable[[], str] = str
        self._written = ""
        self._said = ""
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    # --- at the start ----------------------------------------------------------------

    def check(self, now: Checkpoint, root_at: RootAt, keys: Sequence[CheckpointPublicKey]) -> None:
        """Compare the ledger as it is with all that was seen of its log.

        Args:
            keys: Those that sign, or have signed, its checkpoints.

        Raises:
            LedgerBehindError, LedgerForkedError, LedgerEndedError: It must not grow.
            LedgerEndUnknownError: The same, for want of anything that says it may.
            LedgerError: Something that was named as a checkpoint of this log is none.
        """
        self._keys = keys
        ours = [one for one in self._file.read() if one.is_akin(now.origin, keys)]
        for one in ours:
            if not one.is_of(now.origin, keys):
                raise _of_later_key(self._file.path, one)
        known = [(str(self._file.path), one) for one in ours]
        known += [(name, self._named(name, data, now.origin)) for name, data in self._seen]
        # The largest first: it says most of what is missing.
        for name, one in sorted(known, key=lambda one: -one[1].checkpoint.size):
            _compare(name, one, now, root_at)
        if self._restored is not None and self._restored.exists():
            # A smaller one was there before the backup, and says nothing of what came after it.
            newest = max((one.checkpoint.size for _, one in known), default=-1)
            if newest < now.size:
                raise _end_unknown(now, newest)
            self._restored.unlink(missing_ok=True)

    def _named(self, name: str, data: bytes, origin: str) -> Seen:
        try:
            found = Seen.of(data.decode())
        except (UnicodeDecodeError, CheckpointMalformedError) as error:
            raise LedgerError(f"{name}: this is no checkpoint: {error}") from error
        if not found.is_of(origin, self._keys):
            raise LedgerError(
                f"{name}: this is no checkpoint of the log {origin!r} signed by its key; it "
                "cannot say how far the log has come"
            )
        return found

    # --- while the log grows ---------------------------------------------------------

    def keep(self, newest: Callable[[], str]) -> None:
        """Keep what is signed from now on, in a thread, until `close`.

        Args:
            newest: The newest signed checkpoint.

        Raises:
            LedgerError: It cannot be written.
        """
        self._newest = newest
        self._write()
        self._thread = threading.Thread(target=self._run, name="ledger-guard", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Keep the last one, once nothing is signed any more."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()
            self._try()

    def _run(self) -> None:
        while not self._end.wait(self._interval_s):
            self._try()

    def _try(self) -> None:
        """Nobody waits for this: a decision is no less durable without it."""
        words = ""
        try:
            self._write()
        except LedgerError as error:
            words = str(error)
        if words and words != self._said:
            log.error("what was seen of the log is not kept: %s", words)
        self._said = words

    def _write(self) -> None:
        note = self._newest()
        if note != self._written:
            self._file.write(Seen.of(note), self._keys)
            self._written = note


def _of_later_key(path: Path, seen: Seen) -> LedgerBehindError:
    return LedgerBehindError(
        f"{path} shows that {seen.checkpoint.size} entries of this log were signed by a key that "
        "trust.json does not name: an older copy was put back, from before the key of the log "
        "was replaced. Put the newest back, with its keys and its trust.json"
    )


def _end_unknown(now: Checkpoint, newest: int) -> LedgerEndUnknownError:
    known = f"no more than {newest} entries are known" if newest >= 0 else "nothing is known"
    return LedgerEndUnknownError(
        f"this ledger was restored from a backup with {now.size} entries, and {known} of its log "
        "from elsewhere, so nobody says what came after: name the newest checkpoint that anybody "
        "has by --seen, or end this log and begin another with `charter ledger shard --lost`"
    )


def _compare(name: str, seen: Seen, now: Checkpoint, root_at: RootAt) -> None:
    tree = seen.checkpoint
    if tree.size > now.size:
        raise LedgerBehindError(
            f"the ledger has {now.size} entries, and {name} shows that {tree.size} were signed: "
            "an older copy was put back. Put the newest back, or end this log where it was and "
            "begin another with `charter ledger shard`",
            seen,
        )
    if root_at(tree.size) != tree.root:
        raise LedgerForkedError(
            f"the first {tree.size} entries of the ledger are not those that {name} shows to have "
            "been signed: this is another history of the log. Find the ledger that it is of, or "
            "begin another log with `charter ledger shard`",
            seen,
        )
    if seen.ended:
        raise LedgerEndedError(
            f"the log {now.origin!r} has ended with {tree.size} entries, as {name} says: nothing "
            "is appended to it any more"
        )
