"""An append on its way to the disk."""

from concurrent.futures import Future
from dataclasses import dataclass

from gateway.ledger.head import Receipt
from gateway.ledger.once import Once


@dataclass(frozen=True, slots=True)
class Pending:
    """An append that waits for its answer."""

    id: str
    tenant: str
    body: bytes
    answer: "Future[Receipt]"
    once: Once | None = None  # the same object in all that share it
    erases: str | None = None  # the id of the entry whose body goes with this one's commit
