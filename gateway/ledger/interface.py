"""What a gateway needs of a ledger, wherever it is: in this process or in another."""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Protocol

from gateway.ledger.head import Receipt
from gateway.ledger.once import Once
from gateway.ledger.pending import Pending
from gateway.ledger.storage import StoredRecord


class Ledger(Protocol):
    """`gateway.ledger.log.Log` keeps to it, and `gateway.workers.client.LedgerClient`."""

    @property
    def size(self) -> int:
        """The number of entries, as far as is known here."""
        ...

    @property
    def eager(self) -> int:
        """How many entries an event loop hands over before the turn ends that logs them."""
        ...

    def append(self, entry_id: str, tenant: str, body: bytes) -> "Future[Receipt]":
        """As `Log.append`."""
        ...

    def append_all(
        self, entries: Sequence[tuple[str, str, bytes]], *, once: Once | None = None
    ) -> "list[Future[Receipt]]":
        """As `Log.append_all`."""
        ...

    def hand_over(self, pending: Sequence[Pending]) -> None:
        """As `Log.hand_over`."""
        ...

    def erase(self, target: str, entry_id: str, tenant: str, body: bytes) -> "Future[Receipt]":
        """As `Log.erase`."""
        ...

    def is_tidy(self) -> bool:
        """As `Log.is_tidy`; it may block."""
        ...

    def repeats(self, text: bytes) -> None:
        """As `Log.repeats`; it never waits."""
        ...

    def refusal(self) -> str | None:
        """Why the next append will fail, as far as is known; None where it should not."""
        ...

    def on_commit(self, told: Callable[[int], None]) -> None:
        """Have somebody told how many entries each commit makes durable."""
        ...

    def latest_checkpoint(self) -> str:
        """The latest signed checkpoint. It may block, as all that follow may."""
        ...

    def get(self, entry_id: str, *, tenant: str | None = None) -> StoredRecord | None:
        """As `Log.get`."""
        ...

    def get_at(self, index: int) -> StoredRecord | None:
        """As `Log.get_at`."""
        ...

    def find_once(self, key: bytes, now: int) -> Once | None:
        """As `Log.find_once`."""
        ...

    def proof(self, entry_id: str) -> str | None:
        """As `Log.proof`."""
        ...

    def witnessed(self) -> str | None:
        """How far witnesses have cosigned it, as JSON; None where nobody is asked to."""
        ...

    def close(self) -> None:
        """Finish what is queued, then close. Later appends are refused."""
        ...


class OwnLedger(Ledger, Protocol):
    """A ledger of this process."""

    def write_in(self, loop: AbstractEventLoop | None) -> None:
        """As `Log.write_in`."""
        ...

    def is_broken(self) -> bool:
        """As `Log.is_broken`."""
        ...
