"""The tree of a ledger as it is stored: its nodes, roots and proofs, without its gateway."""

from gateway.keeping.snapshot import Snapshot
from gateway.ledger.merkle import Nodes, tree_root
from gateway.ledger.tree import TILE_WIDTH, GrowingTree


def nodes_of(snapshot: Snapshot) -> Nodes:
    """All complete nodes, from stored tiles and the leaves behind the last of them.

    Raises:
        LedgerError: A tile is missing, now or when a node is asked for.
    """
    first = snapshot.size - snapshot.size % TILE_WIDTH
    last = [record.leaf_hash for record in snapshot.records(first, snapshot.size)]
    tree = GrowingTree.restore(snapshot.size, snapshot.tile, last)
    return tree.view().nodes(snapshot.tile)


def root_at(snapshot: Snapshot, size: int) -> bytes:
    """The root over the first `size` entries."""
    return tree_root(size, nodes_of(snapshot))
