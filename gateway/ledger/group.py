"""A commit group: which of its entries are new, salted and hashed, and what becomes of each."""

from collections.abc import Callable, Sequence

from gateway.errors import EntryConflictError, LedgerError
from gateway.ledger.entry import SALT_SIZE, commit, entry_leaf
from gateway.ledger.head import Receipt
from gateway.ledger.pending import Outcome, Pending
from gateway.ledger.storage import StoredRecord


class Fresh:
    """An entry that is being appended, with the attributes of a `StoredRecord`. Not a frozen
    dataclass: one is made for each decision, while others want the interpreter."""

    __slots__ = (
        "body", "commitment", "id", "index", "leaf_hash", "logged_at", "outcome", "salt", "tenant",
    )  # fmt: skip

    def __init__(
        self, index: int, entry_id: str, tenant: str, body: bytes, salt: bytes, logged_at: str
    ) -> None:
        self.index = index
        self.id = entry_id
        self.tenant = tenant
        self.body = body
        self.salt = salt
        self.logged_at = logged_at
        self.commitment = commit(salt, body)
        self.leaf_hash = entry_leaf(self.commitment)
        self.outcome: Receipt | None = None  # once it is on disk


_Place = tuple[list[Outcome], int, str, bytes, "Fresh | StoredRecord"]


class Group:
    """What of some appends is to be written: what has no outcome yet, and whose id is not known.

    Attributes:
        fresh: In the order of their indices.
        erased: By index of the entry that says why, the id of the one that is erased.
    """

    def __init__(
        self,
        pending: Sequence[Pending],
        known: dict[str, StoredRecord],
        *,
        size: int,
        random: Callable[[int], bytes],
        logged_at: str,
    ) -> None:
        """Args:
        known: Entries of the ledger, by their id.
        size: Of the tree before.
        logged_at: RFC 3339 in UTC.
        """
        self.fresh: list[Fresh] = []
        self.erased: dict[int, str] = {}
        self._places: list[_Place] = []
        salts = random(SALT_SIZE * sum(one.outcomes.count(None) for one in pending))
        made: dict[str, Fresh] = {}
        for one in pending:
            outcomes = one.outcomes
            for at, (entry_id, tenant, body) in enumerate(one.entries):
                if outcomes[at] is not None:
                    continue
                record = known.get(entry_id) or made.get(entry_id)
                if record is None:
                    number = len(self.fresh)
                    salt = salts[SALT_SIZE * number : SALT_SIZE * (number + 1)]
                    record = Fresh(size + number, entry_id, tenant, body, salt, logged_at)
                    made[entry_id] = record
                    self.fresh.append(record)
                    if one.erases is not None:
                        self.erased[record.index] = one.erases
                self._places.append((outcomes, at, tenant, body, record))

    def settle(self, known: Callable[[StoredRecord], Receipt]) -> None:
        """Give every entry its outcome, once what is fresh has one.

        Args:
            known: Gives the receipt of an entry that was logged before.
        """
        for outcomes, at, tenant, body, record in self._places:
            try:
                if isinstance(record, StoredRecord) and record.is_erased:
                    outcomes[at] = known(record)
                elif record.body != body or record.tenant != tenant:
                    raise EntryConflictError(entry_id=record.id, index=record.index)
                else:
                    outcomes[at] = record.outcome if isinstance(record, Fresh) else known(record)
            except LedgerError as error:
                outcomes[at] = error
