"""A ledger whose checkpoints witnesses cosign in the background.

Later proofs are made against the newest checkpoint that a quorum of the policy cosigned, as
far as that covers the entry. Nobody waits for a witness; `gateway.witness.required` is for
those who do.
"""

import json
import logging
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from time import monotonic
from typing import Protocol

from gateway.ledger.head import Receipt
from gateway.ledger.interface import OwnLedger
from gateway.ledger.once import Once
from gateway.ledger.pending import Pending, promise
from gateway.ledger.storage import StoredRecord
from gateway.witness.collect import Collector
from gateway.witness.kept import Kept
from gateway.witness.newest import Cosigned, Newest, say
from gateway.witness.rebase import index_of, rebase

INTERVALS_LATE = 3

log = logging.getLogger("charter")


class Grown(OwnLedger, Protocol):
    """A ledger that can show how it has grown: `gateway.ledger.log.Log`."""

    def consistency(self, old_size: int, new_size: int) -> list[bytes]: ...

    def inclusion(self, index: int, size: int) -> list[bytes]: ...


class WitnessedLedger:
    """Keeps to `gateway.ledger.interface.Ledger`, and owns the ledger below it."""

    mode = "background"

    def __init__(
        self,
        below: Grown,
        collector: Collector,
        newest: Newest,
        kept: Kept,
        *,
        interval_s: float,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._log = below
        self._collector = collector
        self._newest = newest
        self._kept = kept
        self._interval_s = interval_s
        self._clock = clock
        self._stop = threading.Event()
        self._late_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="witnessing", daemon=True)

    def start(self) -> None:
        """Begin to ask the witnesses."""
        self._thread.start()

    # --- what is asked of a ledger ---------------------------------------------------

    @property
    def size(self) -> int:
        return self._log.size

    @property
    def eager(self) -> int:
        return self._log.eager

    def write_in(self, loop: AbstractEventLoop | None) -> None:
        self._log.write_in(loop)

    def append(self, entry_id: str, tenant: str, body: bytes) -> "Future[Receipt]":
        return self.append_all([(entry_id, tenant, body)])[0]

    def append_all(
        self, entries: Sequence[tuple[str, str, bytes]], *, once: Once | None = None
    ) -> "list[Future[Receipt]]":
        return promise(self.hand_over, entries, once=once)

    def hand_over(self, pending: Sequence[Pending]) -> None:
        self._log.hand_over(pending)

    def erase(self, target: str, entry_id: str, tenant: str, body: bytes) -> "Future[Receipt]":
        return self._log.erase(target, entry_id, tenant, body)

    def is_tidy(self) -> bool:
        return self._log.is_tidy()

    def repeats(self, text: bytes) -> None:
        self._log.repeats(text)

    def refusal(self) -> str | None:
        return self._log.refusal()

    def is_broken(self) -> bool:
        return self._log.is_broken()

    def on_commit(self, told: Callable[[int], None]) -> None:
        self._log.on_commit(told)

    def latest_checkpoint(self) -> str:
        """The newest one; with cosignatures where it is the one that is cosigned."""
        note = self._log.latest_checkpoint()
        cosigned = self._newest.of_note(note)
        return note if cosigned is None else cosigned.note

    def get(self, entry_id: str, *, tenant: str | None = None) -> StoredRecord | None:
        return self._log.get(entry_id, tenant=tenant)

    def get_at(self, index: int) -> StoredRecord | None:
        return self._log.get_at(index)

    def find_once(self, key: bytes, now: int) -> Once | None:
        return self._log.find_once(key, now)

    def proof(self, entry_id: str) -> str | None:
        """As `Log.proof`, against the newest cosigned checkpoint that covers the entry."""
        text = self._log.proof(entry_id)
        cosigned = None if text is None else self._newest.covering(index_of(text))
        if text is None or cosigned is None:
            return text
        return self._rebase(text, cosigned)

    def witnessed(self) -> str | None:
        """How far the log is cosigned, and which witnesses fail: JSON."""
        said = say(
            self.mode,
            self._newest,
            self._collector.failures,
            size=self._log.size,
            is_late=self._is_late(),
            clock=self._clock,
        )
        return json.dumps(said)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._collector.close()
        self._log.close()

    # --- asking the witnesses --------------------------------------------------------

    def _rebase(self, text: str, cosigned: Cosigned) -> str:
        return rebase(text, cosigned.checkpoint, cosigned.note, self._log.inclusion)

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            try:
                self._round()
            except Exception:  # the next round may go well, and nobody else would be told
                log.exception("the witnesses could not be asked")

    def _round(self, *, only_enough: bool = False) -> Cosigned | None:
        """Ask for what is missing of the newest checkpoint; it, where it has a quorum."""
        note = self._log.latest_checkpoint()
        known = self._newest.of_note(note)
        have = None if known is None else known.collected.lines
        collected = self._collector.collect(note, have, only_enough=only_enough)
        whole = self._newest.take(collected)
        if whole is None:
            self._late_since = self._late_since or monotonic()
        else:
            self._late_since = None
            if whole is not known and (known is None or whole.note != known.note):
                self._write(whole)
        return whole

    def _is_late(self) -> bool:
        since = self._late_since
        return since is not None and monotonic() - since > INTERVALS_LATE * self._interval_s

    def _write(self, cosigned: Cosigned) -> None:
        try:
            self._kept.write(cosigned.note)
        except OSError as error:  # it would be collected again after a start
            log.warning("the cosigned checkpoint is not kept: %s", error.strerror)
