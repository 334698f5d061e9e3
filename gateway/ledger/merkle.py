"""Merkle tree hashing and proofs of RFC 6962 section 2.1 (the same in RFC 9162): pure.

A node is named by (level, index): level 0 holds the leaves, and node (l, i) stands above
leaves i * 2^l up to (i + 1) * 2^l. It is complete once all of these exist, and then never
changes. Proofs are made from complete nodes alone, wherever these are kept.
"""

import hashlib
from collections.abc import Callable, Sequence

from gateway.errors import (
    ConsistencyPathError,
    ConsistencyProofError,
    ConsistencyRootError,
    ConsistencySizesError,
    InclusionPathEmptyError,
    InclusionPathError,
    InclusionProofError,
    InclusionRootError,
)

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

Nodes = Callable[[int, int], bytes]
"""Gives the hash of a complete node: `nodes(level, index)`."""


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


# --- making --------------------------------------------------------------------------


def right_edge(size: int, nodes: Nodes) -> list[bytes]:
    """Roots of the subtrees of each height at the right edge of a tree of `size` leaves.

    Element l is the root of the last `size mod 2^l` leaves, of no use where that is 0;
    the last element is the root of the whole tree.
    """
    edge: list[bytes] = []
    root = EMPTY_ROOT
    for level in range(size.bit_length()):
        edge.append(root)
        count = size >> level
        if count & 1:
            node = nodes(level, count - 1)
            root = node if root is EMPTY_ROOT else node_hash(node, root)
    edge.append(root)
    return edge


def tree_root(size: int, nodes: Nodes) -> bytes:
    return right_edge(size, nodes)[-1]


def inclusion_path(
    index: int, size: int, nodes: Nodes, edge: Sequence[bytes] | None = None
) -> list[bytes]:
    """The path of RFC 6962 section 2.1.1 for leaf `index` of a tree of `size` leaves.

    Args:
        edge: `right_edge(size, nodes)`, to make it once for many paths.
    """
    if not 0 <= index < size:
        raise InclusionProofError("no such entry", index=index, tree_size=size)
    return _siblings(0, index, size, nodes, right_edge(size, nodes) if edge is None else edge)


def consistency_path(old_size: int, new_size: int, nodes: Nodes) -> list[bytes]:
    """The path of RFC 6962 section 2.1.2 from a tree to a later one; empty for equal sizes."""
    if not 0 < old_size <= new_size:
        raise ConsistencyProofError("no such sizes", old_size=old_size, new_size=new_size)
    if old_size == new_size:
        return []
    level = _trailing_zeros(old_size)
    index = (old_size >> level) - 1
    # Where the old tree is one complete node, its root is known and the path leaves it out.
    start = [nodes(level, index)] if index else []
    return start + _siblings(level, index, new_size, nodes, right_edge(new_size, nodes))


def _siblings(
    level: int, index: int, size: int, nodes: Nodes, edge: Sequence[bytes]
) -> list[bytes]:
    path: list[bytes] = []
    last = (size - 1) >> level
    while last:
        sibling = index ^ 1
        # The last node of a level may be incomplete; beyond it there is none.
        if sibling < last or (sibling == last and (sibling + 1) << level <= size):
            path.append(nodes(level, sibling))
        elif sibling == last:
            path.append(edge[level])
        level, index, last = level + 1, index >> 1, last >> 1
    return path


def _trailing_zeros(number: int) -> int:
    return (number & -number).bit_length() - 1


# --- checking ------------------------------------------------------------------------


def verify_inclusion(
    *, index: int, tree_size: int, leaf: bytes, path: Sequence[bytes], root: bytes
) -> None:
    """Check that `leaf` is at `index` of the tree (RFC 9162 section 2.1.3.2).

    Raises:
        InclusionProofError: No such index, a path of another length, or another root.
    """
    if len(root) != HASH_SIZE:
        raise InclusionProofError("a hash has not 32 bytes", index=index, tree_size=tree_size)
    calculated = inclusion_root(index=index, tree_size=tree_size, leaf=leaf, path=path)
    if calculated != root:
        raise InclusionRootError(
            index=index, tree_size=tree_size, expected=root, calculated=calculated
        )


def inclusion_root(*, index: int, tree_size: int, leaf: bytes, path: Sequence[bytes]) -> bytes:
    """The root of the tree in which `leaf` is at `index`, where the path is right.

    Raises:
        InclusionProofError: No such index, or a path of another length.
    """
    if not 0 <= index < tree_size:
        raise InclusionProofError("no such entry", index=index, tree_size=tree_size)
    if any(len(node) != HASH_SIZE for node in (leaf, *path)):
        raise InclusionProofError("a hash has not 32 bytes", index=index, tree_size=tree_size)
    expected = _path_length(index, tree_size)
    if len(path) != expected:
        refused = InclusionPathError if path else InclusionPathEmptyError
        raise refused(index=index, tree_size=tree_size, expected=expected, found=len(path))
    last, here, calculated = tree_size - 1, index, leaf
    for sibling in path:
        if here & 1 or here == last:
            calculated = node_hash(sibling, calculated)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            calculated = node_hash(calculated, sibling)
        here, last = here >> 1, last >> 1
    return calculated


def _path_length(index: int, size: int) -> int:
    # Below the highest bit in which the leaf and the last leaf differ every level has a
    # sibling; above it only those where the leaf is under a right child.
    inner = (index ^ (size - 1)).bit_length()
    return inner + (index >> inner).bit_count()


def verify_consistency(
    *, old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Check that the newer tree extends the older one (RFC 9162 section 2.1.4.2).

    Size 0 is refused: everything extends the empty tree, so there is nothing to prove.

    Raises:
        ConsistencyProofError: Impossible sizes, a path of another length, or another root.
    """
    if len(new_root) != HASH_SIZE:
        raise ConsistencyProofError("a hash has not 32 bytes", old_size=old_size, new_size=new_size)
    new = consistency_root(old_size=old_size, new_size=new_size, old_root=old_root, path=path)
    if new != new_root:
        raise ConsistencyRootError(
            "new", old_size=old_size, new_size=new_size, expected=new_root, calculated=new
        )


def consistency_root(
    *, old_size: int, new_size: int, old_root: bytes, path: Sequence[bytes]
) -> bytes:
    """The root of the newer tree that extends the older one, where the path is right.

    Raises:
        ConsistencyProofError: As `verify_consistency`, but for the newer root.
    """
    sizes = {"old_size": old_size, "new_size": new_size}
    if not 0 < old_size <= new_size:
        raise ConsistencySizesError("no such sizes", **sizes)
    if any(len(node) != HASH_SIZE for node in (old_root, *path)):
        raise ConsistencyProofError("a hash has not 32 bytes", **sizes)
    level = _trailing_zeros(old_size)
    index, last = (old_size >> level) - 1, (new_size - 1) >> level
    # Where the old tree is one complete node, its root is known and the path leaves it out.
    nodes = list(path) if index else [old_root, *path]
    if old_size == new_size:
        nodes, index, last = [old_root, *path], 0, 0
    expected = 1 + _path_length(index, last + 1)
    if len(nodes) != expected:
        needed = len(path) + expected - len(nodes)
        raise ConsistencyPathError(f"expected {needed} hashes, found {len(path)}", **sizes)
    old, new = _roots(nodes, index, last)
    if old != old_root:
        raise ConsistencyRootError("old", **sizes, expected=old_root, calculated=old)
    return new


def _roots(nodes: Sequence[bytes], here: int, last: int) -> tuple[bytes, bytes]:
    """Roots of the old and the new tree from the last complete node of the old one up."""
    old = new = nodes[0]
    for sibling in nodes[1:]:
        if here & 1 or here == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        here, last = here >> 1, last >> 1
    return old, new
