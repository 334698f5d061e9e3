"""A ledger that only takes, for what hands over to one."""

from collections.abc import Sequence

from gateway.errors import LedgerError
from gateway.ledger.head import Receipt
from gateway.ledger.pending import Pending


def receipt(index: int) -> Receipt:
    return Receipt(index, index + 1, b"", "", "")


class Queue:
    """Takes appends in the place of a ledger, and answers those that it is told to."""

    def __init__(self, error: Exception | None = None, eager: int = 1_000) -> None:
        self.eager = eager
        self.taken: list[Pending] = []
        self.handed: list[int] = []
        self._error = error

    def hand_over(self, pending: Sequence[Pending]) -> None:
        if self._error is not None:
            raise self._error
        self.handed.append(len(pending))
        self.taken += pending

    @property
    def ids(self) -> list[list[str]]:
        return [[entry[0] for entry in one.entries] for one in self.taken]


def answer(pending: Pending, *outcomes: Receipt | LedgerError) -> None:
    """What a writer does."""
    assert pending.start()
    pending.outcomes = list(outcomes)
    pending.tell()
