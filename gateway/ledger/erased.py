"""Erasure of a body: what is told of it, and why one is refused.

The body and its salt are overwritten; the commitment stays, so that the tree holds and the
place of the entry can still be shown. Why, and on whose word, is an entry of its own, which
is logged in the transaction that erases.
"""

from gateway.errors import LedgerError


class ErasedEntryError(LedgerError):
    """The body of the entry is erased. `erasure_id` is the entry that says why."""

    reason = "entry-erased"

    def __init__(self, *, entry_id: str, index: int, erasure_id: str) -> None:
        super().__init__(f"the body of entry {index} ({entry_id!r}) is erased; see {erasure_id!r}")
        self.entry_id = entry_id
        self.index = index
        self.erasure_id = erasure_id


class ErasureRefusedError(LedgerError):
    """The entry is not there, or says why another was erased. Nothing was appended."""

    reason = "erasure-refused"


class HeldEntryError(ErasureRefusedError):
    """The entry is held: it stays until that is released."""


class NothingToEraseError(ErasureRefusedError):
    """There is no such entry."""
