"""The tree of a growing log: full tiles on disk, the right edge in memory.

A tile holds 256 hashes of one level and stands for 8 tree levels (C2SP tlog-tiles). The
nodes under the last tile of each tile level stay in memory, so an append costs one hash
or two and a fresh entry's proof costs none. Everything further left is read from tiles.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.ledger.merkle import HASH_SIZE, Nodes, node_hash

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT

ReadTile = Callable[[int, int], bytes]
"""Gives the hashes of a full tile: `read_tile(tile_level, index)`."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A full tile: `hashes` are those of nodes `256 * index` and on of tree level
    `8 * level`."""

    level: int
    index: int
    hashes: bytes


@dataclass(frozen=True, slots=True)
class _Level:
    """The last nodes of one tree level; the first of them is node `start`."""

    start: int
    hashes: list[bytes]


@dataclass(frozen=True, slots=True)
class View:
    """The tree at one size. It stays true while the log grows: the lists below it are
    only ever appended to, or cut back to a size that is not below this one."""

    size: int
    _levels: tuple[_Level, ...]

    def nodes(self, read_tile: ReadTile) -> Nodes:
        """Access to all complete nodes of this size."""

        def node(level: int, index: int) -> bytes:
            kept = self._levels[level]
            if index >= kept.start:
                return kept.hashes[index - kept.start]
            tile_level, height = divmod(level, TILE_HEIGHT)
            per_tile = TILE_HEIGHT - height
            tile = read_tile(tile_level, index >> per_tile)
            width = HASH_SIZE << height
            first = (index & ((1 << per_tile) - 1)) * width
            return _root(_split(tile[first : first + width]))

        return node


class GrowingTree:
    """The right edge of a tree, for the one who appends."""

    def __init__(self, size: int, levels: list[_Level]) -> None:
        self.size = size
        self._levels = levels
        self._forgotten = size // TILE_WIDTH  # full tiles of the lowest level before the edge

    @staticmethod
    def restore(size: int, read_tile: ReadTile, last_leaves: Sequence[bytes]) -> "GrowingTree":
        """The right edge of a stored tree. Reads at most 255 tiles of each tile level.

        Args:
            last_leaves: The leaf hashes behind the last full tile of level 0.
        """
        levels: list[_Level] = []
        hashes = list(last_leaves)
        count, tile_level = size, 0
        while count or not levels:
            first = count - count % TILE_WIDTH
            levels += _levels_above(first, hashes)
            count //= TILE_WIDTH
            above = range(count - count % TILE_WIDTH, count)
            hashes = [_root(_split(read_tile(tile_level, index))) for index in above]
            tile_level += 1
        return GrowingTree(size, levels)

    def view(self) -> View:
        return View(self.size, tuple(self._levels))

    def append(self, leaf: bytes) -> list[Tile]:
        """Add a leaf hash; the tiles that it fills, from the lowest level up."""
        full: list[Tile] = []
        level, index, node = 0, self.size, leaf
        while True:
            if level == len(self._levels):
                self._levels += [_Level(0, []) for _ in range(TILE_HEIGHT)]
            hashes = self._levels[level].hashes
            hashes.append(node)
            if level % TILE_HEIGHT == 0 and (index + 1) % TILE_WIDTH == 0:
                tile = b"".join(hashes[-TILE_WIDTH:])
                full.append(Tile(level // TILE_HEIGHT, index // TILE_WIDTH, tile))
            if not index & 1:
                break
            node = node_hash(hashes[-2], node)
            level, index = level + 1, index >> 1
        self.size += 1
        return full

    def forget_full_tiles(self) -> None:
        """Drop what is read from stored tiles now. Views keep what they had."""
        tiles = self.size // TILE_WIDTH
        if tiles == self._forgotten:
            return  # no tile has been filled since
        self._forgotten = tiles
        for level, kept in enumerate(self._levels):
            tile_level, height = divmod(level, TILE_HEIGHT)
            count = self.size >> (tile_level * TILE_HEIGHT)
            start = (count - count % TILE_WIDTH) >> height
            if start > kept.start:
                self._levels[level] = _Level(start, kept.hashes[start - kept.start :])

    def cut_back(self, size: int) -> None:
        """Undo the appends beyond `size`, which must not lie before forgotten tiles."""
        for level, kept in enumerate(self._levels):
            del kept.hashes[(size >> level) - kept.start :]
        self.size = size


def _levels_above(first: int, hashes: list[bytes]) -> list[_Level]:
    """The eight levels of one tile that begins at node `first`, as far as complete."""
    levels: list[_Level] = []
    for height in range(TILE_HEIGHT):
        levels.append(_Level(first >> height, hashes))
        hashes = _pair(hashes)
    return levels


def _pair(hashes: Sequence[bytes]) -> list[bytes]:
    return [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes) - 1, 2)]


def _root(hashes: list[bytes]) -> bytes:
    """The node above a power of two of hashes."""
    while len(hashes) > 1:
        hashes = _pair(hashes)
    return hashes[0]


def _split(tile: bytes) -> list[bytes]:
    return [tile[i : i + HASH_SIZE] for i in range(0, len(tile), HASH_SIZE)]
