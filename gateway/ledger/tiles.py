"""The log as tiles (C2SP tlog-tiles): read beside the writer, or where there is none.

What is read is what a committed checkpoint covers, and nothing of it ever changes. Full tiles
are stored; those at the right edge are computed from what lies below them.
"""

import sqlite3
import threading
from functools import lru_cache
from pathlib import Path

from gateway.errors import LedgerError, LedgerUnavailableError
from gateway.ledger import storage
from gateway.ledger.entry import entry_bytes, entry_leaf
from gateway.ledger.merkle import HASH_SIZE, node_hash, tree_root
from gateway.ledger.tile_paths import TilePath
from gateway.ledger.tree import TILE_HEIGHT, TILE_WIDTH

_TILES_KEPT = 256
_ROOTS_KEPT = 4096


class TileMissingError(LedgerError):
    """No signed tree has this tile."""

    reason = "tile-missing"


class TileReader:
    """Reads one ledger over a connection of its own. Methods may be called from any thread.

    They raise `LedgerUnavailableError` where the disk does not answer, and `LedgerError` where
    the ledger is damaged.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._reading = threading.Lock()
        self._full = lru_cache(_TILES_KEPT)(self._full_from_disk)
        self._root_of = lru_cache(_ROOTS_KEPT)(self._root_of_full)

    @staticmethod
    def open(folder: Path) -> "TileReader":
        """A reader of the ledger in a folder, which the writer may have open.

        Raises:
            LedgerError: There is none, or it cannot be read.
        """
        path = (folder / storage.DATABASE).absolute()
        try:
            connection = sqlite3.connect(
                f"{path.as_uri()}?mode=ro",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                timeout=5,
            )
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger in {folder} cannot be opened: {error}") from error
        reader = TileReader(connection)
        try:
            reader.checkpoint()
        except LedgerError:
            reader.close()
            raise
        return reader

    def close(self) -> None:
        with self._reading:
            self._connection.close()

    def __enter__(self) -> "TileReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- what is published -----------------------------------------------------------

    def checkpoint(self) -> tuple[int, str]:
        """Size and note of the newest checkpoint that is on disk."""
        try:
            with self._reading:
                found = storage.latest_checkpoint(self._connection)
        except sqlite3.Error as error:
            raise _unreadable(error) from error
        if found is None:
            raise LedgerError("the ledger is damaged: it has no checkpoint")
        return found

    def read(self, path: TilePath) -> bytes:
        """The tile or bundle of a path.

        Raises:
            TileMissingError: No signed tree has it.
        """
        if path.level is None:
            return self.bundle(path.index, path.width)
        return self.hashes(path.level, path.index, path.width)

    def hashes(self, level: int, index: int, width: int = TILE_WIDTH) -> bytes:
        """The first `width` hashes of a tile; raises as `read`."""
        first = index * TILE_WIDTH
        count = self._size() >> (level * TILE_HEIGHT)
        if not 0 < width <= TILE_WIDTH or first + width > count:
            raise TileMissingError(f"no tree that was signed has {TilePath(level, index, width)}")
        if first + TILE_WIDTH <= count:
            return self._full(level, index)[: width * HASH_SIZE]
        if level == 0:
            return b"".join(map(entry_leaf, self._commitments(first, width)))
        return b"".join(self._root_of(level - 1, one) for one in range(first, first + width))

    def bundle(self, index: int, width: int = TILE_WIDTH) -> bytes:
        """The first `width` entries of a bundle, each after its length; raises as `read`."""
        first = index * TILE_WIDTH
        if not 0 < width <= TILE_WIDTH or first + width > self._size():
            raise TileMissingError(f"no tree that was signed has {TilePath(None, index, width)}")
        entries = map(entry_bytes, self._commitments(first, width))
        return b"".join(len(one).to_bytes(2, "big") + one for one in entries)

    # --- trees of any size -----------------------------------------------------------

    def node(self, level: int, index: int) -> bytes:
        """A complete node, as `gateway.ledger.merkle.Nodes`; raises as `read`."""
        tile_level, height = divmod(level, TILE_HEIGHT)
        first = index << height
        tile, at = divmod(first, TILE_WIDTH)
        end = at + (1 << height)
        return _top(self.hashes(tile_level, tile, end)[at * HASH_SIZE :])

    def root(self, size: int) -> bytes:
        """The root of the tree of a size; raises as `read` where no tree was so large."""
        if size > self._size():
            raise TileMissingError(f"no tree of {size} entries was signed")
        return tree_root(size, self.node)

    # --- the disk --------------------------------------------------------------------

    def _size(self) -> int:
        return self.checkpoint()[0]

    def _root_of_full(self, level: int, index: int) -> bytes:
        return _top(self._full(level, index))

    def _full_from_disk(self, level: int, index: int) -> bytes:
        try:
            with self._reading:
                return storage.read_tile(self._connection, level, index)
        except sqlite3.Error as error:
            raise _unreadable(error) from error

    def _commitments(self, first: int, count: int) -> list[bytes]:
        try:
            with self._reading:
                found = storage.read_commitments(self._connection, first, count)
        except sqlite3.Error as error:
            raise _unreadable(error) from error
        if len(found) != count:
            raise LedgerError(f"the ledger is damaged: an entry after {first} is missing")
        return found


def _unreadable(error: sqlite3.Error) -> LedgerUnavailableError:
    return LedgerUnavailableError(f"the ledger cannot be read: {error}")


def _top(hashes: bytes) -> bytes:
    """The node above a power of two of hashes."""
    while len(hashes) > HASH_SIZE:
        pairs = range(0, len(hashes), 2 * HASH_SIZE)
        hashes = b"".join(
            node_hash(hashes[at : at + HASH_SIZE], hashes[at + HASH_SIZE : at + 2 * HASH_SIZE])
            for at in pairs
        )
    return hashes
