"""Check a whole log from a folder in the layout of C2SP tlog-tiles.

Needs `checkpoint` and the entry bundles, `tile/entries/<N>[.p/<W>]`; the root is computed from
the entries themselves, and tiles of level 0 that lie beside them must agree. Entries are read
one bundle at a time; what is kept of them is one hash for each level of the tree.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.ledger.checkpoint import Checkpoint
from gateway.ledger.merkle import EMPTY_ROOT, HASH_SIZE, leaf_hash, node_hash
from gateway.ledger.note import MAX_NOTE
from gateway.ledger.tile_paths import TILE_WIDTH, tile_name
from gateway.verify.checkpoints import read_checkpoint
from gateway.verify.refused import EntriesError, EntriesMissingError
from gateway.verify.trust import Trust

_MAX_BUNDLE = TILE_WIDTH * (2 + 0xFFFF)


@dataclass(frozen=True, slots=True)
class VerifiedLog:
    """A log whose every entry is the one that its checkpoint signs."""

    checkpoint: Checkpoint
    tiles: int


def verify_log(folder: Path, trust: Trust) -> VerifiedLog:
    """Recompute a log.

    Raises:
        LedgerError: The checkpoint does not hold, or signs another tree.
        EntriesMissingError: A bundle of entries is not there, or cannot be read.
    """
    checkpoint = read_checkpoint(_read(folder / "checkpoint", MAX_NOTE), trust)
    edge: list[tuple[int, bytes]] = []
    tiles = 0
    for number, width in _widths(checkpoint.size):
        leaves = [leaf_hash(one) for one in _entries(folder, number, width)]
        tiles += _check_tile(folder, number, width, leaves)
        for leaf in leaves:
            _add(edge, leaf)
    root = EMPTY_ROOT
    for _, node in reversed(edge):
        root = node if root is EMPTY_ROOT else node_hash(node, root)
    if root != checkpoint.root:
        raise EntriesError(
            f"the entries give root {root.hex()}, the checkpoint of {checkpoint.size} signs "
            f"{checkpoint.root.hex()}"
        )
    return VerifiedLog(checkpoint, tiles)


def _widths(size: int) -> Iterator[tuple[int, int]]:
    full, rest = divmod(size, TILE_WIDTH)
    yield from ((number, TILE_WIDTH) for number in range(full))
    if rest:
        yield full, rest


def _entries(folder: Path, number: int, width: int) -> Iterator[bytes]:
    """Each entry after its length in two bytes, big endian."""
    name = tile_name(number, width)
    data = _read(folder / "tile" / "entries" / name, _MAX_BUNDLE)
    at = 0
    for _ in range(width):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or end > len(data):
            raise EntriesError(f"the bundle {name} ends before its last entry")
        yield data[at + 2 : end]
        at = end
    if at != len(data):
        raise EntriesError(f"the bundle {name} goes on after its last entry")


def _check_tile(folder: Path, number: int, width: int, leaves: list[bytes]) -> int:
    name = tile_name(number, width)
    place = folder / "tile" / "0" / name
    if not place.exists():
        return 0
    if _read(place, TILE_WIDTH * HASH_SIZE) != b"".join(leaves):
        raise EntriesError(f"the tile 0/{name} is not that of its entries")
    return 1


def _add(edge: list[tuple[int, bytes]], leaf: bytes) -> None:
    """Put a leaf at the right edge: the roots of complete subtrees, the largest first."""
    level, node = 0, leaf
    while edge and edge[-1][0] == level:
        node = node_hash(edge.pop()[1], node)
        level += 1
    edge.append((level, node))


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise EntriesMissingError(f"{path}: {error.strerror}") from error
    if len(data) > limit:
        raise EntriesError(f"{path} is longer than {limit} bytes")
    return data
