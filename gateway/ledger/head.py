"""The head of the log: its tree at the last signed size, and proofs against it."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import (
    CheckpointMalformedError,
    CheckpointOriginError,
    CheckpointSignatureError,
    InclusionProofError,
    LedgerError,
)
from gateway.keys import CheckpointPublicKey, CheckpointSigner
from gateway.ledger import storage
from gateway.ledger.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from gateway.ledger.entry import SALT_SIZE, commit
from gateway.ledger.merkle import inclusion_path, right_edge, verify_inclusion
from gateway.ledger.proof import path_lines, proof_text
from gateway.ledger.storage import Placed, StoredRecord
from gateway.ledger.tree import TILE_WIDTH, GrowingTree, ReadTile, View


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an append is answered with: the entry is on disk, and this proves it.

    `tree_size` is the size of the checkpoint in `proof_text`, a C2SP tlog-proof@v1.
    """

    index: int
    tree_size: int
    leaf_hash: bytes
    proof_text: str
    logged_at: str


@dataclass(frozen=True, slots=True)
class Head:
    """The tree at one size with its signed checkpoint. `edge` is the `right_edge` of it."""

    view: View
    edge: tuple[bytes, ...]
    checkpoint: Checkpoint
    note: str

    @property
    def size(self) -> int:
        return self.view.size

    def receipts(self, records: Sequence[Placed], read_tile: ReadTile) -> list[Receipt]:
        """The receipts of entries of this tree, which follow one another and are one at least; of
        an erased one it shows the place alone."""
        first, size, note = records[0].index, self.size, self.note
        paths = path_lines(first, len(records), size, self.view.nodes(read_tile), self.edge)
        return [
            Receipt(
                r.index,
                size,
                r.leaf_hash,
                proof_text(r.salt, r.commitment, r.index, lines, note),
                r.logged_at,
            )
            for r, lines in zip(records, paths, strict=True)
        ]

    def checked_receipt(self, record: StoredRecord, read_tile: ReadTile) -> Receipt:
        """The receipt of an entry that was read from disk, and so may have changed there.

        Raises:
            LedgerError: The disk gave back something else than was logged.
        """
        check_record(record)
        path = inclusion_path(record.index, self.size, self.view.nodes(read_tile), self.edge)
        try:
            verify_inclusion(
                index=record.index,
                tree_size=self.size,
                leaf=record.leaf_hash,
                path=path,
                root=self.checkpoint.root,
            )
        except InclusionProofError as error:
            raise LedgerError(
                f"the ledger is damaged: entry {record.index} does not lead to the root that "
                f"was signed for size {self.size}; restore the ledger from a replica"
            ) from error
        return self.receipts([record], read_tile)[0]


def make_head(
    tree: GrowingTree, origin: str, read_tile: ReadTile, signer: CheckpointSigner
) -> Head:
    """Sign the tree as it is."""
    view = tree.view()
    edge = tuple(right_edge(view.size, view.nodes(read_tile)))
    checkpoint = Checkpoint(origin, view.size, edge[-1])
    return Head(view, edge, checkpoint, sign_checkpoint(checkpoint, signer))


def check_record(record: StoredRecord) -> None:
    """Check an entry that was read from disk; of an erased one there is nothing to check.

    Raises:
        LedgerError: Its body or salt is not what was logged.
    """
    if record.is_erased:
        return
    if len(record.salt) == SALT_SIZE and commit(record.salt, record.body) == record.commitment:
        return
    raise LedgerError(
        f"the ledger is damaged: entry {record.index} is not what was logged; "
        "restore the ledger from a replica"
    )


def restore_head(
    connection: sqlite3.Connection,
    origin: str,
    key: CheckpointPublicKey,
    earlier: Sequence[CheckpointPublicKey] = (),
) -> tuple[GrowingTree, Head]:
    """Rebuild the right edge from disk and compare it with the last checkpoint, which may be
    signed by a key that the log had `earlier`.

    Raises:
        LedgerError: There is no checkpoint, it is not signed by `key`, it is not of the
            entries there are, or an entry at the right edge is not what was logged.
    """

    def read_tile(level: int, index: int) -> bytes:
        return storage.read_tile(connection, level, index)

    size = storage.count_records(connection)
    stored = storage.latest_checkpoint(connection)
    if stored is None:
        raise LedgerError(f"the ledger is damaged: {size} entries and no checkpoint")
    note = stored[1]
    try:
        checkpoint = verify_checkpoint(note.encode(), key, origin=origin, earlier=earlier)
    except (CheckpointMalformedError, CheckpointOriginError, CheckpointSignatureError) as error:
        raise LedgerError(f"the last checkpoint of the ledger is refused: {error}") from error
    if not checkpoint.size == stored[0] == size:
        raise LedgerError(
            f"the ledger is damaged: {size} entries, and the last checkpoint is of "
            f"{checkpoint.size}; restore the ledger from a replica"
        )
    first = size - size % TILE_WIDTH
    records = storage.read_records(connection, "idx >= ?", [first])
    if [record.index for record in records] != list(range(first, size)):
        raise LedgerError(
            f"the ledger is damaged: an entry after {first} is missing; "
            "restore the ledger from a replica"
        )
    for record in records:
        check_record(record)
    tree = GrowingTree.restore(size, read_tile, [record.leaf_hash for record in records])
    view = tree.view()
    edge = tuple(right_edge(size, view.nodes(read_tile)))
    if edge[-1] != checkpoint.root:
        raise LedgerError(
            f"the ledger is damaged: its {size} entries have root {edge[-1].hex()}, and root "
            f"{checkpoint.root.hex()} was signed; restore the ledger from a replica"
        )
    return tree, Head(view, edge, checkpoint, note)
