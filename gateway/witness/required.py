"""A ledger that answers only with what a quorum of witnesses cosigned.

 1. An entry is appended and durable as ever; its answer is held back.
 2. One thread asks the witnesses for the newest checkpoint, on behalf of all that wait.
 3. With a quorum, each that is covered is answered with its proof against that checkpoint.
    Without one, all are refused: their entries stay in the log, and nobody was answered.

While there is no quorum nothing is appended, and the witnesses are asked again each second.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from gateway.errors import LedgerError, LedgerUnavailableError
from gateway.ledger.head import Receipt
from gateway.ledger.pending import Outcome, Pending
from gateway.witness.ledger import WitnessedLedger
from gateway.witness.newest import Cosigned
from gateway.witness.rebase import index_of

RETRY_S = 1.0
WAIT_S = 10.0
NO_QUORUM = "no quorum of witnesses cosigns the log at present"
_CLOSED = "the ledger is closed"

log = logging.getLogger("charter")


class Below(Pending):
    """The same as what was handed over, for the log below. `held` is told that it has ended there,
    or, with None, that nothing of it is to be held: nobody waits, or all of it is refused."""

    __slots__ = ("_held", "_upper")

    def __init__(self, upper: Pending, held: Callable[[Pending | None], None]) -> None:
        super().__init__(upper.entries, once=upper.once, erases=upper.erases)
        self.outcomes = upper.outcomes
        self._upper = upper
        self._held = held

    def start(self) -> bool:
        started = self._upper.start()
        if not started:
            self._held(None)
        # Some of it can be cancelled.
        self.entries, self.outcomes = self._upper.entries, self._upper.outcomes
        return started

    def tell(self) -> None:
        """Called in the thread of the log, and so quick."""
        self._upper.outcomes = self.outcomes
        if any(isinstance(one, Receipt) for one in self.outcomes):
            self._held(self._upper)
        else:
            self._upper.tell()
            self._held(None)


class RequiredLedger(WitnessedLedger):
    """As `WitnessedLedger`, and nothing leaves it that no quorum cosigned."""

    mode = "required"

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._changed = threading.Condition()
        self._held: list[Pending] = []
        self._open = 0  # appended, and neither held nor answered
        self._rounds = 0  # that have begun
        self._ended = 0  # the last one that has ended
        self._wanted = False
        self._closing = False
        self._refused: str | None = None

    # --- what is asked of a ledger ---------------------------------------------------

    def hand_over(self, pending: Sequence[Pending]) -> None:
        with self._changed:
            refused = _CLOSED if self._closing else self._refused
            self._open += 0 if refused else len(pending)
        if refused:
            for one in pending:
                if one.start():
                    one.end(LedgerUnavailableError(refused))
        else:
            self._log.hand_over([Below(one, self._count_one) for one in pending])

    def _count_one(self, held: Pending | None) -> None:
        with self._changed:
            self._open -= 1
            if held is not None:
                self._held.append(held)
            self._changed.notify_all()

    def refusal(self) -> str | None:
        return self._log.refusal() or self._refused

    def proof(self, entry_id: str) -> str | None:
        """As `Log.proof`, against a checkpoint that a quorum cosigned; it waits for one.

        Raises:
            LedgerUnavailableError: There is none that covers the entry.
        """
        text = self._log.proof(entry_id)
        if text is None:
            return None
        index = index_of(text)
        if not self._is_covered(index) and self._refused is None:
            self._wait_for_a_round()
        whole = self._newest.whole
        if whole is None or not self._is_covered(index):
            raise LedgerUnavailableError(NO_QUORUM)
        return self._rebase(text, whole)

    def _is_covered(self, index: int) -> bool:
        whole = self._newest.whole
        return whole is not None and index < whole.checkpoint.size

    def _wait_for_a_round(self) -> None:
        with self._changed:
            # One that has begun may be about a checkpoint from before.
            mine = self._rounds + 1
            self._wanted = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._ended >= mine or self._closing, WAIT_S)

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        super().close()

    def _is_late(self) -> bool:
        return self._refused is not None or super()._is_late()

    # --- the thread ------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._changed:
                timeout = RETRY_S if self._refused else self._interval_s
                self._changed.wait_for(self._has_work, timeout)
                held, self._held = self._held, []
                if self._closing and not held and not self._open:
                    return
                self._rounds += 1
                self._wanted = False
            self._serve(held)
            with self._changed:
                self._ended = self._rounds
                self._changed.notify_all()

    def _has_work(self) -> bool:
        done = self._closing and not self._open
        return bool(self._held) or self._wanted or done

    def _serve(self, held: list[Pending]) -> None:
        whole: Cosigned | None = None
        words = NO_QUORUM
        try:
            whole = self._round(only_enough=bool(held))
        except Exception:  # those who wait must be answered
            log.exception("the witnesses could not be asked")
        if self._refused is None and whole is None:
            log.error(words)
        elif self._refused is not None and whole is not None:
            log.warning("a quorum of witnesses cosigns the log again")
        self._refused = words if whole is None else None
        for one in held:
            one.outcomes = [self._covered(outcome, whole) for outcome in one.outcomes]
            one.tell()

    def _covered(self, outcome: Outcome, whole: Cosigned | None) -> Outcome:
        if not isinstance(outcome, Receipt):
            return outcome
        try:
            return self._cover(outcome, whole)
        except LedgerError as error:
            return error
        except Exception as error:  # nobody above could answer the caller
            refused = LedgerUnavailableError(f"unforeseen: {type(error).__name__}")
            refused.__cause__ = error
            return refused

    def _cover(self, receipt: Receipt, whole: Cosigned | None) -> Receipt:
        if whole is None or receipt.index >= whole.checkpoint.size:
            raise LedgerUnavailableError(NO_QUORUM)
        size = whole.checkpoint.size
        return replace(receipt, tree_size=size, proof_text=self._rebase(receipt.proof_text, whole))
