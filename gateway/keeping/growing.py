"""A tree recomputed leaf by leaf, in memory that does not grow with it.

What is kept is one hash for each level (the right edge) and the tile of each tile level that
is not full yet. RFC 6962 section 2.1; tiles as of C2SP tlog-tiles.
"""

from collections.abc import Callable

from gateway.ledger.merkle import EMPTY_ROOT, node_hash
from gateway.ledger.tree import TILE_HEIGHT, TILE_WIDTH, GrowingTree, ReadTile

FullTile = Callable[[int, int, bytes], None]
"""Told of each tile that becomes full: tile level, index, its 256 hashes."""


class Recomputed:
    """The tree of the leaves that were added."""

    def __init__(self, full: FullTile) -> None:
        self.size = 0
        self._full = full
        self._edge: list[tuple[int, bytes]] = []
        self._tiles: list[list[bytes]] = []

    @staticmethod
    def resume(size: int, read_tile: ReadTile, full: FullTile) -> "Recomputed":
        """The tree at a multiple of 256 leaves, taken from stored tiles and believed: whether
        they were right shows in the next signed root.

        Raises:
            LedgerError: A tile is missing.
        """
        tree = Recomputed(full)
        nodes = GrowingTree.restore(size, read_tile, []).view().nodes(read_tile)
        tree.size = size
        for level in reversed(range(size.bit_length())):
            count = size >> level
            if count & 1:
                tree._edge.append((level, nodes(level, count - 1)))
        count, tile_level = size, 0
        while count:
            level = tile_level * TILE_HEIGHT
            begun = range(count - count % TILE_WIDTH, count)
            tree._tiles.append([nodes(level, index) for index in begun])
            count //= TILE_WIDTH
            tile_level += 1
        return tree

    def add(self, leaf: bytes) -> None:
        edge, level, node = self._edge, 0, leaf
        self._put(0, node)
        while edge and edge[-1][0] == level:
            node = node_hash(edge.pop()[1], node)
            level += 1
            if not level % TILE_HEIGHT:
                self._put(level // TILE_HEIGHT, node)
        edge.append((level, node))
        self.size += 1

    def root(self) -> bytes:
        """The root of the leaves so far."""
        root = EMPTY_ROOT
        for _, node in reversed(self._edge):
            root = node if root is EMPTY_ROOT else node_hash(node, root)
        return root

    def _put(self, tile_level: int, node: bytes) -> None:
        if tile_level == len(self._tiles):
            self._tiles.append([])
        hashes = self._tiles[tile_level]
        hashes.append(node)
        if len(hashes) == TILE_WIDTH:
            # The leaf under way is counted only afterwards.
            index = self.size >> (TILE_HEIGHT * (tile_level + 1))
            self._full(tile_level, index, b"".join(hashes))
            hashes.clear()
