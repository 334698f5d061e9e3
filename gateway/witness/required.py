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
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from gateway.errors import LedgerError, LedgerUnavailableError
from gateway.ledger.head import Receipt
from gateway.ledger.once import Once
from gateway.witness.ledger import WitnessedLedger
from gateway.witness.newest import Cosigned
from gateway.witness.rebase import index_of

RETRY_S = 1.0
WAIT_S = 10.0
NO_QUORUM = "no quorum of witnesses cosigns the log at present"
_CLOSED = "the ledger is closed"

log = logging.getLogger("charter")


@dataclass(frozen=True, slots=True)
class _Held:
    """A receipt that waits for a cosigned checkpoint, and whoever waits for it."""

    receipt: Receipt
    answer: "Future[Receipt]"


class RequiredLedger(WitnessedLedger):
    """As `WitnessedLedger`, and nothing leaves it that no quorum cosigned."""

    mode = "required"

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._changed = threading.Condition()
        self._held: list[_Held] = []
        self._open = 0  # appended, and neither held nor answered
        self._rounds = 0  # that have begun
        self._ended = 0  # the last one that has ended
        self._wanted = False
        self._closing = False
        self._refused: str | None = None

    # --- what is asked of a ledger ---------------------------------------------------

    def append_all(
        self, entries: Sequence[tuple[str, str, bytes]], *, once: Once | None = None
    ) -> "list[Future[Receipt]]":
        answers: list[Future[Receipt]] = [Future() for _ in entries]
        with self._changed:
            refused = _CLOSED if self._closing else self._refused
            self._open += 0 if refused else len(answers)
        if refused:
            for answer in answers:
                answer.set_exception(LedgerUnavailableError(refused))
            return answers
        for answer, below in zip(answers, self._log.append_all(entries, once=once), strict=True):
            self._tie(answer, below)
        return answers

    def _tie(self, answer: "Future[Receipt]", below: "Future[Receipt]") -> None:
        def appended(done: "Future[Receipt]") -> None:
            """Called in the thread of the log, and so quick."""
            if done.cancelled():
                self._count_one(None)
            elif error := done.exception():
                if answer.set_running_or_notify_cancel():
                    answer.set_exception(error)
                self._count_one(None)
            else:
                self._count_one(_Held(done.result(), answer))

        def cancelled(done: "Future[Receipt]") -> None:
            if done.cancelled():
                below.cancel()

        answer.add_done_callback(cancelled)
        below.add_done_callback(appended)

    def _count_one(self, held: _Held | None) -> None:
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

    def _serve(self, held: list[_Held]) -> None:
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
            _answer(one.answer, lambda one=one: self._cover(one.receipt, whole))

    def _cover(self, receipt: Receipt, whole: Cosigned | None) -> Receipt:
        if whole is None or receipt.index >= whole.checkpoint.size:
            raise LedgerUnavailableError(NO_QUORUM)
        size = whole.checkpoint.size
        return replace(receipt, tree_size=size, proof_text=self._rebase(receipt.proof_text, whole))


def _answer(answer: "Future[Receipt]", make: Callable[[], Receipt]) -> None:
    if not answer.set_running_or_notify_cancel():
        return
    try:
        answer.set_result(make())
    except LedgerError as error:
        answer.set_exception(error)
    except Exception as error:  # nobody above could answer the caller
        refused = LedgerUnavailableError(f"unforeseen: {type(error).__name__}")
        refused.__cause__ = error
        answer.set_exception(refused)
